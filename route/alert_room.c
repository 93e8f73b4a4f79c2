/* alert_room.c - the door, and the cap. What a key costs is looked at again only when it has grown. */
#include "alert_room.h"

#include "alert_parts.h"

/* --- the door --------------------------------------------------------------- */

/* A key makes room for another: what its window holds is counted at the door from now on. */
static void dropped(void *context, const struct lb_alert_key *key)
{
    struct lb_alert_runner *runner = context;
    int64_t age = runner->flood_ns - key->newest;

    if (age < runner->shape.over_ns)
        lb_alert_flood_leave(&runner->flood, key->hash, key->totals.count);
}

bool lb_alert_room_ask(struct lb_alert_runner *runner, const struct lb_alert_input *input, uint64_t hash,
                       struct lb_alert_known *known)
{
    struct lb_alert_visitor visitor = { hash, input->key, input->time_ns, runner->now };
    uint64_t least = runner->flood_threshold / 4;

    if (input->time_ns > runner->flood_ns)
        runner->flood_ns = input->time_ns;
    if (!lb_alert_flood_enter(&runner->flood, &visitor, runner->shape.over_ns, least, known))
        return false;
    runner->keys.dropped = dropped;
    runner->keys.context = runner;
    return true;
}

/* `count` samples evenly over (from, to], those of them that the window can still hold. Returns how many. */
static uint32_t spread(struct lb_alert_runner *runner, struct lb_alert_key *key, uint32_t count, int64_t from,
                       int64_t to)
{
    uint32_t added = 0;

    for (uint32_t i = 1; i <= count; i++) {
        struct lb_alert_sample sample = { from + (to - from) / count * i, 1 };

        if (sample.time_ns > key->window.cursor.end - runner->shape.over_ns &&
            lb_alert_window_add(&key->window, &runner->shape, sample) == LB_OK)
            added++;
    }
    return added;
}

void lb_alert_room_credit(struct lb_alert_runner *runner, struct lb_alert_key *key, const struct lb_alert_known *known,
                          int64_t time)
{
    int64_t end = time - 1;
    int64_t since = known->since < end ? known->since : end;

    key->base = spread(runner, key, known->before, since - runner->shape.over_ns, since);
    key->base += spread(runner, key, known->now, since, end);
    key->base_ns = time;
}

bool lb_alert_room_approximate(const struct lb_alert_rule *rule, const struct lb_alert_key *key, int8_t severity)
{
    double unit = rule->function == LB_ALERT_RATE ? (double)rule->over_ns / 1e9 : 1;
    const struct lb_threshold *threshold = &rule->thresholds[severity < 0 ? 0 : severity];

    return key->base > 0 && key->window.cursor.end - rule->over_ns < key->base_ns &&
           lb_threshold_crossed(threshold, key->value) &&
           !lb_threshold_crossed(threshold, key->value - key->base / unit);
}

/* --- memory ----------------------------------------------------------------- */

/* Changes whenever the window may have allocated. */
static uint64_t look_of(const struct lb_alert_window *window)
{
    uint64_t details = window->details != NULL ? (uint64_t)window->slot_newest * 4 + 2 : 0;

    return window->capacity * UINT64_C(0x9E3779B97F4A7C15) + details + (window->slots != NULL);
}

void lb_alert_room_measure(struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    uint64_t look = look_of(&key->window) + (key->texts != NULL) * UINT64_C(0x100000001B3) +
                    (key->reason != NULL) * UINT64_C(0x1000193) +
                    (key->tops != NULL ? lb_alert_tops_bytes(key->tops) : 0);
    size_t bytes;

    for (uint32_t i = 0; i < key->part_count; i++)
        look = look * 31 + look_of(&key->parts[i].window);
    if (look == key->measured)
        return;
    key->measured = look;
    bytes = sizeof(*key) + lb_alert_window_bytes(&key->window, &runner->shape) + key->part_count * sizeof(*key->parts) +
            (key->texts != NULL ? sizeof(*key->texts) : 0) + (key->reason != NULL ? sizeof(*key->reason) : 0) +
            (key->tops != NULL ? lb_alert_tops_bytes(key->tops) : 0);
    for (uint32_t i = 0; i < key->part_count; i++)
        bytes += lb_alert_window_bytes(&key->parts[i].window, &runner->part_shapes[i]);
    lb_alert_keys_measure(&runner->keys, key, bytes);
}

static size_t bytes_of(const struct lb_alert_runner *runner)
{
    return runner->keys.bytes + runner->keys.capacity * sizeof(struct lb_alert_key *) +
           lb_alert_flood_bytes(&runner->flood);
}

/* The rule that has most, of those that may have something to give back. */
static struct lb_alert_runner *largest_of(struct lb_alert_runner *runners, uint32_t count)
{
    struct lb_alert_runner *largest = NULL;

    for (uint32_t i = 0; i < count; i++)
        if (!runners[i].stuck && (largest == NULL || bytes_of(&runners[i]) > bytes_of(largest)))
            largest = &runners[i];
    return largest;
}

size_t lb_alert_room_cap(struct lb_alert_runner *runners, uint32_t count, uint64_t bytes_max)
{
    enum { STEP = 64 };
    size_t total = 0;

    for (uint32_t i = 0; i < count; i++) {
        total += bytes_of(&runners[i]);
        runners[i].stuck = false;
    }
    while (bytes_max > 0 && total > bytes_max) {
        struct lb_alert_runner *runner = largest_of(runners, count);
        size_t before;

        if (runner == NULL)
            break;
        before = bytes_of(runner);
        for (int i = 0; i < STEP && !runner->stuck && total - (before - bytes_of(runner)) > bytes_max; i++)
            runner->stuck = !lb_alert_keys_shrink(&runner->keys);
        total -= before - bytes_of(runner);
    }
    return total;
}
