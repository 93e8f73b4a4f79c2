/*
 * journal_read.c - entries in order, around what is damaged.
 *
 * The tricky thing: what may be skipped and what may only be tried again. A
 * checksum that does not fit will not get better; a disk that fails to read
 * may, so it is given some tries, with the caller's pauses between them.
 */
#include "journal.h"

#include "lb_alloc.h"
#include "lb_crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { TRIES_MAX = 10 }; /* of a place that the disk does not give */

struct lb_journal_reader {
    struct lb_journal *journal;
    uint64_t position;
    int fd;         /* of a segment, -1: none is open */
    uint64_t start; /* its */
    unsigned tries;
    bool quiet;
};

/* What one look at a place came to. */
enum look { LOOK_ENTRY, LOOK_AGAIN, LOOK_FAILED };

struct lb_journal_reader *lb_journal_reader_new(struct lb_journal *journal, uint64_t position)
{
    struct lb_journal_reader *reader = lb_alloc(sizeof(*reader));

    if (reader == NULL)
        return NULL;
    reader->journal = journal;
    reader->position = position;
    reader->fd = -1;
    return reader;
}

struct lb_journal_reader *lb_journal_reader_quiet(struct lb_journal *journal, uint64_t position)
{
    struct lb_journal_reader *reader = lb_journal_reader_new(journal, position);

    if (reader != NULL)
        reader->quiet = true;
    return reader;
}

static void close_segment(struct lb_journal_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

void lb_journal_reader_free(struct lb_journal_reader *reader)
{
    if (reader == NULL)
        return;
    close_segment(reader);
    lb_free(reader);
}

/* --- skipping --------------------------------------------------------------------------- */

static uint64_t segment_end(const struct lb_journal_place *place)
{
    return place->next != UINT64_MAX ? place->next : place->synced;
}

static enum look skip(struct lb_journal_reader *reader, const struct lb_journal_place *place, uint64_t to,
                      const char *what)
{
    if (!reader->quiet)
        lb_journal_tell_damage(reader->journal, place->start, place->position, what);
    reader->position = to;
    reader->tries = 0;
    return LOOK_AGAIN;
}

/* The disk does not give it: the same again later, but not for ever. */
static enum look failed(struct lb_journal_reader *reader, const struct lb_journal_place *place, uint64_t to)
{
    if (++reader->tries < TRIES_MAX)
        return LOOK_FAILED;
    return skip(reader, place, to, "what the disk cannot read");
}

/* No entry begins here: the next one that does. */
static enum look resume(struct lb_journal_reader *reader, const struct lb_journal_place *place)
{
    uint64_t limit = segment_end(place);
    int64_t found = lb_journal_find(reader->fd, place->start, place->position + 1 - place->start, limit - place->start);

    if (found < 0)
        return failed(reader, place, limit);
    return skip(reader, place, place->start + (uint64_t)found, "to the next entry");
}

/* --- reading ------------------------------------------------------------------------------ */

/* The segment's file with a good head; anything else costs the segment. */
static enum look open_at(struct lb_journal_reader *reader, const struct lb_journal_place *place)
{
    char head[LB_JOURNAL_HEAD];

    if (reader->fd >= 0 && reader->start == place->start)
        return LOOK_ENTRY;
    close_segment(reader);
    reader->fd = lb_journal_open_segment(reader->journal, place->start, O_RDONLY);
    reader->start = place->start;
    if (reader->fd < 0) {
        struct lb_journal_place now;

        if (errno != ENOENT)
            return failed(reader, place, segment_end(place));
        /* It was deleted a moment ago by who may, or by somebody else. */
        if (!lb_journal_locate(reader->journal, place->position, &now) || now.start != place->start)
            return LOOK_AGAIN;
        return skip(reader, place, segment_end(place), "a segment that is missing");
    }
    ssize_t got = lb_journal_read_at(reader->fd, head, sizeof(head), 0);
    if (got == sizeof(head) && lb_journal_head_is_good(head))
        return LOOK_ENTRY;
    close_segment(reader);
    return got < 0 ? failed(reader, place, segment_end(place))
                   : skip(reader, place, segment_end(place), "a segment without a head");
}

static enum look read_payload(struct lb_journal_reader *reader, const struct lb_journal_place *place,
                              const struct lb_journal_entry *entry, struct lb_buffer *payload)
{
    uint64_t end = place->position + LB_JOURNAL_ENTRY_HEAD + entry->length;

    if (!lb_buffer_reserve(payload, entry->length)) {
        errno = ENOMEM;
        return failed(reader, place, end);
    }
    ssize_t got = lb_journal_read_at(reader->fd, payload->ptr, entry->length,
                                     place->position + LB_JOURNAL_ENTRY_HEAD - place->start);
    if (got < 0)
        return failed(reader, place, end);
    if ((size_t)got < entry->length)
        return resume(reader, place);
    if (lb_crc32c(0, payload->ptr, entry->length) != entry->crc)
        return skip(reader, place, end, "an entry");
    payload->len = entry->length;
    reader->position = end;
    reader->tries = 0;
    return LOOK_ENTRY;
}

static enum look look(struct lb_journal_reader *reader, const struct lb_journal_place *place, struct lb_buffer *payload)
{
    char head[LB_JOURNAL_ENTRY_HEAD];
    struct lb_journal_entry entry;
    enum look opened = open_at(reader, place);

    if (opened != LOOK_ENTRY)
        return opened;
    ssize_t got = lb_journal_read_at(reader->fd, head, sizeof(head), place->position - place->start);
    if (got < 0)
        return failed(reader, place, segment_end(place));
    /* A segment that was given up and undone with nothing in it leaves a gap of its head; no entry fits in there. */
    if (got == 0 && place->next != UINT64_MAX && place->next - place->position <= LB_JOURNAL_HEAD) {
        reader->position = place->next;
        return LOOK_AGAIN;
    }
    if (got < (ssize_t)sizeof(head) || !lb_journal_parse(head, place->position, &entry))
        return resume(reader, place);
    /* The head of a successor may lie over the last bytes of a segment that was given up. */
    uint64_t limit = place->next != UINT64_MAX ? place->next + LB_JOURNAL_HEAD : place->synced;
    if (limit - place->position < LB_JOURNAL_ENTRY_HEAD + (uint64_t)entry.length)
        return resume(reader, place);
    return read_payload(reader, place, &entry, payload);
}

enum lb_err lb_journal_read(struct lb_journal_reader *reader, struct lb_buffer *payload, uint64_t *start, uint64_t *end)
{
    struct lb_journal_place place;

    while (lb_journal_locate(reader->journal, reader->position, &place)) {
        lb_buffer_reset(payload);
        reader->position = place.position;
        switch (look(reader, &place, payload)) {
        case LOOK_ENTRY:
            *start = place.position;
            *end = reader->position;
            return LB_OK;
        case LOOK_AGAIN: break;
        case LOOK_FAILED: return LB_IO;
        }
    }
    return LB_AGAIN;
}
