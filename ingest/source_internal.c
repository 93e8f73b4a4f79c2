/*
 * source_internal.c - logboom's own log lines and metrics, as records.
 *
 * Lines are heard on the threads that log them and wait in internal_lines.c,
 * which also sees that they cannot feed themselves; a descriptor tells the
 * loop. Metrics are what /metrics shows, a record for each series. At a reload
 * the instance that goes keeps hearing until the new one has taken over.
 */
#include "internal_lines.h"
#include "reporter.h"

#include "lb_alloc.h"

#include <errno.h>
#include <event2/event.h>
#include <math.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MODULE "source.internal"
#define MEMBER(name) offsetof(struct internal_source, name)

enum {
    SERIES_MAX = 2000, /* in one round */
    METRICS_BYTES_MAX = 4 * 1024 * 1024,
    LABEL_BYTES = 1024,
};

struct internal_source {
    /* Options. */
    uint8_t level;
    int64_t metrics_every_ns;

    struct lb_source *source;
    struct reporter reporter;
    struct internal_lines *lines;
    struct lb_log_listener listener;
    bool listening;
    int wake_fd;
    struct event *woken;
    struct event *timer;
    struct lb_buffer metrics;
    bool stopped;
};

static const struct lb_option options[] = {
    { .name = "level",
      .kind = LB_OPTION_LEVEL,
      .offset = MEMBER(level),
      .fallback = "warn",
      .help =
          "lines of the own log that are this bad or worse; what `log_level` keeps off the log is not here either" },
    { .name = "metrics_every",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(metrics_every_ns),
      .fallback = "60s",
      .help = "how often all metrics are written, a record for each series; 0 never",
      .max = 24 * 3600 * LB_SECOND },
    { 0 },
};

/* --- lines ------------------------------------------------------------------------- */

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9');
}

/* The next `key=value` or `key="value"`; moves `text` behind it. False at the end. */
static bool take_pair(struct lb_str *text, struct lb_str *key, struct lb_str *value)
{
    const char *end = text->ptr + text->len;
    const char *equals = memchr(text->ptr, '=', text->len);

    if (equals == NULL)
        return false;
    const char *start = equals;
    while (start > text->ptr && is_key_byte(start[-1]))
        start--;
    *key = (struct lb_str){ start, (size_t)(equals - start) };
    bool quoted = equals + 1 < end && equals[1] == '"';
    const char *from = equals + 1 + quoted;
    const char *to = memchr(from, quoted ? '"' : ' ', (size_t)(end - from));
    *value = (struct lb_str){ from, (size_t)((to != NULL ? to : end) - from) };
    const char *next = to != NULL ? to + 1 : end;
    *text = (struct lb_str){ next, (size_t)(end - next) };
    return true;
}

static void report_pairs(struct reporter *out, struct lb_str text)
{
    struct lb_str key;
    struct lb_str value;
    bool any = false;

    while (take_pair(&text, &key, &value)) {
        char name[64];

        if (key.len == 0 || key.len >= sizeof(name))
            continue;
        memcpy(name, key.ptr, key.len);
        name[key.len] = '\0';
        if (!any)
            reporter_object(out, "details");
        any = true;
        reporter_text(out, name, value);
    }
    if (any)
        reporter_object_end(out);
}

static void report_line(struct reporter *out, const struct internal_line *line)
{
    struct lb_str text = { line->text, line->len };

    reporter_begin(out, line->time_ns, line->level);
    reporter_text(out, "message", text);
    reporter_text(out, "event", LB_STR("log"));
    reporter_text(out, "module", lb_str_from(line->module));
    if (line->held_back > 0)
        reporter_count(out, "held_back", line->held_back);
    report_pairs(out, text);
    reporter_end(out);
}

static void report_lines(struct internal_source *self)
{
    struct internal_line line;

    /* What this logs itself may come back once; the bound is for threads that log meanwhile. */
    for (unsigned i = 0; i < INTERNAL_LINES_MAX && internal_lines_take(self->lines, &line); i++)
        report_line(&self->reporter, &line);
    reporter_flush(&self->reporter);
}

static void on_woken(evutil_socket_t fd, short what, void *context)
{
    struct internal_source *self = context;
    uint64_t count;

    (void)what;
    (void)!read(fd, &count, sizeof(count));
    if (!self->stopped)
        report_lines(self);
}

/* --- metrics --------------------------------------------------------------------------- */

/* The next `name="value"` of labels, unescaped into `value`. False at the end. */
static bool take_label(struct lb_str *labels, char *name, char *value)
{
    const char *equals = memchr(labels->ptr, '=', labels->len);
    size_t len = equals != NULL ? (size_t)(equals - labels->ptr) : 0;
    size_t at = len + 2; /* behind the quote */
    size_t used = 0;

    if (equals == NULL || len == 0 || len >= LABEL_BYTES)
        return false;
    memcpy(name, labels->ptr, len);
    name[len] = '\0';
    for (; at < labels->len && labels->ptr[at] != '"'; at++) {
        char c = labels->ptr[at];

        if (c == '\\' && at + 1 < labels->len) {
            c = labels->ptr[++at];
            c = (char)(c == 'n' ? '\n' : c);
        }
        if (used + 1 < LABEL_BYTES)
            value[used++] = c;
    }
    value[used] = '\0';
    at = at + 2 < labels->len ? at + 2 : labels->len; /* the quote and the comma */
    *labels = (struct lb_str){ labels->ptr + at, labels->len - at };
    return true;
}

static void report_labels(struct reporter *out, struct lb_str labels)
{
    char name[LABEL_BYTES];
    char value[LABEL_BYTES];

    reporter_object(out, "labels");
    while (take_label(&labels, name, value))
        reporter_text(out, name, lb_str_from(value));
    reporter_object_end(out);
}

/* `name{labels} value`; the line is as logboom itself writes it. */
static void report_series(struct reporter *out, struct lb_str line)
{
    const char *blank = memrchr(line.ptr, ' ', line.len);
    char number[64];

    if (blank == NULL)
        return;
    struct lb_str series = { line.ptr, (size_t)(blank - line.ptr) };
    struct lb_str value = { blank + 1, line.len - series.len - 1 };
    const char *brace = memchr(series.ptr, '{', series.len);
    struct lb_str name = { series.ptr, brace != NULL ? (size_t)(brace - series.ptr) : series.len };

    if (value.len == 0 || value.len >= sizeof(number))
        return;
    memcpy(number, value.ptr, value.len);
    number[value.len] = '\0';
    if (!isfinite(strtod(number, NULL)))
        return;
    reporter_begin(out, lb_clock_now(), LB_LEVEL_INFO);
    reporter_print(out, "message", LB_STR_FMT " is %s", LB_STR_ARG(series), number);
    reporter_text(out, "event", LB_STR("metric"));
    reporter_text(out, "metric", name);
    if (brace != NULL)
        report_labels(out, (struct lb_str){ brace + 1, series.len - name.len - 2 });
    reporter_value(out, LB_STR("value"), lb_value_of(value, LB_VALUE_NUMBER));
    reporter_end(out);
}

static void report_metrics(struct internal_source *self)
{
    unsigned count = 0;

    lb_buffer_reset(&self->metrics);
    lb_metrics_write(&self->metrics);
    struct lb_str text = lb_buffer_str(&self->metrics);
    while (text.len > 0 && count < SERIES_MAX) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        struct lb_str line = { text.ptr, newline != NULL ? (size_t)(newline - text.ptr) : text.len };
        size_t used = line.len + (newline != NULL);

        text = (struct lb_str){ text.ptr + used, text.len - used };
        if (newline == NULL || line.len == 0 || line.ptr[0] == '#')
            continue;
        report_series(&self->reporter, line);
        count++;
    }
    if (self->metrics.failed || (text.len > 0 && count == SERIES_MAX))
        LB_WARN(MODULE, "there are more metrics than are made records of, the others are left out source=" LB_STR_FMT,
                LB_STR_ARG(self->source->section.name));
    reporter_flush(&self->reporter);
}

static void on_time(evutil_socket_t fd, short what, void *context)
{
    struct internal_source *self = context;

    (void)fd, (void)what;
    if (!self->stopped)
        report_metrics(self);
}

/* --- open and close ---------------------------------------------------------------------- */

static struct lb_metric *held_back_metric(const struct lb_source *source)
{
    char name[LB_NAME_BYTES_MAX + 1];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    return lb_metric(LB_COUNTER, "logboom_internal_held_back_total",
                     "Lines of the own log that were not made records because the same sentence had just been one",
                     labels);
}

static void listen_to_log(struct internal_source *self)
{
    self->listener = (struct lb_log_listener){ self->level, internal_lines_hear, self->lines, NULL };
    self->listening = true;
    lb_log_listen(&self->listener);
}

static void stop_listening(struct internal_source *self)
{
    if (self->listening)
        lb_log_unlisten(&self->listener);
    self->listening = false;
}

static void start_timer(struct internal_source *self)
{
    struct timeval every = { self->metrics_every_ns / LB_SECOND, self->metrics_every_ns % LB_SECOND / 1000 };

    if (self->metrics_every_ns > 0)
        event_add(self->timer, &every);
}

static void release(struct internal_source *self)
{
    stop_listening(self);
    if (self->woken != NULL)
        event_free(self->woken);
    if (self->timer != NULL)
        event_free(self->timer);
    if (self->lines != NULL)
        internal_lines_close(self->lines);
    lb_free(self->lines);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    lb_buffer_free(&self->metrics);
    reporter_close(&self->reporter);
    self->lines = NULL;
    self->woken = self->timer = NULL;
    self->wake_fd = -1;
    self->source = NULL;
}

static bool make_parts(struct internal_source *self)
{
    struct event_base *base = lb_loop_base(self->source->loop);

    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->lines = lb_alloc(sizeof(*self->lines));
    if (self->lines != NULL)
        internal_lines_open(self->lines, held_back_metric(self->source), self->wake_fd);
    self->timer = event_new(base, -1, EV_PERSIST, on_time, self);
    if (self->wake_fd < 0 || self->lines == NULL || self->timer == NULL)
        return false;
    self->woken = event_new(base, self->wake_fd, EV_READ | EV_PERSIST, on_woken, self);
    lb_buffer_init(&self->metrics, METRICS_BYTES_MAX);
    return self->woken != NULL && event_add(self->woken, NULL) == 0 &&
           reporter_open(&self->reporter, self->source, LB_STR("logboom"), LB_STR(""));
}

/* No line is missed: the new one listens before the old one ends. */
static void take_over(struct internal_source *self, struct internal_source *from)
{
    stop_listening(from);
    if (from->lines != NULL)
        internal_lines_move(self->lines, from->lines);
}

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    struct internal_source *self = source->state;

    self->source = source;
    self->stopped = false;
    if (!make_parts(self)) {
        release(self);
        lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory or of descriptors");
        return LB_NOMEM;
    }
    listen_to_log(self);
    if (source->before != NULL)
        take_over(self, source->before->state);
    start_timer(self);
    return LB_OK;
}

static void stop(struct lb_source *source)
{
    struct internal_source *self = source->state;

    if (self->source == NULL)
        return;
    if (!source->replaced) {
        stop_listening(self);
        report_lines(self);
    }
    self->stopped = true;
    event_del(self->woken);
    event_del(self->timer);
}

static void resume(struct lb_source *source)
{
    struct internal_source *self = source->state;

    self->stopped = false;
    if (!self->listening)
        listen_to_log(self);
    if (source->before != NULL)
        take_over(self, source->before->state);
    event_add(self->woken, NULL);
    start_timer(self);
}

static void close_source(struct lb_source *source)
{
    struct internal_source *self = source->state;

    if (self->source != NULL)
        release(self);
}

static enum lb_err check(struct lb_source *source, struct lb_diag *diag)
{
    const struct internal_source *self = source->state;

    if (self->metrics_every_ns == 0 || self->metrics_every_ns >= LB_SECOND)
        return LB_OK;
    lb_diag_error(diag, lb_section_place(&source->section, "metrics_every"),
                  "source \"" LB_STR_FMT "\": \"metrics_every\": expected at least 1s, or 0 for never",
                  LB_STR_ARG(source->section.name));
    return LB_BAD_CONF;
}

const struct lb_source_type lb_source_internal = {
    .module = { .name = "internal",
                .help = "logboom's own log lines and metrics",
                .state_size = sizeof(struct internal_source),
                .options = options },
    .envelope = &lb_envelope_lines,
    .parse = "json",
    .check = check,
    .open = open_source,
    .stop = stop,
    .resume = resume,
    .close = close_source,
};
