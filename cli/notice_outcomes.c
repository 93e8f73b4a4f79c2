/* notice_outcomes.c - lines of outcomes, written and found; sorted by id at the first question. */
#include "notice_outcomes.h"

#include "lb_alloc.h"
#include "lb_json.h"
#include "lb_time.h"

#include <stdlib.h>

#define BEFORE LB_STR("{\"delivery\":\"")

/* --- a line ------------------------------------------------------------------- */

static void write_text(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

void notice_outcome_write(const struct lb_delivery_outcome *outcome, int64_t time, struct lb_buffer *out)
{
    char text[LB_TIME_TEXT_SIZE];

    lb_buffer_append_str(out, BEFORE);
    lb_buffer_append_str(out, outcome->record);
    lb_buffer_append_str(out, LB_STR("\",\"sink\":"));
    write_text(out, outcome->sink);
    lb_buffer_print(out, ",\"at\":\"%.*s\",\"result\":\"%s\",\"answer\":", (int)lb_time_write(time, text), text,
                    outcome->refused ? "refused" : "delivered");
    write_text(out, outcome->answer);
    if (outcome->attempts > 0)
        lb_buffer_print(out, ",\"attempts\":%u", outcome->attempts);
    lb_buffer_append_str(out, LB_STR("}\n"));
}

/* Ids are of hexadecimal digits and a hyphen, so nothing in them is escaped. */
static bool read_line(struct lb_str line, struct notice_outcome *outcome)
{
    const char *begin = line.ptr + BEFORE.len;
    const char *end;

    if (!lb_str_starts(line, BEFORE) || !lb_json_valid(line))
        return false;
    end = memchr(begin, '"', line.len - BEFORE.len);
    if (end == NULL || end + 2 >= line.ptr + line.len || end[1] != ',')
        return false;
    outcome->id = (struct lb_str){ begin, (size_t)(end - begin) };
    outcome->members = (struct lb_str){ end + 2, (size_t)(line.ptr + line.len - end) - 2 };
    return true;
}

/* --- all of them --------------------------------------------------------------- */

static bool grow(struct notice_outcomes *self)
{
    struct notice_outcome *items = lb_grown(self->items, self->count, &self->capacity, sizeof(*items));

    if (items == NULL)
        return false;
    self->items = items;
    return true;
}

bool notice_outcomes_take(struct notice_outcomes *self, struct lb_str line)
{
    struct notice_outcome outcome;

    if (!read_line(line, &outcome))
        return false;
    if (!grow(self))
        return true;
    outcome.order = self->count;
    self->items[self->count++] = outcome;
    self->sorted = false;
    return true;
}

static int by_id(struct lb_str left, struct lb_str right)
{
    int order = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);

    return order != 0 ? order : (left.len > right.len) - (left.len < right.len);
}

/* The oldest of a notice first, which was collected last. */
static int by_id_and_age(const void *left, const void *right)
{
    const struct notice_outcome *one = left;
    const struct notice_outcome *other = right;
    int order = by_id(one->id, other->id);

    return order != 0 ? order : (one->order < other->order) - (one->order > other->order);
}

static size_t first_of(const struct notice_outcomes *self, struct lb_str id)
{
    size_t low = 0;
    size_t high = self->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_id(self->items[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void notice_outcomes_list(struct notice_outcomes *self, struct lb_str id, struct lb_buffer *out)
{
    if (!self->sorted && self->count > 0)
        qsort(self->items, self->count, sizeof(*self->items), by_id_and_age);
    self->sorted = true;
    size_t first = first_of(self, id);

    lb_buffer_append_char(out, '[');
    for (size_t i = first; i < self->count && lb_str_equal(self->items[i].id, id); i++) {
        lb_buffer_append_str(out, i > first ? LB_STR(",{") : LB_STR("{"));
        lb_buffer_append_str(out, self->items[i].members);
    }
    lb_buffer_append_char(out, ']');
}

/* --- notices that are there twice ------------------------------------------------ */

struct lb_str notice_id_of(struct lb_str line)
{
    struct lb_value id = lb_value_member(lb_value_of(line, LB_VALUE_OBJECT), LB_STR("notice_id"));

    return id.kind == LB_VALUE_CLEAN ? (struct lb_str){ id.ptr, id.len } : LB_STR("");
}

size_t notices_keep_once(struct lb_str *lines, size_t count)
{
    struct notice_outcomes ids = { .items = lb_alloc((count + 1) * sizeof(*ids.items)) };
    size_t kept = 0;

    for (size_t i = 0; i < count && ids.items != NULL; i++) {
        struct lb_str id = notice_id_of(lines[i]);

        if (id.len > 0)
            ids.items[ids.count++] = (struct notice_outcome){ .id = id, .order = i };
    }
    if (ids.count > 0)
        qsort(ids.items, ids.count, sizeof(*ids.items), by_id_and_age);
    for (size_t i = 1; i < ids.count; i++)
        if (lb_str_equal(ids.items[i].id, ids.items[i - 1].id))
            lines[ids.items[i].order].len = 0;
    for (size_t i = 0; i < count; i++)
        if (lines[i].len > 0)
            lines[kept++] = lines[i];
    notice_outcomes_free(&ids);
    return kept;
}

void notice_outcomes_free(struct notice_outcomes *self)
{
    lb_free(self->items);
    *self = (struct notice_outcomes){ 0 };
}
