/* grep_filter_test.c - lines are chosen as if each had become a record, one after the other. */
#include "grep_filter.c"

#include "lb_test.h"

enum { ROUNDS = 400, LINES = 60, TEXT_MAX = 32 * 1024 };

const struct command *const commands[] = { NULL }; /* main.c's */

static uint64_t seed;

static const char *pick(const char *const *words, size_t count)
{
    return words[lb_random(&seed) % count];
}
#define PICK(words) pick(words, sizeof(words) / sizeof((words)[0]))

static size_t put_line(char *out)
{
    static const char *const levels[] = { ",\"level\":\"error\"", ",\"level\":\"info\"", ",\"level\":\"WARNING\"",
                                          ",\"level\":\"loud\"",  ",\"level\":3",        "" };
    static const char *const services[] = { ",\"service\":\"shop\"", ",\"service\":\"web\"",
                                            ",\"service\":\"s\\u0068op\"", "" };
    static const char *const hosts[] = { ",\"host\":\"h1\"", ",\"host\":\"h2\"", "" };
    static const char *const ends[] = { ",\"message\":\"m\"}", "}", ",\"level\":\"error\"}", ",\"mess", "} more", "" };
    static const char *const texts[] = { "",
                                         "  at Main.java:5",
                                         "2026-01-01 00:00:30 ERROR m",
                                         "{",
                                         "x}",
                                         "{\"timestamp\":\"soon\",\"level\":\"error\"}",
                                         "{\"level\":\"error\"}" };

    if (lb_random(&seed) % 4 == 0)
        return (size_t)sprintf(out, "%s\n", PICK(texts));
    return (size_t)sprintf(out, "{\"timestamp\":\"2026-01-01T00:00:%02uZ\"%s%s%s%s\n",
                           (unsigned)(lb_random(&seed) % 60), PICK(levels), PICK(services), PICK(hosts),
                           lb_random(&seed) % 2 == 0 ? ends[0] : PICK(ends));
}

static void select_some(struct selection *selection)
{
    int64_t begin;

    selection_init(selection);
    assert_true(lb_time_rfc3339(LB_STR("2026-01-01T00:00:00Z"), &begin));
    if (lb_random(&seed) % 2 == 0)
        selection->since_ns = begin + (int64_t)(lb_random(&seed) % 40) * LB_SECOND;
    if (lb_random(&seed) % 2 == 0)
        selection->until_ns = begin + (int64_t)(20 + lb_random(&seed) % 40) * LB_SECOND;
    if (lb_random(&seed) % 2 == 0)
        selection->levels = 0x1f;
    if (lb_random(&seed) % 3 == 0)
        selection->services[selection->service_count++] = LB_STR("shop");
    if (lb_random(&seed) % 3 == 0)
        selection->hosts[selection->host_count++] = LB_STR("h1");
}

static struct lb_str line_from(struct lb_str text, size_t at)
{
    const char *newline = memchr(text.ptr + at, '\n', text.len - at);

    return (struct lb_str){ text.ptr + at, (size_t)(newline - (text.ptr + at)) };
}

/* Every line, or now and then one. */
static void check(const struct grep_options *options, struct lb_str text, unsigned often, int round)
{
    struct grep_scan scan = { .options = options, .text = text, .carried_ns = LB_TIME_NONE };
    struct lb_line_records plain;
    struct lb_record record;

    assert_true(lb_line_records_open(&scan.records) && lb_line_records_open(&plain));
    for (size_t at = 0; at < text.len;) {
        struct lb_str line = line_from(text, at);

        lb_line_records_read(&plain, line, &record);
        bool expected = selection_match(&options->selection, &record, &plain.scratch);
        if (lb_random(&seed) % often == 0 && grep_filter_takes(&scan, line) != expected)
            fail_msg("seed %llu, round %d: " LB_STR_FMT " is %s", (unsigned long long)lb_seed(), round,
                     LB_STR_ARG(line), expected ? "left out" : "taken");
        at += line.len + 1;
    }
    lb_line_records_close(&scan.records);
    lb_line_records_close(&plain);
}

static void lines_are_chosen_as_records_are(void **state)
{
    static struct grep_options options;
    static char text[TEXT_MAX];

    (void)state;
    seed = lb_seed();
    for (int round = 0; round < ROUNDS; round++) {
        size_t len = 0;

        for (int i = 0; i < LINES; i++)
            len += put_line(text + len);
        select_some(&options.selection);
        check(&options, (struct lb_str){ text, len }, 1, round);
        check(&options, (struct lb_str){ text, len }, 5, round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_chosen_as_records_are),
    };

    return cmocka_run_group_tests_name("cli/grep_filter", tests, NULL, NULL);
}
