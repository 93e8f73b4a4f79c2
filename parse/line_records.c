/* line_records.c - lines of an archive as records again. */
#include "lb_line_records.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_limits.h"
#include "lb_time.h"

enum { ARENA_BYTES = 64 * 1024 * 1024, ARENA_KEEP = 256 * 1024 };

extern const struct lb_parser_type lb_parser_json;

/* What is no JSON is text. */
static const max_align_t zeroes[32];
static const struct lb_parser json = { .type = &lb_parser_json, .state = (void *)(uintptr_t)zeroes };
static const struct lb_parser *const parsers[] = { &json };
static const struct lb_parser_chain chain = { .parsers = parsers, .count = 1, .lenient = true };

bool lb_line_records_open(struct lb_line_records *self)
{
    *self = (struct lb_line_records){ .last_ns = LB_TIME_NONE };
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    lb_arena_init(&self->batch.arena, ARENA_BYTES);
    self->batch.arrival_ns = lb_clock_now();
    self->context.batch = &self->batch;
    self->context.scratch = &self->scratch;
    return self->scratch.ptr != NULL;
}

void lb_line_records_close(struct lb_line_records *self)
{
    lb_arena_free(&self->batch.arena);
    lb_free(self->scratch.ptr);
}

void lb_line_records_begin(struct lb_line_records *self)
{
    self->last_ns = LB_TIME_NONE;
}

/* The next word of `text` from `*at`, without brackets, quotes and the key of a logfmt pair. */
static struct lb_str next_word(struct lb_str text, size_t *at)
{
    static const char edges[] = "[]\"():,";

    while (*at < text.len && text.ptr[*at] == ' ')
        (*at)++;
    size_t start = *at;
    while (*at < text.len && text.ptr[*at] != ' ')
        (*at)++;
    struct lb_str word = { text.ptr + start, *at - start };
    const char *equals = word.len > 0 ? memchr(word.ptr, '=', word.len) : NULL;
    if (equals != NULL)
        word = (struct lb_str){ equals + 1, (size_t)(word.ptr + word.len - equals - 1) };
    while (word.len > 0 && strchr(edges, *word.ptr) != NULL)
        word = (struct lb_str){ word.ptr + 1, word.len - 1 };
    while (word.len > 0 && strchr(edges, word.ptr[word.len - 1]) != NULL)
        word.len--;
    return word;
}

static bool read_time(struct lb_line_records *self, struct lb_str line, size_t *behind, int64_t *time_ns)
{
    size_t at = 0;
    struct lb_str first = next_word(line, &at);

    *behind = at;
    if (first.len < 8)
        return lb_time_rfc3164(line, self->batch.arrival_ns, time_ns, behind);
    if (lb_time_rfc3339_cached(&self->context.second, first, time_ns))
        return true;
    struct lb_str second = next_word(line, &at);
    *behind = at;
    struct lb_str both = { first.ptr, (size_t)(second.ptr + second.len - first.ptr) };
    return first.len == 10 && first.ptr[4] == '-' && lb_time_guess(both, self->batch.arrival_ns, time_ns);
}

/* What a line of text says at its front. */
static void read_text(struct lb_line_records *self, struct lb_str line, struct lb_record *record)
{
    size_t at = 0;

    if (!read_time(self, line, &at, &record->time_ns))
        return;
    record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    struct lb_str word = next_word(line, &at);
    if (word.len >= 3 && (word.ptr[0] < '0' || word.ptr[0] > '9'))
        record->level = lb_level_parse(word);
}

void lb_line_records_read(struct lb_line_records *self, struct lb_str line, struct lb_record *record)
{
    lb_arena_reset(&self->batch.arena, ARENA_KEEP);
    self->scratch.used = 0;
    *record = (struct lb_record){
        .time_ns = self->last_ns, .level = LB_LEVEL_NONE, .flags = LB_RECORD_NO_TIME, .message = lb_value_text(line)
    };
    lb_parser_chain_apply(&chain, record, &self->context);
    if ((record->flags & LB_RECORD_NO_TIME) != 0 && record->message.ptr == line.ptr)
        read_text(self, line, record);
    if ((record->flags & LB_RECORD_NO_TIME) == 0)
        self->last_ns = record->time_ns;
    else if (self->last_ns != LB_TIME_NONE)
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
}
