/*
 * prop_alert_rules.c - rules against a slow, obvious judge who has all records
 * before him, in order of time.
 *
 * Random streams: late within lateness, in any order, doubled, from the
 * future, far too old, in batches of any size, over restarts. For each rule
 * and key the engine must tell the same highest severity. Where the order of
 * arrival may matter by what is documented (a ratio on what has arrived, the
 * end of learning, a silence at the end) it must lie between what is certain
 * and what is possible.
 */
#include "route/alert_when_ground.h"

enum { RUNS = 120, SHOTS = 150, KEYS = 3, USERS = 12, VALUES = 6 };

#define LATENESS (30 * LB_SECOND)
#define BATCH_SPAN (5 * LB_SECOND) /* what is read at once came at one time: that of the batch */
#define OVER (2 * MINUTE)
#define WITHIN MINUTE
#define LEARN (5 * MINUTE)

enum rule { COUNT, RATIO, DISTINCT, BELOW, SEQ, MISSING, CHANGE, NEW, RULES };

static const char *const names[] = { "count", "ratio", "distinct", "below", "seq", "missing", "change", "new" };

static const char rules[] = "sources: {in: {type: stdin}}\n"
                            "sinks: {archive: {type: stdout}, pager: {type: stdout}}\n"
                            "routes: [{to: archive}]\n"
                            "alerting:\n"
                            "  routes: [{to: archive}]\n"
                            "  rules:\n"
                            "    count: {value: count(), over: 2m, by: ip, warning: at least 5, critical: at least 8}\n"
                            "    ratio: {value: ratio(level >= error), over: 2m, by: ip, min_count: 5,\n"
                            "            warning: above 40%, critical: above 60%}\n"
                            "    distinct: {value: distinct(user), over: 2m, by: ip, critical: at least 4}\n"
                            "    below: {value: count(), over: 2m, by: ip, critical: below 2}\n"
                            "    seq: {when: seq(event == a -> event == b within 1m), by: ip, severity: critical}\n"
                            "    missing: {when: missing(event == b after event == a within 1m), by: ip,\n"
                            "              severity: critical}\n"
                            "    change: {when: change(value), by: ip, severity: critical}\n"
                            "    new: {when: new(user), by: ip, severity: critical, learn: 5m}\n";

struct record {
    int64_t time;    /* as it says */
    int64_t arrival; /* behind BEGIN, as is time */
    int64_t judged;  /* the time by which it is judged; set when it is sent */
    int key;
    char event;
    int value;
    int user;
    bool error;
    bool ancient; /* far too late: no window is open any more; from another stream, for a stream has one time */
};

struct world {
    uint64_t random;
    bool calm;         /* all in order, once, by right clocks */
    uint64_t calmness; /* one record of so many is unusual */
    struct record records[2 * SHOTS];
    int count;
    int8_t got[RULES][KEYS];     /* highest severity that was told */
    int8_t certain[RULES][KEYS]; /* what must be, */
    int8_t possible[RULES][KEYS];
};

static uint64_t pick(struct world *world, uint64_t below)
{
    return lb_random(&world->random) % below;
}

/* --- the stream ----------------------------------------------------------- */

static int by_arrival(const void *a, const void *b)
{
    const struct record *left = a;
    const struct record *right = b;

    return (left->arrival > right->arrival) - (left->arrival < right->arrival);
}

/* Records that were written at `time`, and arrive some time later. */
static void write_record(struct world *world, int64_t time, const int *values, bool *known)
{
    struct record record = { .time = time, .arrival = time, .key = (int)pick(world, KEYS) };
    bool steady = pick(world, world->calmness) > 0;

    record.event = steady ? "bx"[pick(world, 2)] : 'a';
    record.value = pick(world, 300) == 0 ? VALUES + 1 : values[record.key]; /* or for a moment */
    record.user = steady || !known[record.key] ? 1 : 1 + (int)pick(world, USERS - 1);
    record.error = pick(world, 10) < 4;
    known[record.key] = true;
    if (!world->calm)
        record.arrival += (int64_t)pick(world, (uint64_t)(LATENESS - BATCH_SPAN - LB_SECOND));
    world->records[world->count++] = record;
    if (world->calm || pick(world, 12) > 0)
        return;
    if (pick(world, 3) > 0) { /* it comes twice */
        record.arrival = time + (int64_t)pick(world, (uint64_t)(LATENESS - BATCH_SPAN - LB_SECOND));
    } else if (pick(world, 2) > 0) {
        record.time += 120 * MINUTE;
    } else if (time > 5 * MINUTE) {
        record.ancient = true;
        record.user = 1;
        record.time -= 180 * MINUTE;
        record.arrival = time + LATENESS;
    }
    world->records[world->count++] = record;
}

static void write_stream(struct world *world)
{
    int values[KEYS] = { 1, 1, 1 };
    bool known[KEYS] = { false };
    int64_t time = 0;
    uint64_t gap = 4 + pick(world, 100);

    world->calmness = 4 << pick(world, 6);

    for (int i = 0; i < SHOTS; i++) {
        time += LB_MILLISECOND + (int64_t)pick(world, gap * LB_SECOND);
        if (pick(world, 40) == 0)
            time += 4 * MINUTE;
        if (pick(world, 400) == 0)
            values[pick(world, KEYS)] = 1 + (int)pick(world, VALUES);
        write_record(world, time, values, known);
    }
    qsort(world->records, (size_t)world->count, sizeof(*world->records), by_arrival);
}

/* --- the engine ----------------------------------------------------------- */

static int rule_named(const char *line)
{
    for (int rule = 0; rule < RULES; rule++)
        if (strncmp(line, names[rule], strlen(names[rule])) == 0 && line[strlen(names[rule])] == ' ')
            return rule;
    return -1;
}

/* What was told, into the highest for each rule and key. */
static void take_told(struct world *world, struct fixture *ground)
{
    static const char *const severities[] = { "info", "low", "medium", "high", "critical" };

    for (uint32_t i = 0; i < ground->told_count; i++) {
        const char *line = ground->told[i].line;
        int rule = rule_named(line);
        int key = 0;

        assert_true(rule >= 0);
        if (strstr(line, " resolved ") != NULL || strstr(line, " summary ") != NULL)
            continue;
        assert_int_equal(sscanf(strchr(line, '{'), "{\"ip\":\"%d\"}", &key), 1);
        for (int8_t severity = 0; severity < LB_SEVERITY_COUNT; severity++)
            if (strcmp(strrchr(line, ' ') + 1, severities[severity]) == 0 && severity > world->got[rule][key])
                world->got[rule][key] = severity;
    }
    ground->told_count = 0;
}

static void send_batch(struct world *world, struct when_ground *self, int from, int to)
{
    struct lb_record records[2 * SHOTS];
    struct lb_batch batch = { .arrival_ns = BEGIN + world->records[to - 1].arrival,
                              .stream = world->records[from].ancient ? &self->ground->input2 : &self->ground->input,
                              .records = records };
    int64_t ahead = lb_engine_ahead_max(LATENESS);

    lb_arena_reset(&self->arena, RECORD_ARENA_BYTES);
    lb_arena_init(&batch.arena, RECORD_ARENA_BYTES);
    lb_feeder_begin(&self->feeder, &batch);
    for (int i = from; i < to; i++) {
        struct record *from_record = &world->records[i];
        struct lb_record *record = &records[batch.record_count];

        *record = (struct lb_record){ .time_ns = BEGIN + from_record->time,
                                      .level = from_record->error ? LB_LEVEL_ERROR : LB_LEVEL_INFO,
                                      .message = lb_value_text(LB_STR("words")) };
        const char *keys[] = { "ip", "event", "value", "user" };
        struct lb_str values[] = { lb_arena_print(&self->arena, "%d", from_record->key),
                                   lb_arena_print(&self->arena, "%c", from_record->event),
                                   lb_arena_print(&self->arena, "%d", from_record->value),
                                   lb_arena_print(&self->arena, "u%d", from_record->user) };
        for (int f = 0; f < 4; f++)
            assert_true(
                lb_record_add(record, &self->arena, lb_value_text(lb_str_from(keys[f])), lb_value_text(values[f])));
        from_record->judged = from_record->time > world->records[to - 1].arrival + ahead
                                  ? world->records[to - 1].arrival
                                  : from_record->time;
        self->scratch.used = 0;
        lb_feeder_add(&self->feeder, &batch, batch.record_count++, &self->scratch);
    }
    lb_feeder_end(&self->feeder, &batch);
    lb_clock_set(batch.arrival_ns);
    lb_alert_engine_apply(self->ground->engine, &batch);
    lb_alert_engine_flush(self->ground->engine);
    take_told(world, self->ground);
    lb_arena_free(&batch.arena);
}

static void run_engine(struct world *world)
{
    struct when_ground self = { .ground = open_ground() };
    struct lb_diag diag = { 0 };
    int64_t end = world->records[world->count - 1].arrival;

    self.config = lb_config_parse("c.yaml", lb_str_from(rules), &diag);
    if (self.config == NULL)
        lb_diag_print(&diag, stdout);
    assert_non_null(self.config);
    self.ground->alerting = self.config->alerting;
    assert_true(lb_feeder_init(&self.feeder, &self.ground->alerting));
    lb_arena_init(&self.arena, RECORD_ARENA_BYTES);
    self.scratch = (struct lb_scratch){ self.bytes, sizeof(self.bytes), 0 };
    start(self.ground);
    for (int from = 0, to; from < world->count; from = to) {
        int most = world->calm ? 1 : 1 + (int)pick(world, 8);

        for (to = from; to < world->count && to < from + most &&
                        world->records[to].ancient == world->records[from].ancient &&
                        world->records[to].arrival < world->records[from].arrival + BATCH_SPAN;)
            to++;
        send_batch(world, &self, from, to);
        if (pick(world, 15) == 0)
            restart(&self);
    }
    for (int64_t at = end; at < end + 10 * MINUTE; at += LB_SECOND) {
        lb_clock_set(BEGIN + at);
        lb_alert_engine_tick(self.ground->engine, BEGIN + at, false);
        lb_alert_engine_flush(self.ground->engine);
        take_told(world, self.ground);
    }
    lb_feeder_free(&self.feeder);
    lb_arena_free(&self.arena);
    close_ground(self.ground);
    lb_config_free(self.config);
    lb_diag_free(&diag);
}

/* --- the judge ------------------------------------------------------------ */

/* Of the records of a key that count in a window that ends at `end`. */
struct window {
    int count;
    int errors;
    int users;
};

static struct window window_at(const struct world *world, int key, int64_t end)
{
    struct window window = { 0 };
    bool users[USERS + 1] = { false };

    for (int i = 0; i < world->count; i++) {
        const struct record *record = &world->records[i];

        if (record->key != key || record->ancient || record->judged > end || record->judged <= end - OVER)
            continue;
        window.count++;
        window.errors += record->error;
        window.users += !users[record->user];
        users[record->user] = true;
    }
    return window;
}

static void raise(int8_t *highest, int8_t severity)
{
    if (severity > *highest)
        *highest = severity;
}

static void certainly(struct world *world, enum rule rule, int key, int8_t severity)
{
    raise(&world->certain[rule][key], severity);
    raise(&world->possible[rule][key], severity);
}

static void judge_windows(struct world *world, int key, int64_t end, int64_t known, int64_t newest)
{
    struct window window = window_at(world, key, end);

    if (window.count >= 5)
        certainly(world, COUNT, key, LB_SEVERITY_MEDIUM);
    if (window.count >= 8)
        certainly(world, COUNT, key, LB_SEVERITY_CRITICAL);
    if (window.users >= 4)
        certainly(world, DISTINCT, key, LB_SEVERITY_CRITICAL);
    if (window.count >= 5 && window.errors * 10 > 4 * window.count)
        certainly(world, RATIO, key, LB_SEVERITY_MEDIUM);
    if (window.count >= 5 && window.errors * 10 > 6 * window.count)
        certainly(world, RATIO, key, LB_SEVERITY_CRITICAL);
    if (end >= known && end <= newest && window.count < 2)
        certainly(world, BELOW, key, LB_SEVERITY_CRITICAL);
}

static void judge_pairs(struct world *world, int key, const struct record *a)
{
    bool followed = false;

    if (a->key != key || a->ancient || a->event != 'a')
        return;
    for (int i = 0; i < world->count; i++) {
        const struct record *b = &world->records[i];

        followed = followed || (b->key == key && !b->ancient && b->event == 'b' && b->judged >= a->judged &&
                                b->judged <= a->judged + WITHIN);
    }
    certainly(world, followed ? SEQ : MISSING, key, LB_SEVERITY_CRITICAL);
}

/* By the first record of its user to arrive. */
static void judge_new(struct world *world, int key, int at, int64_t earliest, int64_t first_arrived)
{
    const struct record *record = &world->records[at];

    for (int i = 0; i < at; i++)
        if (world->records[i].key == key && world->records[i].user == record->user)
            return;
    if (record->judged >= first_arrived + LEARN)
        certainly(world, NEW, key, LB_SEVERITY_CRITICAL);
    else if (record->judged >= earliest + LEARN)
        raise(&world->possible[NEW][key], LB_SEVERITY_CRITICAL);
}

static void judge_key(struct world *world, int key)
{
    int64_t earliest = INT64_MAX;
    int64_t newest = INT64_MIN;
    int first = -1;

    for (int i = 0; i < world->count; i++) {
        const struct record *record = &world->records[i];

        if (record->key != key || record->ancient)
            continue;
        first = first < 0 ? i : first;
        earliest = record->judged < earliest ? record->judged : earliest;
        newest = record->judged > newest ? record->judged : newest;
    }
    if (first < 0)
        return;
    int64_t known = world->records[first].judged + OVER;
    judge_windows(world, key, known, known, newest);
    for (int i = 0; i < world->count; i++) {
        const struct record *record = &world->records[i];

        if (record->key != key)
            continue;
        judge_new(world, key, i, earliest, world->records[first].judged);
        if (record->ancient)
            continue;
        judge_windows(world, key, record->judged, known, newest);
        judge_windows(world, key, record->judged + OVER, known, newest);
        judge_pairs(world, key, record);
        if (record->value != world->records[first].value)
            certainly(world, CHANGE, key, LB_SEVERITY_CRITICAL);
    }
    /* In the end it is silent; and a ratio is judged on what has arrived. */
    raise(&world->possible[BELOW][key], LB_SEVERITY_CRITICAL);
    if (!world->calm)
        raise(&world->possible[RATIO][key], LB_SEVERITY_CRITICAL);
}

static void rules_tell_what_a_judge_finds_who_has_seen_it_all(void **state)
{
    int told[RULES] = { 0 };
    int quiet[RULES] = { 0 };

    (void)state;
    for (uint64_t run = 0; run < RUNS; run++) {
        struct world world = { .random = lb_seed() + run, .calm = run % 4 == 0 };

        memset(world.got, LB_ALERT_QUIET, sizeof(world.got));
        memset(world.certain, LB_ALERT_QUIET, sizeof(world.certain));
        memset(world.possible, LB_ALERT_QUIET, sizeof(world.possible));
        write_stream(&world);
        run_engine(&world);
        for (int key = 0; key < KEYS; key++)
            judge_key(&world, key);
        for (int rule = 0; rule < RULES; rule++) {
            for (int key = 0; key < KEYS; key++) {
                if (world.got[rule][key] < world.certain[rule][key] || world.got[rule][key] > world.possible[rule][key])
                    fail_msg("LB_SEED=%llu run %llu: %s of %d told %d, certain %d, possible %d",
                             (unsigned long long)lb_seed(), (unsigned long long)run, names[rule], key,
                             world.got[rule][key], world.certain[rule][key], world.possible[rule][key]);
                told[rule] += world.got[rule][key] != LB_ALERT_QUIET;
                quiet[rule] += world.possible[rule][key] == LB_ALERT_QUIET;
            }
        }
    }
    /* The streams are such that each rule has something to tell, and most also something not to. */
    for (int rule = 0; rule < RULES; rule++) {
        print_message("%s: told %d, quiet %d\n", names[rule], told[rule], quiet[rule]);
        assert_true(told[rule] > 5);
        assert_true(quiet[rule] > 5 || rule == BELOW || rule == RATIO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_tell_what_a_judge_finds_who_has_seen_it_all),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("property/alert_rules", tests, NULL, NULL);
}
