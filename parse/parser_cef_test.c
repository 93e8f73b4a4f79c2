/* parser_cef_test.c - CEF and LEEF: headers, escapes, values with blanks, delimiters; the corpus. */
#include "parser_cef.c"

#include "lb_test_parser.h"

static struct cef state;
static struct test_parser test;
static struct test_parser leef;

static void lines_of_cef_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "CEF:0|Acme|Fire \\| Wall|1.0|100|Port scan|8|src=192.0.2.1 msg=a b\\=c\\nd rt=1772359200000 dvchost=fw1 n=",
          "2026-03-01T10:00:00Z|error||fw1|Port scan|cef_version=0;device_vendor=Acme;device_product=Fire | Wall;"
          "device_version=1.0;event_class_id=100;severity=8;src=192.0.2.1;msg=a b=c\nd;" },
        { "<134>Mar  1 10:00:00 fw CEF:1|A|B|1|2|n|Very-High|",
          "|critical|||n|cef_version=1;device_vendor=A;device_product=B;device_version=1;event_class_id=2;"
          "severity=Very-High;" },
        { "CEF:0|A|B|1|2|n|Unknown|cs1Label=Rule Name cs1={a,b} x\\y=1",
          "||||n|cef_version=0;device_vendor=A;device_product=B;device_version=1;event_class_id=2;severity=Unknown;"
          "cs1Label=Rule Name;cs1={a,b} x\\y=1;" },
        { "CEF:0|A|B|1|2|n|", NULL },
        { "CEF:0|A|B|1|2|n|3|a=1 =2", NULL },
        { "CEF:0|A|B|1|2|n|3|words", NULL },
        { "CEF:x|A|B|1|2|n|3|", NULL },
        { "notCEF:0|A|B|1|2|n|3|", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void lines_of_leef_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "LEEF:1.0|Acme|IDS|1.0|login|src=192.0.2.1\tsev=9\tdevTime=2026-03-01T10:00:00Z\tmsg=a = b",
          "2026-03-01T10:00:00Z|critical|||LEEF:1.0|Acme|IDS|1.0|login|src=192.0.2.1\tsev=9\tdevTime=2026-03-01T10:00:"
          "00Z\tmsg=a = b|"
          "leef_version=1.0;device_vendor=Acme;device_product=IDS;device_version=1.0;event_id=login;src=192.0.2.1;"
          "sev=9;msg=a = b;" },
        { "LEEF:2.0|A|B|1|2|^|a=1^b=2", "||||LEEF:2.0|A|B|1|2|^|a=1^b=2|leef_version=2.0;device_vendor=A;"
                                        "device_product=B;device_version=1;event_id=2;a=1;b=2;" },
        { "LEEF:2.0|A|B|1|2|0x7C|a=1|b=2", "||||LEEF:2.0|A|B|1|2|0x7C|a=1|b=2|leef_version=2.0;device_vendor=A;"
                                           "device_product=B;device_version=1;event_id=2;a=1;b=2;" },
        { "LEEF:1.0|A|B|1|2|\x01\"=1",
          "||||LEEF:1.0|A|B|1|2|\x01\"=1|leef_version=1.0;device_vendor=A;device_product=B;"
          "device_version=1;event_id=2;\x01\"=1;" },
        { "LEEF:1.0|A|B|1|2|words", NULL },
        { "LEEF:1.0|A|B", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&leef, cases, sizeof(cases) / sizeof(cases[0]));
}

static void custom_fields_may_be_called_by_their_labels(void **unused)
{
    static const struct parser_case cases[] = {
        { "CEF:0|A|B|1|2|n|8|cn1=7 src=192.0.2.1 cs1Label=Rule Name cs1=a b cn1Label=Internal ID",
          "|error|||n|cef_version=0;device_vendor=A;device_product=B;device_version=1;event_class_id=2;severity=8;"
          "Internal ID=7;src=192.0.2.1;Rule Name=a b;" },
        { "CEF:0|A|B|1|2|n|8|cs7x=1 csLabel=2",
          "|error|||n|cef_version=0;device_vendor=A;device_product=B;device_version=1;event_class_id=2;severity=8;"
          "cs7x=1;csLabel=2;" },
        { "CEF:0|A|B|1|2|n|8|cfp1=1.23", NULL },
        { "CEF:0|A|B|1|2|n|8|flexString1=1 flexString1=2 flexString1Label=Version", NULL },
    };
    static struct test_parser labelled;
    struct cef own = { .labels = true };

    (void)unused;
    test_parser_init(&labelled, &lb_parser_cef, &own);
    test_parser_cases(&labelled, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_free(&labelled);
}

/* Those with args have their labels joined. */
static void the_corpus_agrees(void **unused)
{
    static const struct field_name names[] = {
        { "cefVersion", "cef_version" },
        { "deviceVendor", "device_vendor" },
        { "deviceProduct", "device_product" },
        { "deviceVersion", "device_version" },
        { "deviceEventClassId", "event_class_id" },
        { "name", "message" },
        { "rt", NULL },
        { NULL, NULL },
    };
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "parse/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &row)) {
        struct lb_str input = corpus_text(corpus_get(row, "in"));
        bool valid = lb_str_is(corpus_get(row, "valid"), "true");

        if (lb_str_is(corpus_get(row, "kind"), "\"cef\"") && corpus_get(row, "args").ptr == NULL) {
            bool same = (test_parse(&test, input) == LB_OK) == valid;

            if (same && valid)
                same = corpus_agrees(&test, corpus_get(row, "expect"), names);
            corpus_count(&score, same, row);
        }
        free((char *)(uintptr_t)input.ptr);
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] cef: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_cef_are_cut),
        cmocka_unit_test(lines_of_leef_are_cut),
        cmocka_unit_test(custom_fields_may_be_called_by_their_labels),
        cmocka_unit_test(the_corpus_agrees),
    };

    test_parser_init(&test, &lb_parser_cef, &state);
    test_parser_init(&leef, &lb_parser_leef, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_cef", tests, NULL, NULL);
    test_parser_free(&test);
    test_parser_free(&leef);
    return failed;
}
