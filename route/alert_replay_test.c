/*
 * alert_replay_test.c - the same records in another order or cut give the same alerts; and recorded rules of another
 * engine match where they did there.
 */
#include "alert_ground.h"
#include "lb_corpus.h"
#include "lb_time.h"

/* --- the same again ------------------------------------------------------- */

enum { SHUFFLED = 600 };

static const char *const three_keys[] = { "ip=1", "ip=2", "ip=3" };

static int random_shots(uint64_t *random, struct shot *shots)
{
    int64_t at = 0;

    for (int i = 0; i < SHUFFLED; i++) {
        at += (int64_t)(lb_random(random) % (uint64_t)(10 * LB_SECOND));
        shots[i] = (struct shot){ at, three_keys[lb_random(random) % 3], false, 0 };
    }
    return SHUFFLED;
}

/* For each of the keys the highest severity that fired, and how often anything was told. */
static void outcome(uint64_t seed, const struct shot *shots, const int64_t *arrivals, int cut, int *highest)
{
    static const char *const words[] = { "low", "high", "critical" };
    struct fixture *self = open_ground();
    int from = 0;

    (void)seed;
    self->rules[0] = count_rule("logins", MINUTE, "at least 9");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 5");
    set(&self->rules[0], LB_SEVERITY_HIGH, "at least 7");
    start(self);
    while (from < SHUFFLED) {
        int count = from + cut < SHUFFLED ? cut : SHUFFLED - from;

        send(self, shots + from, (uint32_t)count, arrivals[from + count - 1]);
        from += count;
    }
    idle(self, arrivals[SHUFFLED - 1], arrivals[SHUFFLED - 1] + 3 * MINUTE);
    for (int key = 0; key < 3; key++) {
        char prefix[40];

        highest[key] = -1;
        snprintf(prefix, sizeof(prefix), "logins {\"ip\":\"%d\"}", key + 1);
        for (uint32_t i = 0; i < self->told_count; i++)
            for (int word = 0; word < 3; word++)
                if (strncmp(self->told[i].line, prefix, strlen(prefix)) == 0 && word > highest[key] &&
                    strstr(self->told[i].line, words[word]) != NULL)
                    highest[key] = word;
    }
    close_ground(self);
}

/* Each record is late by less than lateness. */
static void shuffle(uint64_t *random, const struct shot *shots, struct shot *shuffled, int64_t *arrivals)
{
    for (int i = 0; i < SHUFFLED; i++) {
        int64_t arrival = shots[i].at + (int64_t)(lb_random(random) % (uint64_t)(29 * LB_SECOND));
        int j = i;

        for (; j > 0 && arrivals[j - 1] > arrival; j--) {
            arrivals[j] = arrivals[j - 1];
            shuffled[j] = shuffled[j - 1];
        }
        arrivals[j] = arrival;
        shuffled[j] = shots[i];
    }
}

static void order_within_lateness_changes_nothing(void **state)
{
    uint64_t random = lb_seed();
    int seen[4] = { 0 };

    (void)state;
    for (int run = 0; run < 40; run++) {
        static struct shot shots[SHUFFLED];
        static struct shot shuffled[SHUFFLED];
        static int64_t in_order[SHUFFLED];
        static int64_t arrivals[SHUFFLED];
        int expected[3];
        int found[3];

        random_shots(&random, shots);
        for (int i = 0; i < SHUFFLED; i++)
            in_order[i] = shots[i].at;
        shuffle(&random, shots, shuffled, arrivals);
        outcome(random, shots, in_order, 1, expected);
        outcome(random, shuffled, arrivals, 1, found);
        for (int key = 0; key < 3; key++) {
            seen[expected[key] + 1]++;
            if (expected[key] != found[key])
                fail_msg("seed %llu run %d key %d: in order %d, shuffled %d", (unsigned long long)lb_seed(), run, key,
                         expected[key], found[key]);
        }
    }
    /* The runs are worth something: not all alike. */
    assert_true(seen[2] > 0 && seen[3] > 0);
}

static void told_alike(const struct fixture *one, const struct fixture *other)
{
    assert_int_equal(one->told_count, other->told_count);
    for (uint32_t i = 0; i < one->told_count; i++) {
        assert_string_equal(one->told[i].line, other->told[i].line);
        assert_string_equal(one->told[i].message, other->told[i].message);
        assert_string_equal(one->told[i].id, other->told[i].id);
        assert_int_equal(one->told[i].at, other->told[i].at);
    }
}

static struct fixture *run_cut(const struct shot *shots, int cut)
{
    struct fixture *self = open_ground();

    self->rules[0] = count_rule("logins", MINUTE, "at least 9");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 5");
    self->rules[0].for_ns = 10 * LB_SECOND;
    start(self);
    for (int from = 0; from < SHUFFLED; from += cut)
        send(self, shots + from, (uint32_t)(from + cut < SHUFFLED ? cut : SHUFFLED - from), 60 * MINUTE);
    return self;
}

static int compare_told(const void *a, const void *b)
{
    const struct told *left = a;
    const struct told *right = b;

    if (left->at != right->at)
        return left->at < right->at ? -1 : 1;
    return strcmp(left->line, right->line);
}

static void how_batches_are_cut_changes_nothing(void **state)
{
    uint64_t random = lb_seed();
    static struct shot shots[SHUFFLED];
    struct fixture *whole;

    (void)state;
    random_shots(&random, shots);
    whole = run_cut(shots, SHUFFLED);
    assert_true(whole->told_count > 10);
    qsort(whole->told, whole->told_count, sizeof(whole->told[0]), compare_told);
    for (int cut = 1; cut < SHUFFLED; cut = cut * 3 + 1) {
        struct fixture *pieces = run_cut(shots, cut);

        qsort(pieces->told, pieces->told_count, sizeof(pieces->told[0]), compare_told);
        told_alike(whole, pieces);
        close_ground(pieces);
    }
    close_ground(whole);
}

/* --- frequency rules of the corpus ---------------------------------------- */

static int64_t corpus_number(struct lb_str value)
{
    return value.ptr != NULL ? strtoll(value.ptr, NULL, 10) : 0;
}

static int64_t corpus_time(struct lb_str value)
{
    struct lb_str text = corpus_text(value);
    int64_t time = 0;

    assert_true(lb_time_rfc3339(text, &time));
    free((char *)text.ptr);
    return time;
}

/* `count` records of that key at that time. */
static void shoot(struct fixture *self, int64_t time, struct lb_str key, int64_t count)
{
    char text[64];
    struct shot shots[100];

    snprintf(text, sizeof(text), "ip=" LB_STR_FMT, LB_STR_ARG(key));
    for (int64_t i = 0; i < count; i++)
        shots[i] = (struct shot){ time - BEGIN, text, false, 0 };
    if (count > 0)
        send(self, shots, (uint32_t)count, time - BEGIN);
}

/* An array's elements; `element` is its next, or false. */
static bool next_of(struct lb_str *array, struct lb_str *element)
{
    const char *ptr = corpus_skip_blanks(array->ptr);

    if (*ptr == ']')
        return false;
    element->ptr = ptr;
    array->ptr = corpus_skip(ptr);
    element->len = (size_t)(array->ptr - ptr);
    return true;
}

static struct lb_str inside(struct lb_str array)
{
    return (struct lb_str){ array.ptr + 1, array.len - 1 };
}

static void shoot_events(struct fixture *self, struct lb_str args, const char *timestamp)
{
    struct lb_str events = inside(inside(args));
    struct lb_str event;

    events.ptr = corpus_skip_blanks(events.ptr);
    while (next_of(&events, &event))
        shoot(self, corpus_time(corpus_get(event, timestamp)), LB_STR("all"), 1);
}

/* [{"time": [{"key":…, "doc_count":…}]}] */
static void shoot_terms(struct fixture *self, struct lb_str args)
{
    const char *name = corpus_skip_blanks(args.ptr + 1) + 1;
    struct lb_str time = { name, 0 };
    struct lb_str terms;
    struct lb_str term;

    time.len = (size_t)(corpus_skip(time.ptr) - time.ptr);
    terms = inside((struct lb_str){ corpus_skip_blanks(time.ptr + time.len), 1 });
    while (next_of(&terms, &term)) {
        struct lb_str key = corpus_text(corpus_get(term, "key"));

        shoot(self, corpus_time(time), key, corpus_number(corpus_get(term, "doc_count")));
        free((char *)key.ptr);
    }
}

static uint32_t count_of(struct lb_str array)
{
    struct lb_str rest = inside(array);
    struct lb_str element;
    uint32_t count = 0;

    while (next_of(&rest, &element))
        count++;
    return count;
}

static void replay(struct lb_str trace)
{
    struct fixture *self = open_ground();
    struct lb_str config = corpus_get(trace, "config");
    struct lb_str timestamp = corpus_text(corpus_get(config, "timestamp_field"));
    struct lb_str steps = inside(corpus_get(trace, "steps"));
    struct lb_str step;
    char name[32] = "@timestamp";
    char text[64];

    if (timestamp.len > 0)
        snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(timestamp));
    free((char *)timestamp.ptr);
    snprintf(text, sizeof(text), "at least %lld", (long long)corpus_number(corpus_get(config, "num_events")));
    self->rules[0] = count_rule(
        "frequency", corpus_number(corpus_get(corpus_get(config, "timeframe"), "seconds")) * LB_SECOND, text);
    start(self);
    self->engine->now = self->engine->ticked = 0; /* the traces lie before BEGIN */
    while (next_of(&steps, &step)) {
        uint32_t before = self->told_count;
        struct lb_str args = corpus_get(step, "args");

        if (lb_str_is(corpus_get(step, "op"), "\"add_data\""))
            shoot_events(self, args, name);
        else if (lb_str_is(corpus_get(step, "op"), "\"add_terms_data\""))
            shoot_terms(self, args);
        assert_int_equal(self->told_count - before, count_of(corpus_get(step, "new_matches")));
    }
    close_ground(self);
}

static void frequency_rules_of_others_match_where_they_do(void **state)
{
    struct corpus corpus;
    struct lb_str line;
    int replayed = 0;

    (void)state;
    if (!corpus_open(&corpus, "rules/traces.jsonl"))
        skip();
    while (corpus_next(&corpus, &line)) {
        if (!lb_str_is(corpus_get(line, "class"), "\"FrequencyRule\""))
            continue;
        replay(line);
        replayed++;
    }
    corpus_close(&corpus);
    assert_true(replayed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_within_lateness_changes_nothing),
        cmocka_unit_test(how_batches_are_cut_changes_nothing),
        cmocka_unit_test(frequency_rules_of_others_match_where_they_do),
    };

    return cmocka_run_group_tests_name("route/alert_replay", tests, NULL, NULL);
}
