/* silence.c - one silence: made, written, read. */
#include "silence.h"

#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_json.h"
#include "lb_time.h"

enum { ARENA_FIRST = 1024, ARENA_LAST = 1024 * 1024 };

static bool copy(struct lb_arena *arena, struct lb_str *text)
{
    *text = lb_arena_copy(arena, *text);
    return text->ptr != NULL;
}

static bool copy_texts(struct silence *self)
{
    return copy(&self->arena, &self->where) && copy(&self->arena, &self->author) &&
           copy(&self->arena, &self->comment) && copy(&self->arena, &self->ended_by);
}

/*
 * There may be thousands, and an arena takes what it may at once: so it is given little, and four times as much as long
 * as that is not enough.
 */
struct silence *silence_new(const struct silence *from, struct lb_diag *diag)
{
    struct silence *self = lb_alloc(sizeof(*self));

    for (size_t size = ARENA_FIRST; self != NULL && size <= ARENA_LAST; size *= 4) {
        struct lb_diag tried = { 0 };

        *self = *from;
        lb_arena_init(&self->arena, size);
        self->expr = NULL;
        if (copy_texts(self))
            self->expr = lb_expr_new(&self->arena, self->where, (struct lb_place){ "where", 1, 1 },
                                     size * 4 > ARENA_LAST ? diag : &tried);
        lb_diag_free(&tried);
        if (self->expr != NULL)
            return self;
        lb_arena_free(&self->arena);
    }
    if (diag->errors == 0)
        lb_diag_error(diag, (struct lb_place){ 0 }, "out of memory for a silence");
    lb_free(self);
    return NULL;
}

void silence_free(struct silence *silence)
{
    if (silence == NULL)
        return;
    if (silence->expr != NULL)
        lb_expr_free(silence->expr);
    lb_arena_free(&silence->arena);
    lb_free(silence);
}

static void write_text(struct lb_buffer *out, const char *name, struct lb_str text)
{
    lb_buffer_print(out, ",\"%s\":\"", name);
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void write_time(struct lb_buffer *out, const char *name, int64_t time)
{
    char text[LB_TIME_TEXT_SIZE];

    if (time == LB_TIME_NONE)
        return;
    lb_buffer_print(out, ",\"%s\":\"%.*s\"", name, (int)lb_time_write(time, text), text);
}

static const char *state_of(const struct silence *self, int64_t now)
{
    if (silence_is_over(self, now))
        return "ended";
    return now < self->from ? "pending" : "active";
}

void silence_write(const struct silence *silence, int64_t now, struct lb_buffer *out)
{
    lb_buffer_print(out, "{\"id\":\"%s\"", silence->id);
    if (now != LB_TIME_NONE)
        lb_buffer_print(out, ",\"state\":\"%s\"", state_of(silence, now));
    write_text(out, "where", silence->where);
    write_time(out, "from", silence->from);
    write_time(out, "until", silence->until);
    write_text(out, "author", silence->author);
    write_text(out, "comment", silence->comment);
    write_time(out, "created_at", silence->created);
    write_time(out, "updated_at", silence->updated);
    write_time(out, "ended_at", silence->ended);
    if (silence->ended != LB_TIME_NONE)
        write_text(out, "ended_by", silence->ended_by);
    lb_buffer_append_char(out, '}');
}
