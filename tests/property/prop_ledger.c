/*
 * prop_ledger.c - whatever happens to the file, opening it gives the state
 * after some whole number of transactions, and after all of those that lie
 * before the damage.
 */
#include "lb_test.h"

#include "lb_ledger.h"
#include "lb_log.h"

#include <string.h>
#include <unistd.h>

enum { TRANSACTIONS = 24, KEYS = 6, FILE_BYTES_MAX = 16 * 1024, TEXT_BYTES = 2048 };

static char path[64];
static char whole[FILE_BYTES_MAX]; /* the file after the last transaction */
static size_t whole_len;
static size_t ends[TRANSACTIONS + 1];             /* length of the file after n transactions */
static char states[TRANSACTIONS + 1][TEXT_BYTES]; /* all keys and values then */

static size_t read_file(char *bytes)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    size_t len = fread(bytes, 1, FILE_BYTES_MAX, file);
    fclose(file);
    assert_in_range(len, 1, FILE_BYTES_MAX - 1);
    return len;
}

static void write_file(const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static void append(void *context, struct lb_str key, struct lb_str value)
{
    char *text = context;
    size_t at = strlen(text);

    snprintf(text + at, TEXT_BYTES - at, LB_STR_FMT "=" LB_STR_FMT "\n", LB_STR_ARG(key), LB_STR_ARG(value));
}

static void write_state(struct lb_ledger *ledger, char *text)
{
    text[0] = '\0';
    lb_ledger_each(ledger, LB_STR(""), append, text);
}

static void add_random_changes(struct lb_ledger_txn *txn, uint64_t *random)
{
    unsigned count = 1 + (unsigned)(lb_random(random) % 4);

    for (unsigned i = 0; i < count; i++) {
        char key[16];
        char value[64];

        snprintf(key, sizeof(key), "key/%u", (unsigned)(lb_random(random) % KEYS));
        snprintf(value, sizeof(value), "%.*s", (int)(lb_random(random) % 40),
                 "0123456789abcdef0123456789abcdef01234567");
        if (lb_random(random) % 4 == 0)
            lb_ledger_delete(txn, lb_str_from(key));
        else
            lb_ledger_put(txn, lb_str_from(key), lb_str_from(value));
    }
}

/* Writes the file once and notes its length and state after each transaction. */
static int make_file(void **state)
{
    uint64_t random = lb_seed();
    struct lb_ledger *ledger;
    struct lb_ledger_txn txn;

    (void)state;
    /* It syncs thousands of times, and what a sync does to a disk is not the question here. */
    snprintf(path, sizeof(path), "%s/prop_ledger.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(lb_ledger_open(&ledger, path), LB_OK);
    lb_ledger_txn_init(&txn);
    ends[0] = read_file(whole);
    for (unsigned i = 1; i <= TRANSACTIONS; i++) {
        add_random_changes(&txn, &random);
        assert_int_equal(lb_ledger_commit(ledger, &txn), LB_OK);
        ends[i] = read_file(whole);
        write_state(ledger, states[i]);
    }
    whole_len = ends[TRANSACTIONS];
    lb_ledger_txn_free(&txn);
    lb_ledger_close(ledger);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* How many transactions lie wholly before `at`. */
static unsigned complete_before(size_t at)
{
    unsigned count = 0;

    while (count < TRANSACTIONS && ends[count + 1] <= at)
        count++;
    return count;
}

static void expect_state(unsigned count, size_t at)
{
    char text[TEXT_BYTES];
    struct lb_ledger *ledger;
    struct lb_ledger_txn txn;

    if (lb_ledger_open(&ledger, path) != LB_OK)
        fail_msg("damage at %zu: does not open; LB_SEED=%llu", at, (unsigned long long)lb_seed());
    write_state(ledger, text);
    if (strcmp(text, states[count]) != 0)
        fail_msg("damage at %zu: expected the state after %u transactions; LB_SEED=%llu", at, count,
                 (unsigned long long)lb_seed());
    /* And it goes on from there. */
    lb_ledger_txn_init(&txn);
    lb_ledger_put(&txn, LB_STR("later"), LB_STR("1"));
    assert_int_equal(lb_ledger_commit(ledger, &txn), LB_OK);
    lb_ledger_close(ledger);
    assert_int_equal(lb_ledger_open(&ledger, path), LB_OK);
    char expected[TEXT_BYTES];
    snprintf(expected, sizeof(expected), "%slater=1\n", states[count]);
    write_state(ledger, text);
    assert_string_equal(text, expected);
    lb_ledger_txn_free(&txn);
    lb_ledger_close(ledger);
}

static void a_file_cut_at_any_byte_has_all_transactions_before_the_cut(void **state)
{
    (void)state;
    for (size_t at = 0; at <= whole_len; at++) {
        write_file(whole, at);
        expect_state(complete_before(at), at);
    }
}

static void a_byte_changed_anywhere_costs_what_follows_and_nothing_before(void **state)
{
    char damaged[FILE_BYTES_MAX];
    uint64_t random = lb_seed();

    (void)state;
    for (size_t at = ends[0]; at < whole_len; at++) {
        memcpy(damaged, whole, whole_len);
        damaged[at] ^= (char)(1 + lb_random(&random) % 255);
        write_file(damaged, whole_len);
        expect_state(complete_before(at), at);
    }
}

static void a_changed_header_is_refused_not_taken_for_an_empty_ledger(void **state)
{
    (void)state;
    for (size_t at = 0; at < ends[0]; at++) {
        struct lb_ledger *ledger;
        char damaged[FILE_BYTES_MAX];

        memcpy(damaged, whole, whole_len);
        damaged[at] ^= 1;
        write_file(damaged, whole_len);
        assert_int_equal(lb_ledger_open(&ledger, path), LB_BAD_INPUT);
        assert_int_equal(read_file(damaged), whole_len);
    }
}

static void zeros_or_noise_behind_the_end_are_dropped(void **state)
{
    char longer[FILE_BYTES_MAX + 600];
    uint64_t random = lb_seed();

    (void)state;
    for (size_t extra = 1; extra <= 512; extra = extra * 2 + 1) {
        memcpy(longer, whole, whole_len);
        memset(longer + whole_len, 0, extra);
        write_file(longer, whole_len + extra);
        expect_state(TRANSACTIONS, whole_len);
        for (size_t i = 0; i < extra; i++)
            longer[whole_len + i] = (char)lb_random(&random);
        write_file(longer, whole_len + extra);
        expect_state(TRANSACTIONS, whole_len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_at_any_byte_has_all_transactions_before_the_cut),
        cmocka_unit_test(a_byte_changed_anywhere_costs_what_follows_and_nothing_before),
        cmocka_unit_test(a_changed_header_is_refused_not_taken_for_an_empty_ledger),
        cmocka_unit_test(zeros_or_noise_behind_the_end_are_dropped),
    };

    lb_log_level = LB_LEVEL_EMERGENCY; /* the damage is meant */
    return cmocka_run_group_tests_name("property/ledger", tests, make_file, remove_file);
}
