/* parser_auditd_test.c - stamps, pairs, the inner message. */
#include "parser_auditd.c"

#include "lb_test_parser.h"

static struct test_parser test;

static void records_are_read(void **unused)
{
    static const struct parser_case cases[] = {
        { "type=SYSCALL msg=audit(1772359200.123:4711): arch=c000003e success=yes exe=\"/usr/bin/a b\" key=(null)",
          "2026-03-01T10:00:00.123Z||||type=SYSCALL msg=audit(1772359200.123:4711): arch=c000003e success=yes "
          "exe=\"/usr/bin/a b\" key=(null)|sequence=[4711];type=SYSCALL;arch=c000003e;success=yes;exe=/usr/bin/a "
          "b;key=(null);" },
        { "node=h1 type=USER_LOGIN msg=audit(1772359200.000:7): user pid=1 msg='op=login acct=\"al\" addr=? "
          "res=failed'",
          "2026-03-01T10:00:00Z|||h1|node=h1 type=USER_LOGIN msg=audit(1772359200.000:7): user pid=1 msg='op=login "
          "acct=\"al\" addr=? res=failed'|sequence=[7];type=USER_LOGIN;pid=1;op=login;acct=al;res=failed;" },
        { "type=X msg=audit(1772359200.000:7):",
          "2026-03-01T10:00:00Z||||type=X msg=audit(1772359200.000:7):|sequence=[7];type=X;" },
        { "type=X", NULL },
        { "type=X msg=hello", NULL },
        { "type=X msg=audit(x:7):", NULL },
        { "node=h", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, "type=X msg=audit(1772359200.000:7): a=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
    };

    test_parser_init(&test, &lb_parser_auditd, NULL);
    int failed = cmocka_run_group_tests_name("parse/parser_auditd", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
