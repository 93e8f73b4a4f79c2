/*
 * http_policy.c - statuses, and how many requests at once.
 *
 * The limit grows by one for each round of successes and halves with a
 * failure or with answers that take much longer than usual: additive increase
 * and multiplicative decrease, as TCP does it. What was in flight together
 * lowers it once.
 */
#include "http_policy.h"

#include "lb_clock.h"

#include <string.h>

enum { CLASS_KEY_BYTES = 3 };

static const char *const action_names[] = { "accept", "retry", "refuse", "split" };

static void set_defaults(struct http_policy *policy)
{
    static const uint16_t later[] = { 408, 425, 429 };
    static const uint16_t too_much[] = { 400, 413, 422 };

    memset(policy->actions, HTTP_REFUSE, sizeof(policy->actions));
    memset(policy->actions + 200, HTTP_ACCEPT, 100);
    memset(policy->actions + 500, HTTP_RETRY, 100);
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        policy->actions[later[i]] = HTTP_RETRY;
    for (size_t i = 0; i < sizeof(too_much) / sizeof(too_much[0]); i++)
        policy->actions[too_much[i]] = HTTP_SPLIT;
}

/* "404", "4xx": the first status and how many. False: neither. */
static bool read_key(struct lb_str key, unsigned *first, unsigned *count)
{
    bool class = key.len == CLASS_KEY_BYTES && key.ptr[1] == 'x' && key.ptr[2] == 'x';

    if (key.len != CLASS_KEY_BYTES || key.ptr[0] < '2' || key.ptr[0] > '5')
        return false;
    for (size_t i = 1; !class && i < key.len; i++) {
        if (key.ptr[i] < '0' || key.ptr[i] > '9')
            return false;
    }
    *first = (unsigned)(key.ptr[0] - '0') * 100;
    *count = class ? 100 : 1;
    if (!class)
        *first += (unsigned)(key.ptr[1] - '0') * 10 + (unsigned)(key.ptr[2] - '0');
    return true;
}

static bool read_action(struct lb_str word, uint8_t *action)
{
    for (size_t i = 0; i < sizeof(action_names) / sizeof(action_names[0]); i++) {
        if (lb_str_is(word, action_names[i])) {
            *action = (uint8_t)i;
            return true;
        }
    }
    return false;
}

/* Classes first, so that a single status is stronger wherever it stands. */
bool http_policy_make(struct http_policy *policy, const struct lb_pairs *rules, const struct lb_pair **fault)
{
    set_defaults(policy);
    for (int single = 0; single <= 1; single++) {
        for (size_t i = 0; i < rules->count; i++) {
            unsigned first;
            unsigned count;
            uint8_t action;

            *fault = &rules->items[i];
            if (!read_key(rules->items[i].name, &first, &count) || !read_action(rules->items[i].value, &action))
                return false;
            if (single == (count == 1))
                memset(policy->actions + first, action, count);
        }
    }
    *fault = NULL;
    return true;
}

enum http_action http_policy_action(const struct http_policy *policy, long status)
{
    return status >= 0 && status < HTTP_STATUS_MAX ? (enum http_action)policy->actions[status] : HTTP_REFUSE;
}

/* --- pace ------------------------------------------------------------------------ */

void http_pace_init(struct http_pace *pace, uint32_t max, uint32_t failures_max)
{
    *pace = (struct http_pace){ .max = max, .failures_max = failures_max, .limit = max, .lowered_at = INT64_MIN };
}

uint32_t http_pace_allowed(const struct http_pace *pace)
{
    return pace->open ? 1 : (uint32_t)pace->limit;
}

static void lower(struct http_pace *pace, int64_t started, int64_t now)
{
    if (started <= pace->lowered_at)
        return;
    pace->lowered_at = now;
    pace->limit = pace->limit / 2 > 1 ? pace->limit / 2 : 1;
}

/* Mean and mean deviation, as RFC 6298 has them for round trips. True: this one was far slower than usual. */
static bool note_latency(struct http_pace *pace, int64_t latency)
{
    enum { TOO_SLOW = 4 };
    int64_t difference = latency - pace->latency_ns;

    if (pace->latency_ns == 0) {
        pace->latency_ns = latency;
        pace->deviation_ns = latency / 2;
        return false;
    }
    bool slow = difference > TOO_SLOW * pace->deviation_ns && latency > 2 * pace->latency_ns;
    pace->deviation_ns += ((difference < 0 ? -difference : difference) - pace->deviation_ns) / 4;
    pace->latency_ns += difference / 8;
    return slow;
}

bool http_pace_success(struct http_pace *pace, int64_t started, int64_t now)
{
    bool closed = pace->open;

    pace->open = false;
    pace->failures = 0;
    if (note_latency(pace, now - started))
        lower(pace, started, now);
    else
        pace->limit += 1 / pace->limit;
    if (pace->limit > pace->max)
        pace->limit = pace->max;
    return closed;
}

bool http_pace_failure(struct http_pace *pace, int64_t started, int64_t now, int64_t next)
{
    bool was_open = pace->open;

    pace->failures++;
    lower(pace, started, now);
    pace->open = pace->failures_max > 0 && pace->failures >= pace->failures_max;
    if (pace->open)
        pace->probe_at = next;
    return pace->open && !was_open;
}
