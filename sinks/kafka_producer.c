/*
 * kafka_producer.c - librdkafka's handle, its log and its errors.
 *
 * A fatal error (no right to write idempotently, a broker that lost what it
 * had acknowledged) ends a producer for good. What it had comes back by a
 * purge, waits in the order of the records, and goes out through a new one:
 * the broker may have had some of it already, which the id tells.
 */
#include "kafka_sink.h"

#include "lb_clock.h"
#include "lb_log.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum { CLOSE_SECONDS = 3 };

#define RENEW_FIRST LB_SECOND
#define RENEW_MAX (60 * LB_SECOND)
#define PURGE_MAX (2 * LB_SECOND)

/* --- callbacks, from rd_kafka_poll() -------------------------------------------------- */

static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer;
    LB_LOG(level <= LB_LEVEL_ERROR ? LB_LEVEL_WARN : level, "sink.kafka", "%s: %s", facility, text);
}

static void tell_fatal(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;
    char reason[KAFKA_ERROR_BYTES] = "";
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(self->producer, reason, sizeof(reason));

    self->failing = true;
    lb_delivery_problem(sink, "fatal %s: %.90s; a new producer sends it all again in %lld s", rd_kafka_err2name(code),
                        reason, (long long)(self->renew_pause / LB_SECOND));
}

bool kafka_producer_is_fatal(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;

    if (self->fatal || self->producer == NULL)
        return true;
    if (rd_kafka_fatal_error(self->producer, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    self->fatal = true;
    self->purged = false;
    self->renew_pause = self->renew_pause == 0 ? RENEW_FIRST : self->renew_pause * 2;
    if (self->renew_pause > RENEW_MAX)
        self->renew_pause = RENEW_MAX;
    self->renew_at = lb_clock_monotonic() + self->renew_pause;
    tell_fatal(sink);
    return true;
}

/* One broker of several may go: only what keeps records from leaving is the sink's problem. */
static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    struct lb_sink *sink = opaque;
    struct sink_kafka *self = sink->state;

    if (producer != self->producer || kafka_producer_is_fatal(sink))
        return;
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__TIMED_OUT ||
        error == RD_KAFKA_RESP_ERR__RESOLVE) {
        snprintf(self->last_error, sizeof(self->last_error), "%s", reason);
        return;
    }
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && self->last_error[0] != '\0')
        reason = self->last_error;
    self->failing = true;
    lb_delivery_problem(sink, "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
}

void kafka_be_fine(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;

    if (!self->failing || self->fatal || self->topics.stuck > 0)
        return;
    self->failing = false;
    lb_delivery_fine(sink);
}

/* --- make and close --------------------------------------------------------------------- */

bool kafka_producer_make(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_kafka *self = sink->state;
    rd_kafka_conf_t *conf = kafka_settings_conf(sink, &self->settings, diag);
    char error[KAFKA_ERROR_BYTES];

    if (conf == NULL)
        return false;
    rd_kafka_conf_set_opaque(conf, sink);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_dr_msg_cb(conf, kafka_on_report);
    self->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (self->producer != NULL) {
        rd_kafka_set_log_queue(self->producer, NULL);
        return true;
    }
    rd_kafka_conf_destroy(conf);
    lb_diag_error(diag, lb_section_place(&sink->section, "brokers"), "cannot make a Kafka producer: %s", error);
    return false;
}

static void *destroy_producer(void *producer)
{
    rd_kafka_destroy(producer);
    return NULL;
}

/* librdkafka waits for its threads, and one of them may wait for a name server. */
void kafka_producer_close(rd_kafka_t *producer)
{
    pthread_t thread;
    struct timespec until;

    if (pthread_create(&thread, NULL, destroy_producer, producer) != 0) {
        rd_kafka_destroy(producer);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_SECONDS;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        LB_WARN("sink.kafka", "librdkafka does not end; it is left behind");
        pthread_detach(thread);
    }
}

/* --- after a fatal error ------------------------------------------------------------------- */

/* Everything that the old one has comes back by reports, and waits. */
static void take_back(struct sink_kafka *self)
{
    int64_t until = lb_clock_monotonic() + PURGE_MAX;

    rd_kafka_purge(self->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    do {
        rd_kafka_poll(self->producer, KAFKA_POLL_MS);
    } while (rd_kafka_outq_len(self->producer) > 0 && lb_clock_monotonic() < until);
    self->purged = true;
}

static void end_old(struct sink_kafka *self)
{
    rd_kafka_t *old = self->producer;

    kafka_topics_drop_handles(&self->topics);
    self->producer = NULL;
    if (old != NULL)
        kafka_producer_close(old);
}

bool kafka_producer_mend(struct lb_sink *sink, int64_t now)
{
    struct sink_kafka *self = sink->state;
    struct lb_diag diag = { 0 };

    if (!kafka_producer_is_fatal(sink))
        return true;
    if (self->producer != NULL && !self->purged)
        take_back(self);
    if (now < self->renew_at)
        return false;
    end_old(self);
    bool made = kafka_producer_make(sink, &diag);
    lb_diag_free(&diag);
    if (!made) {
        self->renew_at = now + RENEW_MAX;
        lb_delivery_problem(sink, "cannot make a new Kafka producer; tried again in a minute");
        return false;
    }
    LB_INFO("sink.kafka", "a new producer sends again what waits sink=" LB_STR_FMT " messages=%u",
            LB_STR_ARG(sink->section.name), self->topics.waiting);
    self->fatal = false;
    return true;
}
