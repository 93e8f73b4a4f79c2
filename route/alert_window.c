/*
 * alert_window.c - sliding windows over event time.
 *
 * Two pictures of the same samples: a ring of the newest ones in order of
 * time, and, once there are too many, a ring of slots. The tricky thing is
 * the way back: slots go on being used until every sample that a window could
 * still ask for is among the exact ones (`dropped` lies behind the horizon).
 * Slot numbers are time / slot_ns since 1970, so all keys have the same edges.
 */
#include "alert_window.h"

#include "alert_distinct.h"
#include "lb_alloc.h"

#include <assert.h>
#include <string.h>

enum { SAMPLES_FIRST = 8 };

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t min_time(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

void lb_alert_shape_init(struct lb_alert_shape *shape, int64_t over_ns, int64_t lateness_ns, bool delayed)
{
    int64_t fine = ceil_div(over_ns, LB_ALERT_SLOTS);
    /* A window that is short beside its lateness gets fewer slots, so that the ring stays small. */
    int64_t coarse = ceil_div(over_ns + lateness_ns, LB_ALERT_SLOTS_MAX);

    *shape = (struct lb_alert_shape){ .over_ns = over_ns, .lateness_ns = lateness_ns, .delayed = delayed };
    shape->slot_ns = fine > coarse ? fine : coarse;
    shape->slots_over = (over_ns + shape->slot_ns / 2) / shape->slot_ns;
    if (shape->slots_over < 1)
        shape->slots_over = 1;
    shape->slot_ring = (uint32_t)ceil_div(over_ns + lateness_ns, shape->slot_ns) + 3;
    lb_alert_shape_measure(shape, LB_ALERT_COUNT, 0);
}

void lb_alert_shape_measure(struct lb_alert_shape *shape, enum lb_alert_function function, double quantile)
{
    bool sorts = function == LB_ALERT_PERCENTILE || function == LB_ALERT_DISTINCT;

    shape->exact = sorts ? LB_ALERT_EXACT_MAX : LB_ALERT_EXACT;
    shape->measure = (struct lb_alert_measure){ function, quantile, (double)shape->over_ns / 1e9 };
}

void lb_alert_window_init(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t end)
{
    window->cursor = (struct lb_alert_cursor){ .end = end, .whole = shape->delayed };
    window->start = 0;
    window->count = 0;
    window->dropped = INT64_MIN;
    window->slotted = false;
    window->united_low = window->united_high = 0;
}

void lb_alert_window_free(struct lb_alert_window *window)
{
    for (uint32_t i = 0; i < window->detail_count; i++)
        lb_alert_detail_free(&window->details[i]);
    lb_alert_detail_free(&window->united);
    lb_alert_detail_free(&window->past);
    lb_free(window->details);
    lb_free(window->samples);
    lb_free(window->slots);
    *window = (struct lb_alert_window){ 0 };
}

/* Samples at or before it are out of all windows that can still be asked for. */
static int64_t horizon(const struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    return window->cursor.end - shape->over_ns - (shape->delayed ? 0 : shape->lateness_ns);
}

/* --- exact samples -------------------------------------------------------- */

static struct lb_alert_sample *sample_at(const struct lb_alert_window *window, uint32_t i)
{
    return &window->samples[(window->start + i) & (window->capacity - 1)];
}

/* How many samples lie at or before `time`. */
static uint32_t samples_until(const struct lb_alert_window *window, int64_t time)
{
    uint32_t low = 0;
    uint32_t high = window->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (sample_at(window, middle)->time_ns <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void drop_oldest(struct lb_alert_window *window)
{
    window->start = (window->start + 1) & (window->capacity - 1);
    window->count--;
    window->cursor.before -= window->cursor.before > 0;
    window->cursor.until -= window->cursor.until > 0;
}

static bool grow_samples(struct lb_alert_window *window)
{
    uint32_t capacity = window->capacity == 0 ? SAMPLES_FIRST : window->capacity * 2;
    struct lb_alert_sample *samples = lb_alloc(capacity * sizeof(*samples));

    if (samples == NULL)
        return false;
    for (uint32_t i = 0; i < window->count; i++)
        samples[i] = *sample_at(window, i);
    lb_free(window->samples);
    window->samples = samples;
    window->capacity = capacity;
    window->start = 0;
    return true;
}

/* Into its place in time, behind those of the same time. There is room. */
static void insert_sample(struct lb_alert_window *window, struct lb_alert_sample sample)
{
    uint32_t i = window->count++;

    for (; i > 0 && sample_at(window, i - 1)->time_ns > sample.time_ns; i--)
        *sample_at(window, i) = *sample_at(window, i - 1);
    *sample_at(window, i) = sample;
}

static void count_in(struct lb_alert_totals *totals, const struct lb_alert_sample *sample)
{
    totals->count++;
    totals->sum += sample->number;
}

static void count_out(struct lb_alert_totals *totals, const struct lb_alert_sample *sample)
{
    totals->count--;
    totals->sum = totals->count == 0 ? 0 : totals->sum - sample->number;
}

static void place_exact(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                        struct lb_alert_cursor *cursor)
{
    cursor->before = samples_until(window, cursor->end - shape->over_ns);
    cursor->until = samples_until(window, cursor->end);
    cursor->totals = (struct lb_alert_totals){ 0, 0 };
    for (uint32_t i = cursor->before; i < cursor->until; i++)
        count_in(&cursor->totals, sample_at(window, i));
}

static int64_t exact_change(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                            const struct lb_alert_cursor *cursor)
{
    int64_t enters = cursor->until < window->count ? sample_at(window, cursor->until)->time_ns : INT64_MAX;
    int64_t leaves =
        cursor->before < cursor->until ? sample_at(window, cursor->before)->time_ns + shape->over_ns : INT64_MAX;

    return min_time(enters, leaves);
}

static void step_exact(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                       struct lb_alert_cursor *cursor, int64_t end)
{
    while (cursor->until < window->count && sample_at(window, cursor->until)->time_ns <= end)
        count_in(&cursor->totals, sample_at(window, cursor->until++));
    while (cursor->before < cursor->until && sample_at(window, cursor->before)->time_ns <= end - shape->over_ns)
        count_out(&cursor->totals, sample_at(window, cursor->before++));
}

/* --- slots ---------------------------------------------------------------- */

static size_t slot_index(const struct lb_alert_shape *shape, int64_t slot)
{
    assert(shape->slot_ring > 0);
    int64_t i = slot % (int64_t)shape->slot_ring;
    return (size_t)(i < 0 ? i + shape->slot_ring : i);
}

static struct lb_alert_totals *slot_at(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                                       int64_t slot)
{
    return &window->slots[slot_index(shape, slot)];
}

static bool slot_kept(const struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t slot)
{
    return slot <= window->slot_newest && slot > window->slot_newest - (int64_t)shape->slot_ring;
}

static int64_t high_at(const struct lb_alert_shape *shape, bool whole, int64_t end)
{
    return whole ? floor_div(end + 1, shape->slot_ns) - 1 : floor_div(end, shape->slot_ns);
}

/* Whole slots make a window of constant length that lags by less than a slot; otherwise the old edge is cut. */
static int64_t low_at(const struct lb_alert_shape *shape, bool whole, int64_t end)
{
    return whole ? high_at(shape, true, end) - shape->slots_over : floor_div(end - shape->over_ns, shape->slot_ns);
}

static void place_slots(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                        struct lb_alert_cursor *cursor)
{
    cursor->high = high_at(shape, cursor->whole, cursor->end);
    cursor->low = low_at(shape, cursor->whole, cursor->end);
    cursor->totals = (struct lb_alert_totals){ 0, 0 };
    for (int64_t slot = cursor->low + 1; slot <= cursor->high; slot++) {
        if (!slot_kept(window, shape, slot))
            continue;
        cursor->totals.count += slot_at(window, shape, slot)->count;
        cursor->totals.sum += slot_at(window, shape, slot)->sum;
    }
}

/* The first end behind the cursor at which a slot enters or leaves. */
static int64_t slot_edge(const struct lb_alert_shape *shape, const struct lb_alert_cursor *cursor)
{
    if (cursor->whole)
        return (cursor->high + 2) * shape->slot_ns - 1;
    return min_time((cursor->high + 1) * shape->slot_ns, (cursor->low + 1) * shape->slot_ns + shape->over_ns);
}

static int64_t slot_change(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                           const struct lb_alert_cursor *cursor)
{
    bool nothing_left = cursor->totals.count == 0 && cursor->high >= window->slot_newest;

    return nothing_left ? INT64_MAX : slot_edge(shape, cursor);
}

static void step_slots(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                       struct lb_alert_cursor *cursor, int64_t end)
{
    int64_t high;
    int64_t low;

    if (end < slot_edge(shape, cursor))
        return;
    high = high_at(shape, cursor->whole, end);
    low = low_at(shape, cursor->whole, end);
    if (high - cursor->high <= 1 && low - cursor->low <= 1) {
        struct lb_alert_totals none = { 0, 0 };
        struct lb_alert_totals in = none;
        struct lb_alert_totals out = none;

        if (high > cursor->high && slot_kept(window, shape, high))
            in = *slot_at(window, shape, high);
        if (low > cursor->low && slot_kept(window, shape, low))
            out = *slot_at(window, shape, low);
        cursor->totals.count += in.count - out.count;
        cursor->totals.sum = cursor->totals.count == 0 ? 0 : cursor->totals.sum + in.sum - out.sum;
        cursor->high = high;
        cursor->low = low;
        return;
    }
    cursor->end = end;
    place_slots(window, shape, cursor);
}

/* For a slot that has not been in use yet. */
static void clear_slot(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t slot)
{
    *slot_at(window, shape, slot) = (struct lb_alert_totals){ 0, 0 };
    if (window->details == NULL)
        return;
    lb_alert_detail_reset(&window->details[slot_index(shape, slot)]);
    /* The ring came round to one that is still part of the union. */
    if (slot - (int64_t)shape->slot_ring > window->united_low)
        window->united_low = window->united_high;
}

/* Nearly all samples lie in the newest one. */
static int64_t slot_of(const struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t time)
{
    int64_t since = time - window->slot_newest * shape->slot_ns;

    return since >= 0 && since < shape->slot_ns ? window->slot_newest : floor_div(time, shape->slot_ns);
}

/* A detail that has no memory left is wrong by one sample, as the count then is not. */
static void detail_in(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t slot,
                      struct lb_alert_detail *detail, const struct lb_alert_sample *sample)
{
    bool united = slot > window->united_low && slot <= window->united_high;

    /* What came in between cannot be put into the order of a run. */
    if (united && shape->measure.function == LB_ALERT_CONSECUTIVE && slot < window->united_high) {
        window->united_low = window->united_high;
        united = false;
    }
    (void)lb_alert_detail_add(detail, united ? &window->united : NULL, &shape->measure, sample);
}

static void add_to_slot(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t slot,
                        const struct lb_alert_sample *sample)
{
    int64_t fresh = slot - window->slot_newest;
    size_t index;

    if (fresh > (int64_t)shape->slot_ring)
        fresh = shape->slot_ring;
    for (int64_t i = 0; i < fresh; i++)
        clear_slot(window, shape, slot - i);
    if (slot > window->slot_newest)
        window->slot_newest = slot;
    if (!slot_kept(window, shape, slot))
        return;
    index = slot_index(shape, slot);
    count_in(&window->slots[index], sample);
    if (window->details != NULL)
        detail_in(window, shape, slot, &window->details[index], sample);
}

static bool make_slots(struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    if (window->slots == NULL)
        window->slots = lb_alloc(shape->slot_ring * sizeof(*window->slots));
    if (window->slots == NULL)
        return false;
    memset(window->slots, 0, shape->slot_ring * sizeof(*window->slots));
    if (!lb_alert_needs_detail(shape->measure.function))
        return true;
    if (window->details == NULL)
        window->details = lb_alloc(shape->slot_ring * sizeof(*window->details));
    if (window->details == NULL)
        return false;
    window->detail_count = shape->slot_ring;
    for (uint32_t i = 0; i < window->detail_count; i++)
        lb_alert_detail_reset(&window->details[i]);
    return true;
}

/* From here on the totals come from slots. */
static bool enter_slots(struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    if (!make_slots(window, shape))
        return false;
    window->united_low = window->united_high = 0;
    window->slot_newest = floor_div(sample_at(window, window->count - 1)->time_ns, shape->slot_ns);
    for (uint32_t i = 0; i < window->count; i++)
        add_to_slot(window, shape, floor_div(sample_at(window, i)->time_ns, shape->slot_ns), sample_at(window, i));
    window->slotted = true;
    place_slots(window, shape, &window->cursor);
    return true;
}

/* --- both ----------------------------------------------------------------- */

/* Room for one more exact sample: forgets what is past the horizon, grows, and at last gives up the oldest. */
static bool make_room(struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    while (window->count > 0 && sample_at(window, 0)->time_ns <= horizon(window, shape))
        drop_oldest(window);
    if (window->count < window->capacity)
        return true;
    if (window->capacity < shape->exact)
        return grow_samples(window);
    if (!window->slotted && !enter_slots(window, shape))
        return false;
    return true;
}

/* Among the exact ones, if it is one of the newest. */
static void keep_newest(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                        const struct lb_alert_sample *sample)
{
    if (window->count == shape->exact) {
        int64_t oldest = sample_at(window, 0)->time_ns;
        int64_t lost = min_time(oldest, sample->time_ns);

        if (lost > window->dropped)
            window->dropped = lost;
        if (sample->time_ns < oldest)
            return;
        drop_oldest(window);
    }
    insert_sample(window, *sample);
}

static void adjust_exact(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                         const struct lb_alert_sample *sample)
{
    struct lb_alert_cursor *cursor = &window->cursor;

    if (sample->time_ns > cursor->end)
        return;
    cursor->until++;
    if (sample->time_ns <= cursor->end - shape->over_ns)
        cursor->before++;
    else
        count_in(&cursor->totals, sample);
}

static void adjust_slots(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                         const struct lb_alert_sample *sample)
{
    int64_t slot = slot_of(window, shape, sample->time_ns);

    add_to_slot(window, shape, slot, sample);
    if (slot > window->cursor.low && slot <= window->cursor.high)
        count_in(&window->cursor.totals, sample);
}

enum lb_err lb_alert_window_add(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                                struct lb_alert_sample sample)
{
    if (sample.time_ns <= horizon(window, shape))
        return LB_LIMIT;
    if (!make_room(window, shape))
        return LB_NOMEM;
    keep_newest(window, shape, &sample);
    if (window->slotted)
        adjust_slots(window, shape, &sample);
    else
        adjust_exact(window, shape, &sample);
    return LB_OK;
}

/* --- what is measured ------------------------------------------------------ */

/* The details of the kept slots in (low, high], put together. */
static void unite(const struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t low, int64_t high,
                  struct lb_alert_detail *united)
{
    lb_alert_detail_reset(united);
    for (int64_t slot = low + 1; slot <= high; slot++)
        if (slot_kept(window, shape, slot))
            (void)lb_alert_detail_merge(united, &shape->measure, &window->details[slot_index(shape, slot)]);
}

/* Takes the slots that left out of the union and those that entered in. Only a sketch can give back what it took. */
static void move_union(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t low, int64_t high)
{
    struct lb_alert_sketch *sketch = &window->united.sketch;

    for (int64_t slot = window->united_low + 1; slot <= low; slot++)
        if (slot_kept(window, shape, slot))
            lb_alert_sketch_subtract(sketch, &window->details[slot_index(shape, slot)].sketch);
    for (int64_t slot = window->united_high + 1; slot <= high; slot++)
        if (slot_kept(window, shape, slot))
            (void)lb_alert_sketch_merge(sketch, &window->details[slot_index(shape, slot)].sketch);
    window->united.count = sketch->total;
}

static struct lb_alert_detail *union_at(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                                        const struct lb_alert_cursor *cursor)
{
    int64_t low = cursor->low;
    int64_t high = cursor->high < window->slot_newest ? cursor->high : window->slot_newest;

    if (cursor != &window->cursor) {
        unite(window, shape, low, high, &window->past);
        return &window->past;
    }
    if (low == window->united_low && high == window->united_high)
        return &window->united;
    if (shape->measure.function == LB_ALERT_PERCENTILE && low >= window->united_low && low < window->united_high &&
        high >= window->united_high)
        move_union(window, shape, low, high);
    else
        unite(window, shape, low, high, &window->united);
    window->united_low = low;
    window->united_high = high > low ? high : low;
    return &window->united;
}

static double exact_value(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                          const struct lb_alert_cursor *cursor)
{
    struct lb_alert_samples samples = { { NULL, NULL }, { 0, 0 } };
    uint32_t first;
    uint32_t count = cursor->until - cursor->before;

    if (count == 0)
        return 0;
    first = (window->start + cursor->before) & (window->capacity - 1);
    samples.pieces[0] = &window->samples[first];
    samples.counts[0] = count < window->capacity - first ? count : window->capacity - first;
    samples.pieces[1] = window->samples;
    samples.counts[1] = count - samples.counts[0];
    return lb_alert_samples_value(&samples, &shape->measure, &window->last_value);
}

static double value_at(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                       const struct lb_alert_cursor *cursor)
{
    const struct lb_alert_totals *totals = &cursor->totals;

    switch (shape->measure.function) {
    case LB_ALERT_COUNT:
    case LB_ALERT_SUM: return totals->sum;
    case LB_ALERT_RATE: return totals->sum / shape->measure.over_s;
    case LB_ALERT_RATIO:
    case LB_ALERT_AVG: return totals->count > 0 ? totals->sum / (double)totals->count : 0;
    default: break;
    }
    return window->slotted ? lb_alert_detail_value(union_at(window, shape, cursor), &shape->measure)
                           : exact_value(window, shape, cursor);
}

double lb_alert_window_value(struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    return value_at(window, shape, &window->cursor);
}

/* --- walking --------------------------------------------------------------- */

/* Moves to the first end behind the cursor; the end at which something changes next. */
static int64_t step(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                    struct lb_alert_cursor *cursor)
{
    int64_t from = cursor->end + 1;

    if (window->slotted) {
        step_slots(window, shape, cursor, from);
        return slot_change(window, shape, cursor);
    }
    step_exact(window, shape, cursor, from);
    return exact_change(window, shape, cursor);
}

bool lb_alert_cursor_next(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                          struct lb_alert_cursor *cursor, int64_t limit, struct lb_alert_segment *segment)
{
    int64_t from = cursor->end + 1;

    if (cursor->end >= limit)
        return false;
    cursor->end = min_time(limit, step(window, shape, cursor) - 1);
    *segment = (struct lb_alert_segment){ from, cursor->end, cursor->totals, value_at(window, shape, cursor) };
    return true;
}

int64_t lb_alert_cursor_change(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                               const struct lb_alert_cursor *cursor)
{
    struct lb_alert_cursor probe = *cursor;

    return step(window, shape, &probe) - 1;
}

bool lb_alert_window_settled(const struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t time)
{
    /* Looking back counts whole slots only. */
    return window->slotted && floor_div(time, shape->slot_ns) == floor_div(window->cursor.end, shape->slot_ns);
}

/* The exact samples cover again all that can be asked for. */
static bool may_leave_slots(const struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    return window->slotted && window->dropped <= horizon(window, shape);
}

bool lb_alert_window_still(const struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t limit)
{
    if (may_leave_slots(window, shape))
        return false;
    return limit < (window->slotted ? slot_edge(shape, &window->cursor) : exact_change(window, shape, &window->cursor));
}

void lb_alert_window_refresh(struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    if (!may_leave_slots(window, shape))
        return;
    window->slotted = false;
    place_exact(window, shape, &window->cursor);
}

bool lb_alert_window_next(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t limit,
                          struct lb_alert_segment *segment)
{
    lb_alert_window_refresh(window, shape);
    return lb_alert_cursor_next(window, shape, &window->cursor, limit, segment);
}

struct lb_alert_cursor lb_alert_window_seek(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                                            int64_t from)
{
    struct lb_alert_cursor cursor = { .end = from - 1, .whole = true };

    if (window->slotted)
        place_slots(window, shape, &cursor);
    else
        place_exact(window, shape, &cursor);
    return cursor;
}

bool lb_alert_window_empty(const struct lb_alert_window *window)
{
    const struct lb_alert_cursor *cursor = &window->cursor;

    if (cursor->totals.count > 0)
        return false;
    return window->slotted ? cursor->high >= window->slot_newest : cursor->until == window->count;
}

static size_t detail_bytes(const struct lb_alert_detail *detail)
{
    const struct lb_alert_sketch *sketch = &detail->sketch;

    return (sketch->positive.size + sketch->negative.size) * sizeof(*sketch->positive.counts) +
           (detail->distinct.registers != NULL ? LB_ALERT_REGISTERS : 0);
}

size_t lb_alert_window_bytes(const struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    size_t bytes = window->capacity * sizeof(*window->samples) + window->detail_count * sizeof(*window->details) +
                   (window->slots != NULL ? shape->slot_ring * sizeof(*window->slots) : 0);

    for (uint32_t i = 0; i < window->detail_count; i++)
        bytes += detail_bytes(&window->details[i]);
    return bytes + detail_bytes(&window->united) + detail_bytes(&window->past);
}
