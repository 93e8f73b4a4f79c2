/*
 * detector_missing.c - missing(B after A within D): an A of a key that no B
 * follows within D. A hit, at the time when it should have come at last.
 *
 * By the time of the events: a B covers the time up to D before it; an A that
 * is not covered waits until its stream has come `lateness` past the deadline,
 * as its B may be on the way. A stream that is behind is judged by its own
 * time, and holds back no other. Records of one moment come in no order, so a
 * B of the same time follows; but no record follows itself. Bounded for each
 * key as in alert_cover.h: of too many that wait the second oldest goes.
 */
#include "alert_book.h"
#include "alert_bytes.h"
#include "alert_cover.h"
#include "alert_deadlines.h"
#include "alert_detector.h"
#include "alert_keys.h"
#include "alert_pairs.h"
#include "lb_alloc.h"
#include "lb_clock.h"

enum { VERSION = 1, SHOWN_BYTES = 50, BATCH = 64 };

/* No stream is further ahead of the clock, see alert_engine.c. */
#define AHEAD_MAX_NS (5 * 60 * LB_SECOND)

struct entry {
    int64_t newest;
    int64_t arrival;
    uint64_t stream;
    struct lb_alert_cover cover;     /* by Bs */
    struct lb_alert_waiting waiting; /* As */
    uint64_t length;
    char key[LB_KEY_BYTES_MAX];
};

struct state {
    struct lb_alert_book book; /* by key */
    struct lb_alert_deadlines deadlines;
};

static const struct lb_alert_pair *pair_of(const struct lb_alert_detector *detector)
{
    return detector->rule->detector_options;
}

static bool read_options(struct lb_config *config, struct lb_str arguments, struct lb_place place,
                         struct lb_alert_rule *rule, struct lb_diag *diag)
{
    static const struct lb_alert_pair_words words = {
        "after", true,
        "missing needs two expressions and a time, such as missing(event == job_done after event == job_start within "
        "2h)"
    };

    return lb_alert_pair_read(config, (struct lb_alert_argument){ arguments, place }, &words, rule, diag);
}

/* --- the state ------------------------------------------------------------- */

static void dropped(void *context, void *entry)
{
    struct state *state = context;

    lb_alert_deadlines_remove(&state->deadlines, lb_alert_book_place(&state->book, entry));
}

static bool open_state(struct lb_alert_detector *detector)
{
    struct state *state = lb_alloc(sizeof(*state));

    if (state == NULL)
        return false;
    lb_alert_book_init(&state->book, sizeof(struct entry), detector->max_keys);
    state->book.dropped = dropped;
    state->book.context = state;
    detector->state = state;
    return true;
}

static void restart(struct lb_alert_detector *detector)
{
    struct state *state = detector->state;

    lb_alert_book_free(&state->book);
    lb_alert_deadlines_free(&state->deadlines);
}

static void close_state(struct lb_alert_detector *detector)
{
    restart(detector);
    lb_free(detector->state);
    detector->state = NULL;
}

/* By the oldest that waits. False: no memory. */
static bool set_deadline(struct state *state, const struct entry *entry, int64_t within)
{
    uint32_t place = lb_alert_book_place(&state->book, entry);

    if (entry->waiting.count > 0)
        return lb_alert_deadlines_set(&state->deadlines, place, entry->waiting.times[0] + within);
    lb_alert_deadlines_remove(&state->deadlines, place);
    return true;
}

/* --- a record -------------------------------------------------------------- */

static struct entry *entry_of(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    struct state *state = detector->state;
    bool fresh;
    struct entry *entry = lb_alert_book_take(&state->book, lb_alert_hash(sight->key), &fresh);

    detector->forgotten = state->book.forgotten;
    if (entry == NULL || (!fresh && sight->time_ns < entry->newest - detector->lateness_ns))
        return NULL;
    if (fresh) {
        entry->length = sight->key.len < LB_KEY_BYTES_MAX ? sight->key.len : LB_KEY_BYTES_MAX;
        memcpy(entry->key, sight->key.ptr, entry->length);
    }
    if (fresh || sight->time_ns >= entry->newest) {
        entry->newest = sight->time_ns;
        entry->stream = sight->stream;
        entry->arrival = detector->now;
    }
    return entry;
}

static void apply(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    int64_t within = pair_of(detector)->within_ns;
    int64_t time = sight->time_ns;
    struct entry *entry;

    if ((sight->bits & (LB_ALERT_PAIR_FIRST | LB_ALERT_PAIR_SECOND)) == 0)
        return;
    entry = entry_of(detector, sight);
    if (entry == NULL)
        return;
    lb_alert_cover_forget(&entry->cover, entry->newest - detector->lateness_ns);
    if (sight->bits & LB_ALERT_PAIR_SECOND) {
        /* One that is both does not follow itself. */
        int64_t to = time - ((sight->bits & LB_ALERT_PAIR_FIRST) != 0);
        int64_t taken;

        while (lb_alert_waiting_take(&entry->waiting, time - within, to, &taken))
            ;
        lb_alert_cover_add(&entry->cover, time - within, to);
    }
    if ((sight->bits & LB_ALERT_PAIR_FIRST) && !lb_alert_cover_has(&entry->cover, time))
        lb_alert_waiting_add(&entry->waiting, time, 1);
    if (!set_deadline(detector->state, entry, within))
        detector->forgotten++;
}

/* --- time ------------------------------------------------------------------ */

struct look {
    const struct lb_alert_detector *detector;
    int64_t wait; /* behind the deadline */
};

static bool is_due(void *context, uint32_t place)
{
    const struct look *look = context;
    const struct state *state = look->detector->state;
    const struct entry *entry = lb_alert_book_at(&state->book, place);
    int64_t time = lb_alert_detector_time(look->detector, entry->stream, entry->newest, entry->arrival);

    return time > entry->waiting.times[0] + pair_of(look->detector)->within_ns + look->wait;
}

static void tell(struct lb_alert_detector *detector, const struct entry *entry, int64_t time)
{
    const struct lb_alert_pair *pair = pair_of(detector);
    struct lb_alert_words words = { .len = 0 };

    lb_alert_words_add(&words, "no ");
    lb_alert_words_quote(&words, pair->second, SHOWN_BYTES);
    lb_alert_words_add(&words, " within " LB_STR_FMT " after ", LB_STR_ARG(pair->within_text));
    lb_alert_words_quote(&words, pair->first, SHOWN_BYTES);
    detector->hit(detector->context, &(struct lb_alert_hit){ .time_ns = time,
                                                             .stream = entry->stream,
                                                             .key = { entry->key, entry->length },
                                                             .reason = lb_alert_words_str(&words) });
}

static void tick(struct lb_alert_detector *detector, bool last)
{
    struct state *state = detector->state;
    struct look look = { detector, last ? -1 : detector->lateness_ns };
    int64_t limit = detector->now + AHEAD_MAX_NS - look.wait;
    int64_t within = pair_of(detector)->within_ns;
    uint32_t places[BATCH];
    size_t count;

    do {
        count = lb_alert_deadlines_due(&state->deadlines, limit, is_due, &look, places, BATCH);
        for (size_t i = 0; i < count; i++) {
            struct entry *entry = lb_alert_book_at(&state->book, places[i]);
            int64_t time = entry->waiting.times[0];

            (void)lb_alert_waiting_take(&entry->waiting, time, time, &time);
            (void)set_deadline(state, entry, within);
            tell(detector, entry, time + within);
        }
    } while (count == BATCH);
}

/* --- over a restart -------------------------------------------------------- */

static void write_state(const struct lb_alert_detector *detector, struct lb_buffer *out)
{
    const struct state *state = detector->state;

    lb_alert_bytes_put_count(out, VERSION);
    lb_alert_book_write(&state->book, out);
}

static bool restore_state(struct lb_alert_detector *detector, struct lb_str bytes)
{
    struct state *state = detector->state;
    int64_t within = pair_of(detector)->within_ns;

    if (!lb_alert_bytes_expect(&bytes, VERSION) || !lb_alert_book_restore(&state->book, &bytes))
        return false;
    for (uint32_t place = lb_alert_book_next(&state->book, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(&state->book, place)) {
        struct entry *entry = lb_alert_book_at(&state->book, place);

        if (entry->cover.count > LB_ALERT_SPANS || entry->waiting.count > LB_ALERT_WAITING ||
            entry->length > LB_KEY_BYTES_MAX || !set_deadline(state, entry, within))
            return false;
        /* Its time goes on from where it stood: what happened meanwhile has yet to be read. */
        entry->arrival = detector->now;
    }
    return true;
}

const struct lb_alert_detector_type lb_alert_detector_missing = {
    .name = "missing",
    .help = "One event that no other of the same key follows within a time",
    .read = read_options,
    .open = open_state,
    .close = close_state,
    .apply = apply,
    .tick = tick,
    .restart = restart,
    .write = write_state,
    .restore = restore_state,
};
