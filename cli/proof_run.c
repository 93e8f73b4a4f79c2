/*
 * proof_run.c - one test, from its start to its end, on a virtual clock.
 *
 * Lines arrive at their moments, rules are looked at every second, restarts
 * happen where they are written. What rules know is saved on the ten-second
 * beat of the daemon, of which only the last one before each kill matters; a
 * source with positions then brings again what came behind it, and a socket
 * does not.
 */
#include "proof.h"

#include "lb_alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK LB_SECOND
#define SAVE_EVERY (10 * LB_SECOND)
#define AFTER_FILE (600 * LB_SECOND)

enum { KEPT_BYTES_MAX = 256 * 1024 * 1024 };

/* A line since the last save. */
struct kept {
    uint32_t stream;
    uint32_t length;
    uint64_t position;
};

struct course {
    struct proof_run *run;
    const struct proof_file *file;
    struct offline *offline;
    struct proof_feed *feed;
    struct offline_stream *streams;
    uint64_t *positions; /* of the streams: where the next line begins */
    int64_t now;
    int64_t tick; /* the next one */
    int64_t until;
    uint32_t next_fault; /* among those that have a time, in order of it */
    const struct proof_fault **faults;
    uint32_t fault_count;
    bool restarts;         /* some are */
    int64_t saved;         /* the beat began there */
    int64_t save;          /* the next one that matters; INT64_MAX: none */
    struct lb_buffer kept; /* struct kept and text, since the last save */
    uint32_t next_probe;
};

/* --- what is written down ------------------------------------------------------------------- */

static void seen(void *context, const struct lb_batch *batch)
{
    struct proof_run *run = context;

    run->lines += batch->record_count;
    if (run->proof->pipeline)
        proof_compare_records(run, batch);
}

static void told(void *context, const struct lb_batch *batch, const struct lb_record *record, uint64_t sinks)
{
    proof_note(context, batch, record, sinks);
}

static struct lb_str key_text(struct proof_run *run, const struct lb_alert_view *view)
{
    struct lb_str text = lb_arena_copy(&run->arena, view->key);
    char *bytes = (char *)text.ptr;

    for (size_t i = 0; bytes != NULL && i < text.len; i++)
        if (bytes[i] == 0x1f)
            bytes[i] = ' ';
    return bytes != NULL ? text : LB_STR("");
}

static void look(void *context, const struct lb_alert_view *view)
{
    struct proof_run *run = context;
    struct proof_look *looks = proof_grow(run, run->looks, run->look_count, &run->look_capacity, sizeof(*looks));

    if (looks == NULL)
        return;
    run->looks = looks;
    looks[run->look_count++] = (struct proof_look){ .at_ns = lb_clock_now(),
                                                    .rule = lb_arena_copy(&run->arena, view->rule->name),
                                                    .key = key_text(run, view),
                                                    .judged = view->judged,
                                                    .value = view->value,
                                                    .count = view->count,
                                                    .severity = view->severity };
}

/* --- a generation ------------------------------------------------------------------------------ */

static bool begin(struct course *self)
{
    struct lb_diag diag = { 0 };
    struct proof_run *run = self->run;
    struct offline_start start = { .now_ns = self->now, .remember = self->restarts };

    run->config = start.config = proof_file_config(self->file, &diag);
    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    if (run->config == NULL || !offline_begin(self->offline, &start))
        return false;
    for (uint32_t i = 0; i < proof_feed_streams(self->feed); i++)
        proof_feed_stream_init(self->feed, i, run->config, &self->streams[i]);
    return true;
}

static void end(struct course *self)
{
    offline_end(self->offline);
    if (self->run->config != NULL)
        lb_config_free(self->run->config);
    self->run->config = NULL;
}

/* The last beat before the next restart, if that is a kill. */
static void plan_save(struct course *self)
{
    uint32_t i = self->next_fault;

    self->save = INT64_MAX;
    while (i < self->fault_count && self->faults[i]->kind == PROOF_ACKNOWLEDGE)
        i++;
    if (i >= self->fault_count || self->faults[i]->kind != PROOF_KILL)
        return;
    int64_t beat = self->saved + (self->faults[i]->at_ns - self->saved) / SAVE_EVERY * SAVE_EVERY;
    if (beat > self->now)
        self->save = beat;
}

static void save(struct course *self)
{
    if (!lb_alert_engine_save(self->offline->engine))
        self->run->broken = true;
    lb_buffer_reset(&self->kept);
    self->save = INT64_MAX;
}

/* --- lines ---------------------------------------------------------------------------------------- */

static void send_line(struct course *self, uint32_t stream, struct lb_str text, uint64_t position)
{
    if (!offline_add(self->offline, &self->streams[stream], text, position)) {
        offline_send(self->offline, self->now);
        (void)offline_add(self->offline, &self->streams[stream], text, position);
    }
}

static void keep_line(struct course *self, uint32_t stream, struct lb_str text)
{
    struct kept head = { stream, (uint32_t)text.len, self->positions[stream] };

    if (!self->restarts || !self->streams[stream].stream.durable)
        return;
    lb_buffer_append(&self->kept, (const char *)&head, sizeof(head));
    lb_buffer_append_str(&self->kept, text);
    self->run->broken = self->run->broken || self->kept.failed;
}

/* All lines that arrive by now. */
static void take_lines(struct course *self)
{
    while (proof_feed_due(self->feed) <= self->now) {
        struct proof_line line = proof_feed_take(self->feed);

        send_line(self, line.stream, line.text, self->positions[line.stream]);
        keep_line(self, line.stream, line.text);
        self->positions[line.stream] += line.text.len + 1;
    }
    offline_send(self->offline, self->now);
}

/* What came behind the last save comes again. */
static void read_again(struct course *self)
{
    struct lb_str rest = lb_buffer_str(&self->kept);
    struct kept head;

    while (rest.len > 0) {
        memcpy(&head, rest.ptr, sizeof(head));
        send_line(self, head.stream, (struct lb_str){ rest.ptr + sizeof(head), head.length }, head.position);
        rest = (struct lb_str){ rest.ptr + sizeof(head) + head.length, rest.len - sizeof(head) - head.length };
    }
    offline_send(self->offline, self->now);
}

/* --- restarts --------------------------------------------------------------------------------------- */

static bool restart(struct course *self, const struct proof_fault *fault)
{
    if (fault->kind == PROOF_STOP) {
        offline_tick(self->offline, self->now, true);
        save(self);
    }
    end(self);
    self->now += fault->down_ns;
    lb_clock_set(self->now);
    if (!begin(self))
        return false;
    read_again(self);
    self->saved = self->now;
    self->tick = self->now + TICK;
    self->next_fault++;
    plan_save(self);
    return true;
}

/* Somebody works on it: the newest alert of that rule and key. */
static void acknowledge(struct course *self, const struct proof_fault *fault)
{
    struct proof_run *run = self->run;
    uint32_t i = run->notice_count;

    while (i > 0 &&
           !(lb_str_equal(run->notices[i - 1].rule, fault->rule) && proof_has_key(&run->notices[i - 1], fault->key)))
        i--;
    struct lb_str id = i > 0 ? run->notices[i - 1].id : LB_STR("");
    const char *dash = id.len > 0 ? memchr(id.ptr, '-', id.len) : NULL;

    id.len = dash != NULL ? (size_t)(dash - id.ptr) : 0;
    if (lb_alert_engine_acknowledge(self->offline->engine, id, LB_STR("test"), LB_STR("")) != LB_OK)
        proof_fail(run, "acknowledge: no alert of " LB_STR_FMT " fires then (line %u)", LB_STR_ARG(fault->rule),
                   fault->place.line);
    self->next_fault++;
    plan_save(self);
}

static int compare_faults(const void *a, const void *b)
{
    const struct proof_fault *left = *(const struct proof_fault *const *)a;
    const struct proof_fault *right = *(const struct proof_fault *const *)b;

    return (left->at_ns > right->at_ns) - (left->at_ns < right->at_ns);
}

static void set_faults(struct course *self)
{
    const struct proof *proof = self->run->proof;

    for (uint32_t i = 0; i < proof->fault_count; i++) {
        const struct proof_fault *fault = &proof->faults[i];

        if (fault->kind != PROOF_REPLIES) {
            self->faults[self->fault_count++] = fault;
            self->restarts = self->restarts || fault->kind != PROOF_ACKNOWLEDGE;
            continue;
        }
        self->run->recorders[fault->sink].replies = fault->replies;
        self->run->recorders[fault->sink].reply_count = fault->reply_count;
    }
    qsort(self->faults, self->fault_count, sizeof(const struct proof_fault *), compare_faults);
}

/* --- time ----------------------------------------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The next moment at which anything is to be done. */
static int64_t next_moment(struct course *self, int64_t deliver)
{
    int64_t next = least(least(self->tick, self->save), least(proof_feed_due(self->feed), deliver));

    if (self->next_fault < self->fault_count)
        next = least(next, self->faults[self->next_fault]->at_ns);
    if (self->next_probe < self->run->probe_count)
        next = least(next, self->run->probes[self->next_probe]);
    return next > self->now ? next : self->now;
}

static void probe(struct course *self)
{
    struct proof_run *run = self->run;

    while (self->next_probe < run->probe_count && run->probes[self->next_probe] <= self->now) {
        lb_alert_engine_view(self->offline->engine, look, run);
        self->next_probe++;
    }
}

/* All that is due now. False: it cannot go on. */
static bool step(struct course *self)
{
    take_lines(self);
    if (self->tick <= self->now) {
        offline_tick(self->offline, self->now, false);
        self->tick += TICK;
    }
    if (self->save <= self->now)
        save(self);
    probe(self);
    if (self->next_fault >= self->fault_count || self->faults[self->next_fault]->at_ns > self->now)
        return !self->run->broken;
    if (self->faults[self->next_fault]->kind != PROOF_ACKNOWLEDGE)
        return restart(self, self->faults[self->next_fault]);
    acknowledge(self, self->faults[self->next_fault]);
    return !self->run->broken;
}

static bool go(struct course *self)
{
    int64_t deliver = INT64_MAX;
    bool open_end = !self->run->proof->until_given;

    for (;;) {
        int64_t next = next_moment(self, deliver);

        if (open_end && proof_feed_due(self->feed) == INT64_MAX) {
            if (self->until < self->now + AFTER_FILE && self->run->proof->input_count > 0)
                self->until = self->now + AFTER_FILE;
            open_end = false;
        }
        if (next > self->until && !(open_end && proof_feed_due(self->feed) < INT64_MAX))
            return true;
        self->now = next;
        lb_clock_set(next);
        if (!step(self))
            return false;
        deliver = proof_deliver(self->run, self->now);
    }
}

/* The lines of a pipeline test come at once. */
static bool pass_lines(struct course *self)
{
    take_lines(self);
    proof_compare_end(self->run);
    return true;
}

static bool open_course(struct course *self)
{
    const struct proof *proof = self->run->proof;

    lb_buffer_init(&self->kept, KEPT_BYTES_MAX);
    self->feed = proof_feed_open(proof);
    if (self->feed == NULL)
        return false;
    self->streams = lb_alloc((proof_feed_streams(self->feed) + 1) * sizeof(*self->streams));
    self->positions = lb_alloc((proof_feed_streams(self->feed) + 1) * sizeof(*self->positions));
    self->faults = lb_alloc((proof->fault_count + 1) * sizeof(const struct proof_fault *));
    if (self->streams == NULL || self->positions == NULL || self->faults == NULL)
        return false;
    set_faults(self);
    self->now = self->saved = proof->start_ns;
    self->tick = proof->start_ns + TICK;
    self->until = proof->until_ns;
    plan_save(self);
    offline_forget(self->offline);
    lb_clock_set(self->now);
    return begin(self);
}

bool proof_run(struct proof_run *run, const struct proof_file *file, struct offline *offline)
{
    struct course self = { .run = run, .file = file, .offline = offline };
    bool ok;

    offline->seen = seen;
    offline->told = told;
    offline->context = run;
    ok = open_course(&self);
    if (ok)
        ok = run->proof->pipeline ? pass_lines(&self) : go(&self);
    ok = ok && !run->broken && !proof_feed_failed(self.feed);
    end(&self);
    if (self.feed != NULL)
        proof_feed_close(self.feed);
    lb_buffer_free(&self.kept);
    lb_free(self.streams);
    lb_free(self.positions);
    lb_free((void *)self.faults);
    run->config = file->config;
    lb_clock_set(LB_TIME_NONE);
    return ok;
}
