/*
 * lint_fields.c - the fields that rules ask for, against those that there are.
 *
 * A field that was seen once is not looked for again, so a day of records
 * costs little. The names of all fields are kept up to a bound, to find the
 * nearest one.
 */
#include "lint.h"

#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_json.h"

#include <math.h>
#include <stdio.h>

enum { ARENA_BYTES = 64 * 1024 * 1024, FIELDS_MAX = 64 * 1024, DEPTH_MAX = 3, NAME_BYTES = 200, NAMES_EVERY = 16 };
enum { NAMES_ALL = 100 * 1000 };

/* --- what rules ask for ----------------------------------------------------------------------- */

static void add_field(struct lint *lint, uint32_t rule, struct lb_str name, const char *role)
{
    static const char *const always[] = { "level", "timestamp", NULL };

    for (size_t i = 0; always[i] != NULL; i++)
        if (lb_str_is(name, always[i]))
            return;
    for (uint32_t i = 0; i < lint->field_count; i++)
        if (lint->fields[i].rule == rule && lb_str_equal(lint->fields[i].name, name))
            return;
    if (lint->field_count < FIELDS_MAX)
        lint->fields[lint->field_count++] = (struct lint_field){ .name = name, .rule = rule, .role = role };
}

static void add_expression(struct lint *lint, uint32_t rule, const struct lb_expr *expr, const char *role)
{
    struct lb_strs names = expr != NULL ? lb_expr_fields(expr) : (struct lb_strs){ NULL, 0 };

    for (size_t i = 0; i < names.count; i++)
        add_field(lint, rule, names.items[i], role);
}

static void add_rule(struct lint *lint, uint32_t index)
{
    const struct lb_alert_rule *rule = &lint->config->alerting.rules[index];

    for (size_t i = 0; i < rule->by.count; i++)
        add_field(lint, index, rule->by.items[i], "by");
    if (rule->field.len > 0) {
        add_field(lint, index, rule->field, "value");
        lint->fields[lint->field_count - 1].number = rule->function != LB_ALERT_DISTINCT && rule->detector == NULL;
    }
    add_expression(lint, index, rule->where, "where");
    add_expression(lint, index, rule->inner, "value");
    add_expression(lint, index, rule->second, "value");
}

bool lint_open(struct lint *lint, struct lb_config *config, struct lb_diag *diag)
{
    uint32_t rules = config->alerting.rule_count;

    *lint = (struct lint){ .config = config, .diag = diag };
    lb_arena_init(&lint->arena, ARENA_BYTES);
    lint->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    lint->fields = lb_alloc(FIELDS_MAX * sizeof(*lint->fields));
    lint->rules = lb_alloc((rules + 1) * sizeof(*lint->rules));
    if (lint->scratch.ptr == NULL || lint->fields == NULL || lint->rules == NULL)
        return false;
    for (uint32_t i = 0; i < rules; i++) {
        lint->rules[i].keys = lb_alloc(LINT_KEYS_MAX * sizeof(uint64_t));
        if (lint->rules[i].keys == NULL)
            return false;
        add_rule(lint, i);
    }
    return true;
}

void lint_close(struct lint *lint)
{
    for (uint32_t i = 0; lint->rules != NULL && i < lint->config->alerting.rule_count; i++)
        lb_free(lint->rules[i].keys);
    lb_free(lint->rules);
    lb_free(lint->fields);
    lb_free(lint->scratch.ptr);
    lb_arena_free(&lint->arena);
}

/* --- what there is -------------------------------------------------------------------------------- */

static uint64_t hash_of(struct lb_str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return hash != 0 ? hash : 1;
}

static void note_name(struct lint *lint, struct lb_str name)
{
    uint32_t i = (uint32_t)(hash_of(name) % LINT_NAMES_MAX);

    while (lint->names[i].ptr != NULL && !lb_str_equal(lint->names[i], name))
        i = (i + 1) % LINT_NAMES_MAX;
    if (lint->names[i].ptr != NULL || lint->name_count >= LINT_NAMES_MAX / 2)
        return;
    lint->names[i] = lb_arena_copy(&lint->arena, name);
    lint->name_count += lint->names[i].ptr != NULL;
}

/* Where members of nested objects come from. */
struct path {
    char text[NAME_BYTES];
    size_t len;
};

static bool extend(struct path *path, struct lb_value key)
{
    if (path->len + key.len + 2 > sizeof(path->text))
        return false;
    if (path->len > 0)
        path->text[path->len++] = '.';
    memcpy(path->text + path->len, key.ptr, key.len);
    path->len += key.len;
    return true;
}

static void note_field(struct lint *lint, const struct lb_field *field, struct path before, int depth)
{
    struct path path = before;
    struct lb_field member;
    size_t at = 1;

    if (field->value.kind == LB_VALUE_NONE || !extend(&path, field->key))
        return;
    note_name(lint, (struct lb_str){ path.text, path.len });
    if (field->value.kind != LB_VALUE_OBJECT || depth == DEPTH_MAX)
        return;
    while (lb_json_next_member((struct lb_str){ field->value.ptr, field->value.len }, &at, &member) == LB_OK)
        note_field(lint, &member, path, depth + 1);
}

static void note_names(struct lint *lint, const struct lb_record *record)
{
    const struct path none = { .len = 0 };

    for (uint16_t i = 0; i < record->field_count; i++)
        note_field(lint, &record->fields[i], none, 1);
    if (record->service.kind != LB_VALUE_NONE)
        note_name(lint, LB_STR("service"));
    if (record->host.kind != LB_VALUE_NONE)
        note_name(lint, LB_STR("host"));
    if (record->message.kind != LB_VALUE_NONE)
        note_name(lint, LB_STR("message"));
}

static void note_value(struct lint *lint, struct lint_field *field, struct lb_value value)
{
    double number;

    field->seen = true;
    if (!field->number)
        return;
    if (lb_value_number(value, &number) && isfinite(number)) {
        field->numbers++;
        return;
    }
    if (field->others++ == 0) {
        struct lb_str text = lb_value_str(value, &lint->scratch);

        snprintf(field->sample, sizeof(field->sample), LB_STR_FMT, LB_STR_ARG(text));
    }
}

static void note_record(struct lint *lint, const struct lb_record *record)
{
    if (lint->records < NAMES_ALL || lint->records % NAMES_EVERY == 0)
        note_names(lint, record);
    lint->records++;
    for (uint32_t i = 0; i < lint->field_count; i++) {
        struct lint_field *field = &lint->fields[i];

        if (field->seen && !(field->number && field->numbers == 0))
            continue;
        lint->scratch.used = 0;
        struct lb_value value = lb_record_get(record, field->name, &lint->scratch);
        if (value.kind != LB_VALUE_NONE)
            note_value(lint, field, value);
    }
}

static void note_key(struct lint_rule *rule, struct lb_str key)
{
    uint64_t hash = hash_of(key);
    uint32_t i = (uint32_t)(hash % LINT_KEYS_MAX);

    rule->records++;
    while (rule->keys[i] != 0 && rule->keys[i] != hash)
        i = (i + 1) % LINT_KEYS_MAX;
    if (rule->keys[i] == hash)
        return;
    rule->more_keys = rule->key_count >= LINT_KEYS_MAX / 2;
    if (rule->more_keys)
        return;
    rule->keys[i] = hash;
    rule->key_count++;
}

void lint_note(struct lint *lint, const struct lb_batch *batch)
{
    for (uint32_t i = 0; i < batch->record_count; i++)
        note_record(lint, &batch->records[i]);
    for (uint32_t i = 0; i < batch->feed_count; i++)
        note_key(&lint->rules[batch->feeds[i].rule], batch->feeds[i].key);
}

/* --- what follows ------------------------------------------------------------------------------------ */

/* A name that differs by a dot for an underscore, or by a letter or two. */
static const char *nearest_to(struct lint *lint, struct lb_str name)
{
    const char *words[LINT_NAMES_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < LINT_NAMES_MAX; i++)
        if (lint->names[i].ptr != NULL)
            words[count++] = lint->names[i].ptr;
    words[count] = NULL;
    return lb_nearest(name, words);
}

static void check_field(struct lint *lint, const struct lint_field *field)
{
    const struct lb_alert_rule *rule = &lint->config->alerting.rules[field->rule];

    if (!field->seen) {
        const char *nearest = nearest_to(lint, field->name);

        lb_diag_warn(lint->diag, rule->place, "rule \"" LB_STR_FMT "\" (%s): no record has " LB_STR_FMT "%s%s",
                     LB_STR_ARG(rule->name), field->role, LB_STR_ARG(field->name), nearest != NULL ? "; nearest: " : "",
                     nearest != NULL ? nearest : "");
    } else if (field->number && field->numbers == 0) {
        lb_diag_warn(lint->diag, rule->place,
                     "rule \"" LB_STR_FMT "\" (%s): " LB_STR_FMT " is no number in any record, it is such as \"%s\"",
                     LB_STR_ARG(rule->name), field->role, LB_STR_ARG(field->name), field->sample);
    }
}

static void check_rule(struct lint *lint, uint32_t index)
{
    const struct lb_alert_rule *rule = &lint->config->alerting.rules[index];
    const struct lint_rule *found = &lint->rules[index];
    bool missing = false;

    for (uint32_t i = 0; i < lint->field_count; i++)
        missing = missing || (lint->fields[i].rule == index && !lint->fields[i].seen);
    if (found->records == 0 && !missing)
        lb_diag_warn(lint->diag, rule->place, "rule \"" LB_STR_FMT "\": it looks at no record of these",
                     LB_STR_ARG(rule->name));
    if (found->more_keys || found->key_count > lint->config->alerting.max_keys)
        lb_diag_warn(lint->diag, rule->place,
                     "rule \"" LB_STR_FMT
                     "\": %s%u keys, of which it keeps max_keys (%llu); what it forgets begins anew",
                     LB_STR_ARG(rule->name), found->more_keys ? "more than " : "", found->key_count,
                     (unsigned long long)lint->config->alerting.max_keys);
}

void lint_check_fields(struct lint *lint)
{
    if (lint->records == 0)
        return;
    for (uint32_t i = 0; i < lint->field_count; i++)
        check_field(lint, &lint->fields[i]);
    for (uint32_t i = 0; i < lint->config->alerting.rule_count; i++)
        check_rule(lint, i);
}
