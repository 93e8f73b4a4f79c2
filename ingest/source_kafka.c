/*
 * source_kafka.c - the thread that polls, and its batches.
 *
 * Without credit all partitions are paused, and polling goes on, or the group
 * would take this member for dead. What had left librdkafka's queues by then
 * is held in order. Messages of one partition come in runs; a batch is of one
 * run. A message without a value says that a key is gone: no record.
 */
#include "consumer.h"
#include "source_timer.h"

#include "lb_log.h"

#include <errno.h>
#include <stdio.h>

#define MODULE "source.kafka"

enum { CLOSE_MS = 5000, POLL_MS = 100, EVENTS_PER_BYTES = 64 };

/* --- batches -------------------------------------------------------------------------- */

void consumer_push(struct consumer *self)
{
    struct lb_batch *batch = self->batch;

    self->batch = NULL;
    if (batch == NULL)
        return;
    batch->arrival_ns = lb_clock_now();
    lb_metric_add(self->messages, batch->event_count);
    lb_queue_push(self->source->queue, batch);
}

void consumer_drop_held(struct consumer *self, const struct consumer_partition *partition)
{
    uint32_t kept = 0;

    if (self->current == partition) {
        if (self->batch != NULL)
            lb_batch_unref(self->batch);
        self->batch = NULL;
        self->current = NULL;
    }
    for (uint32_t i = 0; i < self->held_count; i++) {
        rd_kafka_message_t *message = self->held[i];

        if (message->partition == partition->number && strcmp(rd_kafka_topic_name(message->rkt), partition->topic) == 0)
            rd_kafka_message_destroy(message);
        else
            self->held[kept++] = message;
    }
    self->held_count = kept;
}

static bool fits(const struct lb_batch *batch)
{
    return batch->event_count < batch->capacity / EVENTS_PER_BYTES;
}

/* False: there is no credit, or the stream is not to be had yet. */
static bool place(struct consumer *self, struct consumer_partition *partition, const rd_kafka_message_t *message)
{
    struct lb_entry entry;

    if (!consumer_open_stream(self, partition, message) || !consumer_read(self, message, &entry))
        return false;
    bool same = self->batch != NULL && self->current == partition && self->batch->stream == partition->stream;
    if (message->payload == NULL) {
        lb_metric_add(self->tombstones, 1);
        if (same)
            self->batch->position_end = (uint64_t)message->offset + 1;
        return true;
    }
    if (same && fits(self->batch) && lb_entry_append(self->batch, &entry))
        return true;
    consumer_push(self);
    size_t size = lb_entry_size(&entry) + 2 * sizeof(struct lb_event);
    self->current = partition;
    self->batch = lb_pool_take(self->source->share, size > LB_SLAB_MEDIUM ? size : LB_SLAB_MEDIUM, partition->stream);
    if (self->batch == NULL)
        return false;
    self->batch->position = entry.position;
    return lb_entry_append(self->batch, &entry);
}

/* False: it has to wait. The message is freed otherwise. */
static bool take(struct consumer *self, rd_kafka_message_t *message)
{
    struct consumer_partition *partition = consumer_find(self, message);

    if (partition != NULL && consumer_is_old(self, partition, message))
        partition = NULL;
    if (partition != NULL && !place(self, partition, message))
        return false;
    if (partition != NULL) {
        if (partition->latest.offset < 0)
            partition->latest = consumer_anchor_of(message);
        if (partition->committed < 0) /* where the group is was not told: not behind this */
            partition->committed = message->offset;
        partition->position = message->offset + 1;
        partition->eof = partition->eof && message->offset < partition->end; /* it was held meanwhile */
    }
    rd_kafka_message_destroy(message);
    return true;
}

/* --- polling ---------------------------------------------------------------------------- */

/* It is shorter than what we had of it: another one. */
static void note_end(struct consumer *self, struct consumer_partition *partition, const rd_kafka_message_t *message)
{
    if (partition->state == CONSUMER_IN_DOUBT && message->offset <= partition->known.offset) {
        consumer_begin_anew(self, partition, message->offset);
        if (message->offset > 0)
            return;
    }
    partition->eof = true;
    partition->end = message->offset;
}

static void note_error(struct consumer *self, const rd_kafka_message_t *message)
{
    struct consumer_partition *partition = message->rkt != NULL ? consumer_find(self, message) : NULL;

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (partition != NULL)
            note_end(self, partition, message);
        return;
    }
    LB_WARN(MODULE, "a poll failed source=" LB_STR_FMT " error=\"%s\"", LB_STR_ARG(self->source->section.name),
            rd_kafka_message_errstr(message));
}

/* What is held goes first. False: it still has to wait. */
static bool take_held(struct consumer *self)
{
    uint32_t taken = 0;

    while (taken < self->held_count && take(self, self->held[taken]))
        taken++;
    self->held_count -= taken;
    for (uint32_t i = 0; i < self->held_count && taken > 0; i++)
        self->held[i] = self->held[i + taken];
    return self->held_count == 0;
}

static void wait_for_credit(struct consumer *self)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_MS * LB_MILLISECOND;
    if (until.tv_nsec >= LB_SECOND) {
        until.tv_sec++;
        until.tv_nsec -= LB_SECOND;
    }
    pthread_mutex_lock(&self->lock);
    while (!self->woken && !self->stopping && pthread_cond_timedwait(&self->credit, &self->lock, &until) != ETIMEDOUT)
        ;
    self->woken = false;
    pthread_mutex_unlock(&self->lock);
}

static void poll_once(struct consumer *self)
{
    bool waits = !take_held(self);

    consumer_pause(self, waits);
    if (waits)
        wait_for_credit(self);
    if (self->held_count == CONSUMER_HELD_MAX)
        return;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(self->handle, waits || self->batch != NULL ? 0 : POLL_MS);
    if (message == NULL) {
        consumer_push(self);
        return;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        note_error(self, message);
        rd_kafka_message_destroy(message);
        return;
    }
    self->failing = false;
    if (self->held_count > 0 || !take(self, message))
        self->held[self->held_count++] = message;
}

static void on_finished(void *context)
{
    lb_source_finished(context);
}

static bool is_stopping(struct consumer *self)
{
    pthread_mutex_lock(&self->lock);
    bool stopping = self->stopping;
    pthread_mutex_unlock(&self->lock);
    return stopping;
}

static void *run(void *context)
{
    struct consumer *self = context;

    while (!is_stopping(self)) {
        poll_once(self);
        if (lb_clock_monotonic() >= self->commit_at) {
            consumer_commit(self, false);
            consumer_note_lag(self);
        }
        if (self->source->exit_at_eof && !self->finished && self->batch == NULL && consumer_is_at_end(self)) {
            self->finished = true;
            lb_loop_post(self->source->loop, on_finished, self->source);
        }
    }
    return NULL;
}

/* --- librdkafka's words -------------------------------------------------------------------- */

static void on_error(rd_kafka_t *handle, int err, const char *reason, void *opaque)
{
    struct consumer *self = opaque;

    (void)handle;
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && err != RD_KAFKA_RESP_ERR__FATAL &&
        err != RD_KAFKA_RESP_ERR__AUTHENTICATION)
        return;
    if (!self->failing)
        LB_ERROR(MODULE, "no broker is reached, it is tried again source=" LB_STR_FMT " error=\"%s\"",
                 LB_STR_ARG(self->source->section.name), reason);
    self->failing = true;
}

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    if (level <= 3)
        LB_WARN(MODULE, "librdkafka says facility=%s text=\"%s\"", facility, text);
}

/* --- open and close --------------------------------------------------------------------------- */

static bool subscribe(struct consumer *self)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)self->topics.count);

    for (size_t i = 0; i < self->topics.count; i++)
        rd_kafka_topic_partition_list_add(list, self->topics.items[i].ptr, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(self->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        LB_ERROR(MODULE, "cannot subscribe source=" LB_STR_FMT " error=\"%s\"", LB_STR_ARG(self->source->section.name),
                 rd_kafka_err2str(err));
    return err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* On the loop: this source stays. */
static void on_begin(evutil_socket_t fd, short what, void *context)
{
    struct consumer *self = context;
    int err;

    (void)fd, (void)what;
    if (self->started || !subscribe(self))
        return;
    self->stopping = false;
    err = pthread_create(&self->thread, NULL, run, self);
    if (err != 0) {
        LB_ERROR(MODULE, "cannot start a thread source=" LB_STR_FMT " error=\"%s\"",
                 LB_STR_ARG(self->source->section.name), strerror(err));
        return;
    }
    self->started = true;
    pthread_setname_np(self->thread, "kafka-source");
}

/* From any thread. */
static void wake(void *context)
{
    struct consumer *self = context;

    pthread_mutex_lock(&self->lock);
    self->woken = true;
    pthread_cond_signal(&self->credit);
    pthread_mutex_unlock(&self->lock);
}

static void begin_soon(struct consumer *self)
{
    lb_share_on_credit(self->source->share, wake, self);
    source_timer_set(self->source, self->begin, SOURCE_TIMER_NOW);
}

static bool make_handle(struct consumer *self, struct lb_diag *diag)
{
    char error[CONSUMER_ERROR_BYTES];
    rd_kafka_conf_t *conf = consumer_settings(self->source, diag);

    if (conf == NULL)
        return false;
    rd_kafka_conf_set_opaque(conf, self);
    rd_kafka_conf_set_rebalance_cb(conf, consumer_on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, consumer_on_commit);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    self->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
    if (self->handle != NULL)
        return rd_kafka_poll_set_consumer(self->handle) == RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_conf_destroy(conf);
    lb_diag_error(diag, lb_section_place(&self->source->section, "settings"), "settings: librdkafka says: %s", error);
    return false;
}

static void register_metrics(struct consumer *self)
{
    char name[LB_NAME_BYTES_MAX + 1];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->messages =
        lb_metric(LB_COUNTER, "logboom_kafka_source_messages_total", "Messages that were read from Kafka", labels);
    self->tombstones = lb_metric(LB_COUNTER, "logboom_kafka_source_tombstones_total",
                                 "Messages without a value, of which no record is made", labels);
    self->lag = lb_metric(LB_GAUGE, "logboom_kafka_source_lag", "Messages of our partitions not read yet", labels);
}

/* --- leaving -------------------------------------------------------------------------------- */

static void *destroy(void *handle)
{
    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

/*
 * librdkafka ends when a broker has answered or its patience is over, which may be never: so it is after a topic that
 * it read was deleted. It is waited for a little, and then let alone with that.
 */
static void destroy_within(struct consumer *self, int64_t most)
{
    rd_kafka_t *handle = self->handle;
    struct timespec until;
    pthread_t thread;

    self->handle = NULL;
    rd_kafka_set_log_level(handle, 0); /* nobody is there any more whom its last words concern */
    if (pthread_create(&thread, NULL, destroy, handle) != 0)
        return; /* it stays until the process ends */
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += most / LB_SECOND;
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        pthread_detach(thread);
}

/* With a last commit of what is safe by now, first: a group that is being left does not say what it has any more. */
static void leave(struct consumer *self)
{
    self->leaving = true;
    consumer_commit(self, true);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(self->handle);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(self->handle, queue);
    int64_t until = lb_clock_monotonic() + CLOSE_MS * LB_MILLISECOND;

    while (error == NULL && rd_kafka_consumer_closed(self->handle) == 0 && lb_clock_monotonic() < until) {
        rd_kafka_message_t *late = rd_kafka_consume_queue(queue, POLL_MS); /* and serves callbacks */

        if (late != NULL)
            rd_kafka_message_destroy(late);
    }
    rd_kafka_queue_destroy(queue);
    bool closed = error != NULL || rd_kafka_consumer_closed(self->handle) != 0;
    if (!closed)
        LB_WARN(MODULE,
                "no broker has taken our leave, the group waits for this member's time to end source=" LB_STR_FMT,
                LB_STR_ARG(self->source->section.name));
    if (error != NULL)
        rd_kafka_error_destroy(error);
    consumer_free_partitions(self);
    destroy_within(self, closed ? CLOSE_MS * LB_MILLISECOND : 0);
}

static void release(struct consumer *self)
{
    if (self->begin != NULL)
        event_free(self->begin);
    if (self->handle != NULL)
        rd_kafka_destroy_flags(self->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    lb_buffer_free(&self->fields);
    pthread_cond_destroy(&self->credit);
    pthread_mutex_destroy(&self->lock);
    self->begin = NULL;
    self->handle = NULL;
    self->source = NULL;
}

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    struct consumer *self = source->state;
    pthread_condattr_t attr;

    if (!consumer_check(source, diag))
        return LB_BAD_CONF;
    self->source = source;
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->credit, &attr);
    pthread_condattr_destroy(&attr);
    lb_buffer_init(&self->fields, CONSUMER_META_BYTES_MAX);
    register_metrics(self);
    self->begin = evtimer_new(lb_loop_base(source->loop), on_begin, self);
    if (self->begin == NULL || !make_handle(self, diag)) {
        if (self->begin == NULL)
            lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory");
        release(self);
        return LB_BAD_CONF;
    }
    begin_soon(self);
    return LB_OK;
}

/* What is held was not pushed: it comes again, here or to another member. */
static void stop(struct lb_source *source)
{
    struct consumer *self = source->state;

    event_del(self->begin);
    if (!self->started)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->credit);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    self->started = false;
    consumer_push(self);
}

static void resume(struct lb_source *source)
{
    begin_soon(source->state);
}

static void close_source(struct lb_source *source)
{
    struct consumer *self = source->state;

    if (self->source == NULL)
        return;
    lb_share_on_credit(source->share, NULL, NULL);
    leave(self);
    release(self);
}

static enum lb_err check(struct lb_source *source, struct lb_diag *diag)
{
    return consumer_check(source, diag) ? LB_OK : LB_BAD_CONF;
}

static const char *const from_words[] = { "head", "end", NULL };

static const struct lb_option options[] = {
    { .name = "brokers",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct consumer, brokers),
      .help = "host:port of some brokers; they name the others",
      .flags = LB_OPTION_REQUIRED },
    { .name = "topics",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct consumer, topics),
      .help = "names of topics, or patterns that begin with ^",
      .flags = LB_OPTION_REQUIRED },
    { .name = "group",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct consumer, group),
      .fallback = "logboom",
      .help = "the consumer group; instances of one group share the partitions" },
    { .name = "read_from",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct consumer, read_from),
      .fallback = "head",
      .help = "where to begin in partitions for which the group has no offset",
      .choices = from_words },
    { .name = "meta",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct consumer, meta_words),
      .help = "what each record has of its message, as kafka.NAME: topic, partition, offset, key, headers" },
    { .name = "settings",
      .kind = LB_OPTION_PAIRS,
      .offset = offsetof(struct consumer, settings),
      .help = "settings of librdkafka by their own names, such as security.protocol and sasl.password",
      .flags = LB_OPTION_SECRET },
    { .name = NULL },
};

const struct lb_source_type lb_source_kafka = {
    .module = { .name = "kafka",
                .help = "reads topics of Kafka as a member of a consumer group",
                .state_size = sizeof(struct consumer),
                .options = options },
    .file_like = true,
    .envelope = &lb_envelope_entries,
    .parse = "auto",
    .check = check,
    .open = open_source,
    .stop = stop,
    .resume = resume,
    .close = close_source,
};
