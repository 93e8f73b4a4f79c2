/*
 * consumer_settings.c - from options to librdkafka's configuration.
 *
 * A user may set what librdkafka knows, but not what the guarantee stands on:
 * when an offset is committed. Values may be passwords: no message repeats
 * one.
 */
#include "consumer.h"

#include "lb_conf.h"

#include <stdio.h>

struct owned {
    const char *name;
    const char *instead; /* the option that says it; NULL: logboom decides */
};

static const struct owned owned_settings[] = {
    { "bootstrap.servers", "brokers" },
    { "metadata.broker.list", "brokers" },
    { "group.id", "group" },
    { "auto.offset.reset", "read_from" },
    { "enable.auto.commit", NULL },
    { "auto.commit.enable", NULL },
    { "enable.auto.offset.store", NULL },
    { "enable.partition.eof", NULL },
    { "enabled_events", NULL },
    { "log.queue", NULL },
};

static const char *const meta_words[] = { "topic", "partition", "offset", "key", "headers", NULL };

static struct lb_place place_of(const struct lb_source *source, const char *name)
{
    const struct lb_node *map = source->section.node != NULL ? lb_node_get(source->section.node, "settings") : NULL;
    const struct lb_node *value = map != NULL ? lb_node_get(map, name) : NULL;

    return value != NULL ? value->place : lb_section_place(&source->section, "settings");
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct lb_place place, struct lb_diag *diag)
{
    char error[CONSUMER_ERROR_BYTES];
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, error, sizeof(error));

    if (result == RD_KAFKA_CONF_OK)
        return true;
    lb_diag_error(diag, place,
                  result == RD_KAFKA_CONF_UNKNOWN ? "settings.%s: librdkafka has no such setting"
                                                  : "settings.%s: librdkafka does not take this value",
                  name);
    return false;
}

static bool is_allowed(const struct lb_source *source, const char *name, struct lb_diag *diag)
{
    for (size_t i = 0; i < sizeof(owned_settings) / sizeof(owned_settings[0]); i++) {
        if (strcmp(owned_settings[i].name, name) != 0)
            continue;
        if (owned_settings[i].instead != NULL)
            lb_diag_error(diag, place_of(source, name), "settings.%s: use the source's own option \"%s\"", name,
                          owned_settings[i].instead);
        else
            lb_diag_error(diag, place_of(source, name),
                          "settings.%s: logboom decides this, so that no message is lost; remove it", name);
        return false;
    }
    return true;
}

static bool set_brokers(const struct lb_source *source, rd_kafka_conf_t *conf, struct lb_diag *diag)
{
    const struct consumer *self = source->state;
    struct lb_buffer list;

    lb_buffer_init(&list, (size_t)64 * 1024);
    for (size_t i = 0; i < self->brokers.count; i++) {
        if (i > 0)
            lb_buffer_append_char(&list, ',');
        lb_buffer_append_str(&list, self->brokers.items[i]);
    }
    lb_buffer_append_char(&list, '\0');
    bool done =
        !list.failed && set(conf, "bootstrap.servers", list.ptr, lb_section_place(&source->section, "brokers"), diag);
    lb_buffer_free(&list);
    return done;
}

/* Behind the user's, so that no other name of the same thing can undo it. */
static bool set_guarantees(const struct lb_source *source, rd_kafka_conf_t *conf, struct lb_diag *diag)
{
    const struct consumer *self = source->state;
    struct lb_place place = lb_section_place(&source->section, "group");

    return set(conf, "group.id", self->group.ptr, place, diag) &&
           set(conf, "auto.offset.reset", self->read_from == 0 ? "earliest" : "latest", place, diag) &&
           set(conf, "enable.auto.commit", "false", place, diag) &&
           set(conf, "enable.auto.offset.store", "false", place, diag) &&
           set(conf, "enable.partition.eof", "true", place, diag);
}

rd_kafka_conf_t *consumer_settings(const struct lb_source *source, struct lb_diag *diag)
{
    const struct consumer *self = source->state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct lb_place place = lb_section_place(&source->section, "");
    uint32_t errors = diag->errors;

    set(conf, "client.id", "logboom", place, diag);
    set(conf, "log.connection.close", "false", place, diag);
    set(conf, "queued.max.messages.kbytes", "8192", place, diag);
    set(conf, "topic.metadata.refresh.interval.ms", "30000", place, diag);
    set(conf, "reconnect.backoff.max.ms", "2000", place, diag);
    for (size_t i = 0; i < self->settings.count; i++) {
        const struct lb_pair *pair = &self->settings.items[i];

        if (is_allowed(source, pair->name.ptr, diag))
            set(conf, pair->name.ptr, pair->value.ptr, place_of(source, pair->name.ptr), diag);
    }
    if (diag->errors == errors && set_brokers(source, conf, diag) && set_guarantees(source, conf, diag))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

/* --- check ---------------------------------------------------------------------------- */

static bool read_meta(struct lb_source *source, struct lb_diag *diag)
{
    struct consumer *self = source->state;

    self->meta = 0;
    for (size_t i = 0; i < self->meta_words.count; i++) {
        unsigned word = 0;

        while (meta_words[word] != NULL && !lb_str_is(self->meta_words.items[i], meta_words[word]))
            word++;
        if (meta_words[word] == NULL) {
            lb_diag_error(diag, lb_section_place(&source->section, "meta"),
                          "meta: expected some of topic, partition, offset, key, headers, got \"%.60s\"",
                          self->meta_words.items[i].ptr);
            return false;
        }
        self->meta |= 1U << word;
    }
    return true;
}

static void be_silent(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle, (void)level, (void)facility, (void)text;
}

bool consumer_check(struct lb_source *source, struct lb_diag *diag)
{
    const struct consumer *self = source->state;
    char error[CONSUMER_ERROR_BYTES];
    uint32_t errors = diag->errors;

    if (self->brokers.count == 0 || self->topics.count == 0)
        lb_diag_error(diag, lb_section_place(&source->section, ""), "expected at least one of `brokers` and `topics`");
    for (size_t i = 0; i < self->topics.count; i++)
        if (self->topics.items[i].len == 0)
            lb_diag_error(diag, lb_section_place(&source->section, "topics"), "topics: expected a name, or ^pattern");
    if (self->group.len == 0)
        lb_diag_error(diag, lb_section_place(&source->section, "group"), "group: expected the name of a group");
    if (!read_meta(source, diag) || diag->errors > errors)
        return false;
    rd_kafka_conf_t *conf = consumer_settings(source, diag);
    if (conf == NULL)
        return false;
    rd_kafka_conf_set_log_cb(conf, be_silent);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
    if (handle != NULL) {
        rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        return true;
    }
    rd_kafka_conf_destroy(conf);
    lb_diag_error(diag, lb_section_place(&source->section, "settings"), "settings: librdkafka says: %s", error);
    return false;
}
