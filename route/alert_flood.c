/*
 * alert_flood.c - two Count-Min sketches of 16 bits.
 *
 * Conservative update: only the cells that are the least are raised, which
 * keeps the error of rare keys far below that of plain counting. What the
 * error is for a key nobody sent is measured now and then (PROBES of them, the
 * worst counts), and taken off what is believed of a key; so a key that stays
 * below the threshold is hardly ever told, and one that is above it is told a
 * few records later at most.
 */
#include "alert_flood.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"

#include <math.h>
#include <stdio.h>

#define TELL_EVERY (600 * LB_SECOND)

enum { SHOWN = 5, SHOWN_BYTES = 700 };
enum { PROBES = 512, PROBE_EVERY = 8192, CELL_MAX = UINT16_MAX };

uint64_t lb_alert_flood_threshold(const struct lb_alert_rule *rule)
{
    double least = INFINITY;
    double unit = rule->function == LB_ALERT_RATE ? (double)rule->over_ns / 1e9 : 1;

    if ((rule->function != LB_ALERT_COUNT && rule->function != LB_ALERT_RATE) || rule->by.count == 0 ||
        rule->detector != NULL || rule->part_count > 0 || rule->is_part)
        return 0;
    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        const struct lb_threshold *threshold = &rule->thresholds[i];
        double number = threshold->number * unit;

        if (!threshold->set)
            continue;
        if (threshold->comparison == LB_BELOW || threshold->comparison == LB_AT_MOST)
            return 0;
        number = threshold->comparison == LB_ABOVE ? floor(number) + 1 : ceil(number);
        least = number < least ? number : least;
    }
    return least >= LB_ALERT_FLOOD_LEAST && least < CELL_MAX ? (uint64_t)least : 0;
}

void lb_alert_flood_free(struct lb_alert_flood *flood)
{
    lb_free(flood->spans[0]);
    lb_free(flood->spans[1]);
    lb_free(flood->top);
    *flood = (struct lb_alert_flood){ .records = flood->records, .told = flood->told, .told_ns = flood->told_ns };
}

size_t lb_alert_flood_bytes(const struct lb_alert_flood *flood)
{
    return flood->spans[0] != NULL ? 2 * (size_t)LB_ALERT_FLOOD_BYTES + sizeof(*flood->top) : 0;
}

/* --- one sketch ------------------------------------------------------------ */

/* A cell in each row: four independent pieces of a hash that is mixed once more. */
static void cells_of(uint16_t *sketch, uint64_t hash, uint16_t *cells[LB_ALERT_FLOOD_ROWS])
{
    for (uint32_t row = 0; row < LB_ALERT_FLOOD_ROWS; row++) {
        hash = (hash ^ hash >> 29) * UINT64_C(0xBF58476D1CE4E5B9) + row;
        cells[row] = sketch + (size_t)row * LB_ALERT_FLOOD_WIDTH + (hash >> 40) % LB_ALERT_FLOOD_WIDTH;
    }
}

static uint32_t least_of(uint16_t *const cells[LB_ALERT_FLOOD_ROWS])
{
    uint32_t least = *cells[0];

    for (uint32_t row = 1; row < LB_ALERT_FLOOD_ROWS; row++)
        least = *cells[row] < least ? *cells[row] : least;
    return least;
}

static uint32_t count_of(uint16_t *sketch, uint64_t hash)
{
    uint16_t *cells[LB_ALERT_FLOOD_ROWS];

    cells_of(sketch, hash, cells);
    return least_of(cells);
}

static uint32_t add(uint16_t *sketch, uint64_t hash, uint64_t count)
{
    uint16_t *cells[LB_ALERT_FLOOD_ROWS];
    uint64_t raised;

    cells_of(sketch, hash, cells);
    raised = least_of(cells) + count;
    if (raised > CELL_MAX)
        raised = CELL_MAX;
    for (uint32_t row = 0; row < LB_ALERT_FLOOD_ROWS; row++)
        if (*cells[row] < raised)
            *cells[row] = (uint16_t)raised;
    return (uint32_t)raised;
}

/* What a key counts that was never there: the most of some. Always the same for the same sketch. */
static uint32_t noise_of(uint16_t *sketch)
{
    uint32_t most = 0;

    for (uint64_t i = 1; i <= PROBES; i++) {
        uint32_t count = count_of(sketch, i * UINT64_C(0x9E3779B97F4A7C15));

        most = count > most ? count : most;
    }
    return most;
}

/* --- both ------------------------------------------------------------------ */

static bool open_flood(struct lb_alert_flood *flood, int64_t span)
{
    if (flood->spans[0] != NULL)
        return true;
    flood->spans[0] = lb_alloc(LB_ALERT_FLOOD_BYTES);
    flood->spans[1] = lb_alloc(LB_ALERT_FLOOD_BYTES);
    flood->top = lb_alloc(sizeof(*flood->top));
    flood->span = span;
    if (flood->spans[0] != NULL && flood->spans[1] != NULL && flood->top != NULL)
        return true;
    lb_alert_flood_free(flood);
    return false;
}

static void go_on(struct lb_alert_flood *flood, int64_t span)
{
    uint16_t *before = flood->spans[1];

    if (span <= flood->span)
        return;
    memset(before, 0, LB_ALERT_FLOOD_BYTES);
    flood->spans[1] = flood->spans[0];
    flood->spans[0] = before;
    flood->noise[1] = noise_of(flood->spans[1]);
    flood->noise[0] = 0;
    if (span > flood->span + 1) {
        memset(flood->spans[1], 0, LB_ALERT_FLOOD_BYTES);
        flood->noise[1] = 0;
    }
    flood->span = span;
}

static uint32_t without_noise(uint32_t count, uint32_t noise)
{
    return count > noise ? count - noise : 0;
}

bool lb_alert_flood_enter(struct lb_alert_flood *flood, const struct lb_alert_visitor *visitor, int64_t over_ns,
                          uint64_t least, struct lb_alert_known *known)
{
    int64_t span = visitor->time_ns / over_ns;
    int64_t late;
    uint32_t now;
    uint32_t before;

    flood->records++;
    flood->used_ns = visitor->now;
    if (!open_flood(flood, span))
        return false;
    go_on(flood, span);
    lb_alert_top_add(flood->top, visitor->hash, visitor->text);
    late = flood->span - span;
    if (late > 1)
        return false;
    (void)add(flood->spans[late], visitor->hash, 1);
    if (++flood->adds >= PROBE_EVERY) {
        flood->adds = 0;
        flood->noise[0] = noise_of(flood->spans[0]);
    }
    now = count_of(flood->spans[0], visitor->hash);
    before = count_of(flood->spans[1], visitor->hash);
    if (now + before < least)
        return false;
    now = without_noise(now, flood->noise[0]);
    before = without_noise(before, flood->noise[1]);
    /* The one at the door counts for itself. */
    if (late == 0 && now > 0)
        now--;
    else if (late == 1 && before > 0)
        before--;
    *known = (struct lb_alert_known){ now, before, flood->span * over_ns };
    return true;
}

void lb_alert_flood_leave(struct lb_alert_flood *flood, uint64_t hash, uint64_t count)
{
    if (flood->spans[0] != NULL && count > 0)
        (void)add(flood->spans[0], hash, count);
}

/* --- from time to time ------------------------------------------------------ */

/* The separator of several fields is no text. */
static size_t write_key(char *out, size_t room, const struct lb_alert_top_entry *entry)
{
    size_t len = 0;

    for (; len < entry->length && len < room; len++)
        out[len] = (unsigned char)entry->text[len] < ' ' ? ' ' : entry->text[len];
    return len;
}

static void tell(const struct lb_alert_flood *flood, const struct lb_alert_rule *rule)
{
    const struct lb_alert_top_entry *list[SHOWN];
    uint32_t count = lb_alert_top_list(flood->top, list, SHOWN);
    char keys[SHOWN_BYTES] = "";
    size_t len = 0;

    /* Once says nothing. */
    for (uint32_t i = 0; i < count && lb_alert_top_surely(list[i]) > 1; i++) {
        len += (size_t)snprintf(keys + len, sizeof(keys) - len, "%s", i > 0 ? ", " : "");
        len += write_key(keys + len, LB_ALERT_TOP_BYTES, list[i]);
        len += (size_t)snprintf(keys + len, sizeof(keys) - len, " (%llu)",
                                (unsigned long long)lb_alert_top_surely(list[i]));
    }
    LB_WARN("route.alert",
            "a rule has more keys than alerting.max_keys; those that come often are still found rule=" LB_STR_FMT
            " records=%llu most=%s",
            LB_STR_ARG(rule->name), (unsigned long long)(flood->records - flood->told), len > 0 ? keys : "none");
}

void lb_alert_flood_tick(struct lb_alert_flood *flood, const struct lb_alert_rule *rule, int64_t now)
{
    if (flood->spans[0] == NULL)
        return;
    if (flood->records > flood->told && (flood->told == 0 || now - flood->told_ns >= TELL_EVERY)) {
        tell(flood, rule);
        flood->told = flood->records;
        flood->told_ns = now;
        memset(flood->top, 0, sizeof(*flood->top));
    }
    if (now - flood->used_ns > 2 * rule->over_ns + TELL_EVERY)
        lb_alert_flood_free(flood);
}
