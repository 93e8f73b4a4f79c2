/*
 * prop_journal.c - a journal against a model: any order of appending, syncing,
 * reading, trimming, dropping, crashes that cut, and flipped bytes.
 *
 * The model is the list of entries with their places. What was synced must
 * come back in order, but for entries that were hit; those must be missing,
 * and counted, and nothing else ever appears.
 */
#include "lb_test.h"

#include "core/journal.h"

#include "lb_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES_MAX = 4000, STEPS = 1500, RUNS = 12, PAYLOAD_MAX = 300 };

struct entry {
    uint64_t start;
    uint64_t end;
    uint32_t number;
    bool hit; /* a byte of it was flipped: it may be missing */
};

struct model {
    struct lb_journal *journal;
    struct lb_journal_reader *reader;
    struct lb_journal_options options;
    struct entry entries[ENTRIES_MAX];
    unsigned count;
    unsigned synced;
    unsigned read; /* the reader is behind these */
    uint32_t number;
    bool flipped;
    uint64_t random;
};

static char dir[64];

static unsigned below(struct model *model, unsigned bound)
{
    return (unsigned)(lb_random(&model->random) % bound);
}

/* Bytes that follow from the number; some look like heads of entries. */
static struct lb_str payload_of(uint32_t number, char bytes[PAYLOAD_MAX])
{
    uint64_t random = number + 1;
    size_t len = 4 + lb_random(&random) % (PAYLOAD_MAX - 4);

    for (size_t i = 0; i < len; i++)
        bytes[i] = lb_random(&random) % 8 == 0 ? '\xa7' : (char)lb_random(&random);
    memcpy(bytes, &number, sizeof(number));
    return (struct lb_str){ bytes, len };
}

static uint64_t read_end(const struct model *model)
{
    return model->read > 0 ? model->entries[model->read - 1].end : 0;
}

static void open_model(struct model *model)
{
    assert_int_equal(lb_journal_open(&model->journal, dir, &model->options), LB_OK);
    model->reader = lb_journal_reader_new(model->journal, read_end(model));
    assert_non_null(model->reader);
}

static void close_model(struct model *model)
{
    lb_journal_reader_free(model->reader);
    lb_journal_close(model->journal);
}

static void append(struct model *model)
{
    char bytes[PAYLOAD_MAX];
    struct entry *entry = &model->entries[model->count];

    if (model->count == ENTRIES_MAX)
        return;
    *entry = (struct entry){ .number = model->number++ };
    struct lb_str payload = payload_of(entry->number, bytes);
    assert_int_equal(lb_journal_append(model->journal, payload, &entry->end), LB_OK);
    entry->start = entry->end - payload.len - LB_JOURNAL_ENTRY_HEAD;
    model->count++;
}

static void sync_model(struct model *model)
{
    assert_int_equal(lb_journal_sync(model->journal), LB_OK);
    model->synced = model->count;
}

static void read_some(struct model *model, unsigned count)
{
    struct lb_buffer payload;
    char bytes[PAYLOAD_MAX];
    uint64_t start;
    uint64_t end;

    lb_buffer_init(&payload, 1 << 16);
    while (count-- > 0) {
        enum lb_err err = lb_journal_read(model->reader, &payload, &start, &end);

        /* A rotation syncs what is before it: what can be read may be more than the model knows of. */
        while (model->read < model->count && model->entries[model->read].hit &&
               (err != LB_OK || model->entries[model->read].start != start))
            model->read++;
        if (err == LB_AGAIN) {
            assert_true(model->read >= model->synced);
            break;
        }
        assert_int_equal(err, LB_OK);
        const struct entry *entry = &model->entries[model->read];
        if (model->read >= model->count || entry->start != start || entry->end != end ||
            !lb_str_equal(lb_buffer_str(&payload), payload_of(entry->number, bytes)))
            fail_msg("not the next entry; LB_SEED=%llu", (unsigned long long)lb_seed());
        assert_false(entry->hit);
        model->read++;
        model->synced = model->synced > model->read ? model->synced : model->read;
    }
    lb_buffer_free(&payload);
}

/*
 * Without a known end a last entry that was hit is a torn tail, and the next one takes its place. Who has read further
 * than what is left says so, as an intake does.
 */
static void settle(struct model *model)
{
    if (lb_journal_end(model->journal) < read_end(model)) {
        close_model(model);
        model->options.end_known = true;
        model->options.end = read_end(model);
        open_model(model);
    }
    uint64_t end = lb_journal_end(model->journal);
    while (model->count > model->read && model->entries[model->count - 1].end > end &&
           (model->count > model->synced || model->entries[model->count - 1].hit))
        model->count--;
    model->synced = model->count;
}

/* What was not synced may be there in part, as the disk likes; or any bytes. */
static void crash(struct model *model)
{
    uint64_t synced = model->synced > 0 ? model->entries[model->synced - 1].end : 0;
    uint64_t end = lb_journal_end(model->journal);
    uint64_t active = model->journal->active;
    int fd = model->journal->fd >= 0 ? dup(model->journal->fd) : -1;

    close_model(model);
    if (fd >= 0 && synced > active && end > synced) {
        uint64_t at = synced + lb_random(&model->random) % (end - synced + 1);

        assert_int_equal(ftruncate(fd, (off_t)(at - active)), 0);
        if (below(model, 2) == 0)
            assert_int_equal(pwrite(fd, "\xa7Lbe garbage", 12, (off_t)(at - active)), 12);
    }
    if (fd >= 0)
        close(fd);
    model->options.end_known = below(model, 2) == 0;
    model->options.end = synced;
    /* Without a known end whole entries behind the last sync may survive. */
    if (model->options.end_known)
        model->count = model->synced;
    open_model(model);
    settle(model);
}

static void flip(struct model *model)
{
    char name[128];
    char number[LB_JOURNAL_NAME_SIZE];
    struct lb_journal_place place;

    if (model->read >= model->synced)
        return;
    struct entry *entry = &model->entries[model->read + below(model, model->synced - model->read)];
    uint64_t at = entry->start + lb_random(&model->random) % (entry->end - entry->start);
    if (entry->hit || !lb_journal_locate(model->journal, entry->start, &place) || place.position != entry->start)
        return;
    uint64_t start = place.next <= entry->start ? place.next : place.start;
    snprintf(name, sizeof(name), "%s/%s", dir, lb_journal_name(start, number));
    int fd = open(name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)(at - start)), 1);
    byte ^= (char)(1 << below(model, 8));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(at - start)), 1);
    close(fd);
    entry->hit = true;
}

static void trim(struct model *model)
{
    if (model->read > 0)
        lb_journal_trim(model->journal, model->entries[model->read - 1].end);
}

static void dropped(void *context, struct lb_str payload, uint64_t start)
{
    (void)payload;
    *(uint64_t *)context = start;
}

static void drop(struct model *model)
{
    uint64_t last = 0;

    if (lb_journal_drop_oldest(model->journal, dropped, &last) != LB_OK)
        return;
    while (model->read < model->count && model->entries[model->read].start < lb_journal_begin(model->journal))
        model->read++;
    /* The next segment was begun, and that synced all of this one. */
    model->synced = model->synced > model->read ? model->synced : model->read;
}

static void step(struct model *model)
{
    switch (below(model, 24)) {
    case 0: crash(model); break;
    case 1: flip(model); break;
    case 2: trim(model); break;
    case 3:
        if (below(model, 6) == 0)
            drop(model);
        break;
    case 4: /* fall through */
    case 5:
    case 6: sync_model(model); break;
    case 7:
    case 8:
    case 9: read_some(model, below(model, 10)); break;
    default: append(model); break;
    }
}

static void holds_what_it_was_given(void **state)
{
    static struct model model;
    char command[80];

    (void)state;
    for (unsigned run = 0; run < RUNS; run++) {
        memset(&model, 0, sizeof(model));
        model.random = lb_seed() + run * 7919 + 1;
        model.options.segment_bytes = 500 + below(&model, 4000);
        /* It syncs thousands of times, and what a sync does to a disk is not the question here. */
        snprintf(dir, sizeof(dir), "%s/prop_journal.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(dir));
        open_model(&model);
        for (unsigned i = 0; i < STEPS; i++)
            step(&model);
        sync_model(&model);
        read_some(&model, UINT32_MAX);
        assert_int_equal(model.read, model.count);
        close_model(&model);
        snprintf(command, sizeof(command), "rm -rf %s", dir);
        assert_int_equal(system(command), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(holds_what_it_was_given) };

    atomic_store(&lb_log_level, LB_LEVEL_CRITICAL);
    return cmocka_run_group_tests_name("property/journal", tests, NULL, NULL);
}
