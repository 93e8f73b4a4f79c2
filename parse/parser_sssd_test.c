/* parser_sssd_test.c - both forms of the time, the levels; the corpus. */
#include "parser_sssd.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "(2026-03-01  9:00:00): [be[example.com]] [add_user] (0x0040): [RID#3] Group exists",
          "2026-03-01T09:00:00Z|error|||[RID#3] Group exists|logger=be[example.com];function=add_user;" },
        { "(Sun Mar  1 10:00:00:259149 2026) [sssd] [validate] (0x0020): m",
          "2026-03-01T10:00:00.259149Z|critical|||m|logger=sssd;function=validate;" },
        { "(2026-03-01 10:00:00): [nss] [f] (0x0080): m", "2026-03-01T10:00:00Z|warn|||m|logger=nss;function=f;" },
        { "(2026-03-01 10:00:00): [nss] [f] (0x0100): m", "2026-03-01T10:00:00Z|info|||m|logger=nss;function=f;" },
        { "(2026-03-01 10:00:00): [nss] [f] (0x1000): m", "2026-03-01T10:00:00Z|debug|||m|logger=nss;function=f;" },
        { "(2026-03-01 10:00:00): [nss] [f] (0x): m", NULL },
        { "(2026-03-01 10:00:00): [nss] [f] (0x00g0): m", NULL },
        { "(2026-03-01 10:00:00): [nss] (0x0040): m", NULL },
        { "(2026-03-01 10:00:00): [nss", NULL },
        { "(soon): [nss] [f] (0x0040): m", NULL },
        { "(", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void the_corpus_is_read(void **unused)
{
    (void)unused;
    if (!corpus_samples(&test, "\"sssd_log\""))
        fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_are_cut), cmocka_unit_test(the_corpus_is_read) };

    test_parser_init(&test, &lb_parser_sssd, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_sssd", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
