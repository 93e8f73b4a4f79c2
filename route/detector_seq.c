/*
 * detector_seq.c - seq(A -> B within D): a B at most D behind an A of the same
 * key. Each such B is a hit, at its own time.
 *
 * By the time of the events: an A covers the time up to D behind it, and an
 * uncovered B waits for `lateness`, since its A may be on the way. Records of
 * one moment come in no order, so a B of the same time is behind the A; but no
 * record follows itself. Bounded for each key as in alert_cover.h.
 */
#include "alert_book.h"
#include "alert_bytes.h"
#include "alert_cover.h"
#include "alert_detector.h"
#include "alert_keys.h"
#include "alert_pairs.h"
#include "lb_alloc.h"

enum { VERSION = 1, SHOWN_BYTES = 50 };

struct entry {
    int64_t newest;
    struct lb_alert_cover cover;     /* by As */
    struct lb_alert_waiting waiting; /* Bs */
};

struct state {
    struct lb_alert_book book; /* by key */
};

static const struct lb_alert_pair *pair_of(const struct lb_alert_detector *detector)
{
    return detector->rule->detector_options;
}

static bool read_options(struct lb_config *config, struct lb_str arguments, struct lb_place place,
                         struct lb_alert_rule *rule, struct lb_diag *diag)
{
    static const struct lb_alert_pair_words words = {
        "->", false,
        "seq needs two expressions and a time, such as seq(event == login_failed -> event == login_ok within 5m)"
    };

    return lb_alert_pair_read(config, (struct lb_alert_argument){ arguments, place }, &words, rule, diag);
}

static bool open_state(struct lb_alert_detector *detector)
{
    struct state *state = lb_alloc(sizeof(*state));

    if (state == NULL)
        return false;
    lb_alert_book_init(&state->book, sizeof(struct entry), detector->max_keys);
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

static void tell(struct lb_alert_detector *detector, const struct lb_alert_sight *sight, int64_t time)
{
    const struct lb_alert_pair *pair = pair_of(detector);
    struct lb_alert_words words = { .len = 0 };

    lb_alert_words_quote(&words, pair->second, SHOWN_BYTES);
    lb_alert_words_add(&words, " after ");
    lb_alert_words_quote(&words, pair->first, SHOWN_BYTES);
    lb_alert_words_add(&words, " within " LB_STR_FMT, LB_STR_ARG(pair->within_text));
    detector->hit(detector->context, &(struct lb_alert_hit){ .time_ns = time,
                                                             .stream = sight->stream,
                                                             .key = sight->key,
                                                             .reason = lb_alert_words_str(&words),
                                                             .message = &sight->record->message });
}

static void see_first(struct lb_alert_detector *detector, const struct lb_alert_sight *sight, struct entry *entry)
{
    int64_t until = sight->time_ns + pair_of(detector)->within_ns;
    /* One that is both does not follow itself. */
    int64_t from = sight->time_ns + ((sight->bits & LB_ALERT_PAIR_SECOND) != 0);
    int64_t time;

    while (lb_alert_waiting_take(&entry->waiting, from, until, &time))
        tell(detector, sight, time);
    lb_alert_cover_add(&entry->cover, from, until);
}

static void see_second(struct lb_alert_detector *detector, const struct lb_alert_sight *sight, struct entry *entry)
{
    if (lb_alert_cover_has(&entry->cover, sight->time_ns))
        tell(detector, sight, sight->time_ns);
    else
        lb_alert_waiting_add(&entry->waiting, sight->time_ns, 0);
}

/* What no record that is in time can ask for any more. */
static void forget(const struct lb_alert_detector *detector, struct entry *entry)
{
    int64_t settled = entry->newest - detector->lateness_ns;
    int64_t time;

    lb_alert_cover_forget(&entry->cover, settled);
    while (entry->waiting.count > 0 && lb_alert_waiting_take(&entry->waiting, INT64_MIN, settled - 1, &time))
        ;
}

static void apply(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    struct state *state = detector->state;
    uint64_t hash = lb_alert_hash(sight->key);
    struct entry *entry;
    bool fresh;

    /* A key that brings neither needs no entry. */
    if ((sight->bits & (LB_ALERT_PAIR_FIRST | LB_ALERT_PAIR_SECOND)) == 0)
        return;
    entry = lb_alert_book_take(&state->book, hash, &fresh);
    detector->forgotten = state->book.forgotten;
    if (entry == NULL || (!fresh && sight->time_ns < entry->newest - detector->lateness_ns))
        return;
    if (fresh || sight->time_ns > entry->newest)
        entry->newest = sight->time_ns;
    forget(detector, entry);
    if (sight->bits & LB_ALERT_PAIR_SECOND)
        see_second(detector, sight, entry);
    if (sight->bits & LB_ALERT_PAIR_FIRST)
        see_first(detector, sight, entry);
}

static void restart(struct lb_alert_detector *detector)
{
    struct state *state = detector->state;

    lb_alert_book_free(&state->book);
}

static void write_state(const struct lb_alert_detector *detector, struct lb_buffer *out)
{
    const struct state *state = detector->state;

    lb_alert_bytes_put_count(out, VERSION);
    lb_alert_book_write(&state->book, out);
}

static bool restore_state(struct lb_alert_detector *detector, struct lb_str bytes)
{
    struct state *state = detector->state;

    if (!lb_alert_bytes_expect(&bytes, VERSION) || !lb_alert_book_restore(&state->book, &bytes))
        return false;
    for (uint32_t place = lb_alert_book_next(&state->book, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(&state->book, place)) {
        const struct entry *entry = lb_alert_book_at(&state->book, place);

        if (entry->cover.count > LB_ALERT_SPANS || entry->waiting.count > LB_ALERT_WAITING)
            return false;
    }
    return true;
}

const struct lb_alert_detector_type lb_alert_detector_seq = {
    .name = "seq",
    .help = "One event, and then another of the same key within a time",
    .read = read_options,
    .open = open_state,
    .close = close_state,
    .apply = apply,
    .restart = restart,
    .write = write_state,
    .restore = restore_state,
};
