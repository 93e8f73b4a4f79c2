/* net_settings.c - the options of `tls:` and `rate:`. */
#include "net_settings.h"

#include "lb_clock.h"

const char *const tls_versions[] = { "1.2", "1.3", NULL };

const struct lb_option tls_options[] = {
    { .name = "cert",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct tls_settings, cert),
      .flags = LB_OPTION_PATH,
      .help = "the certificate, and those between it and the authority, as PEM" },
    { .name = "key",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct tls_settings, key),
      .flags = LB_OPTION_PATH,
      .help = "its private key, as PEM" },
    { .name = "ca",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct tls_settings, ca),
      .flags = LB_OPTION_PATH,
      .help = "authorities whose certificates of clients are believed, as PEM; a client is asked for its own then" },
    { .name = "verify_client",
      .kind = LB_OPTION_BOOL,
      .offset = offsetof(struct tls_settings, verify_client),
      .fallback = "false",
      .help = "refuses clients that show no certificate" },
    { .name = "min_version",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct tls_settings, min_version),
      .fallback = "1.2",
      .choices = tls_versions,
      .help = "the oldest version of TLS that is spoken" },
    { 0 },
};

const struct lb_option rate_options[] = {
    { .name = "records",
      .kind = LB_OPTION_COUNT,
      .offset = offsetof(struct net_settings, rate.records),
      .help = "how many records of one peer pass in that time; 0: all",
      .max = 1000 * 1000 * 1000 },
    { .name = "per",
      .kind = LB_OPTION_DURATION,
      .offset = offsetof(struct net_settings, rate.per_ns),
      .fallback = "1s",
      .help = "the time for it",
      .min = LB_MILLISECOND,
      .max = 3600 * LB_SECOND },
    { .name = "burst",
      .kind = LB_OPTION_COUNT,
      .offset = offsetof(struct net_settings, rate.burst),
      .help = "how many may come at once after a quiet time; as `records` unless set",
      .max = 1000 * 1000 * 1000 },
    { 0 },
};
