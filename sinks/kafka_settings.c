/*
 * kafka_settings.c - from options to librdkafka's configuration.
 *
 * A user may set what librdkafka knows, but not what the guarantee stands on:
 * one report for every message, no message given up by time or count, order
 * over retries. Values may be passwords: no message repeats one.
 */
#include "kafka_settings.h"

#include "lb_clock.h"
#include "lb_conf.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ERROR_BYTES = 512,
    MESSAGE_OVERHEAD = 512, /* what librdkafka needs for a message besides its value */
};

const char *const kafka_compressions[] = { "none", "gzip", "snappy", "lz4", "zstd", NULL };

struct owned {
    const char *name;
    const char *instead; /* the option that says it; NULL: logboom decides */
};

static const struct owned owned_settings[] = {
    { "bootstrap.servers", "brokers" },
    { "metadata.broker.list", "brokers" },
    { "compression.codec", "compression" },
    { "compression.type", "compression" },
    { "linger.ms", "linger" },
    { "queue.buffering.max.ms", "linger" },
    { "queue.buffering.max.kbytes", "queue" },
    { "queue.buffering.max.messages", "queue" },
    { "acks", NULL },
    { "request.required.acks", NULL },
    { "enable.idempotence", NULL },
    { "enable.gapless.guarantee", NULL },
    { "transactional.id", NULL },
    { "message.timeout.ms", NULL },
    { "delivery.timeout.ms", NULL },
    { "message.send.max.retries", NULL },
    { "retries", NULL },
    { "queuing.strategy", NULL },
    { "delivery.report.only.error", NULL },
    { "enabled_events", NULL },
    { "log.queue", NULL },
};

static struct lb_place place_of(const struct lb_sink *sink, const char *name)
{
    const struct lb_node *map = sink->section.node != NULL ? lb_node_get(sink->section.node, "settings") : NULL;
    const struct lb_node *value = map != NULL ? lb_node_get(map, name) : NULL;

    return value != NULL ? value->place : lb_section_place(&sink->section, "settings");
}

/* --- what the user may not set ---------------------------------------------------- */

static bool is_allowed(const struct lb_sink *sink, const char *name, struct lb_diag *diag)
{
    for (size_t i = 0; i < sizeof(owned_settings) / sizeof(owned_settings[0]); i++) {
        const struct owned *owned = &owned_settings[i];

        if (strcmp(owned->name, name) != 0)
            continue;
        if (owned->instead != NULL)
            lb_diag_error(diag, place_of(sink, name), "settings.%s: use the sink's own option \"%s\"", name,
                          owned->instead);
        else
            lb_diag_error(diag, place_of(sink, name),
                          "settings.%s: logboom decides this, so that every message is delivered and in order; remove "
                          "it",
                          name);
        return false;
    }
    return true;
}

/* host, host:port or [address]:port; librdkafka would only log what it cannot read. */
static bool is_broker(struct lb_str text)
{
    const char *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;
    size_t host = colon != NULL && text.ptr[text.len - 1] != ']' ? (size_t)(colon - text.ptr) : text.len;
    char *end = NULL;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= ' ' || c == 0x7f || c == ',')
            return false;
    }
    if (host == 0 || (text.ptr[0] != '[' && memchr(text.ptr, ':', host) != NULL))
        return false;
    if (host == text.len)
        return true;
    if (isdigit((unsigned char)colon[1]) == 0)
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    return end == text.ptr + text.len && port >= 1 && port <= 65535;
}

static void check_brokers(const struct lb_sink *sink, const struct kafka_settings *settings, struct lb_diag *diag)
{
    for (size_t i = 0; i < settings->brokers.count; i++) {
        struct lb_str broker = settings->brokers.items[i];

        if (!is_broker(broker))
            lb_diag_error(diag, lb_section_place(&sink->section, "brokers"),
                          "brokers: expected host:port such as kafka1:9092, got \"%.*s\"",
                          (int)(broker.len < 80 ? broker.len : 80), broker.ptr);
    }
}

/* --- librdkafka's configuration ------------------------------------------------------ */

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct lb_place place, struct lb_diag *diag)
{
    char error[ERROR_BYTES];
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, error, sizeof(error));

    if (result == RD_KAFKA_CONF_OK)
        return true;
    if (result == RD_KAFKA_CONF_UNKNOWN)
        lb_diag_error(diag, place, "settings.%s: librdkafka has no such setting", name);
    else
        lb_diag_error(diag, place, "settings.%s: librdkafka does not take this value", name);
    return false;
}

static bool set_number(rd_kafka_conf_t *conf, const char *name, uint64_t value, struct lb_place place,
                       struct lb_diag *diag)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return set(conf, name, text, place, diag);
}

static bool set_brokers(const struct lb_sink *sink, const struct kafka_settings *settings, rd_kafka_conf_t *conf,
                        struct lb_diag *diag)
{
    struct lb_buffer list;

    lb_buffer_init(&list, (size_t)64 * 1024);
    for (size_t i = 0; i < settings->brokers.count; i++) {
        if (i > 0)
            lb_buffer_append_char(&list, ',');
        lb_buffer_append_str(&list, settings->brokers.items[i]);
    }
    lb_buffer_append_char(&list, '\0');
    bool done =
        !list.failed && set(conf, "bootstrap.servers", list.ptr, lb_section_place(&sink->section, "brokers"), diag);
    lb_buffer_free(&list);
    return done;
}

static bool set_options(const struct lb_sink *sink, const struct kafka_settings *settings, rd_kafka_conf_t *conf,
                        struct lb_diag *diag)
{
    struct lb_place place = sink->section.node != NULL ? sink->section.node->place : (struct lb_place){ 0 };
    uint64_t messages = settings->queue_bytes / MESSAGE_OVERHEAD;
    uint64_t linger_ms = (uint64_t)(settings->linger_ns / LB_MILLISECOND);

    return set(conf, "client.id", "logboom", place, diag) && set(conf, "partitioner", "murmur2_random", place, diag) &&
           set(conf, "log.connection.close", "false", place, diag) &&
           set(conf, "compression.codec", kafka_compressions[settings->compression], place, diag) &&
           set_number(conf, "queue.buffering.max.ms", linger_ms, place, diag) &&
           set_number(conf, "queue.buffering.max.kbytes", settings->queue_bytes / 1024, place, diag) &&
           set_number(conf, "queue.buffering.max.messages", messages, place, diag) &&
           set_number(conf, "reconnect.backoff.max.ms", 2000, place, diag);
}

/* Behind the user's, so that no other name of the same thing can undo it. */
static bool set_guarantees(rd_kafka_conf_t *conf, struct lb_diag *diag)
{
    static const struct lb_place nowhere;

    return set(conf, "enable.idempotence", "true", nowhere, diag) &&
           set(conf, "message.timeout.ms", "0", nowhere, diag) && set(conf, "log.queue", "true", nowhere, diag);
}

static rd_kafka_conf_t *make_conf(const struct lb_sink *sink, const struct kafka_settings *settings,
                                  struct lb_diag *diag)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    uint32_t errors = diag->errors;

    set_options(sink, settings, conf, diag);
    for (size_t i = 0; i < settings->others.count; i++) {
        const struct lb_pair *pair = &settings->others.items[i];

        if (is_allowed(sink, pair->name.ptr, diag))
            set(conf, pair->name.ptr, pair->value.ptr, place_of(sink, pair->name.ptr), diag);
    }
    if (diag->errors == errors && set_guarantees(conf, diag))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_conf_t *kafka_settings_conf(const struct lb_sink *sink, const struct kafka_settings *settings,
                                     struct lb_diag *diag)
{
    rd_kafka_conf_t *conf = make_conf(sink, settings, diag);

    if (conf != NULL && !set_brokers(sink, settings, conf, diag)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    return conf;
}

/* --- check -------------------------------------------------------------------------------- */

static void be_silent(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer, (void)level, (void)facility, (void)text;
}

bool kafka_settings_check(const struct lb_sink *sink, const struct kafka_settings *settings, struct lb_diag *diag)
{
    char error[ERROR_BYTES];
    uint32_t errors = diag->errors;

    check_brokers(sink, settings, diag);

    rd_kafka_conf_t *conf = make_conf(sink, settings, diag);

    if (conf == NULL || diag->errors > errors) {
        if (conf != NULL)
            rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_log_cb(conf, be_silent);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (producer != NULL) {
        rd_kafka_destroy(producer);
        return true;
    }
    rd_kafka_conf_destroy(conf);
    lb_diag_error(diag, lb_section_place(&sink->section, "settings"), "settings: librdkafka says: %s", error);
    return false;
}
