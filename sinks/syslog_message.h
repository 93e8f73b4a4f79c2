/*
 * syslog_message.h - a record, or an alert, as RFC 5424 has it.
 *
 * An alert's fields are structured data; what a record got as structured
 * data by syslog goes out again as it came. Log text stays one line.
 */
#ifndef SYSLOG_MESSAGE_H
#define SYSLOG_MESSAGE_H

#include "channel_message.h"

#include "lb_format.h"
#include "lb_template.h"

struct syslog_form {
    uint8_t facility;      /* of records that have none */
    uint8_t severity;      /* enum lb_level; LB_LEVEL_NONE: by the record's level */
    bool json;             /* the text is the record's JSON */
    struct lb_strs fields; /* that become structured data */
    const struct lb_template *app_name;
    size_t bytes_max;
    struct lb_str host; /* of records that have none */
};

struct syslog_parts {
    struct lb_formatter *formatter; /* JSON; and its scratch */
    struct channel_message message;
    struct lb_buffer words;
};

/* Appends it, without any framing, cut between characters at bytes_max. False: no memory. */
bool syslog_message_write(const struct syslog_form *form, struct syslog_parts *parts, const struct lb_batch *batch,
                          const struct lb_record *record, struct lb_buffer *out);

#endif
