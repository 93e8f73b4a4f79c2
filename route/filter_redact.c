/*
 * filter_redact.c - takes secrets out of records: `redact: {patterns: [email, card], keys: [password]}`.
 *
 * What is said here is where to look: everywhere unless `fields` names some,
 * and for keys always everywhere, for nobody knows where the next password
 * turns up. The message is the only copy of the line that a format writes, so
 * there is no original to forget; names of fields are looked at too.
 */
#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_filter.h"
#include "lb_json.h"

#include "fields.h"
#include "redact.h"

static const char *const with_words[] = { "mask", "hash", "drop", NULL };

enum { OWN_MAX = 32, KEYS_MAX = 256 };

struct state {
    struct lb_strs fields;
    struct lb_strs patterns;
    struct lb_pairs match;
    int with;
    const struct lb_expr *where;
    struct redact_rules rules;
};

static const struct lb_option options[] = {
    { .name = "patterns",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, patterns),
      .help = "What is looked for: email, ipv4, ipv6, card, iban, bearer, password_url, aws_key, jwt" },
    { .name = "keys",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, rules.keys),
      .help = "Names whose values go, in any case of letters: fields at any depth, and name=value or name: value in "
              "text, JSON within text included" },
    { .name = "match",
      .kind = LB_OPTION_PAIRS,
      .offset = offsetof(struct state, match),
      .help = "Patterns of your own: a name, and a regular expression (PCRE2)" },
    { .name = "fields",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, fields),
      .help =
          "Where `patterns` and `match` look: names of fields, message, service or host, with all that is nested in "
          "them; without it everywhere. `keys` are looked for everywhere" },
    { .name = "with",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct state, with),
      .choices = with_words,
      .fallback = "mask",
      .help = "What stands in the place of a secret: mask is [email], hash is [email:0123456789abcdef], the same for "
              "the same secret, and drop is nothing" },
    { .name = "key",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, rules.secret),
      .help = "The key of the hashes (HMAC-SHA256): without it nobody can try out what a hash stands for",
      .flags = LB_OPTION_SECRET },
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, where),
      .help = "Which records; without it all" },
    { .name = NULL },
};

/* --- opening ------------------------------------------------------------------------- */

static bool want(struct state *self, struct lb_str word, const struct lb_section *section, struct lb_diag *diag)
{
    const char *near = lb_nearest(word, redact_pattern_names);

    for (unsigned i = 0; i < REDACT_PATTERN_COUNT; i++) {
        if (lb_str_is(word, redact_pattern_names[i])) {
            self->rules.wanted |= 1U << i;
            return true;
        }
    }
    lb_diag_error(diag, lb_section_place(section, "patterns"),
                  "unknown pattern \"" LB_STR_FMT "\"%s%s%s; expected email, ipv4, ipv6, card, iban, bearer, "
                  "password_url, aws_key or jwt; your own stand under \"match\"",
                  LB_STR_ARG(word), near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                  near != NULL ? "\"?" : "");
    return false;
}

static bool compile(struct state *self, const struct lb_pair *pair, const struct lb_section *section,
                    struct lb_diag *diag)
{
    struct redact_own *own = &self->rules.own[self->rules.own_count];
    char reason[LB_EXPR_REASON_BYTES];
    size_t offset;
    size_t span[2];

    own->name = pair->name;
    if (!lb_expr_regex_compile(&own->regex, pair->value, reason, &offset)) {
        lb_diag_error(diag, lb_section_place(section, "match"),
                      "\"" LB_STR_FMT "\": this regular expression is wrong at character %zu: %s",
                      LB_STR_ARG(pair->name), offset + 1, reason);
        return false;
    }
    self->rules.own_count++;
    if (lb_expr_regex_find(&own->regex, LB_STR(""), 0, span) != LB_EXPR_FOUND)
        return true;
    lb_diag_error(diag, lb_section_place(section, "match"),
                  "\"" LB_STR_FMT "\": this regular expression matches nothing, which is everywhere; write + for *",
                  LB_STR_ARG(pair->name));
    return false;
}

static bool check(const struct state *self, const struct lb_section *section, struct lb_diag *diag)
{
    bool told = false;

    if (self->patterns.count == 0 && self->rules.keys.count == 0 && self->match.count == 0)
        lb_diag_error(diag, lb_section_place(section, ""), "nothing to redact: give patterns, keys or match");
    else if (self->match.count > OWN_MAX || self->rules.keys.count > KEYS_MAX)
        lb_diag_error(diag, lb_section_place(section, ""), "more than %d keys or %d patterns of your own", KEYS_MAX,
                      OWN_MAX);
    else if (self->with == REDACT_HASH && self->rules.secret.len == 0)
        lb_diag_error(
            diag, lb_section_place(section, "with"),
            "\"hash\" needs a key, for example key: ${file:/run/secrets/redact}; without one anybody could try "
            "out all card numbers");
    else
        told = true;
    for (size_t i = 0; told && i < self->rules.keys.count; i++) {
        if (self->rules.keys.items[i].len > 0)
            continue;
        lb_diag_error(diag, lb_section_place(section, "keys"), "a key must not be empty");
        told = false;
    }
    return told;
}

static void close_redact(void *state)
{
    struct state *self = state;

    for (size_t i = 0; i < self->rules.own_count; i++)
        lb_expr_regex_free(&self->rules.own[i].regex);
    lb_free(self->rules.own);
    self->rules.own = NULL;
    self->rules.own_count = 0;
}

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    struct state *self = state;
    bool good = check(self, section, diag);

    if (!good)
        return LB_BAD_CONF;
    self->rules.with = (enum redact_with)self->with;
    self->rules.own = lb_alloc((self->match.count + 1) * sizeof(*self->rules.own));
    if (self->rules.own == NULL)
        return LB_NOMEM;
    for (size_t i = 0; i < self->patterns.count; i++)
        good &= want(self, self->patterns.items[i], section, diag);
    for (size_t i = 0; i < self->match.count; i++)
        good &= compile(self, &self->match.items[i], section, diag);
    if (!good) {
        close_redact(self);
        return LB_BAD_CONF;
    }
    redact_rules_prepare(&self->rules);
    return LB_OK;
}

/* --- a record -------------------------------------------------------------------------- */

/* Also of a dotted name that may be a path into it. */
static bool is_listed(const struct state *self, struct lb_str name)
{
    for (size_t i = 0; i < self->fields.count; i++) {
        struct lb_str item = self->fields.items[i];

        if (lb_str_starts(item, name) && (item.len == name.len || item.ptr[name.len] == '.'))
            return true;
    }
    return self->fields.count == 0;
}

static void redact_leading(const struct state *self, struct lb_value *value, struct lb_str name, struct lb_arena *arena)
{
    if (value->kind == LB_VALUE_NONE)
        return;
    if (redact_is_key(&self->rules, name))
        redact_whole(&self->rules, value, arena);
    else
        redact_value(&self->rules, value, is_listed(self, name), arena);
}

/* Its name as plain text; where there is no room for that, as it is written. */
static struct lb_str name_of(const struct lb_field *field, struct lb_arena *arena)
{
    struct lb_str name = { field->key.ptr, field->key.len };
    char *out;

    if (field->key.kind != LB_VALUE_ESCAPED)
        return name;
    out = lb_arena_alloc(arena, name.len + 1);
    if (out != NULL)
        name = (struct lb_str){ out, lb_json_unescape(name, out) };
    return name;
}

static void redact_field(const struct state *self, struct lb_field *field, struct lb_arena *arena)
{
    struct lb_str name = name_of(field, arena);

    if (redact_is_key(&self->rules, name))
        redact_whole(&self->rules, &field->value, arena);
    else
        redact_value(&self->rules, &field->value, is_listed(self, name), arena);
    if (self->fields.count == 0)
        redact_value(&self->rules, &field->key, true, arena);
}

/* Nobody asked for these members by name; whatever `fields` says, they are looked at as a whole. */
static void redact_rest(const struct state *self, struct lb_record *record, struct lb_arena *arena)
{
    struct lb_str rest;

    if (redact_json(&self->rules, record->rest, true, arena, &rest) == REDACT_CHANGED)
        record->rest = rest.ptr != NULL ? rest : LB_STR("\"rest\":\"[redacted]\"");
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;
    struct lb_arena *arena = &batch->arena;

    if (self->where != NULL && !lb_expr_match(self->where, record, scratch))
        return LB_PASS;
    redact_leading(self, &record->message, LB_STR("message"), arena);
    redact_leading(self, &record->service, LB_STR("service"), arena);
    redact_leading(self, &record->host, LB_STR("host"), arena);
    for (uint32_t i = 0; i < record->field_count; i++) {
        if (record->fields[i].value.kind != LB_VALUE_NONE)
            redact_field(self, &record->fields[i], arena);
    }
    if (record->rest.len > 0)
        redact_rest(self, record, arena);
    return LB_PASS;
}

const struct lb_filter_type lb_filter_redact = {
    .module = { .name = "redact",
                .help = "Take secrets out of records",
                .state_size = sizeof(struct state),
                .options = options },
    .open = open,
    .apply = apply,
    .close = close_redact,
};
