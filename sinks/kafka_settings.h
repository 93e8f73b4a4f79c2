/*
 * kafka_settings.h - from options to librdkafka's configuration.
 */
#ifndef KAFKA_SETTINGS_H
#define KAFKA_SETTINGS_H

#include "lb_sink.h"

#include <librdkafka/rdkafka.h>

struct kafka_settings {
    struct lb_strs brokers;
    int compression; /* index into kafka_compressions */
    int64_t linger_ns;
    uint64_t queue_bytes;
    struct lb_pairs others; /* librdkafka's own, by name */
};

extern const char *const kafka_compressions[];

/* Faults to `diag`. Makes a producer that has no brokers, and ends it: certificates and combinations are tried. */
bool kafka_settings_check(const struct lb_sink *sink, const struct kafka_settings *settings, struct lb_diag *diag);

/* All but opaque and callbacks. NULL with an error in `diag`. */
rd_kafka_conf_t *kafka_settings_conf(const struct lb_sink *sink, const struct kafka_settings *settings,
                                     struct lb_diag *diag);

#endif
