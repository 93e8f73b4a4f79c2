/*
 * proof_told.c - what was told to whom, written down; and sinks that only
 * pretend.
 *
 * A recorder takes notices in order, as a sink does: while the first is
 * refused for now, the others wait. Without a Retry-After the wait is 1 s,
 * doubled with each failure up to 5 min, which are the longest waits of sinks
 * that are not told otherwise.
 */
#include "proof.h"

#include "lb_alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define FIRST_WAIT LB_SECOND
#define LAST_WAIT (300 * LB_SECOND)

enum { ARENA_BYTES = 512 * 1024 * 1024, FAILURE_BYTES_MAX = 4 * 1024 * 1024, LINE_BYTES = 16 * 1024 };

static const struct proof_reply taken = { .text = { "200", 3 }, .delivered = true };

/* --- life ---------------------------------------------------------------------------------- */

bool proof_run_open(struct proof_run *run, const struct proof *proof)
{
    *run = (struct proof_run){ .proof = proof };
    lb_arena_init(&run->arena, ARENA_BYTES);
    lb_buffer_init(&run->failures, FAILURE_BYTES_MAX);
    run->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    run->formatter = (struct lb_formatter){ .format = LB_FORMAT_JSON, .scratch = &run->scratch };
    for (uint32_t i = 0; i < LB_SINKS_MAX; i++)
        run->recorders[i].due_ns = INT64_MAX;
    return run->scratch.ptr != NULL;
}

void proof_run_close(struct proof_run *run)
{
    for (uint32_t i = 0; i < LB_SINKS_MAX; i++)
        lb_free(run->recorders[i].queue);
    lb_free(run->looks);
    lb_free(run->tries);
    lb_free(run->notices);
    lb_free(run->scratch.ptr);
    lb_buffer_free(&run->failures);
    lb_arena_free(&run->arena);
}

void *proof_grow(struct proof_run *run, void *items, uint32_t count, size_t *capacity, size_t size)
{
    void *grown = lb_grown(items, count, capacity, size);

    run->broken |= grown == NULL;
    return grown;
}

void proof_fail(struct proof_run *run, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    run->failure_count += line[0] != ' ';
    lb_buffer_append(&run->failures, line, len < LINE_BYTES ? (size_t)len : LINE_BYTES - 1);
    lb_buffer_append_char(&run->failures, '\n');
}

/* --- recorders ------------------------------------------------------------------------------ */

static void enqueue(struct proof_run *run, uint32_t sink, uint32_t notice, int64_t now)
{
    struct proof_recorder *recorder = &run->recorders[sink];
    uint32_t *queue = proof_grow(run, recorder->queue, recorder->count, &recorder->capacity, sizeof(*queue));

    if (queue == NULL)
        return;
    recorder->queue = queue;
    queue[recorder->count++] = notice;
    if (recorder->due_ns == INT64_MAX)
        recorder->due_ns = now;
}

static const struct proof_reply *next_reply(struct proof_recorder *recorder)
{
    return recorder->replied < recorder->reply_count ? &recorder->replies[recorder->replied++] : &taken;
}

static int64_t wait_of(struct proof_recorder *recorder, const struct proof_reply *reply)
{
    int64_t wait = FIRST_WAIT;

    for (uint32_t i = 0; i < recorder->failures && wait < LAST_WAIT; i++)
        wait *= 2;
    recorder->failures++;
    if (reply->wait_ns > 0)
        return reply->wait_ns;
    return wait < LAST_WAIT ? wait : LAST_WAIT;
}

/* One try, at the time at which it is due. */
static void try_once(struct proof_run *run, uint32_t sink)
{
    struct proof_recorder *recorder = &run->recorders[sink];
    const struct proof_reply *reply = next_reply(recorder);
    struct proof_try *tries = proof_grow(run, run->tries, run->try_count, &run->try_capacity, sizeof(*tries));
    int64_t now = recorder->due_ns;

    if (tries == NULL) {
        recorder->due_ns = INT64_MAX;
        return;
    }
    run->tries = tries;
    tries[run->try_count++] =
        (struct proof_try){ recorder->queue[recorder->first], sink, now + reply->takes_ns, reply };
    if (reply->delivered || reply->refused) {
        recorder->first++;
        recorder->failures = 0;
        recorder->due_ns = recorder->first < recorder->count ? now + reply->takes_ns : INT64_MAX;
    } else {
        recorder->due_ns = now + reply->takes_ns + wait_of(recorder, reply);
    }
}

int64_t proof_deliver(struct proof_run *run, int64_t now)
{
    int64_t next = INT64_MAX;

    for (uint32_t i = 0; i < run->config->sink_count; i++) {
        while (run->recorders[i].due_ns <= now)
            try_once(run, i);
        if (run->recorders[i].due_ns < next)
            next = run->recorders[i].due_ns;
    }
    return next;
}

uint32_t proof_deliveries(const struct proof_run *run, const struct proof_notice *notice, uint64_t sinks)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < run->try_count; i++) {
        const struct proof_try *try = &run->tries[i];

        if (try->reply->delivered && (sinks == 0 || (sinks >> try->sink & 1) != 0) &&
            lb_str_equal(run->notices[try->notice].id, notice->id))
            count++;
    }
    return count;
}

/* --- notices ----------------------------------------------------------------------------------- */

static struct lb_str keep(struct proof_run *run, struct lb_str text)
{
    struct lb_str kept = lb_arena_copy(&run->arena, text);

    run->broken = run->broken || kept.ptr == NULL;
    return kept.ptr != NULL ? kept : LB_STR("");
}

static struct lb_str field(struct proof_run *run, const struct lb_record *record, const char *name)
{
    run->scratch.used = 0;
    return keep(run, lb_value_str(lb_record_get(record, lb_str_from(name), &run->scratch), &run->scratch));
}

static struct lb_str json_of(struct proof_run *run, const struct lb_batch *batch, const struct lb_record *record)
{
    struct lb_buffer line;

    lb_buffer_init(&line, LB_LINE_BYTES_MAX);
    run->scratch.used = 0;
    lb_format_write(&run->formatter, batch, record, &line);
    while (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    struct lb_str kept = keep(run, lb_buffer_str(&line));
    lb_buffer_free(&line);
    return kept;
}

static void read_notice(struct proof_run *run, const struct lb_record *record, struct proof_notice *notice)
{
    notice->rule = field(run, record, "rule");
    notice->state = field(run, record, "state");
    notice->severity = field(run, record, "severity");
    notice->key = field(run, record, "key");
    notice->message = field(run, record, "message");
    notice->id = lb_arena_print(&run->arena, LB_STR_FMT "-" LB_STR_FMT, LB_STR_ARG(field(run, record, "alert_id")),
                                LB_STR_ARG(field(run, record, "sequence")));
    run->scratch.used = 0;
    notice->has_value = lb_value_number(lb_record_get(record, LB_STR("value"), &run->scratch), &notice->value);
}

/* The same words at the same moment are one notice, though each group of sinks has a record of its own. */
static struct proof_notice *same_notice(struct proof_run *run, const struct proof_notice *notice)
{
    for (uint32_t i = run->notice_count; i-- > 0 && run->notices[i].told_ns == notice->told_ns;) {
        struct proof_notice *other = &run->notices[i];

        if (lb_str_equal(other->rule, notice->rule) && lb_str_equal(other->key, notice->key) &&
            lb_str_equal(other->state, notice->state) && lb_str_equal(other->severity, notice->severity) &&
            lb_str_equal(other->message, notice->message) && (other->sinks & notice->sinks) == 0)
            return other;
    }
    return NULL;
}

void proof_note(struct proof_run *run, const struct lb_batch *batch, const struct lb_record *record, uint64_t sinks)
{
    struct proof_notice *notices =
        proof_grow(run, run->notices, run->notice_count, &run->notice_capacity, sizeof(*notices));
    int64_t now = lb_clock_now();

    if (notices == NULL)
        return;
    run->notices = notices;
    struct proof_notice notice = { .told_ns = now, .at_ns = record->time_ns, .sinks = sinks };
    read_notice(run, record, &notice);
    struct proof_notice *same = same_notice(run, &notice);
    if (same == NULL) {
        notice.json = json_of(run, batch, record);
        notices[run->notice_count++] = notice;
        same = &notices[run->notice_count - 1];
    } else {
        same->sinks |= sinks;
    }
    for (uint32_t i = 0; i < run->config->sink_count; i++)
        if ((sinks >> i & 1) != 0)
            enqueue(run, i, (uint32_t)(same - notices), now);
    proof_deliver(run, now);
}
