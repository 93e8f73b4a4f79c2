/* text_pieces_test.c - what one family of programs writes in front of its messages, through the reader of text. */
#include "text_pieces.c"

#include "lb_test_parser.h"

extern const struct lb_parser_type lb_parser_text;

static struct zoned state;
static struct test_parser test;

#define T "2026-03-01T10:00:00Z"
#define MS "2026-03-01T10:00:00.123Z"

static void families_are_told(void **unused)
{
    static const struct parser_case cases[] = {
        /* Ruby */
        { "I, [2026-03-01T10:00:00.123000 #42]  INFO -- : Started GET \"/\"",
          MS "|info|||Started GET \"/\"|pid=[42];" },
        { "E, [2026-03-01T10:00:00.123000 #42] ERROR -- shop: no: row", MS "|error|||no: row|pid=[42];logger=shop;" },
        { "I, [x #42]  INFO -- : m", NULL },
        { "2026-03-01T10:00:00.123Z pid=42 tid=abc class=Hard INFO: start",
          MS "|info|||start|pid=42;tid=abc;class=Hard;" },
        { "2026-03-01T10:00:00.123Z pid=42 then INFO: start", MS "||||pid=42 then INFO: start|" },
        /* Erlang and WebLogic */
        { "=INFO REPORT==== 1-Mar-2026::10:00:00.123 ===\n    application: kernel", MS "|info|||application: kernel|" },
        { "=CRASH REPORT 1-Mar-2026", NULL },
        { "####<Mar 1, 2026 10:00:00,123 AM UTC> <Notice> <Server> <h1> <adm> <main> <<Kernel>> <> <BEA-000365> <It "
          "runs.>",
          MS "|notice|adm|h1|It runs.|logger=Server;thread=main;" },
        { "####<Mar 1, 2026 10:00:00,123 AM UTC> <Notice> <Server> <h1> <adm> <main> <<Ker",
          MS "|notice|adm|h1|<<Ker|logger=Server;thread=main;" },
        /* the level first */
        { "INFO  [main] 2026-03-01 10:00:00,123 Daemon.java:650 - up",
          MS "|info|||up|thread=main;source_file=Daemon.java;"
             "line=[650];" },
        { "WARN 2026-03-01 10:00:00 full", T "|warn|||full|" },
        { "WARN[2026-03-01T10:00:00Z] slow   took=5s", T "|warn|||slow   took=5s|" },
        { "ERRO[0042] no disk", "|error|||no disk|uptime=0042;" },
        { "WARN around 10:00:00 it broke", NULL },
        /* Python */
        { "[2026-03-01 10:00:00,123: WARNING/MainProcess] retry", MS "|warn|||retry|thread=MainProcess;" },
        { "2026-03-01 10:00:00.123 | INFO     | app.main:run:12 - hello",
          MS "|info|||hello|logger=app.main;function=run;line=[12];" },
        { "[2026-03-01T10:00:00.123+0000] {task.py:57} INFO - met", MS "|info|||met|source_file=task.py;line=[57];" },
        /* zap and its like */
        { "2026-03-01T10:00:00.123Z\tINFO\tserver/main.go:42\tstarted\t{\"port\": 8080}",
          MS "|info|||started|source_file=server/main.go;line=[42];port=[8080];" },
        { "2026-03-01T10:00:00.123Z\tERROR\tctl.user\tno such\t{\"a\": {\"b\": 1}}",
          MS "|error|||no such|logger=ctl.user;a={\"b\": 1};" },
        { "2026-03-01T10:00:00.123Z\tINFO\tstarted\t{\"a\": 1}", MS "|info|||started|a=[1];" },
        /* MongoDB, ClickHouse, the JVM, pino, Rust */
        { "2026-03-01T10:00:00.123+0000 I NETWORK  [listener] from 192.0.2.1",
          MS "|info|||from 192.0.2.1|logger=NETWORK;thread=listener;" },
        { "2026-03-01T10:00:00.123+0000 I am here [now] x", MS "||||I am here [now] x|" },
        { "2026.03.01 10:00:00.123 [ 7 ] {abc} <Error> Handler: Code: 60",
          MS "|error|||Code: 60|thread=7;context=abc;logger=Handler;" },
        { "[2026-03-01 10:00:00.123 +0000] warning/ApiListener: no peer", MS "|warn|||no peer|logger=ApiListener;" },
        { "2026-03-01 10:00:00.123 [INFO] (0.05s) select", MS "|info|||(0.05s) select|" },
        { "2026-03-01 10:00:00.123 *ERROR* [a] x", MS "|error|||[a] x|" },
        { "2026-03-01 10:00:00.123 (ERROR) x", MS "|error|||x|" },
        { "2026-03-01 10:00:00.123 (see below) x", MS "||||(see below) x|" },
        { "01-Mar-2026 10:00:00.123 queries: info: client 192.0.2.1", MS "|info|||client 192.0.2.1|logger=queries;" },
        { "2026-03-01 10:00:00.123 state: info about it", MS "||||state: info about it|" },
        { "[0.012s][info][gc] Using G1", "|info|||[gc] Using G1|uptime=[0.012];" },
        { "[2026-03-01 10:00:00.123 +0000] INFO (42 on h1): hello", MS "|info||h1|hello|pid=[42];" },
        { "[2026-03-01 10:00:00.123 +0000] INFO (shop/42 on h1): hello", MS "|info|shop|h1|hello|pid=[42];" },
        { "2026-03-01T10:00:00.123Z  INFO app::net: up", MS "|info|||up|logger=app::net;" },
        /* PHP says its level in the message */
        { "[01-Mar-2026 10:00:00 UTC] PHP Fatal error:  Uncaught x", T "|error|||PHP Fatal error:  Uncaught x|" },
        { "[01-Mar-2026 11:00:00 Europe/Berlin] PHP Warning:  x in a.php", T "|warn|||PHP Warning:  x in a.php|" },
        { "[01-Mar-2026 10:00:00 UTC] PHP is here", T "||||PHP is here|" },
        { "Mar 1, 2026 10:00:00 AM org.a.Shop open\nSEVERE: no door\n\tat x",
          T "|error|||no door\n\tat x|logger=org.a.Shop;function=open;" },
        { "Mar 1, 2026 10:00:00 AM org.a.Shop opens it\nSEVERE: no", T "||||org.a.Shop opens it\nSEVERE: no|" },
        /* clocks without a day */
        { "9:04AM INF starting n=1", "|info|||starting n=1|time=9:04AM;" },
        { "fail: Web.Server[13]\n      it broke", "|error|||it broke|logger=Web.Server;event_id=[13];" },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_told),
    };

    test_parser_init(&test, &lb_parser_text, &state);
    int failed = cmocka_run_group_tests_name("parse/text_pieces", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
