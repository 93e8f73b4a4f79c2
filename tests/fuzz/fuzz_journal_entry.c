/* Fields of a journal's entry, one in each piece up to 0x1e: what is made of them is valid, and slices stay inside. */
#include "ingest/journald.h"

#include "lb_json.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_all(struct journal_entry *reader, const char *bytes, size_t size)
{
    while (size > 0) {
        const char *end = memchr(bytes, 0x1e, size);
        size_t len = end != NULL ? (size_t)(end - bytes) : size;
        char *copy = malloc(len + 1); /* so that a byte too far is seen */

        memcpy(copy, bytes, len);
        copy = realloc(copy, len > 0 ? len : 1);
        journal_entry_add(reader, copy, len);
        free(copy);
        bytes += len + (end != NULL);
        size -= len + (end != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char slab[LB_SLAB_LARGE];
    struct lb_batch batch = { .bytes = slab, .capacity = sizeof(slab), .position = 7 };
    struct journal_entry reader;
    struct lb_entry entry = { .position = 9 };
    struct journald_cursor cursor;

    lb_arena_init(&batch.arena, 1024 * 1024);
    journal_entry_init(&reader, size % 2 == 0, 50);
    journal_entry_begin(&reader);
    add_all(&reader, (const char *)data, size);
    if (journal_entry_end(&reader, &entry)) {
        assert(lb_json_valid(entry.fields) && entry.message.len <= 50);
        if (lb_entry_append(&batch, &entry)) {
            assert(lb_envelope_entries.open(&batch) == LB_OK && batch.record_count == 1);
            assert(batch.records[0].start == 2 && (batch.records[0].flags & LB_RECORD_PARSE_ERROR) == 0);
        }
    }
    (void)journald_read_cursor((struct lb_str){ (const char *)data, size }, &cursor);
    journal_entry_free(&reader);
    lb_arena_free(&batch.arena);
    return 0;
}
