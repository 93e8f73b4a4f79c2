/*
 * self_watch.c - what is wrong, by what was a while ago.
 *
 * Of each thing that is watched two numbers are kept as a short series. The
 * tricky thing is where a verdict ends: each has a limit of its own that is
 * easier to keep, so that a value on the edge does not come and go.
 */
#include "self_watch.h"

#include "lb_alert.h"
#include "lb_alloc.h"
#include "lb_clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { POINTS = 21, THINGS_MAX = 1024, PERIODS = 10, PERIODS_BUSY = 8 };

#define MINUTE (60 * LB_SECOND)
#define STEP (30 * LB_SECOND) /* between two points of a series, */
#define LONGEST (10 * MINUTE) /* so this is what it holds */
#define RECENT (5 * MINUTE)   /* of parse errors and clocks */
#define FORGET_AFTER (60 * MINUTE)
#define TREND_LEAST (5 * MINUTE) /* less says nothing of how fast a disk fills */

enum thing_kind { THING_DISK, THING_SINK, THING_SOURCE, THING_WHOLE };

struct series {
    int64_t times[POINTS];
    double values[POINTS];
    uint32_t count;
};

/* What is remembered of a sink, a source, a path. */
struct thing {
    enum thing_kind kind;
    char name[LB_SELF_NAME_BYTES];
    int64_t seen;
    struct series first;  /* free bytes; dead letters; records; records from the future */
    struct series second; /* parse errors; lost alerts */
    struct series unread;

    /* Since when each verdict stands; 0: it does not. */
    int64_t since[LB_SELF_CHECKS];
    int8_t severity;

    /* Of a source: in which of the last periods something came. */
    int64_t records;
    int64_t changed; /* when the last record came */
    int64_t period_began;
    bool period_busy;
    uint32_t periods; /* a bit each, the newest lowest */
    uint32_t quiet;   /* periods of silence behind them, which count when it has ended */
};

struct self_watch {
    struct thing *things;
    uint32_t count;
    size_t capacity;
};

/* Where findings go during a step. */
struct report {
    const struct lb_self_options *options;
    int64_t now;
    struct lb_self_finding *items;
    uint32_t count;
    uint32_t room;
};

struct self_watch *self_watch_new(void)
{
    return lb_alloc(sizeof(struct self_watch));
}

void self_watch_free(struct self_watch *self)
{
    if (self != NULL)
        lb_free(self->things);
    lb_free(self);
}

/* --- what was ------------------------------------------------------------- */

static void add_point(struct series *series, int64_t now, double value, int64_t step)
{
    if (series->count > 0 && now < series->times[series->count - 1])
        series->count = 0; /* the clock was set back */
    if (series->count > 0 && now < series->times[series->count - 1] + step)
        return;
    if (series->count == POINTS) {
        memmove(series->times, series->times + 1, (POINTS - 1) * sizeof(series->times[0]));
        memmove(series->values, series->values + 1, (POINTS - 1) * sizeof(series->values[0]));
        series->count--;
    }
    series->times[series->count] = now;
    series->values[series->count++] = value;
}

/* The oldest point that is at most so old; the newest, if none is. */
static uint32_t point_at(const struct series *series, int64_t now, int64_t age)
{
    uint32_t i = 0;

    while (i + 1 < series->count && series->times[i] < now - age)
        i++;
    return i;
}

/* By how much it has grown within so long. A counter that begins anew counts from 0. */
static double growth(const struct series *series, int64_t now, int64_t age, double value)
{
    double before = series->count > 0 ? series->values[point_at(series, now, age)] : value;

    return value >= before ? value - before : value;
}

static bool make_room(struct self_watch *self)
{
    struct thing *things;

    if (self->count == THINGS_MAX)
        return false;
    things = lb_grown(self->things, self->count, &self->capacity, sizeof(*things));
    if (things == NULL)
        return false;
    self->things = things;
    return true;
}

/* NULL: no room, and it is not watched. */
static struct thing *thing_of(struct self_watch *self, enum thing_kind kind, const char *name, int64_t now)
{
    struct thing *thing = NULL;

    for (uint32_t i = 0; i < self->count && thing == NULL; i++)
        if (self->things[i].kind == kind && strcmp(self->things[i].name, name) == 0)
            thing = &self->things[i];
    if (thing == NULL && make_room(self)) {
        thing = &self->things[self->count++];
        memset(thing, 0, sizeof(*thing));
        thing->kind = kind;
        snprintf(thing->name, sizeof(thing->name), "%s", name);
        thing->period_began = now;
    }
    if (thing != NULL)
        thing->seen = now;
    return thing;
}

static void forget(struct self_watch *self, int64_t now)
{
    for (uint32_t i = 0; i < self->count;) {
        if (now - self->things[i].seen <= FORGET_AFTER)
            i++;
        else
            self->things[i] = self->things[--self->count];
    }
}

/* --- verdicts ------------------------------------------------------------- */

static void say(struct report *report, struct thing *thing, enum lb_self_check check, int8_t severity, const char *fmt,
                ...) __attribute__((format(printf, 5, 6)));

static void say(struct report *report, struct thing *thing, enum lb_self_check check, int8_t severity, const char *fmt,
                ...)
{
    struct lb_self_finding *finding = &report->items[report->count];
    va_list args;

    if (thing->since[check] == 0)
        thing->since[check] = report->now;
    if (report->count == report->room)
        return;
    report->count++;
    finding->check = check;
    finding->severity = severity;
    finding->since = thing->since[check];
    snprintf(finding->name, sizeof(finding->name), "%s", thing->kind == THING_WHOLE ? "" : thing->name);
    va_start(args, fmt);
    vsnprintf(finding->text, sizeof(finding->text), fmt, args);
    va_end(args);
}

/* "3m20s", for people. */
static const char *span(int64_t ns, char text[32])
{
    int64_t s = ns / LB_SECOND;

    if (s < 60)
        snprintf(text, 32, "%llds", (long long)s);
    else if (s < 3600)
        snprintf(text, 32, "%lldm", (long long)(s / 60));
    else
        snprintf(text, 32, "%lldh%lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    return text;
}

static const char *bytes_text(double bytes, char text[32])
{
    if (bytes >= 1024.0 * 1024 * 1024)
        snprintf(text, 32, "%.1f GiB", bytes / (1024.0 * 1024 * 1024));
    else
        snprintf(text, 32, "%.1f MiB", bytes / (1024.0 * 1024));
    return text;
}

/* When it is full, as fast as it fills now; INT64_MAX: not. */
static int64_t full_within(const struct series *free, int64_t now, double left)
{
    int64_t age = free->count > 0 ? now - free->times[0] : 0;
    double rate = age >= TREND_LEAST ? (free->values[0] - left) / (double)age : 0;

    return rate > 0 && left / rate < (double)(400LL * 24 * 60 * MINUTE) ? (int64_t)(left / rate) : INT64_MAX;
}

static void judge_disk(struct report *report, struct thing *thing, const struct self_disk *disk)
{
    const struct lb_self_options *options = report->options;
    double part = disk->bytes > 0 ? 100.0 * (double)disk->free / (double)disk->bytes : 100;
    double slack = thing->since[LB_SELF_DISK] != 0 ? 1 : 0; /* it ends a little above its limit */
    int64_t left = full_within(&thing->first, report->now, (double)disk->free);
    bool fills = left < options->disk_full_within_ns + (slack > 0 ? options->disk_full_within_ns / 4 : 0);
    char free[32];
    char time[32] = "";

    if (left < options->disk_full_within_ns * 2)
        span(left, time);
    if (part < options->disk_critical || (thing->severity == LB_SEVERITY_CRITICAL && part < options->disk_critical + 1))
        thing->severity = LB_SEVERITY_CRITICAL;
    else if (part < options->disk_low + slack || fills)
        thing->severity = LB_SEVERITY_HIGH;
    else
        thing->severity = LB_SEVERITY_INFO;
    if (thing->severity == LB_SEVERITY_INFO)
        thing->since[LB_SELF_DISK] = 0;
    else
        say(report, thing, LB_SELF_DISK, thing->severity, "%s: %.1f%% (%s) free%s%s",
            disk->free == 0 ? "the disk is full" : "the disk fills", part, bytes_text((double)disk->free, free),
            time[0] != '\0' ? ", full in about " : "", time);
    add_point(&thing->first, report->now, (double)disk->free, STEP);
}

static void judge_sink(struct report *report, struct thing *thing, const struct self_sink *sink)
{
    double letters = growth(&thing->first, report->now, LONGEST, (double)sink->dead_letters);
    int64_t since = sink->failing_since;
    bool blocked = since == 0;
    char time[32];

    if (since == 0 || (sink->blocked_since != 0 && sink->blocked_since < since))
        since = sink->blocked_since;
    if (since == 0 || report->now - since < report->options->sink_ns) {
        thing->since[LB_SELF_SINK] = 0;
    } else {
        thing->since[LB_SELF_SINK] = since;
        say(report, thing, LB_SELF_SINK, LB_SEVERITY_HIGH, "the sink %s nothing for %s: %s",
            blocked ? "takes" : "delivers", span(report->now - since, time),
            sink->problem[0] != '\0' ? sink->problem : "no word from it");
    }
    if (letters > 0)
        say(report, thing, LB_SELF_DEAD_LETTERS, LB_SEVERITY_MEDIUM,
            "%.0f records were refused for good within 10m, and are dead letters: %s", letters, sink->dead_letter_last);
    else
        thing->since[LB_SELF_DEAD_LETTERS] = 0;
    add_point(&thing->first, report->now, (double)sink->dead_letters, STEP);
}

static void judge_parsing(struct report *report, struct thing *thing, const struct self_source *source)
{
    double records = growth(&thing->first, report->now, RECENT, (double)source->records);
    double errors = growth(&thing->second, report->now, RECENT, (double)source->parse_errors);
    double limit = report->options->parse_errors * (thing->since[LB_SELF_PARSE_ERRORS] != 0 ? 0.8 : 1);

    add_point(&thing->first, report->now, (double)source->records, STEP);
    add_point(&thing->second, report->now, (double)source->parse_errors, STEP);
    if (records < (double)report->options->parse_errors_least || errors <= 0 || 100 * errors / records <= limit)
        thing->since[LB_SELF_PARSE_ERRORS] = 0;
    else
        say(report, thing, LB_SELF_PARSE_ERRORS, LB_SEVERITY_MEDIUM,
            "%.1f%% of its records within 5m (%.0f of %.0f) could not be parsed", 100 * errors / records, errors,
            records);
}

static void judge_lag(struct report *report, struct thing *thing, const struct self_source *source)
{
    int64_t limit = report->options->behind_ns;
    bool told = thing->since[LB_SELF_SOURCE_BEHIND] != 0;
    int64_t age = limit / 2 < MINUTE ? limit / 2 : MINUTE;
    bool grows = thing->unread.count > 0 &&
                 (double)source->unread > thing->unread.values[point_at(&thing->unread, report->now, age)];
    char time[32];
    char bytes[32];

    add_point(&thing->unread, report->now, (double)source->unread, age / 4);
    if (told ? source->behind_ns < limit / 2 : source->behind_ns < limit || !grows)
        thing->since[LB_SELF_SOURCE_BEHIND] = 0;
    else
        say(report, thing, LB_SELF_SOURCE_BEHIND, LB_SEVERITY_HIGH, "the source is %s behind, %s are not read%s",
            span(source->behind_ns, time), bytes_text((double)source->unread, bytes), grows ? ", and more comes" : "");
}

static void judge_rotation(struct report *report, struct thing *thing, const struct self_source *source)
{
    int64_t limit = report->options->rotation_ns;
    bool told = thing->since[LB_SELF_ROTATION] != 0;
    int64_t left = source->rotation_left;
    char time[32];
    char bytes[32];

    if (left < 0 || left >= limit + (told ? limit / 4 : 0))
        thing->since[LB_SELF_ROTATION] = 0;
    else
        say(report, thing, LB_SELF_ROTATION, LB_SEVERITY_HIGH,
            "%s are not read, and rotation begins to take them in about %s", bytes_text((double)source->unread, bytes),
            span(left, time));
}

/* Silence leaves the picture of what was before as it is, until it has ended. */
static void end_period(struct thing *thing)
{
    if (!thing->period_busy) {
        thing->quiet++;
        return;
    }
    thing->periods = thing->quiet < PERIODS ? thing->periods << (thing->quiet + 1) | 1 : 1;
    thing->periods &= (1U << PERIODS) - 1;
    thing->quiet = 0;
    thing->period_busy = false;
}

/* Busy: something came in nearly all of the last periods, of which five are as long as the silence that is told. */
static void judge_silence(struct report *report, struct thing *thing, const struct self_source *source)
{
    int64_t limit = report->options->silent_ns;
    int64_t period = limit / 5 > LB_SECOND ? limit / 5 : LB_SECOND;
    bool told = thing->since[LB_SELF_SOURCE_SILENT] != 0;
    char time[32];

    if (thing->changed == 0 || source->records != thing->records || report->now < thing->changed) {
        thing->period_busy = thing->period_busy || (thing->changed != 0 && source->records != thing->records);
        thing->records = source->records;
        thing->changed = report->now;
    }
    while (report->now >= thing->period_began + period) {
        end_period(thing);
        thing->period_began =
            report->now < thing->period_began + 2 * period ? thing->period_began + period : report->now;
    }
    if (limit == 0 || report->now - thing->changed < limit ||
        (!told && __builtin_popcount(thing->periods) < PERIODS_BUSY)) {
        thing->since[LB_SELF_SOURCE_SILENT] = 0;
        return;
    }
    thing->since[LB_SELF_SOURCE_SILENT] = thing->changed;
    say(report, thing, LB_SELF_SOURCE_SILENT, LB_SEVERITY_MEDIUM, "the source was busy, and nothing came for %s",
        span(report->now - thing->changed, time));
}

static void judge_whole(struct report *report, struct thing *thing, const struct self_facts *facts)
{
    double ahead = growth(&thing->first, report->now, RECENT, (double)facts->ahead);
    double lost = growth(&thing->second, report->now, LONGEST, (double)facts->lost);

    if (ahead >= (double)report->options->clock_least)
        say(report, thing, LB_SELF_CLOCK, LB_SEVERITY_MEDIUM,
            "%.0f records within 5m are ahead of their arrival: a clock is wrong, here or where they come from", ahead);
    else
        thing->since[LB_SELF_CLOCK] = 0;
    if (lost > 0)
        say(report, thing, LB_SELF_ALERTS_LOST, LB_SEVERITY_CRITICAL,
            "%.0f alerts within 10m were told to nobody: no memory, or no room on disk", lost);
    else
        thing->since[LB_SELF_ALERTS_LOST] = 0;
    add_point(&thing->first, report->now, (double)facts->ahead, STEP);
    add_point(&thing->second, report->now, (double)facts->lost, STEP);
}

uint32_t self_watch_step(struct self_watch *self, const struct lb_self_options *options, const struct self_facts *facts,
                         struct lb_self_finding *findings, uint32_t room)
{
    struct report report = { .options = options, .now = facts->now, .items = findings, .room = room };
    struct thing *thing;

    for (uint32_t i = 0; i < facts->disk_count; i++)
        if ((thing = thing_of(self, THING_DISK, facts->disks[i].path, facts->now)) != NULL)
            judge_disk(&report, thing, &facts->disks[i]);
    for (uint32_t i = 0; i < facts->sink_count; i++)
        if ((thing = thing_of(self, THING_SINK, facts->sinks[i].name, facts->now)) != NULL)
            judge_sink(&report, thing, &facts->sinks[i]);
    for (uint32_t i = 0; i < facts->source_count; i++) {
        if ((thing = thing_of(self, THING_SOURCE, facts->sources[i].name, facts->now)) == NULL)
            continue;
        judge_parsing(&report, thing, &facts->sources[i]);
        judge_lag(&report, thing, &facts->sources[i]);
        judge_rotation(&report, thing, &facts->sources[i]);
        judge_silence(&report, thing, &facts->sources[i]);
    }
    if ((thing = thing_of(self, THING_WHOLE, "", facts->now)) != NULL)
        judge_whole(&report, thing, facts);
    forget(self, facts->now);
    return report.count;
}
