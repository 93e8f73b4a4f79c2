/*
 * detector_change.c - change(field[, field]): a field has another value than
 * in the record of its key before.
 *
 * Before and after are those of event time: records may come in another order
 * by up to `lateness`, so the runs of equal values within that time are kept,
 * and one that comes between two others is a change to its left, to its right,
 * or both. A hit is never taken back. A record without the field says nothing;
 * the first value of a key is no change.
 */
#include "alert_arguments.h"
#include "alert_book.h"
#include "alert_bytes.h"
#include "alert_detector.h"
#include "alert_keys.h"
#include "lb_alloc.h"

enum { VERSION = 1, RUNS = 10, SHOWN_BYTES = 46 };

/* The same value at all times from `first` to `last`. */
struct run {
    uint64_t hash;
    int64_t first;
    int64_t last;
    uint8_t length;
    char shown[SHOWN_BYTES + 1]; /* of its text */
};

/* Of one field of one key, in order of time. */
struct track {
    uint64_t count;
    struct run runs[RUNS];
};

struct state {
    struct lb_alert_book book; /* by key: one track for each field */
};

/* --- options --------------------------------------------------------------- */

static const struct lb_strs *fields_of(const struct lb_alert_detector *detector)
{
    return detector->rule->detector_options;
}

static bool read_options(struct lb_config *config, struct lb_str arguments, struct lb_place place,
                         struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct lb_strs *fields = lb_arena_zalloc(&config->arena, sizeof(*fields));

    rule->detector_options = fields;
    return fields != NULL &&
           lb_alert_argument_fields(config, (struct lb_alert_argument){ arguments, place },
                                    "change needs the name of a field, such as change(config_hash), or several", fields,
                                    diag);
}

/* --- the state ------------------------------------------------------------- */

static bool open_state(struct lb_alert_detector *detector)
{
    struct state *state = lb_alloc(sizeof(*state));

    if (state == NULL)
        return false;
    lb_alert_book_init(&state->book, fields_of(detector)->count * sizeof(struct track), detector->max_keys);
    detector->state = state;
    return true;
}

static void close_state(struct lb_alert_detector *detector)
{
    struct state *state = detector->state;

    lb_alert_book_free(&state->book);
    lb_free(state);
    detector->state = NULL;
}

/* One byte more than is shown says that it was longer. */
static struct run run_of(struct lb_str text, int64_t time)
{
    struct run run = { .hash = lb_alert_hash(text), .first = time, .last = time };

    run.length = (uint8_t)(text.len > SHOWN_BYTES ? SHOWN_BYTES + 1 : text.len);
    memcpy(run.shown, text.ptr, run.length);
    return run;
}

/* --- a record -------------------------------------------------------------- */

static void tell(struct lb_alert_detector *detector, const struct lb_alert_sight *sight, struct lb_str field,
                 const struct run *from, const struct run *to)
{
    struct lb_alert_words words = { .len = 0 };

    lb_alert_words_add(&words, LB_STR_FMT " changed from ", LB_STR_ARG(field));
    lb_alert_words_quote(&words, (struct lb_str){ from->shown, from->length }, SHOWN_BYTES);
    lb_alert_words_add(&words, " to ");
    lb_alert_words_quote(&words, (struct lb_str){ to->shown, to->length }, SHOWN_BYTES);
    detector->hit(detector->context, &(struct lb_alert_hit){ .time_ns = to->first,
                                                             .stream = sight->stream,
                                                             .key = sight->key,
                                                             .reason = lb_alert_words_str(&words),
                                                             .message = &sight->record->message });
}

/* Room for two more; the oldest go. False: what belongs at `*at` is older than all that is kept. */
static bool make_room(struct track *track, uint64_t *at)
{
    while (track->count > RUNS - 2) {
        if (*at == 0)
            return false;
        track->count--;
        memmove(track->runs, track->runs + 1, track->count * sizeof(*track->runs));
        --*at;
    }
    return true;
}

static void insert_run(struct track *track, uint64_t at, struct run run)
{
    memmove(track->runs + at + 1, track->runs + at, (track->count - at) * sizeof(*track->runs));
    track->runs[at] = run;
    track->count++;
}

/* Those that nothing can come before any more; the newest of them is what the next one is held against. */
static void drop_settled(struct track *track, int64_t settled)
{
    uint64_t old = 0;

    while (old + 1 < track->count && track->runs[old].last < settled && track->runs[old + 1].last < settled)
        old++;
    memmove(track->runs, track->runs + old, (track->count - old) * sizeof(*track->runs));
    track->count -= old;
}

/* What comes within a run splits it: the value was another one for a moment. */
static void split(struct track *track, uint64_t at, int64_t time)
{
    struct run later = track->runs[at];

    later.first = later.last;
    track->runs[at].last = time;
    insert_run(track, at + 1, later);
}

/* How many runs begin at or before the time. */
static uint64_t place_of(const struct track *track, int64_t time)
{
    uint64_t at = track->count;

    while (at > 0 && track->runs[at - 1].first > time)
        at--;
    return at;
}

/* True if it only makes the run before or behind it longer. */
static bool continues(struct track *track, uint64_t at, const struct run *run)
{
    struct run *before = at > 0 ? &track->runs[at - 1] : NULL;
    struct run *behind = at < track->count ? &track->runs[at] : NULL;

    if (before != NULL && before->hash == run->hash) {
        if (run->first > before->last)
            before->last = run->first;
        return true;
    }
    if (behind == NULL || behind->hash != run->hash || (before != NULL && before->last > run->first))
        return false;
    behind->first = run->first;
    return true;
}

static void see(struct lb_alert_detector *detector, const struct lb_alert_sight *sight, size_t field,
                struct track *track, struct lb_str text)
{
    struct lb_str name = fields_of(detector)->items[field];
    struct run run = run_of(text, sight->time_ns);
    uint64_t at = place_of(track, run.first);

    if (continues(track, at, &run) || !make_room(track, &at))
        return;
    if (at > 0 && track->runs[at - 1].last > run.first)
        split(track, at - 1, run.first);
    insert_run(track, at, run);
    if (at > 0)
        tell(detector, sight, name, &track->runs[at - 1], &track->runs[at]);
    if (at + 1 < track->count)
        tell(detector, sight, name, &track->runs[at], &track->runs[at + 1]);
}

static int64_t newest_of(const struct track *track)
{
    return track->count > 0 ? track->runs[track->count - 1].last : INT64_MIN;
}

static void apply(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    struct state *state = detector->state;
    const struct lb_strs *fields = fields_of(detector);
    bool fresh;
    struct track *tracks = lb_alert_book_take(&state->book, lb_alert_hash(sight->key), &fresh);

    detector->forgotten = state->book.forgotten;
    for (size_t i = 0; tracks != NULL && i < fields->count; i++) {
        struct lb_value value;

        detector->scratch->used = 0;
        value = lb_record_get(sight->record, fields->items[i], detector->scratch);
        if (value.kind == LB_VALUE_NONE ||
            (tracks[i].count > 0 && sight->time_ns < newest_of(&tracks[i]) - detector->lateness_ns))
            continue;
        see(detector, sight, i, &tracks[i], lb_value_str(value, detector->scratch));
        drop_settled(&tracks[i], newest_of(&tracks[i]) - detector->lateness_ns);
    }
}

/* The values stay as they are; only their times are of a clock that was wrong. */
static void restart(struct lb_alert_detector *detector)
{
    struct state *state = detector->state;
    size_t fields = fields_of(detector)->count;

    for (uint32_t place = lb_alert_book_next(&state->book, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(&state->book, place)) {
        struct track *tracks = lb_alert_book_at(&state->book, place);

        for (size_t i = 0; i < fields; i++) {
            if (tracks[i].count == 0)
                continue;
            tracks[i].runs[0] = tracks[i].runs[tracks[i].count - 1];
            tracks[i].runs[0].first = tracks[i].runs[0].last = 0;
            tracks[i].count = 1;
        }
    }
}

/* --- over a restart -------------------------------------------------------- */

static void write_state(const struct lb_alert_detector *detector, struct lb_buffer *out)
{
    const struct state *state = detector->state;

    lb_alert_bytes_put_count(out, VERSION);
    lb_alert_book_write(&state->book, out);
}

static bool is_sound(const struct track *track)
{
    if (track->count > RUNS)
        return false;
    for (uint64_t i = 0; i < track->count; i++)
        if (track->runs[i].length > SHOWN_BYTES + 1)
            return false;
    return true;
}

static bool restore_state(struct lb_alert_detector *detector, struct lb_str bytes)
{
    struct state *state = detector->state;
    size_t fields = fields_of(detector)->count;

    if (!lb_alert_bytes_expect(&bytes, VERSION) || !lb_alert_book_restore(&state->book, &bytes))
        return false;
    for (uint32_t place = lb_alert_book_next(&state->book, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(&state->book, place)) {
        const struct track *tracks = lb_alert_book_at(&state->book, place);

        for (size_t i = 0; i < fields; i++)
            if (!is_sound(&tracks[i]))
                return false;
    }
    return true;
}

const struct lb_alert_detector_type lb_alert_detector_change = {
    .name = "change",
    .help = "A field has another value than in the record of its key before",
    .read = read_options,
    .open = open_state,
    .close = close_state,
    .apply = apply,
    .restart = restart,
    .write = write_state,
    .restore = restore_state,
};
