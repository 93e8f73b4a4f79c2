/*
 * grep_print_test.c - context and numbers, however a file is cut into texts and texts into parts.
 *
 * Lines are numbered; a plain loop says which are printed. The same lines go through scan and print in every kind of
 * pieces, also of one line each, and with gaps of blocks that were not read.
 */
#include "grep_print.c"

#include "lb_test.h"

#include <fcntl.h>

const struct command *const commands[] = { NULL }; /* main.c's */

enum { LINES = 40, TEXT_MAX = 4096, ROUNDS = 3000 };

static uint64_t seed;

static uint64_t below(uint64_t bound)
{
    return lb_random(&seed) % bound;
}

/* What grep -n would print. */
static size_t print_plainly(const bool *matches, const struct grep_options *options, char *out)
{
    size_t len = 0;
    int printed = -1;
    uint64_t count = 0;

    for (int i = 0; i < LINES; i++) {
        uint64_t seen = 0;
        bool near = false;
        bool is_match = matches[i] && count < options->max;

        for (int k = 0; k < LINES; k++) { /* a match that counts, near enough */
            bool counts = matches[k] && seen++ < options->max;

            near = near || (counts && k < i && (uint64_t)(i - k) <= options->after) ||
                   (counts && k > i && (uint64_t)(k - i) <= options->before);
        }
        count += is_match;
        if (!is_match && !near)
            continue;
        if (printed >= 0 && printed != i - 1 && (options->before > 0 || options->after > 0))
            len += (size_t)sprintf(out + len, "--\n");
        len += (size_t)sprintf(out + len, "%d%c%s %d\n", i + 1, is_match ? ':' : '-', matches[i] ? "yes" : "no", i);
        printed = i;
    }
    return len;
}

struct printed {
    int fd[2];
    char text[TEXT_MAX];
    size_t len;
};

/* Takes what went to standard output. */
static void take_output(struct printed *printed)
{
    ssize_t got;

    while ((got = read(printed->fd[0], printed->text + printed->len, sizeof(printed->text) - printed->len)) > 0)
        printed->len += (size_t)got;
}

/* The lines in texts and parts of random sizes. */
static void print_in_pieces(const bool *matches, const struct grep_options *options, const struct grep_pattern *pattern,
                            struct printed *printed)
{
    char name[] = "x";
    struct archive_path item = { .name = name };
    struct archive_paths paths = { .items = &item, .count = 1, .given = 1 };
    struct grep_scan scan;
    struct grep_print print;
    struct grep_part part;
    bool go_on = true;

    assert_true(grep_scan_open(&scan, options, pattern));
    assert_true(grep_print_open(&print, options, &paths));
    grep_part_init(&part);
    for (int i = 0; i < LINES && go_on;) {
        grep_part_reset(&part);
        grep_scan_begin(&scan, LB_STR(""));
        bool more = true;
        for (uint64_t texts = 1 + below(3); texts > 0 && i < LINES && more; texts--) {
            char text[TEXT_MAX];
            size_t len = 0;

            for (uint64_t lines = 1 + below(9); lines > 0 && i < LINES; lines--, i++)
                len += (size_t)sprintf(text + len, "%s %d\n", matches[i] ? "yes" : "no", i);
            more = grep_scan_text(&scan, &part, (struct lb_str){ text, len });
        }
        part.last = i == LINES;
        go_on = grep_print_part(&print, &part);
        take_output(printed);
        assert_true(more || !go_on || i == LINES);
    }
    grep_part_free(&part);
    grep_print_close(&print);
    grep_scan_close(&scan);
}

static void context_does_not_depend_on_how_a_file_is_cut(void **state)
{
    static struct grep_options options;
    struct lb_str yes = LB_STR("yes");
    struct grep_pattern pattern;
    struct printed printed;
    int kept = dup(STDOUT_FILENO);

    (void)state;
    seed = lb_seed();
    assert_true(
        grep_pattern_open(&pattern, &(struct lb_strs){ &yes, 1 }, (struct grep_pattern_options){ .fixed = true }));
    assert_int_equal(pipe2(printed.fd, O_NONBLOCK), 0);
    fflush(stdout);
    dup2(printed.fd[1], STDOUT_FILENO);
    bool same = true;
    int round = 0;
    for (; round < ROUNDS && same; round++) {
        bool matches[LINES];
        char expected[TEXT_MAX];
        uint64_t rare = 1 + below(12);

        for (int i = 0; i < LINES; i++)
            matches[i] = below(rare) == 0;
        selection_init(&options.selection);
        options.numbers = true;
        options.before = below(3) == 0 ? 0 : below(12);
        options.after = below(3) == 0 ? 0 : below(12);
        options.max = below(3) == 0 ? below(5) : UINT64_MAX;
        printed.len = 0;
        size_t length = print_plainly(matches, &options, expected);
        print_in_pieces(matches, &options, &pattern, &printed);
        same = printed.len == length && memcmp(printed.text, expected, length) == 0;
    }
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(printed.fd[0]);
    close(printed.fd[1]);
    grep_pattern_close(&pattern);
    if (!same)
        fail_msg("seed %llu, round %d: -B %llu -A %llu -m %lld printed\n%.*s", (unsigned long long)lb_seed(), round,
                 (unsigned long long)options.before, (unsigned long long)options.after, (long long)options.max,
                 (int)printed.len, printed.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_does_not_depend_on_how_a_file_is_cut),
    };

    return cmocka_run_group_tests_name("cli/grep_print", tests, NULL, NULL);
}
