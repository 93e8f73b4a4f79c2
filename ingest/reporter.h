/*
 * reporter.h - records that a source makes itself, as JSON lines in batches.
 *
 * A source that measures (host, probe) or tells of logboom (internal) has no
 * bytes to read. It writes each record as one line of JSON, so that parsers,
 * filters and archives meet nothing new. A record for which the pool has no
 * credit is lost and counted: the next measurement is worth more than an old
 * one. One thread, that of the source's loop. No allocation for each record.
 */
#ifndef REPORTER_H
#define REPORTER_H

#include "lb_buffer.h"
#include "lb_metrics.h"
#include "lb_source.h"

enum { REPORT_BYTES_MAX = 64 * 1024 }; /* of one record */

struct reporter {
    struct lb_source *source;
    struct lb_stream *stream;
    struct lb_batch *batch; /* being filled, or NULL */
    struct lb_buffer line;  /* the record that is being written */
    bool first;             /* no member yet in the object that is open */
    uint64_t position;
    uint32_t written; /* since the last flush */
    struct lb_metric *records;
    struct lb_metric *lost;
};

/*
 * `name`, a literal: of the stream, and the service where the configuration names none. `host`: empty, or lives as long
 * as the source. False: out of memory.
 */
bool reporter_open(struct reporter *self, struct lb_source *source, struct lb_str name, struct lb_str host);
void reporter_close(struct reporter *self); /* also of one that was never opened */

/* A record: begin, members, end. Text may be any bytes. */
void reporter_begin(struct reporter *self, int64_t time_ns, uint8_t level);
void reporter_text(struct reporter *self, const char *key, struct lb_str value);
void reporter_print(struct reporter *self, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void reporter_count(struct reporter *self, const char *key, uint64_t count);
void reporter_number(struct reporter *self, const char *key, double number); /* two decimals; none if not finite */
void reporter_value(struct reporter *self, struct lb_str key, struct lb_value value);
void reporter_object(struct reporter *self, const char *key); /* members of it follow, */
void reporter_object_end(struct reporter *self);              /* up to here */
void reporter_end(struct reporter *self);

void reporter_flush(struct reporter *self); /* what was written goes on */

/* "1.5 GiB"; `out` has REPORT_WORD_BYTES. Returns `out`. */
enum { REPORT_WORD_BYTES = 32 };
const char *report_size(uint64_t bytes, char *out);
const char *report_duration(double seconds, char *out); /* "5 h 20 min" */

#endif
