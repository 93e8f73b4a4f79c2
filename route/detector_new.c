/*
 * detector_new.c - new(field[, field]): a value, or several together, that was
 * not seen before for this key; new(pattern): a message like none before.
 *
 * What is seen within `learn` of the first record of a key is only learned:
 * when a rule begins, or a service comes that nobody knew, everything is new.
 * By the time of the events, so a backlog is learned from as it happened. What
 * was seen is one set for all keys, with the key in each hash.
 */
#include "alert_arguments.h"
#include "alert_book.h"
#include "alert_bytes.h"
#include "alert_conf.h"
#include "alert_detector.h"
#include "alert_firsts.h"
#include "alert_keys.h"
#include "alert_patterns.h"
#include "lb_alloc.h"

#include <xxhash.h>

enum { VERSION = 1, SHOWN_BYTES = 96 };

struct options {
    bool pattern;
    struct lb_strs fields;
};

struct key {
    int64_t first; /* time of its first record, */
    int64_t known; /* which there is: 1 */
};

struct state {
    struct lb_alert_book keys;
    struct lb_alert_firsts firsts;
    struct lb_alert_patterns patterns;
    uint64_t unknown; /* values that there was no memory for */
};

/* --- options --------------------------------------------------------------- */

static const struct options *options_of(const struct lb_alert_detector *detector)
{
    return detector->rule->detector_options;
}

static bool read_options(struct lb_config *config, struct lb_str arguments, struct lb_place place,
                         struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct options *options = lb_arena_zalloc(&config->arena, sizeof(*options));

    rule->detector_options = options;
    if (options == NULL)
        return false;
    options->pattern = lb_str_is(lb_alert_trim(arguments), "pattern");
    return options->pattern ||
           lb_alert_argument_fields(config, (struct lb_alert_argument){ arguments, place },
                                    "new needs the name of a field, such as new(region), or several, or new(pattern)",
                                    &options->fields, diag);
}

/* --- the state ------------------------------------------------------------- */

static bool open_state(struct lb_alert_detector *detector)
{
    struct state *state = lb_alloc(sizeof(*state));

    if (state == NULL)
        return false;
    lb_alert_book_init(&state->keys, sizeof(struct key), detector->max_keys);
    lb_alert_patterns_init(&state->patterns);
    detector->state = state;
    return true;
}

static void close_state(struct lb_alert_detector *detector)
{
    struct state *state = detector->state;

    lb_alert_book_free(&state->keys);
    lb_alert_firsts_free(&state->firsts);
    lb_alert_patterns_free(&state->patterns);
    lb_free(state);
    detector->state = NULL;
}

/* --- a record -------------------------------------------------------------- */

/* True if what is new of this key is not told yet. */
static bool is_learning(struct lb_alert_detector *detector, struct state *state, uint64_t hash, int64_t time)
{
    bool fresh;
    struct key *key = lb_alert_book_take(&state->keys, hash, &fresh);

    if (key == NULL)
        return true;
    if (fresh || time < key->first)
        key->first = time;
    key->known = 1;
    return time < key->first + detector->rule->learn_ns;
}

static bool is_listed(const struct lb_strs *known, struct lb_str shown)
{
    for (size_t i = 0; i < known->count; i++)
        if (lb_str_equal(known->items[i], shown))
            return true;
    return false;
}

static void tell(struct lb_alert_detector *detector, const struct lb_alert_sight *sight, struct lb_str reason)
{
    detector->hit(detector->context, &(struct lb_alert_hit){ .time_ns = sight->time_ns,
                                                             .stream = sight->stream,
                                                             .key = sight->key,
                                                             .reason = reason,
                                                             .message = &sight->record->message });
}

/* The values with ", " between them, as `known` has them, into the scratch. `ptr` NULL: the record lacks one. */
static struct lb_str values_of(struct lb_alert_detector *detector, const struct lb_record *record,
                               const struct lb_strs *fields, uint64_t *hash)
{
    struct lb_scratch *scratch = detector->scratch;
    char *shown = scratch->ptr;
    size_t len = 0;

    scratch->used = scratch->size / 2;
    for (size_t i = 0; i < fields->count; i++) {
        size_t used = scratch->used;
        struct lb_value value = lb_record_get(record, fields->items[i], scratch);
        struct lb_str text = lb_value_str(value, scratch);
        size_t room = scratch->size / 2 - len;

        if (value.kind == LB_VALUE_NONE)
            return (struct lb_str){ NULL, 0 };
        *hash = XXH3_64bits_withSeed(text.ptr, text.len, *hash + i);
        if (i > 0 && room > 2) {
            memcpy(shown + len, ", ", 2);
            len += 2;
            room -= 2;
        }
        text.len = text.len < room ? text.len : room;
        memcpy(shown + len, text.ptr, text.len);
        len += text.len;
        scratch->used = used;
    }
    return (struct lb_str){ shown, len };
}

static void see_values(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    struct state *state = detector->state;
    const struct lb_strs *fields = &options_of(detector)->fields;
    uint64_t key = lb_alert_hash(sight->key);
    uint64_t hash = key;
    struct lb_str shown = values_of(detector, sight->record, fields, &hash);
    struct lb_alert_words words = { .len = 0 };
    bool fresh;
    bool learning;

    if (shown.ptr == NULL)
        return;
    learning = is_learning(detector, state, key, sight->time_ns);
    state->unknown += lb_alert_firsts_see(&state->firsts, hash, sight->time_ns, &fresh) == LB_NOMEM;
    if (!fresh || learning || is_listed(&detector->rule->known, shown))
        return;
    lb_alert_words_add(&words, "new value ");
    lb_alert_words_quote(&words, shown, SHOWN_BYTES);
    for (size_t i = 0; i < fields->count; i++)
        lb_alert_words_add(&words, "%s" LB_STR_FMT, i == 0 ? " of " : ", ", LB_STR_ARG(fields->items[i]));
    tell(detector, sight, lb_alert_words_str(&words));
}

static void see_pattern(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    struct state *state = detector->state;
    uint64_t key = lb_alert_hash(sight->key);
    struct lb_alert_words words = { .len = 0 };
    struct lb_alert_pattern pattern;
    struct lb_str message;
    bool learning;

    detector->scratch->used = 0;
    message = lb_value_str(sight->record->message, detector->scratch);
    if (message.len == 0)
        return;
    learning = is_learning(detector, state, key, sight->time_ns);
    if (!lb_alert_patterns_see(&state->patterns, key, message, &pattern) || !pattern.fresh || learning)
        return;
    lb_alert_words_add(&words, "new pattern ");
    lb_alert_words_quote(&words, (struct lb_str){ pattern.text, pattern.length }, SHOWN_BYTES);
    lb_alert_words_add(&words, " (%08x)", (unsigned)(pattern.id >> 32));
    tell(detector, sight, lb_alert_words_str(&words));
}

static void apply(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    const struct state *state = detector->state;

    if (options_of(detector)->pattern)
        see_pattern(detector, sight);
    else
        see_values(detector, sight);
    detector->forgotten = state->keys.forgotten + lb_alert_patterns_forgotten(&state->patterns);
}

/* --- over a restart -------------------------------------------------------- */

static void write_state(const struct lb_alert_detector *detector, struct lb_buffer *out)
{
    const struct state *state = detector->state;

    lb_alert_bytes_put_count(out, VERSION);
    lb_alert_book_write(&state->keys, out);
    lb_alert_firsts_write(&state->firsts, out);
    lb_alert_patterns_write(&state->patterns, out);
}

static bool restore_state(struct lb_alert_detector *detector, struct lb_str bytes)
{
    struct state *state = detector->state;

    return lb_alert_bytes_expect(&bytes, VERSION) && lb_alert_book_restore(&state->keys, &bytes) &&
           lb_alert_firsts_restore(&state->firsts, &bytes) && lb_alert_patterns_restore(&state->patterns, &bytes) &&
           bytes.len == 0;
}

const struct lb_alert_detector_type lb_alert_detector_new = {
    .name = "new",
    .help = "A value of a field, or a pattern of messages, that was not seen before",
    .read = read_options,
    .open = open_state,
    .close = close_state,
    .apply = apply,
    .write = write_state,
    .restore = restore_state,
};
