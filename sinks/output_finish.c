/*
 * output_finish.c - files that take no more.
 *
 * A file is finished when it is full, old, or its date is over. The commit
 * that holds its last bytes makes the ledger forget it; then it gets its
 * number (plain files) or goes to the sealer (archives). Where nothing comes
 * any more there is no commit: what was committed before is forgotten here,
 * on its own.
 */
#include "output.h"

#include "sealer.h"

#include <errno.h>

#define DATE_OVER (3600 * LB_SECOND)     /* without a write since the date in the path changed */
#define IDLE_MAX (48 * 3600 * LB_SECOND) /* where there is no date */

static bool is_date_over(const struct output *self, const struct output_file *file, int64_t now)
{
    return now - file->last_ns >= DATE_OVER && !output_pattern_same_date(&self->pattern, now, file->last_ns);
}

void output_finish_due(struct output *self, struct output_file *file, int64_t now)
{
    bool aged = self->rotate_every_ns > 0 && now - file->first_ns >= self->rotate_every_ns;
    bool large = self->rotate_size > 0 && file->length >= self->rotate_size;
    bool dated = self->pattern.finest != '\0';
    bool idle = dated ? is_date_over(self, file, now) : now - file->last_ns >= IDLE_MAX;

    if (file->finished || file->length == 0 || !(aged || large || idle))
        return;
    file->renaming = !self->kind->numbered && (aged || large);
    output_file_finish(file);
}

void output_retire(struct output *self, struct output_file *file)
{
    if (file->renaming)
        output_file_rename_full(self, file);
    if (self->sealer != NULL && file->path != NULL && file->length > 0)
        sealer_add(self->sealer, file->path);
    output_file_remove(self, file);
}

/* --- without a commit --------------------------------------------------------------- */

/* All of it is what the marks stand for. */
static bool is_settled(const struct output_file *file)
{
    return file->known && !file->hidden && !file->dirty && !file->lost && file->length == file->committed &&
           (file->partition == NULL || file->partition->buffer.len == 0);
}

bool output_finish_idle(struct output *self)
{
    int64_t now = lb_clock_now();

    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (!is_settled(file))
            continue;
        output_finish_due(self, file, now);
        if (!file->finished)
            continue;
        if (!output_file_trim(self, file))
            return output_trouble(self, "cut", file->path);
        output_ledger_delete(self, &self->intentions, file);
    }
    if (self->intentions.count == 0)
        return true;
    if (!output_commit_intentions(self))
        return output_trouble(self, "note in the ledger", "a finished file");
    for (struct output_file *file = self->files, *next; file != NULL; file = next) {
        next = file->next;
        if (file->finished && is_settled(file))
            output_retire(self, file);
    }
    output_partitions_prune(self);
    return true;
}

/* --- what nobody sealed ------------------------------------------------------------------ */

static void look_at(void *context, const struct output_found *found)
{
    const struct output *self = context;

    if (!found->temporary && found->writable && !output_is_in_use(self, found) &&
        !output_ledger_knows(self, found->path))
        sealer_add(self->sealer, found->path);
}

void output_look_around(struct output *self)
{
    if (self->sealer != NULL)
        output_walk(self, look_at, self);
}
