/*
 * net_settings.h - what the sources that listen have in common: `tls:` and `rate:`.
 *
 * The settings stand at the front of such a source's state, so that the option tables fit all of them. One without a
 * rate has struct tls_settings there.
 */
#ifndef NET_SETTINGS_H
#define NET_SETTINGS_H

#include "lb_module.h"

#include <stdbool.h>

struct tls_settings {
    struct lb_str cert;
    struct lb_str key;
    struct lb_str ca;
    bool verify_client;
    int min_version; /* of tls_versions */
};

struct rate_settings {
    uint64_t records; /* 0: no limit */
    int64_t per_ns;
    uint64_t burst; /* 0: as `records` */
};

struct net_settings {
    struct tls_settings tls;
    struct rate_settings rate;
};

extern const char *const tls_versions[];
extern const struct lb_option tls_options[];
extern const struct lb_option rate_options[];

#define NET_TLS_OPTION(what)                                                                                           \
    {                                                                                                                  \
        .name = "tls", .kind = LB_OPTION_GROUP, .group = tls_options, .help = (what)                                   \
    }
#define NET_RATE_OPTION                                                                                                \
    {                                                                                                                  \
        .name = "rate", .kind = LB_OPTION_GROUP, .group = rate_options,                                                \
        .help = "how much of one peer is taken; more is dropped, counted and told"                                     \
    }

#endif
