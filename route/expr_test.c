/* expr_test.c - what expressions match, and what their errors say and where. */
#include "lb_test.h"
#include "lb_test_record.h"

#include "expr.c"

#include "lb_alloc.h"

#include <pthread.h>

static const char *const subject =
    "{\"level\":\"error\",\"service\":\"payments\",\"host\":\"web-1\",\"message\":\"GET /cart \\\"500\\\" took long\","
    "\"status\":500,\"code\":\"0500\",\"text\":\"12 apples\",\"duration_ms\":2500,\"elapsed\":0.75,\"bytes\":10485760,"
    "\"rate\":0.05,\"http\":{\"status\":404,\"route\":{\"name\":\"cart\"}},\"a.b\":\"literal\",\"ok\":true,\"none\":"
    "null,"
    "\"id\":12345678901234567891,\"tags\":[\"blue\",\"green\"],\"empty\":\"\",\"path\":\"/api/v1/"
    "users\",\"ip\":\"10.0.0.1\","
    "\"user\":\"J\\u00f6rg\",\"severity\":\"high\",\"negative\":-3.5,\"latency_us\":1500,\"took_ns\":2000000000,"
    "\"x-id\":\"7\",\"quote\":\"a\\\"b\",\"big\":1e3}";

struct fixture {
    struct lb_arena arena;
    struct lb_record record;
    struct lb_scratch scratch;
    struct lb_diag diag;
    char memory[4096];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    lb_arena_init(&fixture->arena, 4 << 20);
    fixture->record = lb_test_record(&fixture->arena, subject);
    fixture->scratch = (struct lb_scratch){ fixture->memory, sizeof(fixture->memory), 0 };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    lb_diag_free(&fixture->diag);
    lb_arena_free(&fixture->arena);
    free(fixture);
    return 0;
}

struct match_case {
    const char *text;
    bool expected;
};

static const struct match_case match_cases[] = {
    /* levels compare by severity */
    { "level >= warn", true },
    { "level >= error", true },
    { "level >= critical", false },
    { "level > error", false },
    { "level > warn", true },
    { "level < critical", true },
    { "level <= error", true },
    { "level <= warn", false },
    { "level == error", true },
    { "level = ERR", true },
    { "level == \"err\"", true },
    { "level != error", false },
    { "level != debug", true },
    { "level >= warning", true },
    { "level >= 3", true },
    { "level >= 60", false },
    { "level in (warn, error)", true },
    { "level in [fatal, panic]", false },
    { "level not in (fatal, panic)", true },
    { "level ~ \"^err\"", true },
    { "has level", true },

    /* text */
    { "service == payments", true },
    { "service == \"payments\"", true },
    { "service == 'payments'", true },
    { "service = payments", true },
    { "service == Payments", false },
    { "service != payments", false },
    { "service != auth", true },
    { "service in (\"payments\", \"auth\")", true },
    { "service in (auth, db)", false },
    { "service in [auth,payments]", true },
    { "service not in (auth, db)", true },
    { "service not in (payments)", false },
    { "service contains pay", true },
    { "service contains \"\"", true },
    { "service contains shop", false },
    { "service not contains shop", true },
    { "service startswith pay", true },
    { "service startswith ments", false },
    { "service endswith ments", true },
    { "service endswith pay", false },
    { "service endswith payments-and-more", false },
    { "host == web-1", true },
    { "message contains \"\\\"500\\\"\"", true },
    { "message contains '\"500\"'", true },
    { "message contains /cart", true },
    { "path == /api/v1/users", true },
    { "path startswith /api/", true },
    { "ip == 10.0.0.1", true },
    { "quote == 'a\"b'", true },
    { "quote == \"a\\\"b\"", true },
    { "user == J\xc3\xb6rg", true },
    { "empty == \"\"", true },
    { "empty != \"\"", false },
    { "text == \"12 apples\"", true },
    { "x-id == 7", true },

    /* numbers */
    { "status == 500", true },
    { "status == 500.0", true },
    { "status == 5e2", true },
    { "status == \"500\"", true },
    { "status == \"500.0\"", false },
    { "status != 500", false },
    { "status > 499", true },
    { "status > 500", false },
    { "status >= 500", true },
    { "status < 500", false },
    { "status <= 500", true },
    { "status > \"499\"", true },
    { "status in (404, 500)", true },
    { "status in (404, 5e2)", true },
    { "status in (404, abc)", false },
    { "code == 500", true },
    { "code == \"500\"", false },
    { "code >= 500", true },
    { "big == 1000", true },
    { "text > 5", false },
    { "text == 12", false },
    { "text != 12", true },
    { "negative < -3", true },
    { "negative == -3.5", true },
    { "negative > -3", false },
    { "negative < +1", true },
    { "rate < .1", true },
    { "id == 12345678901234567891", true },
    { "id == 12345678901234567890", false },
    { "id > 12345678901234500000", true },

    /* units */
    { "duration_ms > 2s", true },
    { "duration_ms == 2500ms", true },
    { "duration_ms > 1m", false },
    { "duration_ms < 1m30s", true },
    { "elapsed > 500ms", true },
    { "elapsed > 1s", false },
    { "elapsed < 1h30m", true },
    { "latency_us == 1500us", true },
    { "latency_us >= 2ms", false },
    { "took_ns == 2s", true },
    { "bytes == 10MiB", true },
    { "bytes > 10MB", true },
    { "bytes < 11kB", false },
    { "bytes >= 10240KiB", true },
    { "rate == 5%", true },
    { "rate > 5.5%", false },

    /* patterns */
    { "message ~ \"took\"", true },
    { "message ~ took", true },
    { "message ~ \"^took\"", false },
    { "message ~ \"^GET\"", true },
    { "message ~ \"^GET .* took\"", true },
    { "message ~ \"(?i)get\"", true },
    { "message ~ \"GET$\"", false },
    { "message !~ \"POST|PUT\"", true },
    { "message !~ \"GET|PUT\"", false },
    { "message ~ /\\/cart/", true },
    { "path ~ /^\\/api\\/v\\d+\\//", true },
    { "path ~ \"^/api/v\\d+/\"", true },
    { "ip ~ \"^10\\.0\\.\"", true },
    { "ip ~ \"^10\\\\.0\\\\.\"", true },
    { "ip ~ \"^10\\.1\\.\"", false },
    { "ip ~ '^\\d+(\\.\\d+){3}$'", true },
    { "user ~ \"^J\xc3\xb6rg$\"", true },
    { "user ~ \"^\\p{L}{4}$\"", true },
    { "user ~ '(?i)J\xc3\x96RG'", true },
    { "status ~ \"^5..$\"", true },
    { "message ~ \"\"", true },

    /* has, missing, null */
    { "has status", true },
    { "has nothing", false },
    { "not has nothing", true },
    { "has http.status", true },
    { "has http.nothing", false },
    { "has none", true },
    { "none == null", true },
    { "nothing == x", false },
    { "nothing != x", false },
    { "not nothing == x", true },
    { "nothing !~ \"a.c\"", false },
    { "nothing not in (a)", false },
    { "nothing < 5", false },
    { "nothing >= 5", false },
    { "not nothing < 5", true },
    { "nothing contains a", false },

    /* dotted names, nested values */
    { "http.status == 404", true },
    { "http.route.name == cart", true },
    { "a.b == literal", true },
    { "tags contains green", true },
    { "http contains '\"cart\"'", true },
    { "ok == true", true },
    { "ok == false", false },

    /* time and severity */
    { "timestamp >= 2026-01-01T00:00:00Z", true },
    { "timestamp > \"2026-01-01 00:00:00\"", false },
    { "timestamp == 2026-01-01T01:00:00+01:00", true },
    { "timestamp != 2026-01-01T00:00:00Z", false },
    { "severity >= high", true },
    { "severity >= warning", true },
    { "severity > high", false },
    { "severity == high", true },
    { "severity != medium", true },
    { "severity in (low, high)", true },
    { "severity not in (low, medium)", true },
    { "severity in (HIGH, other)", false },

    /* and, or, not */
    { "true", true },
    { "false", false },
    { "not true", false },
    { "not not true", true },
    { "status == 500 and service == payments", true },
    { "status == 500 and service == auth", false },
    { "status == 1 or service == payments", true },
    { "status == 1 or service == auth", false },
    { "status == 1 and service == auth or level == error", true },
    { "level == error or status == 1 and service == auth", true },
    { "(level == error or status == 1) and service == auth", false },
    { "not (status == 500 and service == auth)", true },
    { "not status == 500 and service == auth", false },
    { "not (status == 1 or not (service == payments))", true },
    { "((((status==500))))", true },
    { "level>=warn and service in(\"payments\",\"auth\")and not message~\"(?i)test\"", true },
    { "status == 500\n  and\tservice == payments", true },
};

static void matches_what_it_says(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(match_cases) / sizeof(match_cases[0]); i++) {
        const struct match_case *row = &match_cases[i];
        struct lb_expr *expr =
            lb_expr_new(&fixture->arena, lb_str_from(row->text), (struct lb_place){ "t", 1, 1 }, &fixture->diag);

        if (expr == NULL)
            fail_msg("%s: %s", row->text, fixture->diag.entries[0].text);
        if (lb_expr_match(expr, &fixture->record, &fixture->scratch) != row->expected)
            fail_msg("%s: expected %s", row->text, row->expected ? "a match" : "none");
        assert_int_equal(fixture->scratch.used, 0);
        assert_text(lb_expr_text(expr), row->text);
        lb_expr_free(expr);
    }
}

struct error_case {
    const char *text;
    uint32_t column;
    const char *message; /* how it begins */
};

static const struct error_case error_cases[] = {
    { "", 1, "this expression is empty" },
    { "   ", 1, "this expression is empty" },
    { "level => warn", 7, "unknown operator `=>`; did you mean `>=`?" },
    { "status =< 5", 8, "unknown operator `=<`; did you mean `<=`?" },
    { "status <> 5", 8, "unknown operator `<>`; did you mean `!=`?" },
    { "status === 5", 8, "unknown operator `===`; did you mean `==`?" },
    { "message =~ x", 9, "unknown operator `=~`; did you mean `~`?" },
    { "message ^= x", 9, "unknown operator `^`; did you mean `startswith`?" },
    { "status eq 5", 8, "unknown operator `eq`; did you mean `==`?" },
    { "message like x", 9, "unknown operator `like`; did you mean `contains`?" },
    { "message contain x", 9, "unknown operator `contain`; did you mean `contains`?" },
    { "message startwith x", 9, "unknown operator `startwith`; did you mean `startswith`?" },
    { "message frobs x", 9, "unknown operator `frobs`: expected one of == !=" },
    { "message 5", 9, "unknown operator `5`: expected one of" },
    { "level >= warn && ok == true", 15, "unknown operator `&&`; did you mean `and`?" },
    { "level >= warn || ok == true", 15, "unknown operator `||`; did you mean `or`?" },
    { "level >= warn AND ok == true", 15, "unknown operator `AND`; did you mean `and`?" },
    { "!ok == true", 1, "unknown operator `!`; did you mean `not`?" },
    { "service == \"pay", 12, "this quote is not closed: expected \" before the end" },
    { "service == 'pay", 12, "this quote is not closed: expected ' before the end" },
    { "message ~ /pay", 11, "this slash is not closed: expected / before the end" },
    { "message ~ /pay/i", 16, "nothing may follow the closing slash" },
    { "level >= warning2", 10, "unknown level `warning2`; did you mean `warning`?" },
    { "level == errr", 10, "unknown level `errr`; did you mean `error`?" },
    { "level >= status", 10, "unknown level `status`: expected one of emergency" },
    { "level in (warn, errr)", 17, "unknown level `errr`; did you mean `error`?" },
    { "()", 1, "these parentheses are empty" },
    { "ok == true and ()", 16, "these parentheses are empty" },
    { "(ok == true", 1, "this parenthesis is not closed" },
    { "(ok == true x)", 13, "expected `and`, `or` or `)`, got `x`" },
    { "ok == true)", 11, "this `)` closes nothing" },
    { "ok == true x", 12, "expected `and`, `or` or the end, got `x`; a text with blanks needs quotes" },
    { "ok == true \"x\"", 12, "expected `and`, `or` or the end, got `\"x\"`" },
    { "and ok == true", 1, "expected the name of a field, got `and`" },
    { "ok == true and", 15, "expected the name of a field, but the expression ends here" },
    { "ok == true or or ok == true", 15, "expected the name of a field, got `or`" },
    { "not", 4, "expected the name of a field, but the expression ends here" },
    { "ok", 3, "expected an operator behind `ok`, as in ==, >=, ~ or contains; `has ok` asks" },
    { "(ok)", 4, "expected an operator behind `ok`" },
    { "ok and x == 1", 4, "expected an operator behind `ok`" },
    { "has", 4, "expected the name of a field, but the expression ends here" },
    { "has \"x\"", 5, "expected the name of a field, got the value `\"x\"`" },
    { "\"payments\" == service", 1, "expected the name of a field, got the value `\"payments\"`; the field comes" },
    { "500 == status", 1, "expected the name of a field, got the value `500`; the field comes first" },
    { "== 5", 1, "expected the name of a field, got `==`" },
    { "status ==", 10, "expected a value, but the expression ends here" },
    { "status == == 5", 11, "expected a value, got `==`" },
    { "status == and", 11, "expected a value, got `and`" },
    { "status == )", 11, "expected a value, got `)`" },
    { "status > other_field", 10, "expected a number behind `>`, got `other_field`; a field is compared with a value" },
    { "status > \"abc\"", 10, "expected a number behind `>`, got `\"abc\"`" },
    { "took > 5seconds", 9, "unknown unit `seconds`: expected one of ns us ms" },
    { "took > 10Mib", 10, "unknown unit `Mib`; did you mean `MiB`?" },
    { "took > 1h5MiB", 9, "unknown unit `h5MiB`" },
    { "service in payments", 12, "expected a list behind `in`, as in (a, b) or file(\"list.txt\"), got `payments`" },
    { "service in ()", 12, "this list is empty" },
    { "service in []", 12, "this list is empty" },
    { "service in (a b)", 15, "expected `,` or `)`, got `b`" },
    { "service in [a)", 14, "expected `,` or `]`, got `)`" },
    { "service in (a,", 15, "expected a value, but the expression ends here" },
    { "service in (a,)", 15, "expected a value, got `)`" },
    { "service not == a", 13, "unknown operator `==`" },
    { "message ~ (x)", 11, "expected a regular expression in quotes or slashes, got `(`" },
    { "message ~ \"a(b\"", 15, "this regular expression is wrong here: missing closing parenthesis" },
    { "message ~ \"[a\\\\\\\\]**\"", 20, "this regular expression is wrong here: quantifier does not follow" },
    { "message ~ /x\\/(?<1>y)/", 18, "this regular expression is wrong here: subpattern name must start with" },
    { "timestamp > yesterday", 13, "expected a time such as \"2026-01-31T12:00:00Z\"" },
    { "a.b.c.d.e.f.g.h.i == 1", 1, "`a.b.c.d.e.f.g.h.i` has more than 8 parts" },
    { "user == J\xc3\xb6rg && ok == true", 14, "unknown operator `&&`; did you mean `and`?" },
};

static void says_what_is_wrong_and_where(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(error_cases) / sizeof(error_cases[0]); i++) {
        const struct error_case *row = &error_cases[i];
        struct lb_expr *expr =
            lb_expr_new(&fixture->arena, lb_str_from(row->text), (struct lb_place){ "t", 3, 11 }, &fixture->diag);

        if (expr != NULL)
            fail_msg("%s: compiled", row->text);
        assert_int_equal(fixture->diag.errors, 1);
        if (strncmp(fixture->diag.entries[0].text, row->message, strlen(row->message)) != 0)
            fail_msg("%s: expected \"%s\", got \"%s\"", row->text, row->message, fixture->diag.entries[0].text);
        if (fixture->diag.entries[0].place.column != row->column + 10)
            fail_msg("%s: expected column %u, got %u (%s)", row->text, row->column,
                     fixture->diag.entries[0].place.column - 10, row->message);
        assert_int_equal(fixture->diag.entries[0].place.line, 3);
        lb_diag_free(&fixture->diag);
    }
}

static struct lb_expr *compile_text(struct fixture *fixture, const char *text)
{
    struct lb_expr *expr =
        lb_expr_new(&fixture->arena, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag);

    if (expr == NULL)
        fail_msg("%s: %s", text, fixture->diag.entries[0].text);
    return expr;
}

static void knows_what_is_the_same_for_every_record(void **state)
{
    static const struct {
        const char *text;
        enum lb_expr_constant expected;
    } rows[] = {
        { "true", LB_EXPR_ALWAYS },
        { "not true", LB_EXPR_NEVER },
        { "false or not false", LB_EXPR_ALWAYS },
        { "true and level >= warn", LB_EXPR_VARIES },
        { "level >= warn and false", LB_EXPR_NEVER },
        { "level >= warn or true", LB_EXPR_ALWAYS },
        { "true or level >= warn", LB_EXPR_ALWAYS },
        { "not (level >= warn and false)", LB_EXPR_ALWAYS },
        { "level >= trace", LB_EXPR_VARIES },
        { "level < trace", LB_EXPR_VARIES },
        { "level >= trace or not level >= trace", LB_EXPR_VARIES },
        { "has level", LB_EXPR_VARIES },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_expr *expr = compile_text(fixture, rows[i].text);

        if (lb_expr_constant(expr) != rows[i].expected)
            fail_msg("%s: got %d", rows[i].text, lb_expr_constant(expr));
    }
}

static void a_missing_level_makes_every_comparison_false(void **state)
{
    static const char *const texts[] = { "level >= trace", "level < trace", "level != debug", "level not in (debug)",
                                         "level == info",  "has level",     "level !~ x" };
    struct fixture *fixture = *state;

    fixture->record.level = LB_LEVEL_NONE;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (lb_expr_match(compile_text(fixture, texts[i]), &fixture->record, &fixture->scratch))
            fail_msg("%s: matched", texts[i]);
    }
}

static void tells_each_field_once(void **state)
{
    struct fixture *fixture = *state;
    struct lb_strs fields = lb_expr_fields(compile_text(
        fixture, "level >= warn and (has http.status or not http.status > 5) and service == a or level == info"));

    assert_int_equal(fields.count, 3);
    assert_text(fields.items[0], "level");
    assert_text(fields.items[1], "http.status");
    assert_text(fields.items[2], "service");
}

static void text_of_nested(char *out, unsigned depth, const char *open, const char *close)
{
    *out = '\0';
    for (unsigned i = 0; i < depth; i++)
        strcat(out, open);
    strcat(out, "ok == true");
    for (unsigned i = 0; i < depth; i++)
        strcat(out, close);
}

static void stops_at_the_limit_of_depth(void **state)
{
    struct fixture *fixture = *state;
    char text[1024];

    text_of_nested(text, LB_EXPR_DEPTH_MAX, "(", ")");
    assert_true(lb_expr_match(compile_text(fixture, text), &fixture->record, &fixture->scratch));
    text_of_nested(text, LB_EXPR_DEPTH_MAX, "not ", "");
    assert_true(lb_expr_match(compile_text(fixture, text), &fixture->record, &fixture->scratch));
    text_of_nested(text, LB_EXPR_DEPTH_MAX + 1, "(", ")");
    assert_null(lb_expr_new(&fixture->arena, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag));
    assert_string_equal(fixture->diag.entries[0].text, "this is nested deeper than 64 levels");
    assert_int_equal(fixture->diag.entries[0].place.column, 65);
}

static void stops_at_the_limit_of_comparisons(void **state)
{
    struct fixture *fixture = *state;
    size_t size = (size_t)(LB_EXPR_TESTS_MAX + 1) * 9 + 1;
    char *text = calloc(1, size);

    for (int i = 0; i < LB_EXPR_TESTS_MAX; i++)
        memcpy(text + (size_t)i * 9, i > 0 ? " or a = 1" : "     a =1", 9);
    assert_false(lb_expr_match(compile_text(fixture, text), &fixture->record, &fixture->scratch));
    memcpy(text + size - 10, " or a = 1", 9);
    assert_null(lb_expr_new(&fixture->arena, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag));
    assert_string_equal(fixture->diag.entries[0].text, "an expression has at most 4096 comparisons");
    free(text);
}

static void a_catastrophic_pattern_ends_soon_and_counts_as_no_match(void **state)
{
    struct fixture *fixture = *state;
    struct lb_expr *expr = compile_text(fixture, "message ~ \"^(a|aa|a.)+$\"");
    char message[64];

    memset(message, 'a', sizeof(message));
    message[63] = '!';
    fixture->record.message = lb_value_text((struct lb_str){ message, sizeof(message) });
    fixture->record.message.len = 62;
    assert_true(lb_expr_match(expr, &fixture->record, &fixture->scratch));
    memcpy(message + 60, "\n\n!\n", 4);
    fixture->record.message.len = 64;
    assert_false(lb_expr_match(expr, &fixture->record, &fixture->scratch));
    lb_expr_free(expr);
}

static void many_tests_of_a_long_escaped_text_do_not_fill_the_scratch(void **state)
{
    struct fixture *fixture = *state;
    struct lb_expr *expr = compile_text(fixture, "not message contains x1 and not message ~ \"x[23]\" and "
                                                 "not message contains x4 and message endswith end");
    char message[3000];

    memset(message, '-', sizeof(message));
    memcpy(message, "\\n", 2);
    memcpy(message + sizeof(message) - 3, "end", 3);
    fixture->record.message = lb_value_of((struct lb_str){ message, sizeof(message) }, LB_VALUE_ESCAPED);
    assert_true(lb_expr_match(expr, &fixture->record, &fixture->scratch));
    lb_expr_free(expr);
}

static void invalid_utf8_never_disturbs_a_pattern(void **state)
{
    struct fixture *fixture = *state;
    struct lb_expr *expr = compile_text(fixture, "message ~ \"\\p{L}+!$\"");

    fixture->record.message = lb_value_text(LB_STR("\xff\xfe\x80 J\xc3\xb6rg!"));
    assert_true(lb_expr_match(expr, &fixture->record, &fixture->scratch));
    fixture->record.message = lb_value_text(LB_STR("\xc3!"));
    assert_false(lb_expr_match(expr, &fixture->record, &fixture->scratch));
    lb_expr_free(expr);
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *fixture = *state;
    bool done = false;

    for (long n = 1; !done; n++) {
        struct lb_arena arena;
        struct lb_diag diag = { 0 };

        lb_arena_init(&arena, 1 << 20);
        atomic_store(&lb_alloc_fail_at, n);
        struct lb_expr *expr =
            lb_expr_new(&arena, LB_STR("message ~ \"a.c\" and user ~ 'x|y' or level == info and status in (1, 2)"),
                        (struct lb_place){ "t", 1, 1 }, &diag);
        done = atomic_load(&lb_alloc_fail_at) > 0;
        atomic_store(&lb_alloc_fail_at, 0);
        if (expr != NULL) {
            lb_expr_match(expr, &fixture->record, &fixture->scratch);
            lb_expr_free(expr);
        } else {
            assert_true(diag.errors > 0);
        }
        lb_diag_free(&diag);
        lb_arena_free(&arena);
        assert_true(n < 1000);
    }
}

struct runner {
    const struct lb_expr *expr;
    const struct lb_record *record;
    int matches;
};

static void *run_often(void *context)
{
    struct runner *runner = context;
    char memory[1024];
    struct lb_scratch scratch = { memory, sizeof(memory), 0 };

    for (int i = 0; i < 2000; i++)
        runner->matches += lb_expr_match(runner->expr, runner->record, &scratch);
    return NULL;
}

static void one_program_serves_many_threads(void **state)
{
    struct fixture *fixture = *state;
    struct lb_expr *expr = compile_text(fixture, "message ~ \"t(o|a)ok\" and user ~ '^\\p{L}+$' and status >= 500");
    struct runner runners[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        runners[i] = (struct runner){ expr, &fixture->record, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, &runners[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(runners[i].matches, 2000);
    }
    lb_expr_free(expr);
}

static void running_allocates_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct lb_expr *expr = compile_text(fixture, "message ~ \"t(o|a)ok\" and user ~ '^\\p{L}+$' and status in (1, 500) "
                                                 "and http.route.name == cart and timestamp > 2020-01-01T00:00:00Z");

    assert_true(lb_expr_match(expr, &fixture->record, &fixture->scratch));
    long before = atomic_load(&lb_alloc_count);
    for (int i = 0; i < 100; i++)
        assert_true(lb_expr_match(expr, &fixture->record, &fixture->scratch));
    assert_int_equal(atomic_load(&lb_alloc_count), before);
    lb_expr_free(expr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matches_what_it_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_wrong_and_where, set_up, tear_down),
        cmocka_unit_test_setup_teardown(knows_what_is_the_same_for_every_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_level_makes_every_comparison_false, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_each_field_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_at_the_limit_of_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_at_the_limit_of_comparisons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_catastrophic_pattern_ends_soon_and_counts_as_no_match, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_tests_of_a_long_escaped_text_do_not_fill_the_scratch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(invalid_utf8_never_disturbs_a_pattern, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_program_serves_many_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(running_allocates_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("route/expr", tests, NULL, NULL);
}
