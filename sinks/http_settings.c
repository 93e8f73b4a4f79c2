/*
 * http_settings.c - what `check` can know of an HTTP sink without sending.
 *
 * Headers come from files and environments: a line end in one would let it
 * write further headers, so no control byte passes. Messages name the option,
 * never its value: addresses and headers hold tokens.
 */
#include "http_queue.h"

#include "lb_conf.h"

#include <strings.h>

/* These are made here, one of each; a second one would contradict. */
static const char *const own_headers[] = { "Content-Type",   "Content-Length", "Transfer-Encoding", "Expect",
                                           "Connection",     "webhook-id",     "webhook-timestamp", "webhook-signature",
                                           "Idempotency-Key" };

static struct lb_place place_of_header(const struct lb_sink *sink, struct lb_str name)
{
    const struct lb_node *map = sink->section.node != NULL ? lb_node_get(sink->section.node, "headers") : NULL;
    const struct lb_node *value = map != NULL ? lb_node_get(map, name.ptr) : NULL;

    return value != NULL ? value->place : lb_section_place(&sink->section, "headers");
}

/* A token of RFC 9110 section 5.6.2. */
static bool is_name(struct lb_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return name.len > 0;
}

static bool is_value(struct lb_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return value.len > 0;
}

static bool is_own(struct lb_str name)
{
    for (size_t i = 0; i < sizeof(own_headers) / sizeof(own_headers[0]); i++) {
        if (strlen(own_headers[i]) == name.len && strncasecmp(own_headers[i], name.ptr, name.len) == 0)
            return true;
    }
    return false;
}

static bool check_header(const struct lb_sink *sink, const struct lb_pair *pair, struct lb_diag *diag)
{
    const char *fault = NULL;

    if (!is_name(pair->name))
        fault = "expected a header name: letters, digits and -";
    else if (is_own(pair->name))
        fault = "logboom sets this header itself; remove it";
    else if (!is_value(pair->value))
        fault = "expected one line of text: the value is empty, or has a line end or another control character";
    else if (pair->name.len + pair->value.len + 3 > HTTP_HEADER_BYTES)
        fault = "the value is too long: 16 KiB at most";
    if (fault == NULL)
        return true;
    lb_diag_error(diag, place_of_header(sink, pair->name), "headers.%.60s: %s",
                  is_name(pair->name) ? pair->name.ptr : "?", fault);
    return false;
}

static bool is_address(struct lb_str text, const char *const *schemes)
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    bool good = url != NULL && text.ptr != NULL && curl_url_set(url, CURLUPART_URL, text.ptr, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, schemes[0]) == 0 || strcmp(scheme, schemes[1]) == 0);

    curl_free(scheme);
    curl_url_cleanup(url);
    return good;
}

static void check_statuses(const struct lb_sink *sink, const struct http_settings *settings, struct lb_diag *diag)
{
    struct http_policy policy;
    const struct lb_pair *fault;

    if (!http_policy_make(&policy, &settings->retry_status, &fault))
        lb_diag_error(diag, lb_section_place(&sink->section, "retry.status"),
                      "retry.status: expected a status such as 404 or 5xx, and accept, retry, refuse or split; got "
                      "\"%.20s: %.20s\"",
                      fault->name.ptr, fault->value.len > 0 ? fault->value.ptr : "");
}

bool http_settings_check(const struct lb_sink *sink, const struct http_settings *settings, struct lb_diag *diag)
{
    static const char *const http[] = { "http", "https" };
    const char *name = settings->url_option != NULL ? settings->url_option : "url";
    const char *const *schemes = settings->schemes[0] != NULL ? settings->schemes : http;
    uint32_t errors = diag->errors;

    if (!is_address(settings->url, schemes))
        lb_diag_error(diag, lb_section_place(&sink->section, name),
                      "%s: expected an %s:// or %s:// address, for example %s://example.org%s", name, schemes[0],
                      schemes[1], schemes[1], schemes == http ? "/in" : "");
    for (size_t i = 0; i < settings->headers.count; i++)
        check_header(sink, &settings->headers.items[i], diag);
    check_statuses(sink, settings, diag);
    if (settings->key.len > 0 && settings->cert.len == 0)
        lb_diag_error(diag, lb_section_place(&sink->section, "tls.key"), "tls.key: tls.cert is missing");
    return diag->errors == errors;
}
