/*
 * bench_notifier.c - what a second of thousands of alerts that fire costs.
 *
 *   bench_notifier [ALERTS [SILENCES]]      10000 100 unless told otherwise
 *
 * Reports come once a second for each alert, as the engine sends them, then a
 * tick; then a silence comes that holds half of them, and goes. `max` is of
 * one tick: the engine does nothing else for so long.
 */
#include "route/alert_conf.h"
#include "route/alert_notifier.h"
#include "route/alert_runner.h"
#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BEGIN (1767225600 * LB_SECOND)

enum { SECONDS = 180 };

static struct lb_str by[] = { { "service", 7 } };
static struct lb_alert_rule rule = { .name = { "error_rate", 10 },
                                     .function = LB_ALERT_COUNT,
                                     .value_text = { "count()", 7 },
                                     .over_ns = 300 * LB_SECOND,
                                     .by = { by, 1 },
                                     .repeat_ns = 3600 * LB_SECOND,
                                     .sinks = 1 };
static struct lb_alerting alerting = { .rules = &rule, .rule_count = 1, .lateness_ns = 30 * LB_SECOND };
static struct lb_alert_runner runner;
static struct lb_alert_notifier notifier;
static struct lb_alert_outbox outbox; /* never flushed: entries wait in memory */
static struct lb_mutes *mutes;
static struct lb_alert_key *keys;
static int alerts;

/* The clock that is set stands still. */
static int64_t ticks_now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * LB_SECOND + time.tv_nsec;
}

static void silence(const char *where, char id[LB_SILENCE_ID_SIZE])
{
    struct lb_diag diag = { 0 };
    struct lb_silence wanted = { .where = lb_str_from(where),
                                 .from = LB_TIME_NONE,
                                 .until = BEGIN + 7200 * LB_SECOND,
                                 .author = LB_STR("bench"),
                                 .comment = LB_STR("bench") };

    if (lb_mutes_set(mutes, &wanted, lb_clock_now(), id, &diag) != LB_OK)
        abort();
    lb_diag_free(&diag);
}

static void make(int silences)
{
    char path[] = "/tmp/lb_bench_notifier.XXXXXX";
    struct lb_diag diag = { 0 };

    lb_clock_set(BEGIN);
    if (mkstemp(path) < 0 || unlink(path) != 0)
        abort();
    mutes = lb_mutes_open(path, &diag);
    for (int i = 0; i < silences; i++) {
        char where[80];
        char id[LB_SILENCE_ID_SIZE];

        snprintf(where, sizeof(where), "key.service == \"other-%d\" and severity >= high", i);
        silence(where, id);
    }
    unlink(path);
    rule.threshold_texts[LB_SEVERITY_CRITICAL] = LB_STR("at least 5");
    runner.rule = &rule;
    notifier.runners = &runner;
    notifier.find_mute = lb_mutes_find;
    notifier.mutes_version = lb_mutes_version;
    notifier.mutes = mutes;
    notifier.piecewise = true;
    if (!lb_alert_notifier_init(&notifier, &alerting, &outbox))
        abort();
    keys = calloc((size_t)alerts, sizeof(*keys));
    for (int i = 0; i < alerts; i++) {
        keys[i].length = (uint16_t)snprintf(keys[i].text, sizeof(keys[i].text), "service=payments-%d", i);
        keys[i].id = (uint64_t)i + 1;
        keys[i].judged = true;
        keys[i].state.severity = LB_SEVERITY_CRITICAL;
        keys[i].state.started_ns = BEGIN;
    }
}

static void report(int64_t now, bool first)
{
    runner.now = now;
    for (int i = 0; i < alerts; i++) {
        keys[i].value = (double)(now % 1000003);
        lb_alert_notifier_report(&notifier,
                                 &(struct lb_alert_report){ .runner = &runner,
                                                            .key = &keys[i],
                                                            .at = now,
                                                            .before = first ? LB_ALERT_QUIET : LB_SEVERITY_CRITICAL });
    }
}

struct cost {
    int64_t reports;
    int64_t ticks;
    int64_t max;
    int count;
};

static void second(int64_t now, struct cost *cost)
{
    int64_t from = ticks_now();

    lb_clock_set(now);
    report(now, false);
    cost->reports += ticks_now() - from;
    do {
        from = ticks_now();
        lb_alert_notifier_tick(&notifier, now);
        int64_t took = ticks_now() - from;
        cost->ticks += took;
        cost->max = took > cost->max ? took : cost->max;
        cost->count++;
    } while (notifier.urgent);
}

static void show(const char *what, const struct cost *cost, int seconds)
{
    printf("%s seconds=%d reports_us=%.0f tick_us=%.0f max_us=%.0f ticks=%d\n", what, seconds,
           (double)cost->reports / seconds / 1e3, (double)cost->ticks / cost->count / 1e3, (double)cost->max / 1e3,
           cost->count);
}

int main(int argc, char **argv)
{
    struct cost quiet = { 0 };
    struct cost change = { 0 };
    char id[LB_SILENCE_ID_SIZE];
    int64_t from;

    alerts = argc > 1 ? atoi(argv[1]) : 10000;
    make(argc > 2 ? atoi(argv[2]) : 100);
    from = ticks_now();
    report(BEGIN, true);
    printf("begin alerts=%d us=%.0f\n", alerts, (double)(ticks_now() - from) / 1e3);
    second(BEGIN + LB_SECOND, &change);
    change = (struct cost){ 0 };
    for (int i = 2; i < SECONDS; i++)
        second(BEGIN + i * LB_SECOND, &quiet);
    show("nothing_changes", &quiet, SECONDS - 2);
    silence("key.service ~ \"payments-[0-4]\"", id);
    second(BEGIN + SECONDS * LB_SECOND, &change);
    show("silence_begins", &change, 1);
    return 0;
}
