/* rule_index_test.c - the index leaves out no rule that matches, and nearly all that do not. */
#include "lb_test.h"
#include "lb_test_record.h"

#include "expr.h"
#include "lb_alloc.h"
#include "rule_index.h"

enum { RULES = 150, RECORDS = 400, TEXT = 2048 };

static const char *const atoms[] = {
    "service == payments",
    "service == \"\"",
    "service in (auth, \"search\")",
    "service != mailer",
    "event == login",
    "event in (login, \"\")",
    "event == \"a\\\"b\"",
    "level >= warn",
    "level == info",
    "not level >= error",
    "status == 500",
    "status in (\"ok\", 404)",
    "has event",
    "message contains \"x\"",
    "http.kind == get",
    "message ~ \"(?i)refused\"",
    "true",
    "host == payments",
    "level < critical",
    "message == \"x refused\"",
    "message startswith \"x r\"",
    "message ~ \"(?i)re(f|x)used by\"",
    "message contains \"\"",
    "message endswith \"y m\"",
    "message !~ \"fine\"",
    "message contains \"of payments\"",
    "message ~ \"(?i)the CONNECTION to \\d+\"",
    "message contains \"ry 17\"",
    "size > 100",
    "size >= 100",
    "size < 100",
    "size <= 99.5",
    "size == 100",
    "size in (7, 100, 1000)",
    "size > 1KiB",
    "size == 1KiB",
    "size == \"100\"",
    "size in (\"1e2\", 7)",
    "size != 100",
    "took_ms > 5s",
    "took_ms == 5s",
    "took_ms <= 250",
    "http.status >= 500",
};

static const char *const services[] = { NULL, "payments", "auth", "search", "mailer", "", "other" };
static const char *const events[] = { NULL, "\"login\"", "\"\"", "\"a\\\"b\"", "\"logout\"", "7" };
static const char *const levels[] = { NULL, "debug", "info", "warn", "error", "critical" };
static const char *const more[] = { "\"status\":500",
                                    "\"status\":\"500\"",
                                    "\"status\":\"ok\"",
                                    "\"status\":404",
                                    "\"a\":1",
                                    "\"http\":{\"kind\":\"get\"}",
                                    "\"host\":\"payments\"",
                                    "\"size\":100",
                                    "\"size\":\"1e2\"",
                                    "\"size\":1e2",
                                    "\"size\":99.5",
                                    "\"size\":-7",
                                    "\"size\":\"\"",
                                    "\"size\":1024",
                                    "\"size\":\"1KiB\"",
                                    "\"size\":null",
                                    "\"size\":[100]",
                                    "\"size\":7,\"took_ms\":\"5s\"",
                                    "\"took_ms\":5000.0",
                                    "\"took_ms\":250,\"size\":1000",
                                    "\"http\":{\"status\":503}",
                                    "\"http.status\":500",
                                    "\"size\":\"nan\"",
                                    "\"size\":true,\"took_ms\":1e400",
                                    "\"size\":\"0x64\"" };
static const char *const messages[] = { "x refused",
                                        "REFUSED",
                                        "fine",
                                        "payments",
                                        "x\\tRefused By m\\u0065",
                                        "",
                                        "f",
                                        "the connection to 17 was refused by the host of payments",
                                        "The Connection to 4 is closed, try 17",
                                        "retry 17" };

#define PICK(random, list) ((list)[lb_random(random) % (sizeof(list) / sizeof((list)[0]))])

/* An expression of up to four atoms. */
static void write_where(uint64_t *random, char *out, size_t size, int depth)
{
    char left[TEXT];
    char right[TEXT];
    uint64_t kind = lb_random(random) % 4;

    if (depth == 0 || kind == 0) {
        snprintf(out, size, "%s", PICK(random, atoms));
        return;
    }
    write_where(random, left, sizeof(left) / 4, depth - 1);
    write_where(random, right, sizeof(right) / 4, depth - 1);
    if (kind == 1)
        snprintf(out, size, "(%.500s or %.500s)", left, right);
    else
        snprintf(out, size, "%s(%.500s) and (%.500s)", kind == 2 ? "not " : "", left, right);
}

static void write_record(uint64_t *random, char *out, size_t size)
{
    const char *service = PICK(random, services);
    const char *event = PICK(random, events);
    const char *level = PICK(random, levels);
    int used = snprintf(out, size, "{\"message\":\"%s\"", PICK(random, messages));

    if (service != NULL)
        used += snprintf(out + used, size - (size_t)used, ",\"service\":\"%s\"", service);
    if (event != NULL)
        used += snprintf(out + used, size - (size_t)used, ",\"event\":%s", event);
    if (level != NULL)
        used += snprintf(out + used, size - (size_t)used, ",\"level\":\"%s\"", level);
    snprintf(out + used, size - (size_t)used, ",%s}", PICK(random, more));
}

struct ground {
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_alert_rule rules[RULES];
    struct lb_expr *wheres[RULES];
    struct lb_alerting alerting;
    struct lb_rule_index index;
    uint64_t live[(RULES + 63) / 64];
    struct lb_scratch scratch;
    char memory[4096];
};

static struct ground *open_ground(uint64_t *random)
{
    struct ground *self = calloc(1, sizeof(*self));

    lb_arena_init(&self->arena, 16 << 20);
    self->scratch = (struct lb_scratch){ self->memory, sizeof(self->memory), 0 };
    for (int i = 0; i < RULES; i++) {
        char text[TEXT];

        if (i % 10 == 9)
            continue; /* without `where` */
        write_where(random, text, sizeof(text), i % 3);
        self->rules[i].where = self->wheres[i] =
            lb_expr_new(&self->arena, lb_str_from(text), (struct lb_place){ 0 }, &self->diag);
        if (self->rules[i].where == NULL)
            lb_diag_print(&self->diag, stdout);
        assert_non_null(self->rules[i].where);
    }
    self->rules[3].part_count = 2; /* its parts are fed, not it */
    self->rules[4].probe = LB_PROBE_QUEUE;
    self->alerting = (struct lb_alerting){ .rules = self->rules, .rule_count = RULES };
    return self;
}

static void close_ground(struct ground *self)
{
    lb_rule_index_free(&self->index);
    for (int i = 0; i < RULES; i++)
        if (self->wheres[i] != NULL)
            lb_expr_free(self->wheres[i]);
    lb_arena_free(&self->arena);
    lb_diag_free(&self->diag);
    free(self);
}

static bool is_live(const struct ground *self, int rule)
{
    return (self->live[rule / 64] >> rule % 64 & 1) != 0;
}

/* What is left of `where` behind the gate of a rule that is live. */
static bool goes_on(struct ground *self, int rule, const struct lb_record *record)
{
    const struct lb_expr *where = self->rules[rule].where;

    return where == NULL || lb_expr_match_from(where, self->index.starts[rule], record, &self->scratch);
}

static void leaves_out_no_rule_that_matches(void **state)
{
    uint64_t random = lb_seed();
    struct ground *self = open_ground(&random);
    int matched = 0;
    int left_out = 0;

    (void)state;
    assert_true(lb_rule_index_init(&self->index, &self->alerting));
    for (int i = 0; i < RECORDS; i++) {
        struct lb_arena arena;
        char text[TEXT];

        lb_arena_init(&arena, 1 << 20);
        write_record(&random, text, sizeof(text));
        struct lb_record record = lb_test_record(&arena, text);
        lb_rule_index_ask(&self->index, &record, &self->scratch, self->live);
        assert_int_equal(self->scratch.used, 0);
        for (int rule = 0; rule < RULES; rule++) {
            const struct lb_expr *where = self->rules[rule].where;
            bool matches = where == NULL || lb_expr_match(where, &record, &self->scratch);

            if (rule == 3 || rule == 4)
                assert_false(is_live(self, rule));
            else if (matches != (is_live(self, rule) && goes_on(self, rule, &record)))
                fail_msg("LB_SEED=%llu: %s is %s by " LB_STR_FMT, (unsigned long long)lb_seed(), text,
                         matches ? "left out" : "taken", LB_STR_ARG(lb_expr_text(where)));
            matched += matches;
            left_out += !is_live(self, rule);
        }
        lb_arena_free(&arena);
    }
    assert_true(matched > RECORDS && left_out > RECORDS * RULES / 10);
    close_ground(self);
}

static void looks_at_nothing_of_other_services(void **state)
{
    struct ground *self = calloc(1, sizeof(*self));
    int live = 0;

    (void)state;
    lb_arena_init(&self->arena, 16 << 20);
    self->scratch = (struct lb_scratch){ self->memory, sizeof(self->memory), 0 };
    for (int i = 0; i < RULES; i++) {
        struct lb_str text =
            lb_arena_print(&self->arena, "level >= warn and service == service%d and message contains \"x\"", i);

        self->rules[i].where = self->wheres[i] = lb_expr_new(&self->arena, text, (struct lb_place){ 0 }, &self->diag);
        assert_non_null(self->rules[i].where);
    }
    self->alerting = (struct lb_alerting){ .rules = self->rules, .rule_count = RULES };
    assert_true(lb_rule_index_init(&self->index, &self->alerting));
    struct lb_record record =
        lb_test_record(&self->arena, "{\"service\":\"service77\",\"level\":\"error\",\"message\":\"x\"}");
    lb_rule_index_ask(&self->index, &record, &self->scratch, self->live);
    for (int i = 0; i < RULES; i++)
        live += is_live(self, i);
    assert_true(live == 1 && is_live(self, 77));
    record.level = LB_LEVEL_INFO;
    lb_rule_index_ask(&self->index, &record, &self->scratch, self->live);
    assert_false(is_live(self, 77));
    close_ground(self);
}

/* How many rules of `where`, each with its number in place of the #, are live for that record. */
static int live_of(const char *where, const char *record_text)
{
    struct ground *self = calloc(1, sizeof(*self));
    int live = 0;

    lb_arena_init(&self->arena, 16 << 20);
    self->scratch = (struct lb_scratch){ self->memory, sizeof(self->memory), 0 };
    for (int i = 0; i < RULES; i++) {
        char text[TEXT];

        snprintf(text, sizeof(text), "%.*s%d%s", (int)strcspn(where, "#"), where, i, strchr(where, '#') + 1);
        self->rules[i].where = self->wheres[i] =
            lb_expr_new(&self->arena, lb_str_from(text), (struct lb_place){ 0 }, &self->diag);
        assert_non_null(self->rules[i].where);
    }
    self->alerting = (struct lb_alerting){ .rules = self->rules, .rule_count = RULES };
    assert_true(lb_rule_index_init(&self->index, &self->alerting));
    struct lb_record record = lb_test_record(&self->arena, record_text);
    lb_rule_index_ask(&self->index, &record, &self->scratch, self->live);
    for (int i = 0; i < RULES; i++)
        live += is_live(self, i);
    close_ground(self);
    return live;
}

static void looks_at_nothing_of_other_numbers(void **state)
{
    (void)state;
    assert_int_equal(live_of("size > #", "{\"size\":10}"), 10);
    assert_int_equal(live_of("size >= #", "{\"size\":10}"), 11);
    assert_int_equal(live_of("size < #", "{\"size\":10.5}"), RULES - 11);
    assert_int_equal(live_of("level >= warn and user == #", "{\"level\":\"error\",\"user\":17}"), 1);
    assert_int_equal(live_of("service == shop and status in (#, 1000)", "{\"service\":\"shop\",\"status\":3}"), 1);
    assert_int_equal(live_of("size > # and size < 20", "{\"size\":15}"), 15);
    assert_int_equal(live_of("size > #", "{\"size\":\"ten\"}"), 0);
    assert_int_equal(live_of("size > #", "{\"sizes\":10}"), 0);
    assert_int_equal(live_of("not size > #", "{\"size\":10}"), RULES);
    assert_int_equal(live_of("size > # or size == 1", "{\"size\":10}"), RULES);
}

static void tells_rules_of_one_service_apart(void **state)
{
    const char *record = "{\"service\":\"shop\",\"event\":\"e7\",\"kind\":\"paid\"}";

    (void)state;
    assert_int_equal(live_of("service == shop and event == e#", record), 1);
    assert_int_equal(live_of("kind in (paid, sold) and service == shop and event in (e#, x)", record), 1);
    assert_int_equal(live_of("service == shop and event == e#", "{\"service\":\"shop\"}"), 0);
    assert_int_equal(live_of("service == shop and (event == e# or kind == paid)", record), RULES);
}

static void survives_every_failing_allocation(void **state)
{
    uint64_t random = lb_seed();
    struct ground *self = open_ground(&random);
    bool done = false;

    (void)state;
    for (long at = 1; !done; at++) {
        atomic_store(&lb_alloc_fail_at, at);
        done = lb_rule_index_init(&self->index, &self->alerting);
        atomic_store(&lb_alloc_fail_at, 0);
        if (!done)
            lb_rule_index_free(&self->index);
    }
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_out_no_rule_that_matches),   cmocka_unit_test(looks_at_nothing_of_other_services),
        cmocka_unit_test(looks_at_nothing_of_other_numbers), cmocka_unit_test(tells_rules_of_one_service_apart),
        cmocka_unit_test(survives_every_failing_allocation),
    };

    return cmocka_run_group_tests_name("route/rule_index", tests, NULL, NULL);
}
