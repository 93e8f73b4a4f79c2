/*
 * alert_event.c - event → record.
 *
 * Fields are named for people and for `where:` of alerting.routes: `severity`
 * is always one of the five words, so that `severity >= high` compares; the
 * words of alerting.severities stand beside it in `severity_text`.
 */
#include "alert_event.h"

#include "alert_conf.h"
#include "alert_incident.h"
#include "alert_links.h"
#include "alert_room.h"
#include "alert_text.h"
#include "lb_json.h"
#include "lb_time.h"

#include <math.h>
#include <xxhash.h>

enum { FIELDS_MAX = 40, JSON_BYTES = 128 * 1024 };

/* --- filling -------------------------------------------------------------- */

void lb_alert_fingerprint(struct lb_str rule, struct lb_str key, uint64_t fingerprint[2])
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(key.ptr, key.len, lb_alert_hash(rule));

    fingerprint[0] = hash.high64;
    fingerprint[1] = hash.low64;
}

/* What only the key knows: it may be gone, then nobody does. */
static void fill_key(struct lb_alert_event *event, const struct lb_alert_key *key)
{
    for (uint32_t i = 0; i < LB_ALERT_PARTS_MAX; i++)
        event->parts[i] = key != NULL && i < key->part_count ? key->parts[i].value : NAN;
    if (key == NULL)
        return;
    event->held_back = key->held_back;
    event->forgotten = key->forgotten;
    event->texts = key->texts;
    event->tops = key->tops;
    if (key->reason != NULL)
        event->reason = (struct lb_str){ key->reason->bytes, key->reason->length };
    event->approximate = lb_alert_room_approximate(event->rule, key, event->severity);
}

void lb_alert_event_fill(struct lb_alert_event *event, const struct lb_incident *incident,
                         const struct lb_alert_key *key, enum lb_alert_notice notice)
{
    bool ended = notice == LB_NOTICE_RESOLVED || incident->severity == LB_ALERT_QUIET;

    *event = (struct lb_alert_event){ .rule = incident->rule,
                                      .late = incident->late,
                                      .notice = notice,
                                      .severity = ended ? incident->last : incident->severity,
                                      .previous = LB_ALERT_QUIET,
                                      .at = incident->at,
                                      .started = incident->started,
                                      .value = incident->value,
                                      .peak = incident->peak,
                                      .judged = incident->judged,
                                      .count = incident->count,
                                      .id = incident->id,
                                      .fingerprint = { incident->fingerprint[0], incident->fingerprint[1] },
                                      .sequence = incident->sequence,
                                      .key = lb_incident_key(incident) };
    fill_key(event, key);
}

bool lb_alert_is_blindness(const struct lb_alert_event *event)
{
    return event->notice == LB_NOTICE_UNKNOWN || event->notice == LB_NOTICE_KNOWN;
}

/* An incident of the rule, none of a key. */
static void fill_blindness(struct lb_alert_event *event, const struct lb_alert_report *report)
{
    uint64_t parts[2] = { lb_alert_hash(event->rule->name), (uint64_t)report->runner->blind_since };

    event->blind = report->blind;
    event->started = report->runner->blind_since;
    event->id = lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
    event->sequence = event->notice == LB_NOTICE_UNKNOWN ? 1 : 2;
    lb_alert_fingerprint(event->rule->name, LB_STR("unknown"), event->fingerprint);
}

void lb_alert_event_rule(struct lb_alert_event *event, const struct lb_alert_report *report)
{
    const struct lb_alert_summary *summary = &report->runner->summary;

    *event = (struct lb_alert_event){ .rule = report->runner->rule,
                                      .notice = report->notice,
                                      .severity = report->before,
                                      .previous = LB_ALERT_QUIET,
                                      .late = report->late,
                                      .at = report->at };
    if (lb_alert_is_blindness(event)) {
        fill_blindness(event, report);
        return;
    }
    event->notice = LB_NOTICE_UPDATED;
    event->summary = true;
    event->started = summary->first;
    event->alerts = summary->alerts;
    lb_alert_fingerprint(event->rule->name, LB_STR("summary"), event->fingerprint);
}

/* --- JSON ----------------------------------------------------------------- */

void lb_alert_string_write(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

void lb_alert_key_write(struct lb_buffer *out, const struct lb_alert_rule *rule, struct lb_str key)
{
    struct lb_str value;
    size_t at = 0;

    lb_buffer_append_char(out, '{');
    for (size_t i = 0; lb_alert_key_next(rule, key, i, &at, &value); i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        lb_alert_string_write(out, rule->by.items[i]);
        lb_buffer_append_char(out, ':');
        lb_alert_string_write(out, value);
    }
    lb_buffer_append_char(out, '}');
}

/* Those that the incident's windows can hold, the oldest first. False: there is none. */
static bool write_texts(struct lb_buffer *out, const struct lb_alert_event *event)
{
    const struct lb_alert_texts *texts = event->texts;
    int count = texts != NULL ? texts->count : 0;
    int first = count < LB_ALERT_TEXTS ? 0 : texts->next;
    bool any = false;

    for (int i = 0; i < count; i++) {
        int from = (first + i) % LB_ALERT_TEXTS;

        if (texts->times[from] <= event->started - event->rule->over_ns)
            continue;
        lb_buffer_append_char(out, any ? ',' : '[');
        lb_alert_string_write(out, (struct lb_str){ texts->bytes[from], texts->lengths[from] });
        any = true;
    }
    if (any)
        lb_buffer_append_char(out, ']');
    return any;
}

void lb_alert_time_write(struct lb_buffer *out, int64_t time)
{
    char text[LB_TIME_TEXT_SIZE];

    lb_buffer_append(out, text, lb_time_write(time, text));
}

static void write_standing(struct lb_buffer *out, const struct lb_incident *incident)
{
    if (incident->acked_ns != LB_TIME_NONE) {
        lb_buffer_append_str(out, LB_STR(",\"acknowledged_by\":"));
        lb_alert_string_write(out, lb_str_from(incident->acked_by));
        lb_buffer_append_str(out, LB_STR(",\"acknowledged_at\":\""));
        lb_alert_time_write(out, incident->acked_ns);
        lb_buffer_append_str(out, LB_STR("\",\"comment\":"));
        lb_alert_string_write(out, lb_str_from(incident->comment));
    }
    lb_buffer_print(out, ",\"suppressed\":%s,\"flapping\":%s", incident->held ? "true" : "false",
                    incident->flapping ? "true" : "false");
}

void lb_alert_own_write(struct lb_buffer *out, const struct lb_incident *incident, struct lb_str reason)
{
    lb_buffer_append_str(out, LB_STR("{\"rule\":"));
    lb_alert_string_write(out, incident->rule->name);
    lb_buffer_print(out, ",\"state\":\"firing\",\"severity\":\"%s\",\"key\":", lb_severity_names[incident->severity]);
    lb_alert_key_write(out, incident->rule, lb_incident_key(incident));
    lb_buffer_append_str(out, LB_STR(",\"started_at\":\""));
    lb_alert_time_write(out, incident->started);
    lb_buffer_append_str(out, LB_STR("\",\"reason\":"));
    lb_alert_string_write(out, reason);
    lb_buffer_print(out, ",\"told\":%s,\"alert_id\":\"%016llx\",\"fingerprint\":\"%016llx%016llx\"",
                    lb_incident_is_open(incident) ? "true" : "false", (unsigned long long)incident->id,
                    (unsigned long long)incident->fingerprint[0], (unsigned long long)incident->fingerprint[1]);
    write_standing(out, incident);
    lb_buffer_append_char(out, '}');
}

void lb_alert_firing_write(struct lb_buffer *out, const struct lb_alert_runner *runner, const struct lb_alert_key *key,
                           const struct lb_incident *incident)
{
    const struct lb_alert_rule *rule = runner->rule;
    uint64_t halves[2];

    lb_alert_fingerprint(rule->name, lb_alert_key_text(key), halves);
    lb_buffer_append(out, "{\"rule\":", 8);
    lb_alert_string_write(out, rule->name);
    lb_buffer_print(out, ",\"state\":\"firing\",\"severity\":\"%s\",\"key\":", lb_severity_names[key->state.severity]);
    lb_alert_key_write(out, rule, lb_alert_key_text(key));
    lb_buffer_print(out, ",\"value\":%.15g,\"threshold\":", isnan(key->value) ? 0 : key->value);
    lb_alert_string_write(out, rule->threshold_texts[key->state.severity]);
    lb_buffer_append(out, ",\"over\":\"", 9);
    lb_alert_duration_write(out, rule->over_ns);
    lb_buffer_print(out, "\",\"count\":%llu,\"started_at\":\"", (unsigned long long)key->totals.count);
    lb_alert_time_write(out, key->state.started_ns);
    if (key->reason != NULL && key->reason->length > 0) {
        lb_buffer_append(out, "\",\"reason\":\"", 12);
        lb_json_escape(out, (struct lb_str){ key->reason->bytes, key->reason->length });
    }
    lb_buffer_print(out, "\",\"told\":%s,\"alert_id\":\"%016llx\",\"fingerprint\":\"%016llx%016llx\"",
                    incident != NULL && lb_incident_is_open(incident) ? "true" : "false",
                    (unsigned long long)(incident != NULL ? incident->id : key->id), (unsigned long long)halves[0],
                    (unsigned long long)halves[1]);
    if (incident != NULL)
        write_standing(out, incident);
    lb_buffer_append_char(out, '}');
}

/* --- the record ----------------------------------------------------------- */

/* A record under construction: where it goes, and the buffer in which values are made. */
struct maker {
    struct lb_arena *arena;
    struct lb_record *record;
    struct lb_buffer made;
    bool full;
};

static struct lb_str keep(struct maker *maker)
{
    struct lb_str kept = lb_arena_copy(maker->arena, lb_buffer_str(&maker->made));

    if (kept.ptr == NULL || maker->made.failed)
        maker->full = true;
    lb_buffer_reset(&maker->made);
    return kept.ptr != NULL ? kept : LB_STR("");
}

static void add(struct maker *maker, const char *name, struct lb_str bytes, enum lb_value_kind kind)
{
    struct lb_field *field = &maker->record->fields[maker->record->field_count++];

    field->key = lb_value_of(lb_str_from(name), LB_VALUE_CLEAN);
    field->value = lb_value_of(bytes, kind);
}

static void add_made(struct maker *maker, const char *name, enum lb_value_kind kind)
{
    add(maker, name, keep(maker), kind);
}

/* Of bytes that do not live as long as the record. */
static void add_copy(struct maker *maker, const char *name, struct lb_str bytes, enum lb_value_kind kind)
{
    lb_buffer_append_str(&maker->made, bytes);
    add_made(maker, name, kind);
}

static void add_number(struct maker *maker, const char *name, double number)
{
    lb_buffer_print(&maker->made, "%.15g", number);
    add_made(maker, name, LB_VALUE_NUMBER);
}

static void add_word(struct maker *maker, const char *name, const char *word)
{
    add(maker, name, lb_str_from(word), LB_VALUE_CLEAN);
}

const char *lb_alert_notice_name(enum lb_alert_notice notice)
{
    static const char *const names[] = { [LB_NOTICE_NONE] = "",
                                         [LB_NOTICE_FIRING] = "firing",
                                         [LB_NOTICE_UPDATED] = "updated",
                                         [LB_NOTICE_REPEATED] = "repeated",
                                         [LB_NOTICE_RESOLVED] = "resolved",
                                         [LB_NOTICE_ACKNOWLEDGED] = "acknowledged",
                                         [LB_NOTICE_ESCALATED] = "escalated",
                                         [LB_NOTICE_SUPPRESSED] = "suppressed",
                                         [LB_NOTICE_FLAPPING] = "flapping",
                                         [LB_NOTICE_UNKNOWN] = "unknown",
                                         [LB_NOTICE_KNOWN] = "resolved",
                                         [LB_NOTICE_HEARTBEAT] = "heartbeat",
                                         [LB_NOTICE_REPORT] = "report" };

    return names[notice];
}

static const char *state_name(const struct lb_alert_event *event)
{
    if (event->summary)
        return "summary";
    return event->many != NULL && event->many->digest ? "digest" : lb_alert_notice_name(event->notice);
}

static void add_what(struct maker *maker, const struct lb_alert_event *event, const struct lb_alerting *alerting)
{
    const struct lb_alert_rule *rule = event->rule;
    struct lb_str word = alerting->severities[event->severity];

    add_word(maker, "event", "alert");
    add(maker, "rule", event->many != NULL ? event->many->name : rule->name, LB_VALUE_TEXT);
    add_word(maker, "state", state_name(event));
    add_word(maker, "severity", lb_severity_names[event->severity]);
    if (word.len > 0)
        add(maker, "severity_text", word, LB_VALUE_TEXT);
    if (event->previous != LB_ALERT_QUIET)
        add_word(maker, "previous_severity", lb_severity_names[event->previous]);
    if (event->late)
        add(maker, "late", LB_STR("true"), LB_VALUE_BOOL);
    if (event->summary || (event->many != NULL && event->many->members.len > 0))
        add_number(maker, "alerts", (double)event->alerts);
    if (event->note.len > 0)
        add_copy(maker, "note", event->note, LB_VALUE_TEXT);
}

/* `{"count(level >= error)":12,"count()":310}` */
static void add_parts(struct maker *maker, const struct lb_alert_event *event)
{
    bool any = false;

    lb_buffer_append_char(&maker->made, '{');
    for (uint32_t i = 0; i < event->rule->part_count; i++) {
        if (isnan(event->parts[i]))
            continue;
        if (any)
            lb_buffer_append_char(&maker->made, ',');
        lb_alert_string_write(&maker->made, event->rule->parts[i].value_text);
        lb_buffer_print(&maker->made, ":%.15g", event->parts[i]);
        any = true;
    }
    lb_buffer_append_char(&maker->made, '}');
    add_made(maker, "values", LB_VALUE_OBJECT);
}

static void add_measure(struct maker *maker, const struct lb_alert_event *event)
{
    const struct lb_alert_rule *rule = event->rule;

    if (event->judged && !lb_alert_is_condition(rule))
        add_number(maker, "value", event->value);
    if (event->notice == LB_NOTICE_RESOLVED && !lb_alert_is_condition(rule))
        add_number(maker, "peak", event->peak);
    if (rule->part_count > 0)
        add_parts(maker, event);
    if (rule->threshold_texts[event->severity].len > 0)
        add(maker, "threshold", rule->threshold_texts[event->severity], LB_VALUE_TEXT);
    if (rule->over_ns > 0) {
        lb_alert_duration_write(&maker->made, rule->over_ns);
        add_made(maker, "over", LB_VALUE_CLEAN);
    }
    lb_alert_key_write(&maker->made, rule, event->key);
    add_made(maker, "key", LB_VALUE_OBJECT);
    add_number(maker, "count", (double)event->count);
    if (event->held_back > 0)
        add_number(maker, "held_back", event->held_back);
    if (event->approximate)
        add(maker, "approximate", LB_STR("true"), LB_VALUE_BOOL);
    if (event->reason.len > 0)
        add_copy(maker, "reason", event->reason, LB_VALUE_TEXT);
}

static void add_identity(struct maker *maker, const struct lb_alert_event *event)
{
    lb_buffer_print(&maker->made, "%016llx%016llx", (unsigned long long)event->fingerprint[0],
                    (unsigned long long)event->fingerprint[1]);
    add_made(maker, "fingerprint", LB_VALUE_CLEAN);
    if (!event->summary) {
        lb_buffer_print(&maker->made, "%016llx", (unsigned long long)event->id);
        add_made(maker, "alert_id", LB_VALUE_CLEAN);
        add_number(maker, "sequence", event->sequence);
    }
    lb_alert_time_write(&maker->made, event->started);
    add_made(maker, "started_at", LB_VALUE_CLEAN);
    if (event->many == NULL && write_texts(&maker->made, event))
        add_made(maker, "samples", LB_VALUE_ARRAY);
}

/* What was done before, and what the rule says of all its alerts. */
static void add_notes(struct maker *maker, const struct lb_alert_rule *rule, struct lb_str deploy)
{
    if (deploy.len > 0)
        add_copy(maker, "deploy", deploy, LB_VALUE_TEXT);
    if (rule->runbook.len > 0)
        add(maker, "runbook", rule->runbook, LB_VALUE_TEXT);
    if (rule->labels.count == 0)
        return;
    lb_buffer_append_char(&maker->made, '{');
    for (size_t i = 0; i < rule->labels.count; i++) {
        if (i > 0)
            lb_buffer_append_char(&maker->made, ',');
        lb_alert_string_write(&maker->made, rule->labels.items[i].name);
        lb_buffer_append_char(&maker->made, ':');
        lb_alert_string_write(&maker->made, rule->labels.items[i].value);
    }
    lb_buffer_append_char(&maker->made, '}');
    add_made(maker, "labels", LB_VALUE_OBJECT);
}

/* What the records have in common, and where the reader goes on. */
static void add_links(struct maker *maker, const struct lb_alert_event *event, const struct lb_alerting *alerting)
{
    if (event->many == NULL && lb_alert_tops_write(&maker->made, event->tops))
        add_made(maker, "top", LB_VALUE_OBJECT);
    if (!event->links)
        return;
    if (lb_alert_url_write(&maker->made, alerting, event))
        add_made(maker, "url", LB_VALUE_TEXT);
    if (event->many == NULL && lb_alert_grep_write(&maker->made, alerting, event))
        add_made(maker, "grep", LB_VALUE_TEXT);
}

static uint8_t level_of(const struct lb_alert_event *event)
{
    static const uint8_t levels[] = { LB_LEVEL_INFO, LB_LEVEL_NOTICE, LB_LEVEL_WARN, LB_LEVEL_ERROR,
                                      LB_LEVEL_CRITICAL };

    switch (event->notice) {
    case LB_NOTICE_RESOLVED:
    case LB_NOTICE_KNOWN:
    case LB_NOTICE_ACKNOWLEDGED:
    case LB_NOTICE_SUPPRESSED: return LB_LEVEL_INFO;
    default: return event->summary ? LB_LEVEL_INFO : levels[event->severity];
    }
}

/* The service of the key, if the rule has one alert for each service. */
static struct lb_value service_of(struct maker *maker, const struct lb_alert_event *event)
{
    struct lb_str value;
    size_t at = 0;

    for (size_t i = 0; lb_alert_key_next(event->rule, event->key, i, &at, &value); i++) {
        if (!lb_str_is(event->rule->by.items[i], "service"))
            continue;
        lb_buffer_append_str(&maker->made, value);
        return lb_value_text(keep(maker));
    }
    return (struct lb_value){ 0 };
}

/* Several alerts have their own keys and values, each in `members`. */
static void add_many(struct maker *maker, const struct lb_alert_many *many)
{
    if (many->members.len == 0) /* of no alert at all: a sign of life, a report */
        return;
    add_copy(maker, "key", many->key, LB_VALUE_OBJECT);
    add_copy(maker, "members", many->members, LB_VALUE_ARRAY);
}

static void add_one(struct maker *maker, const struct lb_alert_event *event)
{
    maker->record->service = service_of(maker, event);
    if (lb_alert_is_blindness(event))
        add_number(maker, "unknown_keys", (double)event->blind);
    else if (!event->summary)
        add_measure(maker, event);
}

static void write_message(struct maker *maker, const struct lb_alert_event *event, const struct lb_alerting *alerting)
{
    if (event->many != NULL)
        lb_buffer_append_str(&maker->made, event->many->message);
    else
        lb_alert_message_write(&maker->made, event, alerting);
    size_t most = event->notice == LB_NOTICE_REPORT ? (size_t)LB_REPORT_TEXT_BYTES : (size_t)LB_ALERT_MESSAGE_BYTES;

    if (maker->made.len > most)
        maker->made.len = most;
    maker->record->message = lb_value_text(keep(maker));
}

bool lb_alert_event_record(const struct lb_alert_event *event, const struct lb_alerting *alerting,
                           struct lb_arena *arena, struct lb_record *record)
{
    struct maker maker = { .arena = arena, .record = record };

    *record = (struct lb_record){ .time_ns = event->at, .level = level_of(event), .flags = LB_RECORD_ALERT };
    record->fields = lb_arena_alloc(arena, FIELDS_MAX * sizeof(*record->fields));
    if (record->fields == NULL)
        return false;
    record->field_capacity = FIELDS_MAX;
    lb_buffer_init(&maker.made, JSON_BYTES);
    write_message(&maker, event, alerting);
    add_what(&maker, event, alerting);
    if (event->many != NULL)
        add_many(&maker, event->many);
    else
        add_one(&maker, event);
    add_identity(&maker, event);
    add_links(&maker, event, alerting);
    if (event->many == NULL)
        add_notes(&maker, event->rule, event->deploy);
    lb_buffer_free(&maker.made);
    return !maker.full;
}
