/*
 * probe_settings.c - what a check asks for, and what `check` can say of it
 * without asking anybody. Headers hold tokens and come from files: messages
 * name them and never show their values.
 */
#include "probe.h"

#include "lb_conf.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* What each record may have, whatever the configuration says. */
static const char *const own_fields[] = { "timestamp", "level",       "service",     "host",          "message",
                                          "event",     "check",       "status",      "reason",        "kind",
                                          "failures",  "http_status", "duration_ms", "tls_days_left", "exit_status",
                                          "output",    NULL };

bool probe_is_own_field(struct lb_str name)
{
    for (const char *const *field = own_fields; *field != NULL; field++) {
        if (lb_str_is(name, *field))
            return true;
    }
    return false;
}

/* --- faults ---------------------------------------------------------------------- */

struct place {
    const struct lb_source *source;
    const struct lb_node *item; /* NULL in a test */
    size_t number;
    struct lb_diag *diag;
};

static bool fault(const struct place *self, const char *option, const char *text, struct lb_str value)
{
    const struct lb_node *node = self->item != NULL ? lb_node_get(self->item, option) : NULL;
    struct lb_place at = node != NULL         ? node->place
                         : self->item != NULL ? self->item->place
                                              : lb_section_place(&self->source->section, "checks");

    lb_diag_error(self->diag, at, "source \"" LB_STR_FMT "\": \"checks.%zu%s%s\": %s%s%.80s%s",
                  LB_STR_ARG(self->source->section.name), self->number, *option != '\0' ? "." : "", option, text,
                  value.len > 0 ? ", got \"" : "", value.len > 0 ? value.ptr : "", value.len > 0 ? "\"" : "");
    return false;
}

static const struct lb_str nothing = { "", 0 };

/* --- parts ------------------------------------------------------------------------ */

static bool read_kind(struct probe_run *run, const struct place *place)
{
    const struct probe_check *check = run->check;
    int kinds = (check->http.len > 0) + (check->tcp.len > 0) + (check->command.count > 0);

    run->kind = check->http.len > 0 ? PROBE_HTTP : check->tcp.len > 0 ? PROBE_TCP : PROBE_COMMAND;
    if (kinds == 1)
        return true;
    return fault(place, "",
                 kinds == 0 ? "it asks nobody: expected one of http, tcp or command"
                            : "expected only one of http, tcp or command; make a check of each",
                 nothing);
}

static bool has_only_text(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

static bool check_url(const struct probe_check *check, const struct place *place)
{
    size_t head = lb_str_starts(check->http, LB_STR("https://"))  ? 8
                  : lb_str_starts(check->http, LB_STR("http://")) ? 7
                                                                  : 0;

    /* A URL may hold a token. */
    if (head == 0 || check->http.len == head || check->http.ptr[head] == '/' || !has_only_text(check->http))
        return fault(place, "http", "expected an address such as https://shop.example.org/health", nothing);
    return true;
}

static bool check_tcp(const struct probe_check *check, const struct place *place)
{
    const char *colon = strrchr(check->tcp.ptr, ':');
    char *end;
    long port = colon != NULL ? strtol(colon + 1, &end, 10) : 0;

    if (colon == NULL || colon == check->tcp.ptr || *end != '\0' || port < 1 || port > 65535 ||
        !has_only_text(check->tcp) || strchr(check->tcp.ptr, '/') != NULL)
        return fault(place, "tcp", "expected HOST:PORT such as db.example.org:5432", check->tcp);
    return true;
}

static bool check_command(const struct probe_check *check, const struct place *place)
{
    struct lb_str program = check->command.items[0];

    if (program.len == 0)
        return fault(place, "command", "expected a program and its arguments as a list: no shell reads it", nothing);
    if (memchr(program.ptr, ' ', program.len) != NULL && check->command.count == 1)
        return fault(place, "command",
                     "no shell reads it: write the program and its arguments as a list, [curl, -s, …]", program);
    if (memchr(program.ptr, '/', program.len) != NULL && access(program.ptr, X_OK) != 0) {
        char text[128];

        snprintf(text, sizeof(text), "expected a program that can be run (%s)", strerror(errno));
        return fault(place, "command", text, program);
    }
    return true;
}

/* 200 or 2xx. */
static bool read_status(struct lb_str word, struct probe_status *status)
{
    if (word.len != 3 || word.ptr[0] < '1' || word.ptr[0] > '5')
        return false;
    int hundred = (word.ptr[0] - '0') * 100;
    if (word.ptr[1] == 'x' && word.ptr[2] == 'x') {
        *status = (struct probe_status){ hundred, hundred + 99 };
        return true;
    }
    if (word.ptr[1] < '0' || word.ptr[1] > '9' || word.ptr[2] < '0' || word.ptr[2] > '9')
        return false;
    status->first = status->last = hundred + (word.ptr[1] - '0') * 10 + (word.ptr[2] - '0');
    return true;
}

static bool read_expect(struct probe_run *run, const struct place *place)
{
    const struct lb_strs *words = &run->check->expect;

    if (words->count == 0 || words->count > PROBE_STATUS_MAX)
        return fault(place, "expect", "expected 1 to 16 statuses such as 200 or 2xx", nothing);
    for (size_t i = 0; i < words->count; i++) {
        if (!read_status(words->items[i], &run->expect[i]))
            return fault(place, "expect", "expected statuses such as 200 or 2xx", words->items[i]);
    }
    run->expect_count = (uint32_t)words->count;
    return true;
}

static bool read_pattern(struct probe_run *run, const struct place *place)
{
    struct lb_str text = run->check->match;
    PCRE2_UCHAR message[128];
    char told[256];
    PCRE2_SIZE at;
    int code;

    if (text.len == 0)
        return true;
    run->pattern = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, PCRE2_MULTILINE, &code, &at, NULL);
    if (run->pattern != NULL)
        return true;
    pcre2_get_error_message(code, message, sizeof(message));
    snprintf(told, sizeof(told), "the pattern does not compile: %s, at byte %zu", (const char *)message, (size_t)at);
    return fault(place, "match", told, nothing);
}

static bool is_token(struct lb_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alphanumeric && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return name.len > 0;
}

/* A line end in one would write further headers. */
static bool check_headers(const struct probe_check *check, const struct place *place)
{
    for (size_t i = 0; i < check->headers.count; i++) {
        const struct lb_pair *pair = &check->headers.items[i];
        bool one_line = true;

        for (size_t k = 0; k < pair->value.len; k++)
            one_line = one_line && ((unsigned char)pair->value.ptr[k] >= ' ' || pair->value.ptr[k] == '\t');
        if (!is_token(pair->name) || !one_line || pair->name.len + pair->value.len + 3 > PROBE_HEADER_BYTES)
            return fault(place, "headers", "expected names of headers and values of one line, 4 KiB at most", nothing);
    }
    return true;
}

static bool check_fields(const struct lb_pairs *fields, const char *option, const struct place *place)
{
    bool ok = true;

    for (size_t i = 0; i < fields->count; i++) {
        if (probe_is_own_field(fields->items[i].name))
            ok = fault(place, option, "a check writes this field itself; take another name", fields->items[i].name);
        else if (fields->items[i].value.len == 0)
            ok = fault(place, option, "expected where the value is in the body", nothing);
    }
    return ok;
}

static bool check_http(struct probe_run *run, const struct place *place)
{
    const struct probe_check *check = run->check;
    bool ok = check_url(check, place);

    if (!is_token(check->method))
        ok = fault(place, "method", "expected GET, HEAD, POST or the like", check->method);
    ok = check_headers(check, place) && ok;
    ok = read_expect(run, place) && ok;
    ok = read_pattern(run, place) && ok;
    ok = check_fields(&check->json, "json", place) && ok;
    return check_fields(&check->prometheus, "prometheus", place) && ok;
}

/* What is asked, without what may be secret: user and password, and all from the `?` on. */
static void name_after_target(struct probe_run *run)
{
    struct lb_str text = run->kind == PROBE_HTTP  ? run->check->http
                         : run->kind == PROBE_TCP ? run->check->tcp
                                                  : run->check->command.items[0];
    const char *at = run->kind == PROBE_HTTP ? memchr(text.ptr, '@', strcspn(text.ptr + 8, "/?#") + 8) : NULL;

    if (at != NULL)
        text.ptr = at + 1;
    snprintf(run->name, sizeof(run->name), "%.*s", (int)strcspn(text.ptr, run->kind == PROBE_HTTP ? "?#" : ""),
             text.ptr);
}

bool probe_run_make(struct probe_run *run, const struct probe_source *self, const struct lb_source *source,
                    size_t index, struct lb_diag *diag)
{
    const struct probe_check *check = (const struct probe_check *)self->checks.items + index;
    const struct place place = { source, self->checks.node != NULL ? &self->checks.node->values[index] : NULL,
                                 index + 1, diag };
    bool ok;

    *run = (struct probe_run){ .check = check,
                               .every_ns = check->every_ns > 0 ? check->every_ns : self->every_ns,
                               .timeout_ns = check->timeout_ns > 0 ? check->timeout_ns : self->timeout_ns };
    if (!read_kind(run, &place))
        return false;
    ok = run->kind == PROBE_HTTP  ? check_http(run, &place)
         : run->kind == PROBE_TCP ? check_tcp(check, &place)
                                  : check_command(check, &place);
    if (check->name.len > 0)
        snprintf(run->name, sizeof(run->name), LB_STR_FMT, LB_STR_ARG(check->name));
    else if (ok)
        name_after_target(run);
    return ok;
}

void probe_run_free(struct probe_run *run)
{
    if (run->pattern != NULL)
        pcre2_code_free(run->pattern);
    run->pattern = NULL;
}
