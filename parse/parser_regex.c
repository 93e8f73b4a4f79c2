/*
 * parser_regex.c - lines by a pattern: each named group becomes a field.
 *
 * The names timestamp (time), level (severity), service, host (hostname) and message (msg) fill the leading keys. The
 * fields of a match are written into one array that replaces the record's when all of it fits, so that a record is
 * filled whole or left as it was.
 */
#include "field_types.h"
#include "fill.h"
#include "regex_match.h"
#include "regex_types.h"

#include "lb_limits.h"
#include "lb_parser.h"
#include "lb_time.h"

enum target { TARGET_FIELD, TARGET_TIME, TARGET_LEVEL, TARGET_SERVICE, TARGET_HOST, TARGET_MESSAGE };

enum { ARENA_BYTES_MAX = 1024 * 1024 };

struct group {
    enum target target;
    enum regex_type type;
    uint32_t number;
    struct lb_value key;
};

struct regex_state {
    struct lb_str pattern;
    struct lb_str time_format;
    struct lb_str time_zone;
    struct lb_pairs types;
    uint64_t match_limit;

    struct lb_arena arena; /* groups and the time format */
    struct regex regex;
    struct lb_time_format *time;
    struct group *groups; /* in the order of the pattern */
    uint32_t group_count;
};

#define MEMBER(name) offsetof(struct regex_state, name)

static const struct lb_option time_options[] = {
    { "format", LB_OPTION_STRING, MEMBER(time_format), "guess",
      "How the group `timestamp` is written: %Y-%m-%d %H:%M:%S,%L and the like, or rfc3339, epoch, epoch_ms, "
      "epoch_us, epoch_ns, guess",
      0, NULL, NULL, 0, 0 },
    { "timezone", LB_OPTION_STRING, MEMBER(time_zone), NULL,
      "The zone of times that carry none: an IANA name or +02:00; UTC unless told otherwise", 0, NULL, NULL, 0, 0 },
    { 0 },
};

static const struct lb_option regex_options[] = {
    { "pattern", LB_OPTION_STRING, MEMBER(pattern), NULL,
      "A PCRE2 pattern with named groups, (?<name>...); a dot matches line ends too", LB_OPTION_REQUIRED, NULL, NULL, 0,
      0 },
    { "timestamp", LB_OPTION_GROUP, 0, NULL, "How the group `timestamp` or `time` is read", 0, NULL, time_options, 0,
      0 },
    { "types", LB_OPTION_PAIRS, MEMBER(types), NULL,
      "What groups become instead of text: int, float, bool, duration (in seconds) or bytes", 0, NULL, NULL, 0, 0 },
    { "match_limit", LB_OPTION_COUNT, MEMBER(match_limit), "1000000",
      "How many steps one match may take before the line counts as not matching", 0, NULL, NULL, 1000, 100000000 },
    { 0 },
};

static enum target target_of(struct lb_str name)
{
    static const struct {
        const char *name;
        enum target target;
    } names[] = {
        { "timestamp", TARGET_TIME }, { "time", TARGET_TIME },       { "level", TARGET_LEVEL },
        { "severity", TARGET_LEVEL }, { "service", TARGET_SERVICE }, { "host", TARGET_HOST },
        { "hostname", TARGET_HOST },  { "message", TARGET_MESSAGE }, { "msg", TARGET_MESSAGE },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (lb_str_is(name, names[i].name))
            return names[i].target;
    return TARGET_FIELD;
}

/* --- open ------------------------------------------------------------------ */

static const char *advice(int error)
{
    switch (error) {
    case 101:
    case 103: return "; write \\\\ for a backslash, and put the pattern in single quotes so that YAML leaves it alone";
    case 106: return "; write \\[ for a bracket itself";
    case 109: return "; write \\*, \\+ or \\? for the sign itself";
    case 114:
    case 122: return "; write \\( or \\) for a parenthesis itself";
    case 142:
    case 144:
    case 162: return "; a group is written (?<name>...), its name of letters, digits and _";
    case 143: return "; begin the pattern with (?J) if two alternatives share a name";
    default: return "";
    }
}

static void tell_pattern_error(struct lb_parser *parser, struct lb_diag *diag, int error, size_t at)
{
    struct lb_place place = lb_section_place(&parser->section, "pattern");
    PCRE2_UCHAR text[256] = "";

    (void)pcre2_get_error_message(error, text, sizeof(text));
    place.column += (uint32_t)at;
    lb_diag_error(diag, place, "the pattern is wrong here (character %zu): %s%s", at + 1, (const char *)text,
                  advice(error));
}

static int by_number(const void *a, const void *b)
{
    const struct group *left = a;
    const struct group *right = b;

    return (left->number > right->number) - (left->number < right->number);
}

/* An entry of PCRE2's table: two bytes of number, then the name and a NUL. */
static bool read_group(struct regex_state *self, struct group *group, const unsigned char *entry)
{
    struct lb_str name = lb_arena_copy(&self->arena, lb_str_from((const char *)entry + 2));

    if (name.ptr == NULL)
        return false;
    group->number = (uint32_t)entry[0] << 8 | entry[1];
    group->key = lb_value_of(name, LB_VALUE_CLEAN);
    group->target = target_of(name);
    return true;
}

static enum lb_err read_groups(struct lb_parser *parser, struct lb_diag *diag)
{
    struct regex_state *self = parser->state;
    struct lb_place place = lb_section_place(&parser->section, "pattern");
    PCRE2_SPTR table = NULL;
    uint32_t entry_size = 0;
    uint32_t captures = 0;

    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_NAMECOUNT, &self->group_count);
    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_NAMETABLE, &table);
    (void)pcre2_pattern_info(self->regex.code, PCRE2_INFO_CAPTURECOUNT, &captures);
    if (self->group_count == 0) {
        lb_diag_error(diag, place, "the pattern has no named group; write (?<name>...) around what becomes a field");
        return LB_BAD_CONF;
    }
    if (captures > REGEX_GROUPS_MAX) {
        lb_diag_error(diag, place,
                      "the pattern has %u groups, at most %d are read; write (?:...) for groups without "
                      "a name",
                      captures, REGEX_GROUPS_MAX);
        return LB_BAD_CONF;
    }
    self->groups = lb_arena_zalloc(&self->arena, self->group_count * sizeof(*self->groups));
    if (self->groups == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < self->group_count; i++)
        if (!read_group(self, &self->groups[i], table + (size_t)i * entry_size))
            return LB_NOMEM;
    qsort(self->groups, self->group_count, sizeof(*self->groups), by_number);
    return LB_OK;
}

/* Groups whose text may be converted; the leading keys have kinds of their own. */
static bool set_type(struct regex_state *self, struct lb_str name, enum regex_type type)
{
    bool found = false;

    for (uint32_t i = 0; i < self->group_count; i++) {
        struct lb_value key = self->groups[i].key;

        if (self->groups[i].target == TARGET_FIELD && lb_str_equal((struct lb_str){ key.ptr, key.len }, name)) {
            self->groups[i].type = type;
            found = true;
        }
    }
    return found;
}

static enum lb_err read_types(struct lb_parser *parser, struct lb_diag *diag)
{
    struct regex_state *self = parser->state;
    enum lb_err err = LB_OK;

    for (size_t i = 0; i < self->types.count; i++) {
        const struct lb_pair *pair = &self->types.items[i];
        enum regex_type type = field_type_of(pair->value, &parser->section, diag);

        if (type == REGEX_TEXT) {
            err = LB_BAD_CONF;
        } else if (!set_type(self, pair->name, type)) {
            lb_diag_error(diag, lb_section_place(&parser->section, "types"),
                          "the pattern has no group '" LB_STR_FMT "' that could be of a type", LB_STR_ARG(pair->name));
            err = LB_BAD_CONF;
        }
    }
    return err;
}

static enum lb_err regex_open(struct lb_parser *parser, struct lb_diag *diag)
{
    struct regex_state *self = parser->state;
    enum lb_err err;
    int error = 0;
    size_t at = 0;

    lb_arena_init(&self->arena, ARENA_BYTES_MAX);
    err = regex_compile(&self->regex, self->pattern, (uint32_t)self->match_limit, &error, &at);
    if (err == LB_BAD_CONF)
        tell_pattern_error(parser, diag, error, at);
    if (err == LB_OK)
        err = read_groups(parser, diag);
    if (err == LB_OK)
        err = read_types(parser, diag);
    if (err == LB_OK) {
        self->time = lb_time_format_new(&self->arena, self->time_format, self->time_zone,
                                        lb_section_place(&parser->section, "timestamp.format"), diag);
        err = self->time != NULL ? LB_OK : LB_BAD_CONF;
    }
    if (err == LB_NOMEM)
        lb_diag_error(diag, lb_section_place(&parser->section, "pattern"), "no memory for the pattern");
    if (err != LB_OK) {
        regex_free(&self->regex);
        lb_arena_free(&self->arena);
    }
    return err;
}

static void regex_close(struct lb_parser *parser)
{
    struct regex_state *self = parser->state;

    regex_free(&self->regex);
    lb_arena_free(&self->arena);
}

/* --- parse ----------------------------------------------------------------- */

static bool add_field(struct lb_record *record, struct lb_value key, struct lb_value value)
{
    record->fields[record->field_count++] = (struct lb_field){ key, value };
    return true;
}

/* A time or level that cannot be read stays as a field, under the name that the record's own key does not take. */
static bool take_time(const struct regex_state *self, struct lb_record *record, struct lb_str text, int64_t now_ns)
{
    int64_t time_ns;

    if (!lb_time_format_parse(self->time, text, now_ns, &time_ns))
        return add_field(record, lb_value_of(LB_STR("time"), LB_VALUE_CLEAN), lb_value_text(text));
    record->time_ns = time_ns;
    record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    return true;
}

static bool take_level(struct lb_record *record, struct lb_str text)
{
    uint8_t level = lb_level_parse(text);

    if (level == LB_LEVEL_NONE)
        return add_field(record, lb_value_of(LB_STR("severity"), LB_VALUE_CLEAN), lb_value_text(text));
    record->level = level;
    return true;
}

static bool fill(const struct regex_state *self, const struct group *group, struct lb_record *record,
                 struct lb_str text, struct lb_batch *batch)
{
    struct lb_value value;

    switch (group->target) {
    case TARGET_TIME: return take_time(self, record, text, batch->arrival_ns);
    case TARGET_LEVEL: return take_level(record, text);
    case TARGET_SERVICE: record->service = text.len > 0 ? lb_value_text(text) : record->service; return true;
    case TARGET_HOST: record->host = text.len > 0 ? lb_value_text(text) : record->host; return true;
    case TARGET_MESSAGE: record->message = lb_value_text(text); return true;
    case TARGET_FIELD: break;
    }
    if (!regex_convert(group->type, text, &batch->arena, &value))
        return false;
    if (value.kind != LB_VALUE_NONE)
        record->fields[record->field_count++] = (struct lb_field){ group->key, value };
    return true;
}

static enum lb_err regex_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    const struct regex_state *self = state;
    struct lb_arena *arena = &context->batch->arena;
    struct lb_record filled = *record;
    uint32_t capacity = record->field_count + self->group_count + 2; /* room for what filters add */
    const size_t *offsets;
    struct lb_str text;

    if (!fill_plain_text(record->message, arena, &text))
        return LB_LIMIT;
    offsets = regex_match(&self->regex, text, &context->reason);
    if (offsets == NULL) {
        context->reason_at = 0;
        return LB_BAD_INPUT;
    }
    if (record->field_count + self->group_count > LB_RECORD_FIELDS_MAX)
        return LB_LIMIT;
    filled.fields = lb_arena_alloc(arena, capacity * sizeof(*filled.fields));
    if (filled.fields == NULL)
        return LB_LIMIT;
    if (record->field_count > 0)
        memcpy(filled.fields, record->fields, record->field_count * sizeof(*filled.fields));
    filled.field_capacity = (uint16_t)capacity;
    for (uint32_t i = 0; i < self->group_count; i++) {
        size_t start = offsets[2 * self->groups[i].number];
        size_t end = offsets[2 * self->groups[i].number + 1];

        if (start == PCRE2_UNSET || end < start)
            continue;
        if (!fill(self, &self->groups[i], &filled, (struct lb_str){ text.ptr + start, end - start }, context->batch))
            return LB_LIMIT;
    }
    *record = filled;
    return LB_OK;
}

const struct lb_parser_type lb_parser_regex = {
    .module = { .name = "regex",
                .help = "lines by a pattern: each named group becomes a field",
                .state_size = sizeof(struct regex_state),
                .options = regex_options,
                .whole = "pattern" },
    .open = regex_open,
    .parse = regex_parse,
    .close = regex_close,
};
