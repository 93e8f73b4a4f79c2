/*
 * alert_tops.c - which values of which fields.
 *
 * The tricky thing is which fields: a record may have dozens, and an id is
 * different in each. Fields get a place in the order in which they are seen;
 * one whose first LB_ALERT_TOP values all differ gives its place to another.
 */
#include "alert_tops.h"

#include "alert_event.h"
#include "alert_keys.h"
#include "lb_alloc.h"

enum { FIELDS_SHOWN = 4, VALUES_SHOWN = 3, SHARE = 20 };

/* --- memory --------------------------------------------------------------- */

void lb_alert_tops_free(struct lb_alert_tops *tops)
{
    for (int i = 0; tops != NULL && i < LB_TOPS_FIELDS; i++)
        lb_free(tops->fields[i]);
    lb_free(tops);
}

size_t lb_alert_tops_bytes(const struct lb_alert_tops *tops)
{
    size_t bytes = sizeof(*tops);

    for (int i = 0; i < LB_TOPS_FIELDS; i++)
        bytes += tops->fields[i] != NULL ? sizeof(*tops->fields[i]) : 0;
    return bytes;
}

/* --- when ----------------------------------------------------------------- */

bool lb_alert_tops_from(const struct lb_alert_rule *rule, double *value)
{
    bool counts = rule->function == LB_ALERT_COUNT || rule->function == LB_ALERT_RATE ||
                  rule->function == LB_ALERT_RATIO || rule->function == LB_ALERT_CONSECUTIVE;

    if (!counts || rule->is_part || rule->part_count > 0 || rule->absent || rule->detector != NULL)
        return false;
    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        const struct lb_threshold *threshold = &rule->thresholds[i];

        if (!threshold->set)
            continue;
        *value = threshold->number / 2;
        return threshold->comparison == LB_ABOVE || threshold->comparison == LB_AT_LEAST;
    }
    return false;
}

/* --- a record ------------------------------------------------------------- */

static bool is_named(const struct lb_strs *names, struct lb_str name)
{
    for (size_t i = 0; i < names->count; i++)
        if (lb_str_equal(names->items[i], name))
            return true;
    return false;
}

static bool is_passed(const struct lb_alert_tops *tops, uint64_t hash)
{
    for (uint32_t i = 0; i < tops->passed_count; i++)
        if (tops->passed[i] == hash)
            return true;
    return false;
}

/* Its place, or one for it. NULL: there is none, or no memory. */
static struct lb_alert_tops_field **place_of(struct lb_alert_tops *tops, struct lb_str name)
{
    struct lb_alert_tops_field **free_place = NULL;

    for (int i = 0; i < LB_TOPS_FIELDS; i++) {
        struct lb_alert_tops_field *field = tops->fields[i];

        if (field != NULL && lb_str_equal((struct lb_str){ field->name, field->length }, name))
            return &tops->fields[i];
        if (field == NULL && free_place == NULL)
            free_place = &tops->fields[i];
    }
    if (free_place == NULL || is_passed(tops, lb_alert_hash(name)))
        return NULL;
    *free_place = lb_alloc(sizeof(**free_place));
    if (*free_place == NULL)
        return NULL;
    (*free_place)->length = (uint8_t)name.len;
    memcpy((*free_place)->name, name.ptr, name.len);
    return free_place;
}

static bool never_comes_twice(const struct lb_alert_top *top)
{
    for (uint32_t i = 0; i < top->count; i++)
        if (lb_alert_top_surely(&top->entries[i]) > 1)
            return false;
    return top->count == LB_ALERT_TOP;
}

static void add_value(struct lb_alert_tops *tops, struct lb_str name, struct lb_str text)
{
    struct lb_alert_tops_field **place;

    if (name.len == 0 || name.len > LB_TOPS_NAME_BYTES || text.len == 0 || text.len > LB_ALERT_TOP_BYTES)
        return;
    place = place_of(tops, name);
    if (place == NULL)
        return;
    lb_alert_top_add(&(*place)->top, lb_alert_hash(text), text);
    if (!never_comes_twice(&(*place)->top) || tops->passed_count == LB_TOPS_PASSED)
        return;
    tops->passed[tops->passed_count++] = lb_alert_hash(name);
    lb_free(*place);
    *place = NULL;
}

/* What is measured is no common trait, and neither is what has parts. */
static bool is_trait(struct lb_value value)
{
    switch (value.kind) {
    case LB_VALUE_NUMBER: return memchr(value.ptr, '.', value.len) == NULL;
    case LB_VALUE_CLEAN:
    case LB_VALUE_TEXT:
    case LB_VALUE_BOOL: return true;
    default: return false;
    }
}

static void add(struct lb_alert_tops *tops, const struct lb_alert_rule *rule, struct lb_field field,
                struct lb_scratch *scratch)
{
    size_t used = scratch->used;
    struct lb_str name = lb_value_str(field.key, scratch);

    if (field.value.ptr != NULL && is_trait(field.value) && !is_named(&rule->by, name))
        add_value(tops, name, lb_value_str(field.value, scratch));
    scratch->used = used;
}

void lb_alert_tops_add(struct lb_alert_tops *tops, const struct lb_alert_rule *rule, const struct lb_record *record,
                       struct lb_scratch *scratch)
{
    tops->records++;
    add(tops, rule, (struct lb_field){ lb_value_text(LB_STR("service")), record->service }, scratch);
    add(tops, rule, (struct lb_field){ lb_value_text(LB_STR("host")), record->host }, scratch);
    for (uint16_t i = 0; i < record->field_count; i++)
        add(tops, rule, record->fields[i], scratch);
}

/* --- for people ----------------------------------------------------------- */

/* Of what is rare nobody learns anything. */
static bool is_worth(const struct lb_alert_tops *tops, const struct lb_alert_top_entry *entry)
{
    return lb_alert_top_surely(entry) >= 2 && lb_alert_top_surely(entry) * SHARE >= tops->records;
}

static void write_field(struct lb_buffer *out, const struct lb_alert_tops *tops,
                        const struct lb_alert_tops_field *field, const struct lb_alert_top_entry **list, uint32_t count)
{
    lb_alert_string_write(out, (struct lb_str){ field->name, field->length });
    lb_buffer_append_str(out, LB_STR(":{"));
    for (uint32_t i = 0; i < count && is_worth(tops, list[i]); i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        lb_alert_string_write(out, (struct lb_str){ list[i]->text, list[i]->length });
        lb_buffer_print(out, ":%llu", (unsigned long long)lb_alert_top_surely(list[i]));
    }
    lb_buffer_append_char(out, '}');
}

bool lb_alert_tops_write(struct lb_buffer *out, const struct lb_alert_tops *tops)
{
    const struct lb_alert_top_entry *list[VALUES_SHOWN];
    uint32_t shown = 0;

    for (int i = 0; tops != NULL && i < LB_TOPS_FIELDS && shown < FIELDS_SHOWN; i++) {
        const struct lb_alert_tops_field *field = tops->fields[i];
        uint32_t count = field != NULL ? lb_alert_top_list(&field->top, list, VALUES_SHOWN) : 0;

        if (count == 0 || !is_worth(tops, list[0]))
            continue;
        lb_buffer_append_char(out, shown++ == 0 ? '{' : ',');
        write_field(out, tops, field, list, count);
    }
    if (shown > 0)
        lb_buffer_append_char(out, '}');
    return shown > 0;
}
