/* parser_mysql_test.c - entries of the slow log and lines of the error log; the corpus. */
#include "parser_mysql.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void slow_entries_are_read(void **unused)
{
    static const struct parser_case cases[] = {
        { "# Time: 2026-03-01T09:59:00.123456Z\n# User@Host: root[root] @ apphost [192.0.2.1]  Id:    14\n"
          "# Schema: shop  Last_errno: 0\n# Query_time: 2.475469  Lock_time: 0.000287 Rows_sent: 10  Rows_examined: "
          "31\n"
          "# No InnoDB statistics available\nSET timestamp=1772359200;\nselect a\n  from b;\n",
          "2026-03-01T10:00:00Z||||select a\n  from b;|user=root;client_host=apphost;client_ip=192.0.2.1;"
          "thread_id=[14];database=shop;Last_errno=[0];duration_ms=[2475.469];lock_ms=[0.287];rows_sent=[10];"
          "rows_examined=[31];" },
        { "# User@Host: a[b] @ localhost []\r\n# Thread_id: 5  Schema:   QC_hit: No\r\n# Query_time: 15\r\nuse "
          "shop;\r\n"
          "SET timestamp=1772359200;\r\ncommit;\n# Time: 260301 10:00:01",
          "2026-03-01T10:00:00Z||||commit;|user=a;client_host=localhost;thread_id=[5];QC_hit=No;duration_ms=[15000];"
          "database=shop;" },
        { "# Time: 260301 10:00:00\n# Query_time: 1", "2026-03-01T10:00:00Z|||||duration_ms=[1000];" },
        { "# administrator command: Quit;", NULL },
        { "#", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void error_lines_are_read(void **unused)
{
    static const struct parser_case cases[] = {
        { "2026-03-01T10:00:00.5Z 25 [Warning] [MY-010926] [Server] Access denied",
          "2026-03-01T10:00:00.500Z|warn|||Access denied|thread_id=[25];code=MY-010926;subsystem=Server;" },
        { "2026-03-01  9:00:00 8 [Note] InnoDB: [x] y", "2026-03-01T09:00:00Z|notice|||InnoDB: [x] y|thread_id=[8];" },
        { "260301  9:00:00 mysqld_safe Starting", "2026-03-01T09:00:00Z||||mysqld_safe Starting|" },
        { "260301 10:00:00 [ERROR] Aborting\n", "2026-03-01T10:00:00Z|error|||Aborting|" },
        { "InnoDB: Creating tables", NULL },
        { "261301 10:00:00 x", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
}

/* --- the corpus ----------------------------------------------------------------- */

static void the_events_of_another_shipper_agree(void **unused)
{
    static const struct field_name names[] = {
        { "@timestamp", "timestamp" },
        { "user.name", "user" },
        { "source.ip", "client_ip" },
        { "source.domain", "client_host" },
        { "mysql.thread_id", "thread_id" },
        { "mysql.slowlog.rows_sent", "rows_sent" },
        { "mysql.slowlog.rows_examined", "rows_examined" },
        { "mysql.slowlog.rows_affected", "rows_affected" },
        { "mysql.slowlog.bytes_sent", "bytes" },
        { "mysql.slowlog.schema", "database" },
        { "mysql.slowlog.query", "message" },
        { NULL, NULL },
    };
    static const char *const logs[] = {
        "slowlog/mariadb-10.1.21.log",       "slowlog/mysql-5.7.22.log",
        "slowlog/mysql-ubuntu-5.5.53.log",   "slowlog/mysql-ubuntu-8.0.15.log",
        "slowlog/percona-ubuntu-5.7.19.log", "slowlog/percona-ubuntu-5.7.19-innodb.log",
        "slowlog/percona-ubuntu-8.0.15.log", "error/error.log",
        "error/mariadb-10.4.8.log",          "error/mysql-darwin-brew-5.7.10.log",
        "error/mysql-ubuntu-5.5.53.log",
    };
    static struct test_parser zoned;
    struct zoned own = { .timezone = LB_STR("-02:00") };
    struct corpus_score score = { 0 };

    (void)unused;
    test_parser_init(&zoned, &lb_parser_mysql, &own);
    assert_int_equal(test_parser_open(&zoned), LB_OK);
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        char path[128];

        snprintf(path, sizeof(path), "beats/mysql/%s", logs[i]);
        corpus_events(&zoned, path, names, &score);
    }
    test_parser_free(&zoned);
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] events: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_entries_are_read),
        cmocka_unit_test(error_lines_are_read),
        cmocka_unit_test(the_events_of_another_shipper_agree),
    };

    test_parser_init(&test, &lb_parser_mysql, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_mysql", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
