/*
 * incidents.c - the notices of a replay, put together again.
 *
 * A notice names its incident; all of one id are one. How long a threshold
 * was crossed is less than how long the alert fired: the end is told only
 * when it has been quiet for `hold` (or lateness).
 */
#include "incidents.h"

#include "lb_alloc.h"
#include "lb_time.h"

enum { ARENA_BYTES = 256 * 1024 * 1024, ITEMS_FIRST = 256, TIMES_MIN = 3 };

static const int64_t nice_ns[] = { 30 * LB_SECOND,  60 * LB_SECOND,  120 * LB_SECOND, 180 * LB_SECOND,
                                   300 * LB_SECOND, 600 * LB_SECOND, 900 * LB_SECOND, 1800 * LB_SECOND };

bool incidents_open(struct incidents *self, const struct lb_alerting *alerting)
{
    *self = (struct incidents){ .alerting = alerting };
    lb_arena_init(&self->arena, ARENA_BYTES);
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    return self->scratch.ptr != NULL;
}

void incidents_close(struct incidents *self)
{
    lb_free(self->scratch.ptr);
    lb_free(self->items);
    lb_arena_free(&self->arena);
}

static struct lb_str text_of(struct incidents *self, const struct lb_record *record, const char *name)
{
    return lb_value_str(lb_record_get(record, lb_str_from(name), &self->scratch), &self->scratch);
}

static int severity_of(struct lb_str word)
{
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (lb_str_is(word, rules_severity_names[i]))
            return i;
    return 0;
}

static bool find_rule(const struct incidents *self, struct lb_str name, uint32_t *rule)
{
    for (*rule = 0; *rule < self->alerting->rule_count; (*rule)++)
        if (lb_str_equal(self->alerting->rules[*rule].name, name))
            return true;
    return false;
}

static bool looks_down(const struct lb_alert_rule *rule)
{
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (rule->thresholds[i].set)
            return rule->thresholds[i].comparison == LB_BELOW || rule->thresholds[i].comparison == LB_AT_MOST;
    return false;
}

/* How long nothing must have been crossed before an end is told. */
static int64_t bridge_of(const struct incidents *self, const struct lb_alert_rule *rule)
{
    int64_t bridge = looks_down(rule) ? 0 : self->alerting->lateness_ns;

    return rule->hold_ns > bridge ? rule->hold_ns : bridge;
}

/* The open one of that id, the newest first; else a new one. NULL: there is no room. */
static struct incident *find(struct incidents *self, struct lb_str id)
{
    for (uint32_t i = self->count; i-- > 0;)
        if (self->items[i].open && lb_str_equal(self->items[i].id, id))
            return &self->items[i];
    if (self->count == self->capacity && self->capacity < INCIDENTS_MAX) {
        uint32_t capacity = self->capacity > 0 ? self->capacity * 2 : ITEMS_FIRST;
        struct incident *items = lb_realloc(self->items, capacity * sizeof(*items));

        if (items != NULL) {
            self->items = items;
            self->capacity = capacity;
        }
    }
    if (self->count == self->capacity) {
        self->lost++;
        return NULL;
    }
    self->items[self->count] = (struct incident){ .highest = -1, .id = lb_arena_copy(&self->arena, id), .open = true };
    return &self->items[self->count++];
}

static void begin(struct incidents *self, struct incident *incident, const struct lb_record *record)
{
    int64_t started = record->time_ns;

    (void)lb_time_rfc3339(text_of(self, record, "started_at"), &started);
    incident->key = lb_arena_copy(&self->arena, text_of(self, record, "key"));
    incident->started_ns = started;
    incident->told_ns = record->time_ns;
}

void incidents_note(struct incidents *self, const struct lb_record *record)
{
    struct incident *incident;
    uint32_t rule;
    double number;

    self->scratch.used = 0;
    if (!find_rule(self, text_of(self, record, "rule"), &rule) || lb_str_is(text_of(self, record, "state"), "summary"))
        return;
    incident = find(self, text_of(self, record, "alert_id"));
    if (incident == NULL)
        return;
    if (incident->notices == 0)
        begin(self, incident, record);
    incident->rule = rule;
    incident->notices++;
    int severity = severity_of(text_of(self, record, "severity"));
    if (severity > incident->highest)
        incident->highest = (int8_t)severity;
    if (lb_value_number(lb_record_get(record, LB_STR("value"), &self->scratch), &number) && incident->notices == 1)
        incident->peak = number;
    if (!lb_str_is(text_of(self, record, "state"), "resolved"))
        return;
    if (lb_value_number(lb_record_get(record, LB_STR("peak"), &self->scratch), &number))
        incident->peak = number;
    incident->open = false;
    incident->ended_ns = record->time_ns - bridge_of(self, &self->alerting->rules[rule]);
}

/* --- what follows ------------------------------------------------------------------------------ */

static uint32_t count_longer(const struct incidents *self, uint32_t rule, int64_t length)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < self->count; i++)
        count += self->items[i].rule == rule && incident_length(&self->items[i]) >= length;
    return count;
}

/* The least wait that is longer than every short incident. */
static void suggest(const struct incidents *self, uint32_t rule, struct incident_summary *summary,
                    int64_t longest_short)
{
    if (summary->times < TIMES_MIN || summary->shorter * 2 < summary->times)
        return;
    for (size_t i = 0; i < sizeof(nice_ns) / sizeof(nice_ns[0]); i++) {
        if (nice_ns[i] <= longest_short || nice_ns[i] <= self->alerting->rules[rule].for_ns)
            continue;
        summary->suggested_ns = nice_ns[i];
        summary->left = count_longer(self, rule, nice_ns[i]);
        return;
    }
}

struct incident_summary incidents_summary(const struct incidents *self, uint32_t rule)
{
    struct incident_summary summary = { 0 };
    int64_t longest_short = 0;

    for (uint32_t i = 0; i < self->count; i++) {
        const struct incident *incident = &self->items[i];
        int64_t length = incident_length(incident);

        if (incident->rule != rule)
            continue;
        summary.times++;
        summary.notices += incident->notices;
        summary.by_severity[incident->highest >= 0 ? incident->highest : 0]++;
        summary.total_ns += length;
        summary.longest_ns = length > summary.longest_ns ? length : summary.longest_ns;
        if (length < INCIDENTS_SHORT && !incident->open) {
            summary.shorter++;
            longest_short = length > longest_short ? length : longest_short;
        }
    }
    suggest(self, rule, &summary, longest_short);
    return summary;
}
