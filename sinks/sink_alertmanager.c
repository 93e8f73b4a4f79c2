/*
 * sink_alertmanager.c - gives alerts to an Alertmanager, API v2.
 *
 * Alertmanager takes an alert as over when nobody repeats it: so what fires
 * is kept in a table and posted again every minute, with an end some minutes
 * ahead, over restarts too. The tricky thing is that a request may wait long for its turn: the
 * end is written anew before each try, in place. Labels are its identity; a
 * change of severity is an end and a beginning there.
 */
#include "channel.h"
#include "channel_labels.h"
#include "firing_table.h"

enum {
    REPEAT_BYTES = 128 * 1024, /* a request of repeats ends behind the alert that reaches this */
    END_BYTES = 20,            /* "2026-01-31T12:34:56Z" */
};

#define REPEAT_EVERY (60 * LB_SECOND)
#define END_AHEAD (5 * REPEAT_EVERY)

struct sink_alertmanager {
    struct channel channel;
    struct firing_table firing; /* its cursor: the next one to be posted in a round of repeats */
    int64_t repeat_at;          /* monotonic */
};

CHANNEL_GROUPS;

static const struct lb_option options[] = {
    CHANNEL_URL("the Alertmanager, http://host:9093; a cluster needs one sink for each of its members"),
    CHANNEL_OPTIONS,
    { 0 },
};

static const char alerts_path[] = "/api/v2/alerts";

/* --- an alert as JSON ------------------------------------------------------------ */

/* An alert that is over: its end is the first member and stays as it is. */
static void put_over(struct lb_buffer *out, const struct channel_message *message, int severity, struct lb_str title)
{
    int64_t end = lb_clock_now();

    if (end <= message->started_ns) /* or it would be refused */
        end = message->started_ns + LB_MILLISECOND;
    CHANNEL_PUT(out, "{\"endsAt\":");
    channel_json_time(out, end);
    CHANNEL_PUT(out, ",\"startsAt\":");
    channel_json_time(out, message->started_ns);
    CHANNEL_PUT(out, ",\"labels\":");
    channel_put_labels(out, message, severity);
    channel_put_annotations(out, message, title);
    lb_buffer_append_char(out, '}');
}

/* One that is not: up to its end, which is the last member. */
static void put_open(struct lb_buffer *out, const struct channel_message *message, struct lb_str title)
{
    CHANNEL_PUT(out, "{\"startsAt\":");
    channel_json_time(out, message->started_ns);
    if (message->url.len > 0) {
        CHANNEL_PUT(out, ",\"generatorURL\":");
        channel_json_clean(out, message->url, CHANNEL_WHOLE_UNITS, CHANNEL_LINE);
    }
    CHANNEL_PUT(out, ",\"labels\":");
    channel_put_labels(out, message, (int)message->severity);
    channel_put_annotations(out, message, title);
}

/* Whole seconds: a text of one length, so that it can be replaced in place. */
static void put_open_end(struct lb_buffer *out)
{
    CHANNEL_PUT(out, ",\"endsAt\":");
    channel_json_time(out, (lb_clock_now() + END_AHEAD) / LB_SECOND * LB_SECOND);
    lb_buffer_append_char(out, '}');
}

/* --- requests ------------------------------------------------------------------------------- */

/* What cannot be kept is told once, and is over there when its end has come. */
static void remember(struct lb_sink *sink, const struct channel_message *message, struct lb_str text)
{
    struct sink_alertmanager *self = sink->state;

    if (self->firing.count == 0)
        self->repeat_at = lb_clock_monotonic() + REPEAT_EVERY;
    if (!firing_put(&self->firing, message->fingerprint, text, lb_clock_now()))
        lb_delivery_problem(sink, "too many alerts fire at once to repeat them: Alertmanager takes some as over after "
                                  "5 minutes");
}

static void compose_firing(struct lb_sink *sink, const struct channel_message *message, struct lb_buffer *out)
{
    struct sink_alertmanager *self = sink->state;
    struct lb_str title = lb_buffer_str(&self->channel.title);

    if (message->previous >= 0 && message->previous != (int)message->severity) {
        put_over(out, message, message->previous, title);
        lb_buffer_append_char(out, ',');
    }
    size_t start = out->len;
    put_open(out, message, title);
    if (!out->failed)
        remember(sink, message, (struct lb_str){ out->ptr + start, out->len - start });
    put_open_end(out);
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_alertmanager *self = sink->state;
    struct lb_str title = lb_buffer_str(&self->channel.title);
    struct lb_buffer *out = post->body;

    (void)recipient;
    lb_buffer_append_str(post->path, lb_str_from(alerts_path));
    lb_buffer_append_char(out, '[');
    if (channel_message_is_firing(message)) {
        compose_firing(sink, message, out);
    } else if (channel_message_is_over(message)) {
        firing_remove(&self->firing, message->fingerprint);
        put_over(out, message, (int)message->severity, title);
    } else {
        put_open(out, message, title); /* over by itself, unless the same comes again */
        put_open_end(out);
    }
    lb_buffer_append_char(out, ']');
}

/*
 * Ends that lie ahead begin anew with each try. Inside a string no quote stands without a backslash, and a label is
 * never behind a brace: what is found is a member of ours.
 */
static bool renew_ends(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list)
{
    static const struct lb_str mark = { "},\"endsAt\":\"", 12 };
    char *at = request->body.ptr;
    char *end = at + request->body.len;
    char text[LB_TIME_TEXT_SIZE];

    (void)sink;
    (void)list;
    size_t len = lb_time_write((lb_clock_now() + END_AHEAD) / LB_SECOND * LB_SECOND, text);
    while ((at = memmem(at, (size_t)(end - at), mark.ptr, mark.len)) != NULL) {
        at += mark.len;
        if (len == END_BYTES && end - at > END_BYTES)
            memcpy(at, text, END_BYTES);
    }
    return true;
}

/* A request of what fires, from the cursor on. It stands for no record: refused, it is dropped. */
static bool repeat(struct sink_alertmanager *self)
{
    struct http_request *request = channel_request(&self->channel, lb_str_from(alerts_path));
    const struct firing *first = self->firing.cursor;
    struct firing *at = self->firing.cursor;

    if (request == NULL)
        return false;
    for (; at != NULL && request->body.len < REPEAT_BYTES; at = at->next) {
        lb_buffer_append_char(&request->body, at == first ? '[' : ',');
        lb_buffer_append(&request->body, at->text, at->length);
        put_open_end(&request->body);
    }
    lb_buffer_append_char(&request->body, ']');
    if (!http_request_end(request, 0, "repeat", NULL)) {
        http_request_free(request);
        return false;
    }
    self->firing.cursor = at;
    http_request_seal(request);
    http_queue_push(&self->channel.queue, request);
    return true;
}

static int64_t idle(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_alertmanager *self = sink->state;

    if (self->firing.cursor == NULL) {
        if (self->firing.count > 0 && monotonic_ns < self->repeat_at)
            return self->repeat_at;
        firing_expire(&self->firing, lb_clock_now());
        self->firing.cursor = self->firing.first;
        self->repeat_at = monotonic_ns + REPEAT_EVERY;
    }
    if (self->firing.cursor == NULL)
        return INT64_MAX;
    return repeat(self) ? monotonic_ns : monotonic_ns + LB_SECOND;
}

static const struct channel_type service = {
    .address_option = "url", .compose = compose, .sign = renew_ends, .idle = idle
};

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_check(sink, &service, diag) ? LB_OK : LB_BAD_CONF;
}

/* What fired when logboom was stopped still does: its first repeat is due at once. */
static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_alertmanager *self = sink->state;

    if (channel_open(sink, &service, diag) != LB_OK)
        return LB_BAD_CONF;
    if (firing_open(&self->firing, sink->ledger, sink->section.name) == LB_OK)
        return LB_OK;
    firing_close(&self->firing);
    channel_close(sink);
    lb_diag_error(diag, lb_section_place(&sink->section, "url"), "out of memory for the alerts that fire");
    return LB_NOMEM;
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_alertmanager *self = sink->state;

    firing_close(&self->firing);
    channel_close(sink);
}

const struct lb_sink_type lb_sink_alertmanager = {
    .network = true,
    .tells = true,
    .module = { .name = "alertmanager",
                .help = "gives alerts to a Prometheus Alertmanager, API v2",
                .state_size = sizeof(struct sink_alertmanager),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = close_sink,
};
