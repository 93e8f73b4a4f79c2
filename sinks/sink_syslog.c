/*
 * sink_syslog.c - records and alerts to a syslog receiver, RFC 5424.
 *
 * Syslog has no answers. On a stream a record counts as delivered when the
 * receiver's kernel has confirmed its bytes; what was not when a connection
 * broke is sent again over the next one, so it may come twice, and is not
 * lost where others lose what was in the socket. A datagram is delivered when
 * it left.
 */
#include "one_by_one.h"
#include "retry.h"
#include "syslog_link.h"
#include "syslog_message.h"

#include "lb_sink.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_conf.h"
#include "lb_limits.h"

#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    DATAGRAM_BYTES_MAX = 65000,
    FRAME_BYTES = 16, /* before and behind a message */
    HOST_BYTES = 256,
    HALVED_BYTES_MIN = 960, /* what every receiver takes half of */
    STEP_MS = 20,
};

#define WAIT_MAX LB_SECOND /* of one write() for room in the queue */

/* A message in its framing. */
struct entry {
    struct entry *next;
    struct lb_token *token; /* one hold */
    uint64_t end;           /* on the wire, by syslog_link_written(); 0: not sent whole over this connection */
    size_t len;
    char bytes[];
};

struct sink_syslog {
    struct lb_str address;
    struct lb_str app_name;
    int facility;
    int severity; /* 0: by level; else enum lb_level + 1 */
    int format;
    int framing;
    struct lb_strs fields;
    uint64_t message_bytes_max;
    uint64_t queue_bytes;
    int64_t timeout_ns;
    int64_t connect_timeout_ns;
    struct retry retry;
    struct syslog_tls tls;

    struct syslog_target target;
    struct syslog_link link;
    struct syslog_form form;
    struct syslog_parts parts;
    struct one_by_one each;
    struct lb_arena arena; /* of the template */
    struct lb_buffer message;
    char host[HOST_BYTES];
    struct entry *first; /* not confirmed yet */
    struct entry *last;
    struct entry *cursor; /* the first that is not sent whole; NULL: all are */
    size_t cursor_sent;   /* bytes of it that are out */
    size_t bytes;
    int64_t retry_at;    /* monotonic: when a connection is tried next */
    int64_t retry_pause; /* doubled with each that fails */
    int64_t moved_at;    /* monotonic: when something was confirmed last, or there was nothing to confirm */
};

#define AT(member) offsetof(struct sink_syslog, member)

static const char *const facility_names[] = { "kern",    "user",   "mail",   "daemon",   "auth",   "syslog", "lpr",
                                              "news",    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "security",
                                              "console", "clock",  "local0", "local1",   "local2", "local3", "local4",
                                              "local5",  "local6", "local7", NULL };
static const char *const severity_names[] = { "level", "emergency", "alert", "critical", "error",
                                              "warn",  "notice",    "info",  "debug",    NULL };
static const char *const format_names[] = { "text", "json", NULL };
static const char *const framing_names[] = { "octet_counting", "newline", NULL };

static const struct lb_option tls_options[] = {
    { .name = "ca",
      .kind = LB_OPTION_STRING,
      .offset = AT(tls.ca),
      .flags = LB_OPTION_PATH,
      .help = "certificates that are trusted, PEM; the system's unless given" },
    { .name = "cert",
      .kind = LB_OPTION_STRING,
      .offset = AT(tls.cert),
      .flags = LB_OPTION_PATH,
      .help = "own certificate, PEM" },
    { .name = "key", .kind = LB_OPTION_STRING, .offset = AT(tls.key), .flags = LB_OPTION_PATH, .help = "its key, PEM" },
    { .name = "verify",
      .kind = LB_OPTION_BOOL,
      .offset = AT(tls.verify),
      .fallback = "true",
      .help = "whether the receiver's certificate must be valid" },
    { 0 },
};

static const struct lb_option retry_options[] = RETRY_OPTIONS(AT(retry), "1m", "a connection is tried again");

static const struct lb_option options[] = {
    { .name = "address",
      .kind = LB_OPTION_STRING,
      .offset = AT(address),
      .flags = LB_OPTION_REQUIRED,
      .help = "udp://host:514, tcp://host:514, tls://host:6514 or unix:///dev/log" },
    { .name = "facility",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(facility),
      .choices = facility_names,
      .fallback = "user",
      .help = "of records that have none of their own" },
    { .name = "severity",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(severity),
      .choices = severity_names,
      .fallback = "level",
      .help = "that of the record's level, or the same for all" },
    { .name = "app_name",
      .kind = LB_OPTION_STRING,
      .offset = AT(app_name),
      .fallback = "{service|logboom}",
      .help = "what the program is called; at most 48 bytes of it are sent" },
    { .name = "format",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(format),
      .choices = format_names,
      .fallback = "text",
      .help = "the text of a message: that of the record, or all of it as json" },
    { .name = "fields",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(fields),
      .help = "fields of a record that become structured data; those of an alert always do" },
    { .name = "framing",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(framing),
      .choices = framing_names,
      .fallback = "octet_counting",
      .help = "how messages follow each other on a stream: octet_counting (RFC 5425, 6587), or newline" },
    { .name = "max_size",
      .kind = LB_OPTION_SIZE,
      .offset = AT(message_bytes_max),
      .fallback = "8KiB",
      .min = 480,
      .max = 1024 * 1024,
      .help = "a longer message is cut; many receivers take no more than 8KiB" },
    { .name = "queue",
      .kind = LB_OPTION_SIZE,
      .offset = AT(queue_bytes),
      .fallback = "4MiB",
      .min = 65536,
      .max = INT64_C(1) << 30,
      .help = "messages in memory that the receiver has not confirmed" },
    { .name = "timeout",
      .kind = LB_OPTION_DURATION,
      .offset = AT(timeout_ns),
      .fallback = "30s",
      .min = LB_MILLISECOND,
      .max = 3600 * LB_SECOND,
      .help = "a receiver that confirms nothing for so long is connected anew" },
    { .name = "connect_timeout",
      .kind = LB_OPTION_DURATION,
      .offset = AT(connect_timeout_ns),
      .fallback = "5s",
      .min = LB_MILLISECOND,
      .max = 600 * LB_SECOND,
      .help = "longest time for connecting" },
    { .name = "retry", .kind = LB_OPTION_GROUP, .group = retry_options, .help = "how often a connection is tried" },
    { .name = "tls", .kind = LB_OPTION_GROUP, .group = tls_options, .help = "certificates" },
    { 0 },
};

/* --- open and close ------------------------------------------------------------------------- */

/* Addresses and templates; what is made lives in `arena`. */
static bool read_options(struct lb_sink *sink, struct lb_arena *arena, struct lb_diag *diag)
{
    struct sink_syslog *self = sink->state;
    uint32_t errors = diag->errors;

    if (!syslog_target_read(&self->target, self->address))
        lb_diag_error(diag, lb_section_place(&sink->section, "address"),
                      "address: expected udp://host:514, tcp://host:514, tls://host:6514 or unix:///dev/log");
    if (self->target.way == SYSLOG_UDP && self->message_bytes_max > DATAGRAM_BYTES_MAX)
        lb_diag_error(diag, lb_section_place(&sink->section, "max_size"), "max_size: a datagram takes %d bytes at most",
                      DATAGRAM_BYTES_MAX);
    self->form.app_name = lb_template_new(arena, self->app_name, lb_section_place(&sink->section, "app_name"), diag);
    return diag->errors == errors;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_syslog *self = sink->state;
    struct lb_arena arena;
    struct syslog_link link;

    lb_arena_init(&arena, LB_CONF_VARIABLE_BYTES);
    bool good = read_options(sink, &arena, diag);
    lb_arena_free(&arena);
    if (good && !syslog_link_init(&link, &self->target, &self->tls)) {
        lb_diag_error(diag, lb_section_place(&sink->section, "tls"), "%s", link.error);
        good = false;
    } else if (good) {
        syslog_link_free(&link);
    }
    return good ? LB_OK : LB_BAD_CONF;
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_syslog *self = sink->state;

    syslog_link_free(&self->link);
    while (self->first != NULL) {
        struct entry *entry = self->first;

        self->first = entry->next;
        lb_free(entry);
    }
    lb_buffer_free(&self->parts.words);
    lb_buffer_free(&self->message);
    lb_arena_free(&self->arena);
    one_by_one_close(&self->each);
}

static void make_form(struct sink_syslog *self)
{
    if (gethostname(self->host, sizeof(self->host) - 1) != 0)
        self->host[0] = '\0';
    self->form.facility = (uint8_t)self->facility;
    self->form.severity = self->severity > 0 ? (uint8_t)(self->severity - 1) : LB_LEVEL_NONE;
    self->form.json = self->format == 1;
    self->form.fields = self->fields;
    self->form.bytes_max = self->message_bytes_max;
    self->form.host = lb_str_from(self->host);
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_syslog *self = sink->state;

    if (check(sink, diag) != LB_OK)
        return LB_BAD_CONF;
    lb_arena_init(&self->arena, LB_CONF_VARIABLE_BYTES);
    lb_buffer_init(&self->message, (size_t)8 * LB_LINE_BYTES_MAX);
    lb_buffer_init(&self->parts.words, LB_SCRATCH_BYTES);
    bool ready = one_by_one_open(&self->each);
    self->parts.formatter = &self->each.formatter;
    make_form(self);
    if (syslog_link_init(&self->link, &self->target, &self->tls) && ready && read_options(sink, &self->arena, diag))
        return LB_OK;
    close_sink(sink);
    lb_diag_error(diag, lb_section_place(&sink->section, "address"), "out of memory at start");
    return LB_NOMEM;
}

/* --- the connection --------------------------------------------------------------------------- */

/* All that is not confirmed goes again. */
static void break_off(struct lb_sink *sink, const char *why)
{
    struct sink_syslog *self = sink->state;

    syslog_link_close(&self->link);
    for (struct entry *entry = self->first; entry != NULL; entry = entry->next)
        entry->end = 0;
    self->cursor = self->first;
    self->cursor_sent = 0;
    self->retry_pause = retry_next(&self->retry, self->retry_pause);
    self->retry_at = lb_clock_monotonic() + self->retry_pause;
    if (why != NULL)
        lb_delivery_problem(sink, "%s; connects again in %.1f s", why, (double)self->retry_pause / (double)LB_SECOND);
}

/* False: there is no connection now. */
static bool connected(struct lb_sink *sink)
{
    struct sink_syslog *self = sink->state;

    if (self->link.fd >= 0 && !syslog_link_alive(&self->link)) {
        /* A receiver may close what is idle; that is no trouble. */
        break_off(sink, self->first != NULL ? self->link.error : NULL);
    }
    if (self->link.fd >= 0)
        return true;
    if (self->first == NULL || lb_clock_monotonic() < self->retry_at)
        return false;
    self->moved_at = lb_clock_monotonic();
    if (syslog_link_open(&self->link, self->connect_timeout_ns))
        return true;
    break_off(sink, self->link.error);
    return false;
}

/* On a Unix socket the newline is for streams; which it is, is known when it is connected. */
static size_t length_of(const struct sink_syslog *self, const struct entry *entry)
{
    return entry->len - (self->target.way == SYSLOG_UNIX && !self->link.stream);
}

/* As much as goes now. False: the connection broke. */
static bool send_entries(struct sink_syslog *self)
{
    while (self->cursor != NULL) {
        struct entry *entry = self->cursor;
        size_t len = length_of(self, entry);
        ssize_t sent = syslog_link_send(&self->link, entry->bytes + self->cursor_sent, len - self->cursor_sent);

        if (sent < 0 && self->link.too_long && len > HALVED_BYTES_MIN) {
            self->bytes -= entry->len / 2;
            entry->len -= entry->len / 2; /* half of it is better than nothing behind it */
            continue;
        }
        if (sent <= 0)
            return sent == 0;
        self->cursor_sent += (size_t)sent;
        if (self->link.stream && self->cursor_sent < len)
            continue;
        entry->end = syslog_link_written(&self->link);
        self->cursor = entry->next;
        self->cursor_sent = 0;
    }
    return true;
}

static void take_confirmed(struct lb_sink *sink)
{
    struct sink_syslog *self = sink->state;
    uint64_t confirmed = syslog_link_confirmed(&self->link);
    bool moved = false;

    while (self->first != NULL && self->first != self->cursor && self->first->end <= confirmed) {
        struct entry *entry = self->first;

        self->first = entry->next;
        self->bytes -= entry->len + sizeof(*entry);
        lb_delivery_count(sink, 1, entry->len);
        lb_token_done(entry->token, LB_DELIVERED, NULL);
        lb_free(entry);
        moved = true;
    }
    if (self->first == NULL)
        self->last = NULL;
    if (moved || self->first == NULL)
        self->moved_at = lb_clock_monotonic();
    if (!moved)
        return;
    self->retry_pause = 0;
    lb_delivery_fine(sink);
}

/* Returns when to look again (monotonic). */
static int64_t step(struct lb_sink *sink)
{
    struct sink_syslog *self = sink->state;

    if (!connected(sink))
        return self->first != NULL ? self->retry_at : INT64_MAX;
    if (!send_entries(self)) {
        take_confirmed(sink);
        break_off(sink, self->link.error);
        return self->retry_at;
    }
    take_confirmed(sink);
    int64_t now = lb_clock_monotonic();
    if (self->first != NULL && now - self->moved_at > self->timeout_ns)
        break_off(sink, "the receiver takes nothing");
    return now + (self->first != NULL ? STEP_MS * LB_MILLISECOND : LB_SECOND);
}

/* Until the socket takes more, at most that long. */
static void wait_a_little(const struct sink_syslog *self, int64_t until)
{
    int64_t left = (until - lb_clock_monotonic()) / LB_MILLISECOND + 1;
    struct pollfd fd = { self->link.fd, POLLOUT, 0 };

    if (left > STEP_MS)
        left = STEP_MS;
    if (left > 0)
        poll(&fd, self->link.fd >= 0 && self->cursor != NULL ? 1 : 0, (int)left);
}

/* --- write ---------------------------------------------------------------------------------------- */

static size_t write_frame(const struct sink_syslog *self, char *out)
{
    bool stream = self->target.way == SYSLOG_TCP || self->target.way == SYSLOG_TLS;
    struct lb_str message = lb_buffer_str(&self->message);
    size_t len = 0;

    if (stream && self->framing == 0)
        len = (size_t)snprintf(out, FRAME_BYTES, "%zu ", message.len);
    memcpy(out + len, message.ptr, message.len);
    len += message.len;
    if ((stream && self->framing != 0) || self->target.way == SYSLOG_UNIX)
        out[len++] = '\n';
    return len;
}

static bool queue_entry(struct sink_syslog *self, const struct lb_batch *batch, const struct lb_record *record,
                        struct lb_token *token)
{
    lb_buffer_reset(&self->message);
    if (!syslog_message_write(&self->form, &self->parts, batch, record, &self->message))
        return false;
    struct entry *entry = lb_alloc(sizeof(*entry) + self->message.len + FRAME_BYTES);
    if (entry == NULL)
        return false;
    entry->len = write_frame(self, entry->bytes);
    entry->token = token;
    lb_token_hold(token, 1);
    if (self->last != NULL)
        self->last->next = entry;
    else
        self->first = entry;
    self->last = entry;
    if (self->cursor == NULL)
        self->cursor = entry;
    self->bytes += entry->len + sizeof(*entry);
    return true;
}

static bool wait_for_room(struct lb_sink *sink)
{
    struct sink_syslog *self = sink->state;
    int64_t until = lb_clock_monotonic() + WAIT_MAX;

    while (self->bytes >= self->queue_bytes) {
        int64_t next = step(sink);

        if (self->bytes < self->queue_bytes)
            break;
        if (next >= until || lb_clock_monotonic() >= until || lb_delivery_stopping(sink))
            return false;
        wait_a_little(self, next);
    }
    return true;
}

static enum lb_err add_entry(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                             struct lb_token *token)
{
    if (!wait_for_room(sink))
        return LB_AGAIN;
    return queue_entry(sink->state, batch, record, token) ? LB_OK : LB_NOMEM;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_syslog *self = sink->state;

    return one_by_one_write(&self->each, sink, batch, selection, token, add_entry);
}

static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    (void)monotonic_ns;
    return step(sink);
}

static void drain(struct lb_sink *sink, int64_t deadline)
{
    struct sink_syslog *self = sink->state;

    while (lb_clock_monotonic() < deadline) {
        int64_t next = step(sink);

        if (self->first == NULL)
            return;
        wait_a_little(self, next < deadline ? next : deadline);
    }
}

const struct lb_sink_type lb_sink_syslog = {
    .network = true,
    .module = { .name = "syslog",
                .help = "records and alerts to a syslog receiver, RFC 5424",
                .state_size = sizeof(struct sink_syslog),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = write_batch,
    .tick = tick,
    .drain = drain,
    .close = close_sink,
};
