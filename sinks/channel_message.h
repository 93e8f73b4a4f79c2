/*
 * channel_message.h - what a channel tells: an alert, or any other record.
 *
 * An alert is what the alert engine made (LB_RECORD_ALERT); a log line that
 * looks like one is told as a record, so nobody can call off a page by
 * logging. Slices point into the record or into the scratch and live until
 * the next message is read. Text is as it came: channel_clean() it.
 */
#ifndef CHANNEL_MESSAGE_H
#define CHANNEL_MESSAGE_H

#include "lb_alert.h"
#include "lb_batch.h"
#include "lb_buffer.h"

enum {
    CHANNEL_PAIRS_MAX = 16, /* of a key, or of labels; further ones are in the dead letter and the archive */
    CHANNEL_SAMPLES_MAX = 5,
    CHANNEL_TOPS_MAX = 4,
    CHANNEL_TOP_BYTES = 320,
    CHANNEL_WHOLE_BYTES = 400, /* of what is shown whole, */
    CHANNEL_WHOLE_UNITS = 800, /* with the escapes of a channel */
    CHANNEL_FACTS_MAX = 2 * CHANNEL_PAIRS_MAX + 14 + CHANNEL_TOPS_MAX,
};

/* In groups: still going on, then over, then what opens and closes nothing. */
enum channel_state {
    CHANNEL_RECORD, /* no alert */
    CHANNEL_FIRING,
    CHANNEL_UPDATED,
    CHANNEL_REPEATED,
    CHANNEL_ESCALATED,
    CHANNEL_FLAPPING,
    CHANNEL_ACKNOWLEDGED,
    CHANNEL_RESOLVED,
    CHANNEL_SUPPRESSED, /* told to those who were told that it fires: nothing more comes of it */
    CHANNEL_SUMMARY,
    CHANNEL_DIGEST,
    CHANNEL_HEARTBEAT,
    CHANNEL_REPORT,
    CHANNEL_OTHER, /* a word that is not known here: shown as it is */
};

/* A name and what it is, for a person. */
struct channel_fact {
    struct lb_str name;
    struct lb_str value;
    bool whole; /* an address, a command: shown as it is or not at all; see channel_fact_units() */
};

struct channel_message {
    enum channel_state state;
    struct lb_str state_text;  /* as it came */
    enum lb_severity severity; /* of a record: by its level */
    int previous;              /* severity that was told before, or -1 */
    int64_t time_ns;
    int64_t started_ns;         /* when the threshold was first crossed; of a record: its time */
    char id[LB_RECORD_ID_SIZE]; /* of the record */
    struct lb_str fingerprint;  /* of a record: its id */
    struct lb_str alert_id;
    struct lb_str sequence; /* of the notices of one alert: "1" … */
    struct lb_str rule;
    struct lb_str text;
    struct lb_str level;
    struct lb_str service;
    struct lb_str host;
    struct lb_str severity_text; /* the users' word, or the name */
    struct lb_str threshold;
    struct lb_str runbook;
    struct lb_str url;  /* of the dashboard's page of it */
    struct lb_str grep; /* the command that shows its records */
    struct channel_fact keys[CHANNEL_PAIRS_MAX];
    uint32_t key_count;
    struct channel_fact labels[CHANNEL_PAIRS_MAX];
    uint32_t label_count;
    struct lb_str samples[CHANNEL_SAMPLES_MAX];
    uint32_t sample_count;
    struct channel_fact facts[CHANNEL_FACTS_MAX]; /* all that is to be shown as a list: keys, labels, numbers, times */
    uint32_t fact_count;
    char top_bytes[CHANNEL_TOPS_MAX][CHANNEL_TOP_BYTES]; /* "192.0.2.7 (41), 192.0.2.9 (12)" */
    char top_names[CHANNEL_TOPS_MAX][64];                /* "top client_ip" */
};

extern const char *const channel_severity_names[]; /* "info" … "critical" */

/* Resets the scratch and reads. */
void channel_message_read(struct channel_message *message, const struct lb_batch *batch, const struct lb_record *record,
                          struct lb_scratch *scratch);

/* Still going on: to be opened, not closed. */
static inline bool channel_message_is_firing(const struct channel_message *message)
{
    return message->state >= CHANNEL_FIRING && message->state <= CHANNEL_ACKNOWLEDGED;
}

static inline bool channel_message_is_over(const struct channel_message *message)
{
    return message->state == CHANNEL_RESOLVED || message->state == CHANNEL_SUPPRESSED;
}

/* To be read, and no reason to get up. */
static inline bool channel_message_is_note(const struct channel_message *message)
{
    return message->state >= CHANNEL_SUMMARY;
}

/* How many units of a fact's value are shown where others get so many. */
static inline size_t channel_fact_units(const struct channel_fact *fact, size_t units_max)
{
    return fact->whole && units_max < CHANNEL_WHOLE_UNITS ? CHANNEL_WHOLE_UNITS : units_max;
}

/* "Firing: error_rate (critical)", "Resolved: …", of a record "error: payments". Not cleaned. */
void channel_message_title(struct lb_buffer *out, const struct channel_message *message);

#endif
