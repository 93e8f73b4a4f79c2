/* command_version.c - what was built, and with which libraries. */
#include "command.h"

#include "lb_scan.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include <zstd.h>

const char *const lb_version = LB_VERSION;

static int run(int argc, char **argv)
{
    char pcre2[64];

    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        printf("{\"version\":\"%s\",\"simd\":\"%s\"}\n", lb_version, lb_scan_name());
        return EXIT_OK;
    }
    if (argc > 1)
        return usage_error(&command_version, "unexpected \"%s\"", argv[1]);
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    printf("logboom %s (%s)\n", lb_version, lb_scan_name());
    printf("libevent %s, %s, librdkafka %s, PCRE2 %s, zstd %s, libyaml %s, %s\n", event_get_version(),
           curl_version_info(CURLVERSION_NOW)->version, rd_kafka_version_str(), pcre2, ZSTD_versionString(),
           yaml_get_version_string(), OpenSSL_version(OPENSSL_VERSION));
    return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .summary = "print the version and the libraries in use",
    .help = "logboom version [--json]\n\nPrints the version, the SIMD code in use and the versions of the libraries.\n",
    .run = run,
};
