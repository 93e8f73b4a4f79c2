/* parser_postgres_test.c - prefixes, csvlog, jsonlog, durations; the corpus. */
#include "parser_postgres.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void prefixes_are_read(void **unused)
{
    static const struct parser_case cases[] = {
        { "2026-03-01 10:00:00.123 UTC [42] LOG:  duration: 124.928 ms  statement: select 1",
          "2026-03-01T10:00:00.123Z|info|||duration: 124.928 ms  statement: select 1|pid=[42];error_severity=LOG;"
          "duration_ms=[124.928];" },
        { "2026-03-01 11:00:00 CET [42]: [5-1] user=al,db=shop,app=psql,client=::1 ERROR:  no: such table",
          "2026-03-01T10:00:00Z|error|||no: such table|pid=[42];user=al;database=shop;application_name=psql;"
          "client_ip=::1;error_severity=ERROR;" },
        { "2026-03-01 10:00:00 UTC:192.0.2.1(5432):al@shop:[7]:FATAL:  x",
          "2026-03-01T10:00:00Z|critical|||x|client_ip=192.0.2.1;client_port=[5432];user=al;database=shop;pid=[7];"
          "error_severity=FATAL;" },
        { "2026-03-01 10:00:00 UTC::@:[7]:DEBUG2:  x",
          "2026-03-01T10:00:00Z|debug|||x|pid=[7];error_severity=DEBUG2;" },
        { "2026-03-01 10:00:00 UTC [7-3] [unknown]@[unknown] DETAIL:  x",
          "2026-03-01T10:00:00Z|info|||x|pid=[7];error_severity=DETAIL;" },
        { "2026-03-01 10:00:00 UTC [7] weird 5ff2.1c PANIC:  x",
          "2026-03-01T10:00:00Z|emergency|||x|pid=[7];prefix=2026-03-01 10:00:00 UTC [7] weird "
          "5ff2.1c;error_severity=PANIC;" },
        { "192.0.2.1 2026-03-01 10:00:00.5 UTC [7] al@shop FATAL:  x",
          "2026-03-01T10:00:00.500Z|critical|||x|client_ip=192.0.2.1;pid=[7];user=al;database=shop;"
          "error_severity=FATAL;" },
        { "1772359200.5 [7] [queryid=123] WARNING:  x",
          "2026-03-01T10:00:00.500Z|warn|||x|pid=[7];query_id=123;error_severity=WARNING;" },
        { "Dec 31 10:00:01 db1 postgres[8]: [3-1] 2025-12-31 10:00:00.5 UTC al@shop LOG:  x",
          "2025-12-31T10:00:00.500Z|info||db1|x|pid=[8];user=al;database=shop;error_severity=LOG;" },
        { "Dec 31 10:00:00 db1 postgres[8]: [3-1] db=,user= HINT:  x",
          "2025-12-31T10:00:00Z|info||db1|x|pid=[8];error_severity=HINT;" },
        { "2026-03-01 10:00:00.5 UTC [7] LOG C-0x7f: shop/al@192.0.2.1:5 closing",
          "2026-03-01T10:00:00.500Z|info|||C-0x7f: shop/al@192.0.2.1:5 closing|pid=[7];error_severity=LOG;" },
        { "2026-03-01 10:00:00 UTC [7] LOG:  statement: select\n\t'a,b'",
          "2026-03-01T10:00:00Z|info|||statement: select\n\t'a,b'|pid=[7];error_severity=LOG;" },
        { "2026-03-01 10:00:00 UTC [7] nothing of the kind", NULL },
        { "pg_ctl: could not start server", NULL },
        { "2026-02-30 10:00:00 UTC [7] LOG:  x", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void csvlog_and_jsonlog_have_the_same_names(void **unused)
{
    static const struct parser_case cases[] = {
        { "2026-03-01 10:00:00.5 UTC,\"al\",\"shop\",54,\"192.0.2.1:42608\",5ff25ea4.36,6,\"SELECT\","
          "2026-03-01 09:00:00 UTC,3/0,0,LOG,00000,\"duration: 6.589 ms\",,,,,,,,,\"psql\"",
          "2026-03-01T10:00:00.500Z|info|||duration: 6.589 ms|user=al;database=shop;pid=[54];client_ip=192.0.2.1;"
          "client_port=[42608];session_id=5ff25ea4.36;session_line=[6];command=SELECT;"
          "session_start=2026-03-01 09:00:00 UTC;virtual_transaction_id=3/0;transaction_id=[0];error_severity=LOG;"
          "sql_state=00000;duration_ms=[6.589];application_name=psql;" },
        { "2026-03-01 10:00:00 UTC,,,54,,5f.36,1,,2026-03-01 09:00:00 UTC,,0,ERROR,42601,\"near \"\"x\"\"\",\"d\nd\"",
          "2026-03-01T10:00:00Z|error|||near \"x\"|pid=[54];session_id=5f.36;session_line=[1];"
          "session_start=2026-03-01 09:00:00 "
          "UTC;transaction_id=[0];error_severity=ERROR;sql_state=42601;detail=d\nd;" },
        { "{\"timestamp\":\"2026-03-01 10:00:00.500 UTC\",\"user\":\"al\",\"dbname\":\"shop\",\"pid\":5,"
          "\"remote_host\":\"192.0.2.1\",\"error_severity\":\"ERROR\",\"message\":\"duration: 1.5 ms\"}",
          "2026-03-01T10:00:00.500Z|error|||duration: 1.5 ms|user=al;database=shop;pid=[5];client_ip=192.0.2.1;"
          "duration_ms=[1.5];" },
        { "2026-03-01 10:00:00 UTC,\"al\",\"shop\"", NULL },
        { "2026-03-01 10:00:00 UTC,a,b,c,d,e,f,g,h,i,j,QUIET,l,m", NULL },
        { "{\"a\"}", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
}

/* --- the corpus ----------------------------------------------------------------- */

static void the_events_of_another_shipper_agree(void **unused)
{
    static const struct field_name names[] = {
        { "@timestamp", "timestamp" },
        { "process.pid", "pid" },
        { "user.name", "user" },
        { "postgresql.log.database", "database" },
        { "postgresql.log.client_addr", "client_ip" },
        { "postgresql.log.client_port", "client_port" },
        { "postgresql.log.command_tag", "command" },
        { "postgresql.log.session_id", "session_id" },
        { "postgresql.log.sql_state_code", "sql_state" },
        { "postgresql.log.application_name", "application_name" },
        { "postgresql.log.location", "location" },
        { "log.level", "error_severity" },
        { NULL, NULL },
    };
    static const char *const logs[] = {
        "10-default.log",          "11-autovacuum.csv.log",    "11-duration.csv.log",
        "11-ipv6.csv.log",         "11-multi-line.csv.log",    "11-parse-bind.csv.log",
        "11-start-stop.csv.log",   "11-tempfile.csv.log",      "12-min-duration-statement.log",
        "13-error-code.csv.log",   "13-log-statement-all.log", "9.6-multi-core.log",
        "query-steps-slowlog.log",
    };
    struct corpus_score score = { 0 };
    int others = 6; /* `[unknown]` is no name here, and EST is five hours behind UTC in July too */

    (void)unused;
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "beats/postgresql/log/postgresql-%s", logs[i]);
        corpus_events(&test, path, names, &score);
    }
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] events: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all - others);
}

struct counts {
    long durations;
    long slow; /* over 100 ms */
    double max_ms;
    long severities;
};

static void count_line(struct counts *counts, struct lb_str line)
{
    double ms = 0;

    if (test_parse(&test, line) != LB_OK)
        return;
    counts->severities += test_field(&test, "error_severity").len > 0;
    if (!lb_value_number(lb_record_get(&test.record, LB_STR("duration_ms"), &test.scratch), &ms))
        return;
    counts->durations++;
    counts->slow += ms > 100;
    counts->max_ms = ms > counts->max_ms ? ms : counts->max_ms;
}

static long sum_of(struct lb_str object)
{
    const char *ptr = object.ptr + 1;
    struct lb_str name, value;
    long sum = 0;

    while (corpus_member(&ptr, &name, &value))
        sum += strtol(value.ptr, NULL, 10);
    return sum;
}

/* Logs whose facts are counts of whole lines. */
static bool is_compared(struct lb_str name)
{
    static const char *const logs[] = { "light.log",     "rds.log",          "stmt_type.log",       "tempfile.log",
                                        "pg_rawcsv.log", "pg-timezones.log", "multiline_param.log", "anonymize.log",
                                        "queryid.log",   "pg-syslog.log",    "logplex.log" };

    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        if (strcmp(strrchr(name.ptr, '/') + 1, logs[i]) == 0)
            return true;
    return false;
}

static bool check_log(struct lb_str facts, struct lb_str name)
{
    struct counts counts = { 0 };
    struct lb_str severity = corpus_get(facts, "severity");
    struct corpus log;
    struct lb_str line;
    bool same;

    if (!corpus_open(&log, name.ptr))
        return true;
    while (corpus_next(&log, &line))
        count_line(&counts, line);
    corpus_close(&log);
    same = counts.durations == strtol(corpus_get(facts, "durations").ptr, NULL, 10) &&
           counts.slow == strtol(corpus_get(facts, "slow_over_100ms").ptr, NULL, 10) &&
           (counts.durations == 0 || counts.max_ms == strtod(corpus_get(facts, "max_ms").ptr, NULL)) &&
           (sum_of(severity) == 0 || counts.severities == sum_of(severity));
    printf("[ CORPUS   ] %s: %ld durations, %ld slow, %ld severities%s\n", name.ptr, counts.durations, counts.slow,
           counts.severities, same ? "" : ": not as the facts say");
    return same;
}

static void counts_of_the_logs_of_the_corpus_agree(void **unused)
{
    struct corpus corpus;
    struct lb_str facts;
    bool same = true;

    (void)unused;
    if (!corpus_open(&corpus, "postgres/facts.jsonl"))
        skip();
    while (corpus_next(&corpus, &facts)) {
        struct lb_str name = corpus_text(corpus_get(facts, "log"));

        if (is_compared(name) && !check_log(facts, name))
            same = false;
        free((char *)(uintptr_t)name.ptr);
    }
    corpus_close(&corpus);
    assert_true(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_read),
        cmocka_unit_test(csvlog_and_jsonlog_have_the_same_names),
        cmocka_unit_test(the_events_of_another_shipper_agree),
        cmocka_unit_test(counts_of_the_logs_of_the_corpus_agree),
    };

    test_parser_init(&test, &lb_parser_postgres, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_postgres", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
