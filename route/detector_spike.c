/*
 * detector_spike.c - spike(count(), 5x), drop(avg(x), 2x vs 1d), spike(count(),
 * 3x vs usual): a window that is so many times what another one was.
 *
 * Windows are `over` long and end with every twelfth of it. Each is judged
 * when nothing can come into it any more, by its key's own stream; a spike of
 * a count, which can only grow, at the very record, if the other window is
 * settled. Three things must hold: the factor, `min_count` records (10 unless
 * told otherwise), and for counts a distance of three deviations, so 1 → 3 is
 * no spike. A key is judged when it was watched for the whole other window.
 */
#include "alert_arguments.h"
#include "alert_baseline.h"
#include "alert_book.h"
#include "alert_bytes.h"
#include "alert_cells.h"
#include "alert_conf.h"
#include "alert_detector.h"
#include "alert_keys.h"
#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_expr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define HOUR (3600 * LB_SECOND)
#define FAR 3.0 /* deviations */
#define FACTOR_MAX 1e6
#define FORGET (7 * 24 * HOUR) /* a key that was quiet for so long is not judged */

enum { VERSION = 1, MIN_COUNT = 10, KEYS_LEAST = 64, BYTES_MAX = 16 << 20, SHOWN_BYTES = 40, HOURS_KEPT = 4 };

struct options {
    enum lb_alert_function function;
    bool drop;
    bool usual;
    double factor;
    int64_t behind_ns; /* 0: just before */
    struct lb_str value_text;
    struct lb_str behind_text;
};

/* Followed by the ring of cells, then by the baseline if there is one. */
struct entry {
    int64_t newest;                         /* time of the newest record, */
    int64_t arrival;                        /* when it came, */
    uint64_t stream;                        /* and from where */
    int64_t first;                          /* cell since when it is watched */
    int64_t cell;                           /* the newest one */
    int64_t judged;                         /* windows up to this cell are done */
    int64_t hour;                           /* the next one to learn */
    struct lb_alert_cell hours[HOURS_KEPT]; /* what will be learned, by number of the hour */
    uint64_t length;
    char key[LB_KEY_BYTES_MAX];
};

struct state {
    struct lb_alert_book book; /* by key */
    struct lb_alert_cells_shape shape;
};

/* --- options --------------------------------------------------------------- */

static const struct options *options_of(const struct lb_alert_detector *detector)
{
    return detector->rule->detector_options;
}

/* Of a measure that is not kept; nobody else will. */
static void free_expressions(const struct lb_alert_rule *measured)
{
    if (measured->inner != NULL)
        lb_expr_free((struct lb_expr *)measured->inner);
    for (uint32_t i = 0; i < measured->part_count; i++)
        free_expressions(&measured->parts[i]);
}

static bool read_measure(struct lb_config *config, struct lb_alert_argument argument, struct options *options,
                         struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct lb_node node = {
        .kind = LB_NODE_SCALAR, .text = argument.text, .place = argument.place, .begin = argument.place
    };
    struct lb_alert_rule measured = { 0 };

    bool read = lb_alert_value_read(config, &node, &measured, diag);
    if (read && lb_alert_cells_measure(measured.function)) {
        rule->field = measured.field;
        rule->inner = measured.inner;
        options->function = measured.function;
        options->value_text = argument.text;
        return true;
    }
    free_expressions(&measured);
    if (!read)
        return false;
    lb_diag_error(diag, argument.place, "spike and drop compare count, rate, ratio, sum, avg, min or max");
    return false;
}

/* "5x", "1.5x". */
static bool read_factor(struct lb_alert_argument argument, struct options *options, struct lb_diag *diag)
{
    char text[24];
    char *end = text;

    snprintf(text, sizeof(text), LB_STR_FMT, LB_STR_ARG(argument.text));
    if (text[0] >= '0' && text[0] <= '9')
        options->factor = strtod(text, &end);
    if (strcmp(end, "x") == 0 && argument.text.len < sizeof(text) && options->factor > 1 &&
        options->factor <= FACTOR_MAX)
        return true;
    lb_diag_error(diag, argument.place, "expected a factor above 1 such as 5x or 1.5x, got \"" LB_STR_FMT "\"",
                  LB_STR_ARG(argument.text));
    return false;
}

static bool read_other(struct lb_alert_argument argument, struct options *options, struct lb_diag *diag)
{
    options->behind_text = argument.text;
    options->usual = lb_str_is(argument.text, "usual");
    if (!options->usual)
        return lb_alert_argument_duration(argument, &options->behind_ns, diag);
    if (options->function != LB_ALERT_MIN && options->function != LB_ALERT_MAX)
        return true;
    lb_diag_error(diag, argument.place, "what is usual is known of count, rate, ratio, sum and avg");
    return false;
}

static bool read_options(struct lb_config *config, struct lb_alert_argument argument, bool drop,
                         struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct options *options = lb_arena_zalloc(&config->arena, sizeof(*options));
    struct lb_alert_argument measure;
    struct lb_alert_argument behind;
    struct lb_alert_argument factor;
    struct lb_alert_argument other;

    rule->detector_options = options;
    if (options == NULL)
        return false;
    options->drop = drop;
    if (!lb_alert_argument_split(argument, ",", &measure, &behind)) {
        lb_diag_error(diag, argument.place,
                      "expected what is compared and a factor, such as %s(count(), 5x), (count(), 5x vs 1d) or "
                      "(count(), 5x vs usual)",
                      drop ? "drop" : "spike");
        return false;
    }
    if (!read_measure(config, measure, options, rule, diag))
        return false;
    if (!lb_alert_argument_split(behind, "vs", &factor, &other))
        return read_factor(behind, options, diag);
    return read_factor(factor, options, diag) && read_other(other, options, diag);
}

static bool read_spike(struct lb_config *config, struct lb_str arguments, struct lb_place place,
                       struct lb_alert_rule *rule, struct lb_diag *diag)
{
    return read_options(config, (struct lb_alert_argument){ arguments, place }, false, rule, diag);
}

static bool read_drop(struct lb_config *config, struct lb_str arguments, struct lb_place place,
                      struct lb_alert_rule *rule, struct lb_diag *diag)
{
    return read_options(config, (struct lb_alert_argument){ arguments, place }, true, rule, diag);
}

/* --- the state ------------------------------------------------------------- */

static struct lb_alert_cell *cells_of(struct entry *entry)
{
    return (struct lb_alert_cell *)(void *)(entry + 1);
}

static struct lb_alert_baseline *baseline_of(const struct state *state, struct entry *entry)
{
    return (struct lb_alert_baseline *)(void *)(cells_of(entry) + state->shape.ring);
}

static bool open_state(struct lb_alert_detector *detector)
{
    const struct options *options = options_of(detector);
    struct state *state = lb_alloc(sizeof(*state));
    size_t size;
    size_t keys;

    if (state == NULL)
        return false;
    lb_alert_cells_shape(&state->shape, options->function, detector->rule->over_ns, options->behind_ns,
                         detector->lateness_ns);
    size = sizeof(struct entry) + (size_t)state->shape.ring * sizeof(struct lb_alert_cell) +
           (options->usual ? sizeof(struct lb_alert_baseline) : 0);
    size = (size + 7) / 8 * 8;
    keys = BYTES_MAX / size > KEYS_LEAST ? BYTES_MAX / size : KEYS_LEAST;
    lb_alert_book_init(&state->book, size, keys < detector->max_keys ? (uint32_t)keys : detector->max_keys);
    detector->state = state;
    return true;
}

static void restart(struct lb_alert_detector *detector)
{
    struct state *state = detector->state;

    lb_alert_book_free(&state->book);
}

static void close_state(struct lb_alert_detector *detector)
{
    restart(detector);
    lb_free(detector->state);
    detector->state = NULL;
}

/* --- judging --------------------------------------------------------------- */

static bool is_count(enum lb_alert_function function)
{
    return function == LB_ALERT_COUNT || function == LB_ALERT_RATE;
}

/* What the window is held against. */
struct other {
    double value;
    double deviation;
    uint64_t count;
};

/*
 * What is usual at the hours where the window begins and ends; false: not known. Of two that with which the window is
 * less unusual, since it holds some of both.
 */
static bool usual_of(const struct lb_alert_detector *detector, struct entry *entry, int64_t last, struct other *other)
{
    const struct state *state = detector->state;
    const struct lb_alert_baseline *baseline = baseline_of(state, entry);
    int64_t begin = (last - state->shape.parts + 1) * state->shape.cell_ns / HOUR;
    int64_t end = ((last + 1) * state->shape.cell_ns - 1) / HOUR;
    double value;
    double deviation;

    other->count = UINT64_MAX;
    if (!lb_alert_baseline_usual(baseline, end, false, &other->value, &other->deviation) ||
        !lb_alert_baseline_usual(baseline, begin, false, &value, &deviation))
        return false;
    if (options_of(detector)->drop ? value < other->value : value > other->value) {
        other->value = value;
        other->deviation = deviation;
    }
    return true;
}

/* False: not known. */
static bool other_of(const struct lb_alert_detector *detector, struct entry *entry, int64_t last, struct other *other)
{
    const struct state *state = detector->state;
    const struct lb_alert_cells_shape *shape = &state->shape;
    struct lb_alert_amount amount;

    if (options_of(detector)->usual)
        return usual_of(detector, entry, last, other);
    if (last - shape->shift - shape->parts + 1 < entry->first)
        return false;
    amount = lb_alert_cells_amount(shape, cells_of(entry), entry->cell, last - shape->shift);
    *other = (struct other){ .value = amount.value, .count = amount.count };
    return !isnan(other->value);
}

/* So far that it is not by chance. Of a count its root is how much it varies anyway, however it is written. */
static bool is_far(const struct lb_alert_detector *detector, double value, const struct other *other)
{
    const struct options *options = options_of(detector);
    double unit = options->function == LB_ALERT_RATE ? (double)detector->rule->over_ns / (double)LB_SECOND : 1;
    double usual = other->value * unit;
    double least = is_count(options->function) ? sqrt(usual > 1 ? usual : 1) : 0;
    double deviation = other->deviation * unit > least ? other->deviation * unit : least;
    double distance = (value - other->value) * unit;

    return (options->drop ? -distance : distance) >= FAR * deviation;
}

static bool is_hit(const struct lb_alert_detector *detector, const struct lb_alert_amount *now,
                   const struct other *other)
{
    const struct options *options = options_of(detector);
    uint64_t least = detector->rule->min_count > 0 ? detector->rule->min_count : MIN_COUNT;
    double unit = options->function == LB_ALERT_RATE ? (double)detector->rule->over_ns / (double)LB_SECOND : 1;

    if (isnan(now->value) || !is_far(detector, now->value, other))
        return false;
    if (is_count(options->function)) {
        if ((options->drop ? other->value * unit : (double)now->count) < (double)least)
            return false;
    } else if (now->count < least || other->count < least) {
        return false;
    }
    return options->drop ? now->value * options->factor <= other->value : now->value >= other->value * options->factor;
}

static void write_number(struct lb_alert_words *words, const struct options *options, double value)
{
    if (options->function == LB_ALERT_RATIO)
        lb_alert_words_add(words, "%.3g%%", value * 100);
    else
        lb_alert_words_add(words, "%.5g%s", value, options->function == LB_ALERT_RATE ? "/s" : "");
}

static void tell(struct lb_alert_detector *detector, const struct entry *entry, int64_t time, double value,
                 double other, const struct lb_value *message)
{
    const struct options *options = options_of(detector);
    struct lb_alert_words words = { .len = 0 };
    struct lb_str text = options->value_text;

    text.len = text.len < SHOWN_BYTES ? text.len : SHOWN_BYTES;
    lb_alert_words_add(&words, LB_STR_FMT " is ", LB_STR_ARG(text));
    write_number(&words, options, value);
    if (options->usual)
        lb_alert_words_add(&words, ", usually ");
    else if (options->behind_ns > 0)
        lb_alert_words_add(&words, ", " LB_STR_FMT " ago ", LB_STR_ARG(options->behind_text));
    else
        lb_alert_words_add(&words, ", just before ");
    write_number(&words, options, other);
    if (value > 0 && other > 0)
        lb_alert_words_add(&words, " (%.3gx %s)", options->drop ? other / value : value / other,
                           options->drop ? "less" : "as much");
    detector->hit(detector->context, &(struct lb_alert_hit){ .time_ns = time,
                                                             .stream = entry->stream,
                                                             .key = { entry->key, entry->length },
                                                             .reason = lb_alert_words_str(&words),
                                                             .message = message });
}

/* The window that ends with the cell; a hit at `time`, unless it was one already. */
static void judge(struct lb_alert_detector *detector, struct entry *entry, int64_t last, int64_t time,
                  const struct lb_value *message)
{
    const struct state *state = detector->state;
    struct lb_alert_cell *cells = cells_of(entry);
    bool kept = last <= entry->cell && last > entry->cell - state->shape.ring;
    struct lb_alert_cell *cell = kept ? lb_alert_cell_at(&state->shape, cells, last) : NULL;
    struct lb_alert_amount now;
    struct other other = { 0 };

    if ((cell != NULL && cell->told != 0) || !other_of(detector, entry, last, &other))
        return;
    now = lb_alert_cells_amount(&state->shape, cells, entry->cell, last);
    if (!is_hit(detector, &now, &other))
        return;
    if (cell != NULL)
        cell->told = 1;
    tell(detector, entry, time, now.value, other.value, message);
}

/* --- what is usual --------------------------------------------------------- */

/* An hour in windows: how much came in one of them on average. */
static double hour_value(const struct lb_alert_cells_shape *shape, const struct lb_alert_cell *hour)
{
    double windows = (double)HOUR / (double)(shape->cell_ns * shape->parts);
    double value = lb_alert_cell_value(shape, hour);

    switch (shape->function) {
    case LB_ALERT_COUNT:
    case LB_ALERT_RATE:
    case LB_ALERT_SUM: return value / windows;
    default: return value;
    }
}

/* All hours that are over by `time`, which is settled; of a long silence no more than a week. */
static void learn(const struct lb_alert_detector *detector, struct entry *entry, int64_t time)
{
    const struct state *state = detector->state;
    int64_t until = time / HOUR;

    if (entry->hour < until - LB_ALERT_WEEK_HOURS) {
        memset(entry->hours, 0, sizeof(entry->hours));
        entry->hour = until - LB_ALERT_WEEK_HOURS;
    }
    for (; entry->hour < until; entry->hour++) {
        struct lb_alert_cell *hour = &entry->hours[entry->hour % HOURS_KEPT];

        lb_alert_baseline_learn(baseline_of(state, entry), entry->hour, hour_value(&state->shape, hour),
                                state->shape.function == LB_ALERT_COUNT);
        *hour = (struct lb_alert_cell){ 0 };
    }
}

/* --- time ------------------------------------------------------------------ */

/* Decides what cannot change any more when the stream's time is `time`. */
static void settle(struct lb_alert_detector *detector, struct entry *entry, int64_t time)
{
    const struct state *state = detector->state;
    int64_t until = lb_alert_cell_of(&state->shape, time - detector->lateness_ns) - 1;

    if (until <= entry->judged)
        return;
    if (until - entry->judged > state->shape.ring)
        entry->judged = until - state->shape.ring;
    while (entry->judged < until) {
        entry->judged++;
        if (options_of(detector)->usual)
            learn(detector, entry, entry->judged * state->shape.cell_ns);
        judge(detector, entry, entry->judged, (entry->judged + 1) * state->shape.cell_ns - 1, NULL);
    }
}

static void tick(struct lb_alert_detector *detector, bool last)
{
    struct state *state = detector->state;

    (void)last;
    for (uint32_t place = lb_alert_book_next(&state->book, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(&state->book, place)) {
        struct entry *entry = lb_alert_book_at(&state->book, place);
        int64_t time = lb_alert_detector_time(detector, entry->stream, entry->newest, entry->arrival);

        if (time - entry->newest < FORGET)
            settle(detector, entry, time);
    }
}

/* --- a record -------------------------------------------------------------- */

static void begin(const struct lb_alert_detector *detector, struct entry *entry, const struct lb_alert_sight *sight)
{
    const struct state *state = detector->state;

    entry->newest = sight->time_ns;
    entry->first = entry->cell = lb_alert_cell_of(&state->shape, sight->time_ns);
    entry->judged = entry->cell - 1;
    entry->hour = sight->time_ns / HOUR + 1; /* what is left of this one says little */
    entry->length = sight->key.len < LB_KEY_BYTES_MAX ? sight->key.len : LB_KEY_BYTES_MAX;
    memcpy(entry->key, sight->key.ptr, entry->length);
}

static void count_in(const struct lb_alert_detector *detector, struct entry *entry, const struct lb_alert_sight *sight)
{
    const struct state *state = detector->state;
    int64_t cell = lb_alert_cell_of(&state->shape, sight->time_ns);
    int64_t hour = sight->time_ns / HOUR;

    lb_alert_cells_advance(&state->shape, cells_of(entry), &entry->cell, cell);
    lb_alert_cell_add(state->shape.function, lb_alert_cell_at(&state->shape, cells_of(entry), cell), sight->number);
    if (hour >= entry->hour && hour < entry->hour + HOURS_KEPT)
        lb_alert_cell_add(state->shape.function, &entry->hours[hour % HOURS_KEPT], sight->number);
}

/* A count can only grow: it need not be waited for, if what it is held against is settled. */
static void judge_now(struct lb_alert_detector *detector, struct entry *entry, const struct lb_alert_sight *sight)
{
    const struct options *options = options_of(detector);
    const struct state *state = detector->state;
    int64_t cell = lb_alert_cell_of(&state->shape, sight->time_ns);

    if (options->drop || !is_count(options->function) || cell != entry->cell ||
        (!options->usual && entry->cell - state->shape.shift > entry->judged))
        return;
    judge(detector, entry, cell, sight->time_ns, &sight->record->message);
}

static void apply(struct lb_alert_detector *detector, const struct lb_alert_sight *sight)
{
    struct state *state = detector->state;
    bool fresh;
    struct entry *entry = lb_alert_book_take(&state->book, lb_alert_hash(sight->key), &fresh);

    detector->forgotten = state->book.forgotten;
    if (entry == NULL)
        return;
    if (fresh)
        begin(detector, entry, sight);
    if (sight->time_ns < entry->newest - detector->lateness_ns)
        return;
    if (sight->time_ns >= entry->newest) {
        entry->newest = sight->time_ns;
        entry->stream = sight->stream;
        entry->arrival = detector->now;
        settle(detector, entry, sight->time_ns);
    }
    count_in(detector, entry, sight);
    judge_now(detector, entry, sight);
}

/* --- over a restart -------------------------------------------------------- */

static void put_shape(struct lb_buffer *out, const struct lb_alert_cells_shape *shape)
{
    int64_t numbers[] = { shape->cell_ns, shape->parts, shape->shift, shape->ring };

    lb_alert_bytes_put(out, numbers, sizeof(numbers));
}

/* Cells of another length, or of another lateness, say nothing here. */
static bool expect_shape(struct lb_str *bytes, const struct lb_alert_cells_shape *shape)
{
    int64_t numbers[] = { shape->cell_ns, shape->parts, shape->shift, shape->ring };
    int64_t found[4];

    return lb_alert_bytes_take(bytes, found, sizeof(found)) && memcmp(found, numbers, sizeof(found)) == 0;
}

static void write_state(const struct lb_alert_detector *detector, struct lb_buffer *out)
{
    const struct state *state = detector->state;

    lb_alert_bytes_put_count(out, VERSION);
    put_shape(out, &state->shape);
    lb_alert_book_write(&state->book, out);
}

/* Or a number of cells or hours: what can be added to without an overflow. */
static bool is_time(int64_t time)
{
    return time >= -1 && time < INT64_MAX / 2;
}

static bool is_sound(const struct lb_alert_detector *detector, struct entry *entry)
{
    const struct state *state = detector->state;

    if (entry->length > LB_KEY_BYTES_MAX || !is_time(entry->newest) || !is_time(entry->first) ||
        !is_time(entry->cell) || !is_time(entry->judged) || !is_time(entry->hour))
        return false;
    return !options_of(detector)->usual || lb_alert_baseline_sound(baseline_of(state, entry));
}

static bool restore_state(struct lb_alert_detector *detector, struct lb_str bytes)
{
    struct state *state = detector->state;

    if (!lb_alert_bytes_expect(&bytes, VERSION) || !expect_shape(&bytes, &state->shape) ||
        !lb_alert_book_restore(&state->book, &bytes))
        return false;
    for (uint32_t place = lb_alert_book_next(&state->book, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(&state->book, place)) {
        struct entry *entry = lb_alert_book_at(&state->book, place);

        if (!is_sound(detector, entry))
            return false;
        /* Its time goes on from where it stood: what happened meanwhile has yet to be read. */
        entry->arrival = detector->now;
    }
    return true;
}

const struct lb_alert_detector_type lb_alert_detector_spike = {
    .name = "spike",
    .help = "So many times more than just before, some time ago, or usually at this hour of the week",
    .read = read_spike,
    .open = open_state,
    .close = close_state,
    .apply = apply,
    .tick = tick,
    .restart = restart,
    .write = write_state,
    .restore = restore_state,
};

const struct lb_alert_detector_type lb_alert_detector_drop = {
    .name = "drop",
    .help = "So many times less than just before, some time ago, or usually at this hour of the week",
    .read = read_drop,
    .open = open_state,
    .close = close_state,
    .apply = apply,
    .tick = tick,
    .restart = restart,
    .write = write_state,
    .restore = restore_state,
};
