/*
 * reporter.c - records that a source makes itself.
 *
 * The tricky thing: how long a record is shows when it is written, so it is
 * written into one buffer that stays, and copied to the slab whole. A quiet
 * source gets along with small slabs; a round that filled one takes medium
 * ones from there on.
 */
#include "reporter.h"

#include "lb_intake.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_time.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* --- open and close ------------------------------------------------------------ */

static void register_metrics(struct reporter *self)
{
    char name[LB_NAME_BYTES_MAX + 1];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->records = lb_metric(LB_COUNTER, "logboom_reported_records_total",
                              "Records that a source has made itself: measurements, checks, own log lines", labels);
    self->lost = lb_metric(LB_COUNTER, "logboom_unreported_records_total",
                           "Such records that were lost because the memory for records was used up", labels);
}

bool reporter_open(struct reporter *self, struct lb_source *source, struct lb_str name, struct lb_str host)
{
    *self = (struct reporter){ .source = source };
    lb_buffer_init(&self->line, REPORT_BYTES_MAX);
    self->stream = lb_stream_new(source->streams, source);
    if (self->stream == NULL || !lb_buffer_reserve(&self->line, LB_SLAB_SMALL)) {
        reporter_close(self);
        return false;
    }
    self->stream->name = name;
    if (source->options.service.len == 0)
        self->stream->service = lb_value_text(name);
    if (host.len > 0)
        self->stream->host = lb_value_text(host);
    register_metrics(self);
    return true;
}

void reporter_close(struct reporter *self)
{
    if (self->batch != NULL)
        lb_batch_unref(self->batch);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    lb_buffer_free(&self->line);
    *self = (struct reporter){ 0 };
}

/* --- one record ------------------------------------------------------------------ */

static void begin_member(struct reporter *self, struct lb_str key)
{
    if (!self->first)
        lb_buffer_append_char(&self->line, ',');
    self->first = false;
    lb_buffer_append_char(&self->line, '"');
    lb_json_escape(&self->line, key);
    lb_buffer_append(&self->line, "\":", 2);
}

void reporter_begin(struct reporter *self, int64_t time_ns, uint8_t level)
{
    char time[LB_TIME_TEXT_SIZE];
    struct lb_str text = { time, lb_time_write(time_ns / LB_MILLISECOND * LB_MILLISECOND, time) };

    lb_buffer_reset(&self->line);
    lb_buffer_append_char(&self->line, '{');
    self->first = true;
    reporter_text(self, "timestamp", text);
    reporter_text(self, "level", lb_level_name(level));
}

void reporter_text(struct reporter *self, const char *key, struct lb_str value)
{
    begin_member(self, lb_str_from(key));
    lb_buffer_append_char(&self->line, '"');
    lb_json_escape(&self->line, value);
    lb_buffer_append_char(&self->line, '"');
}

void reporter_print(struct reporter *self, const char *key, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len > 0)
        reporter_text(self, key, (struct lb_str){ text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1 });
}

void reporter_count(struct reporter *self, const char *key, uint64_t count)
{
    begin_member(self, lb_str_from(key));
    lb_buffer_print(&self->line, "%" PRIu64, count);
}

/* "12.5", "12", never "12.50" or "-0". */
static int print_number(double number, char *out, size_t size)
{
    int len = snprintf(out, size, "%.2f", number);

    if (len <= 0 || (size_t)len >= size)
        return 0;
    while (out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    if (len == 2 && memcmp(out, "-0", 2) == 0) {
        out[0] = '0';
        len = 1;
    }
    return len;
}

void reporter_number(struct reporter *self, const char *key, double number)
{
    char text[64];
    int len = isfinite(number) ? print_number(number, text, sizeof(text)) : 0;

    if (len == 0)
        return;
    begin_member(self, lb_str_from(key));
    lb_buffer_append(&self->line, text, (size_t)len);
}

void reporter_value(struct reporter *self, struct lb_str key, struct lb_value value)
{
    if (value.kind == LB_VALUE_NONE)
        return;
    begin_member(self, key);
    lb_json_write_value(&self->line, value);
}

void reporter_object(struct reporter *self, const char *key)
{
    begin_member(self, lb_str_from(key));
    lb_buffer_append_char(&self->line, '{');
    self->first = true;
}

void reporter_object_end(struct reporter *self)
{
    lb_buffer_append_char(&self->line, '}');
    self->first = false;
}

/* --- batches ------------------------------------------------------------------------ */

void reporter_flush(struct reporter *self)
{
    struct lb_batch *batch = self->batch;

    self->batch = NULL;
    self->written = 0;
    if (batch == NULL)
        return;
    batch->arrival_ns = lb_clock_now();
    batch->counted = true;
    batch->position = self->position;
    self->position += batch->event_count;
    batch->position_end = self->position;
    lb_source_push(self->source, batch);
}

/* A batch with room for one more line. False: there is no credit. */
static bool make_room(struct reporter *self, size_t len)
{
    size_t wanted = self->written == 0 ? LB_SLAB_SMALL : LB_SLAB_MEDIUM;

    if (self->batch != NULL && lb_batch_room(self->batch, 1) >= len)
        return true;
    if (self->batch != NULL) {
        uint32_t written = self->written;

        reporter_flush(self);
        self->written = written;
    }
    if (wanted < len + 2 * sizeof(struct lb_event))
        wanted = len + 2 * sizeof(struct lb_event);
    self->batch = lb_pool_take(self->source->share, wanted, self->stream);
    return self->batch != NULL;
}

void reporter_end(struct reporter *self)
{
    size_t len = self->line.len + 1;

    lb_buffer_append_char(&self->line, '}');
    if (self->line.failed || !make_room(self, len)) {
        lb_metric_add(self->lost, 1);
        LB_WARN(
            "source", "a record was lost source=" LB_STR_FMT " reason=\"%s\"", LB_STR_ARG(self->source->section.name),
            self->line.failed ? "it is too long" : "the memory for records is used up by those that wait for a sink");
        return;
    }
    memcpy(self->batch->bytes + self->batch->length, self->line.ptr, len);
    lb_batch_note(self->batch, self->batch->length, len);
    self->batch->length += (uint32_t)len;
    self->written++;
    lb_metric_add(self->records, 1);
}

/* --- words ----------------------------------------------------------------------------- */

const char *report_size(uint64_t bytes, char *out)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double number = (double)bytes;
    size_t unit = 0;

    for (; number >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        number /= 1024;
    snprintf(out, REPORT_WORD_BYTES, unit == 0 || number >= 100 ? "%.0f %s" : "%.1f %s", number, units[unit]);
    return out;
}

const char *report_duration(double seconds, char *out)
{
    uint64_t whole = seconds > 0 && seconds < 1e15 ? (uint64_t)seconds : 0;

    if (whole >= 2 * 86400)
        snprintf(out, REPORT_WORD_BYTES, "%" PRIu64 " days", whole / 86400);
    else if (whole >= 3600)
        snprintf(out, REPORT_WORD_BYTES, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole % 3600 / 60);
    else if (whole >= 120)
        snprintf(out, REPORT_WORD_BYTES, "%" PRIu64 " min", whole / 60);
    else
        snprintf(out, REPORT_WORD_BYTES, "%" PRIu64 " s", whole);
    return out;
}
