/*
 * journald_streams.c - one stream for each id under which entries are counted.
 *
 * The tricky thing is the cursor in the ledger: it must be that of an entry
 * that every consumer has committed, or what lies between would never be read
 * again. So cursors of batches wait until the marks are past them. When too
 * many wait, every second one is left out; then a little more is read again.
 */
#include "journald.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <stdio.h>
#include <stdlib.h>

/* The value of `name=` in a cursor, NULL: it has none. */
static const char *part(const char *text, const char *name)
{
    const char *at = text;
    size_t len = strlen(name);

    while (at != NULL && strncmp(at, name, len) != 0) {
        at = strchr(at, ';');
        at = at != NULL ? at + 1 : NULL;
    }
    return at != NULL ? at + len : NULL;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end = NULL;

    if (text == NULL || strchr("0123456789abcdef", *text) == NULL || *text == '\0')
        return false;
    *number = strtoull(text, &end, 16);
    return end - text <= 16 && (*end == ';' || *end == '\0');
}

bool journald_read_cursor(struct lb_str text, struct journald_cursor *cursor)
{
    if (text.len >= sizeof(cursor->text))
        return false;
    snprintf(cursor->text, sizeof(cursor->text), LB_STR_FMT, LB_STR_ARG(text));
    const char *id = part(cursor->text, "s=");
    if (id == NULL || strspn(id, "0123456789abcdef") != JOURNALD_ID_BYTES)
        return false;
    memcpy(cursor->id, id, JOURNALD_ID_BYTES);
    cursor->id[JOURNALD_ID_BYTES] = '\0';
    return read_number(part(cursor->text, "i="), &cursor->number) && cursor->number < UINT64_MAX - 1 &&
           read_number(part(cursor->text, "t="), &cursor->time_us);
}

/* --- the ledger ---------------------------------------------------------------------- */

static struct journald_stream *add(struct journald_stream **first, const struct journald_cursor *cursor, bool had)
{
    struct journald_stream *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    memcpy(self->id, cursor->id, sizeof(self->id));
    self->known = *cursor;
    self->had = had;
    self->position = cursor->number + (had ? 1 : 0);
    self->next = *first;
    *first = self;
    return self;
}

static void remember(void *context, uint64_t id, struct lb_str identity)
{
    struct journald_stream **first = context;
    struct journald_cursor cursor;
    bool had = !lb_str_starts(identity, LB_STR("+"));
    struct lb_str text = { identity.ptr + !had, identity.len - !had };

    if (!journald_read_cursor(text, &cursor)) {
        LB_WARN("source.journald", "stored position is not understood, ignored identity=\"" LB_STR_FMT "\"",
                LB_STR_ARG(identity));
        return;
    }
    struct journald_stream *stream = add(first, &cursor, had);
    if (stream != NULL)
        stream->ledger_id = id;
}

struct journald_stream *journald_load_streams(struct lb_source *source)
{
    struct journald_stream *first = NULL;

    lb_streams_each_known(source->streams, source->section.name, remember, &first);
    return first;
}

void journald_free_streams(struct journald_stream *first)
{
    while (first != NULL) {
        struct journald_stream *next = first->next;

        if (first->stream != NULL)
            lb_stream_unref(first->stream);
        lb_free(first);
        first = next;
    }
}

static enum lb_err open_stream(struct lb_source *source, struct journald_stream *self)
{
    char text[JOURNALD_CURSOR_BYTES_MAX + 1];

    snprintf(text, sizeof(text), "%s%s", self->had ? "" : "+", self->known.text);
    enum lb_err err = lb_stream_open(source->streams, source, self->ledger_id, lb_str_from(text), &self->stream);

    if (err != LB_OK) {
        self->stream = NULL;
        return err;
    }
    self->ledger_id = self->stream->id;
    self->stream->name = LB_STR("journal");
    if (self->stream->resume > self->position)
        self->position = self->stream->resume;
    return LB_OK;
}

enum lb_err journald_find_stream(struct lb_source *source, struct journald_stream **first,
                                 const struct journald_cursor *cursor, bool had, struct journald_stream **found)
{
    struct journald_stream *self = *first;

    while (self != NULL && strcmp(self->id, cursor->id) != 0)
        self = self->next;
    if (self == NULL)
        self = add(first, cursor, had);
    if (self == NULL)
        return LB_NOMEM;
    *found = self;
    return self->stream != NULL ? LB_OK : open_stream(source, self);
}

/* --- where to begin again --------------------------------------------------------------- */

void journald_note_pushed(struct journald_stream *self, const struct journald_cursor *cursor)
{
    struct journald_checkpoint *checkpoints = self->checkpoints;

    if (self->checkpoint_count == JOURNALD_CHECKPOINTS) {
        for (uint32_t i = 0; i < JOURNALD_CHECKPOINTS / 2; i++)
            checkpoints[i] = checkpoints[2 * i];
        self->checkpoint_count = JOURNALD_CHECKPOINTS / 2;
    }
    struct journald_checkpoint *last = &checkpoints[self->checkpoint_count++];
    last->position = cursor->number + 1;
    snprintf(last->cursor, sizeof(last->cursor), "%s", cursor->text);
}

void journald_note_committed(struct journald_stream *self)
{
    uint32_t passed = 0;

    if (self->checkpoint_count == 0)
        return;
    uint64_t committed = lb_stream_committed(self->stream);
    while (passed < self->checkpoint_count && self->checkpoints[passed].position <= committed)
        passed++;
    if (passed == 0)
        return;
    lb_stream_identify(self->stream, lb_str_from(self->checkpoints[passed - 1].cursor));
    self->checkpoint_count -= passed;
    memmove(self->checkpoints, self->checkpoints + passed, self->checkpoint_count * sizeof(self->checkpoints[0]));
}
