/* source_cri_test.c - where batches may be cut, and what a path says of a pod. */
#include "source_cri.c"

#include "lb_test.h"

static void parts_are_known_by_their_tag(void **unused)
{
    static const struct {
        const char *line;
        enum lb_container_line kind;
        const char *text;
    } cases[] = {
        { "2026-03-01T10:00:00Z stdout F a text", LB_LINE_WHOLE_OUT, "a text" },
        { "2026-03-01T10:00:00Z stderr F ", LB_LINE_WHOLE_ERR, "" },
        { "2026-03-01T10:00:00Z stderr F", LB_LINE_WHOLE_ERR, "" },
        { "2026-03-01T10:00:00Z stdout P a", LB_LINE_PART_OUT, "a" },
        { "2026-03-01T10:00:00Z stderr P:x a", LB_LINE_PART_ERR, "a" },
        { "2026-03-01T10:00:00Z stdin F a", LB_LINE_WHOLE, "a" },
        { "2026-03-01T10:00:00Z stdout ", LB_LINE_WHOLE, "" },
        { "some other text", LB_LINE_WHOLE, "" },
        { "", LB_LINE_WHOLE, "" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(kind_of(cases[i].line, strlen(cases[i].line)), cases[i].kind);
        assert_text(text_of(cases[i].line, strlen(cases[i].line), NULL), cases[i].text);
    }
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void paths_tell_of_pods(void **unused)
{
    static const struct {
        const char *path;
        const char *facts;
    } cases[] = {
        { "/var/log/pods/shop_cart-7f-x_1b2c-3d/api/0.log", "shop|cart-7f-x|1b2c-3d|api|" },
        { "/var/log/containers/cart-7f-x_shop_api-" ID ".log", "shop|cart-7f-x||api|" ID },
        { "/var/log/other/0.log", NULL },
        { "0.log", NULL },
        { "/var/log/containers/x-" ID ".log", NULL },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts facts = { 0 };
        struct lb_str path = lb_str_from(cases[i].path);
        char text[256];
        bool found = read_containers(path, &facts);

        if (!found) {
            facts = (struct facts){ 0 };
            found = read_pods(path, &facts);
        }
        assert_int_equal(found, cases[i].facts != NULL);
        if (!found)
            continue;
        snprintf(text, sizeof(text), LB_STR_FMT "|" LB_STR_FMT "|" LB_STR_FMT "|" LB_STR_FMT "|" LB_STR_FMT,
                 LB_STR_ARG(facts.namespace), LB_STR_ARG(facts.pod), LB_STR_ARG(facts.uid), LB_STR_ARG(facts.container),
                 LB_STR_ARG(facts.id));
        assert_string_equal(text, cases[i].facts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_known_by_their_tag),
        cmocka_unit_test(paths_tell_of_pods),
    };

    return cmocka_run_group_tests_name("ingest/source_cri", tests, NULL, NULL);
}
