/*
 * alert_incident.c - the table of incidents, and one of them as bytes.
 *
 * A table with chains that doubles when it is full, and a list of all in the
 * order in which they came. When there is no room the oldest one goes that
 * nobody waits for; one that somebody must be called off from never does.
 */
#include "alert_incident.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"

enum { BUCKETS_FIRST = 256, LANES_FIRST = 2, ROOM_TRIES = 64 };

/* --- the table ------------------------------------------------------------ */

static struct lb_incident **bucket_of(const struct lb_incidents *table, const uint64_t fingerprint[2])
{
    return &table->buckets[fingerprint[0] & (table->bucket_count - 1)];
}

struct lb_incident *lb_incidents_find(const struct lb_incidents *table, const uint64_t fingerprint[2])
{
    struct lb_incident *incident = table->bucket_count > 0 ? *bucket_of(table, fingerprint) : NULL;

    while (incident != NULL &&
           (incident->fingerprint[0] != fingerprint[0] || incident->fingerprint[1] != fingerprint[1]))
        incident = incident->chain;
    return incident;
}

static void put_in_bucket(struct lb_incidents *table, struct lb_incident *incident)
{
    struct lb_incident **bucket = bucket_of(table, incident->fingerprint);

    incident->chain = *bucket;
    *bucket = incident;
}

static bool grow(struct lb_incidents *table)
{
    uint32_t count = table->bucket_count > 0 ? table->bucket_count * 2 : BUCKETS_FIRST;
    struct lb_incident **buckets;

    if (table->count < table->bucket_count)
        return true;
    buckets = lb_alloc(count * sizeof(struct lb_incident *));
    if (buckets == NULL)
        return table->bucket_count > 0;
    lb_free((void *)table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
    for (struct lb_incident *each = table->first; each != NULL; each = each->next)
        put_in_bucket(table, each);
    return true;
}

static void free_incident(struct lb_incident *incident)
{
    lb_free(incident->lanes);
    lb_free(incident);
}

void lb_incidents_remove(struct lb_incidents *table, struct lb_incident *incident)
{
    struct lb_incident **link = bucket_of(table, incident->fingerprint);

    while (*link != incident)
        link = &(*link)->chain;
    *link = incident->chain;
    if (incident->previous != NULL)
        incident->previous->next = incident->next;
    else
        table->first = incident->next;
    if (incident->next != NULL)
        incident->next->previous = incident->previous;
    else
        table->last = incident->previous;
    table->count--;
    lb_incidents_leave(table, incident);
    free_incident(incident);
}

void lb_incidents_free(struct lb_incidents *table)
{
    while (table->first != NULL)
        lb_incidents_remove(table, table->first);
    lb_free((void *)table->buckets);
    lb_alert_deadlines_free(&table->deadlines);
    lb_free((void *)table->places);
    lb_free(table->free_places);
    *table = (struct lb_incidents){ 0 };
}

/* One of the oldest that has ended and that nobody has to hear of goes. */
static bool make_room(struct lb_incidents *table)
{
    struct lb_incident *each = table->first;

    if (table->count < LB_INCIDENTS_MAX)
        return true;
    for (int i = 0; i < ROOM_TRIES && each != NULL; i++, each = each->next) {
        if (each->severity == LB_ALERT_QUIET && !lb_incident_is_open(each)) {
            lb_incidents_remove(table, each);
            return true;
        }
    }
    return false;
}

static void append(struct lb_incidents *table, struct lb_incident *incident)
{
    incident->previous = table->last;
    if (table->last != NULL)
        table->last->next = incident;
    else
        table->first = incident;
    table->last = incident;
    table->count++;
}

struct lb_incident *lb_incidents_add(struct lb_incidents *table, const uint64_t fingerprint[2], struct lb_str rule,
                                     struct lb_str key)
{
    struct lb_incident *incident = NULL;

    if (rule.len <= UINT16_MAX && key.len <= UINT16_MAX && make_room(table) && grow(table))
        incident = lb_alloc(sizeof(*incident) + rule.len + key.len);
    if (incident != NULL && !lb_incidents_place(table, incident)) {
        lb_free(incident);
        incident = NULL;
    }
    if (incident == NULL) {
        table->refused++;
        return NULL;
    }
    incident->fingerprint[0] = fingerprint[0];
    incident->fingerprint[1] = fingerprint[1];
    incident->severity = incident->last = LB_ALERT_QUIET;
    incident->acked_ns = incident->changed_ns = LB_TIME_NONE;
    incident->replayed_until = incident->doubt_until = LB_TIME_NONE;
    incident->due_ns = INT64_MAX;
    for (int i = 0; i < LB_INCIDENT_FLAPS; i++)
        incident->flaps[i] = LB_TIME_NONE;
    incident->rule_length = (uint16_t)rule.len;
    incident->key_length = (uint16_t)key.len;
    memcpy(incident->text, rule.ptr, rule.len);
    if (key.len > 0)
        memcpy(incident->text + rule.len, key.ptr, key.len);
    append(table, incident);
    put_in_bucket(table, incident);
    return incident;
}

/* --- one of them ---------------------------------------------------------- */

struct lb_alert_lane *lb_incident_lane(struct lb_incident *incident, uint64_t route)
{
    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].route == route)
            return &incident->lanes[i];
    if (incident->lane_count == LB_INCIDENT_LANES_MAX)
        return NULL;
    if (incident->lane_count == incident->lane_capacity) {
        uint32_t capacity = incident->lane_capacity > 0 ? incident->lane_capacity * 2 : LANES_FIRST;
        struct lb_alert_lane *lanes = lb_realloc(incident->lanes, capacity * sizeof(*lanes));

        if (lanes == NULL)
            return NULL;
        incident->lanes = lanes;
        incident->lane_capacity = capacity;
    }
    struct lb_alert_lane *lane = &incident->lanes[incident->lane_count++];
    *lane = (struct lb_alert_lane){ .route = route };
    lb_alert_told_init(&lane->told);
    return lane;
}

void lb_alert_lane_end(struct lb_alert_lane *lane)
{
    lane->told.severity = LB_ALERT_QUIET;
    lane->sinks = lane->group = 0;
    lane->since = 0;
    lane->step = 0;
    lane->hushed = lane->flapped = false;
}

uint64_t lb_incident_sinks(const struct lb_incident *incident)
{
    uint64_t sinks = 0;

    for (uint32_t i = 0; i < incident->lane_count; i++)
        sinks |= incident->lanes[i].sinks;
    return sinks;
}

bool lb_incident_is_open(const struct lb_incident *incident)
{
    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].told.severity != LB_ALERT_QUIET)
            return true;
    return false;
}

void lb_incident_note_flap(struct lb_incident *incident, int64_t at)
{
    for (int i = LB_INCIDENT_FLAPS - 1; i > 0; i--)
        incident->flaps[i] = incident->flaps[i - 1];
    incident->flaps[0] = at;
}

/* --- as bytes ------------------------------------------------------------- */

uint64_t lb_alert_map_sinks(uint64_t mask, const uint64_t sinks[64])
{
    uint64_t mapped = 0;

    for (; mask != 0; mask &= mask - 1)
        mapped |= sinks[__builtin_ctzll(mask)];
    return mapped;
}

static void write_lane(struct lb_buffer *out, const struct lb_alert_lane *lane)
{
    lb_alert_put_number(out, lane->route);
    lb_alert_put_number(out, (uint64_t)lane->told.notified_ns);
    lb_alert_put_number(out, (uint8_t)lane->told.severity | (uint64_t)(uint8_t)lane->told.notified << 8 |
                                 (uint64_t)lane->hushed << 16 | (uint64_t)lane->flapped << 17);
    lb_alert_put_number(out, lane->sinks);
    lb_alert_put_number(out, (uint64_t)lane->since);
    lb_alert_put_number(out, lane->group);
    lb_alert_put_number(out, lane->step);
}

static bool is_severity(int8_t severity)
{
    return severity >= LB_ALERT_QUIET && severity < LB_SEVERITY_COUNT;
}

static void read_lane(struct lb_incident *incident, struct lb_alert_bytes *bytes, const uint64_t sinks[64])
{
    struct lb_alert_lane *lane = lb_incident_lane(incident, lb_alert_take_number(bytes));
    struct lb_alert_lane read = { 0 };
    uint64_t packed;

    read.told.notified_ns = (int64_t)lb_alert_take_number(bytes);
    packed = lb_alert_take_number(bytes);
    read.told.severity = (int8_t)(packed & 0xff);
    read.told.notified = (int8_t)(packed >> 8 & 0xff);
    read.hushed = (packed >> 16 & 1) != 0;
    read.flapped = (packed >> 17 & 1) != 0;
    read.sinks = lb_alert_map_sinks(lb_alert_take_number(bytes), sinks);
    read.since = (int64_t)lb_alert_take_number(bytes);
    read.group = lb_alert_take_number(bytes);
    read.step = (uint32_t)lb_alert_take_number(bytes);
    bytes->bad = bytes->bad || lane == NULL || !is_severity(read.told.severity) || !is_severity(read.told.notified);
    if (bytes->bad)
        return;
    read.route = lane->route;
    *lane = read;
}

void lb_incident_write(struct lb_buffer *out, const struct lb_incident *incident)
{
    lb_alert_put_number(out, incident->fingerprint[0]);
    lb_alert_put_number(out, incident->fingerprint[1]);
    lb_alert_put_text(out, lb_incident_rule(incident));
    lb_alert_put_text(out, lb_incident_key(incident));
    lb_alert_put_number(out, incident->id);
    lb_alert_put_number(out, incident->sequence);
    lb_alert_put_number(out, (uint8_t)incident->severity | (uint64_t)(uint8_t)incident->last << 8 |
                                 (uint64_t)incident->judged << 16 | (uint64_t)incident->flapping << 17 |
                                 (uint64_t)incident->late << 18);
    lb_alert_put_number(out, (uint64_t)incident->started);
    lb_alert_put_number(out, (uint64_t)incident->at);
    lb_alert_put_double(out, incident->value);
    lb_alert_put_double(out, incident->peak);
    lb_alert_put_number(out, incident->count);
    for (int i = 0; i < LB_INCIDENT_FLAPS; i++)
        lb_alert_put_number(out, (uint64_t)incident->flaps[i]);
    lb_alert_put_number(out, incident->flap_count);
    lb_alert_put_number(out, (uint64_t)incident->changed_ns);
    lb_alert_put_number(out, (uint64_t)incident->replayed_until);
    lb_alert_put_number(out, (uint64_t)incident->acked_ns);
    lb_alert_put_text(out, lb_str_from(incident->acked_by));
    lb_alert_put_text(out, lb_str_from(incident->comment));
    lb_alert_put_number(out, incident->lane_count);
    for (uint32_t i = 0; i < incident->lane_count; i++)
        write_lane(out, &incident->lanes[i]);
}

static void take_line(struct lb_alert_bytes *bytes, char *to, size_t size)
{
    struct lb_str text = lb_alert_take_text(bytes);
    size_t len = text.len < size ? text.len : size - 1;

    memcpy(to, text.ptr, len);
    to[len] = '\0';
}

static void read_standing(struct lb_incident *incident, struct lb_alert_bytes *bytes)
{
    uint64_t packed;

    incident->id = lb_alert_take_number(bytes);
    incident->sequence = (uint32_t)lb_alert_take_number(bytes);
    packed = lb_alert_take_number(bytes);
    incident->severity = (int8_t)(packed & 0xff);
    incident->last = (int8_t)(packed >> 8 & 0xff);
    incident->judged = (packed >> 16 & 1) != 0;
    incident->flapping = (packed >> 17 & 1) != 0;
    incident->late = (packed >> 18 & 1) != 0;
    incident->started = (int64_t)lb_alert_take_number(bytes);
    incident->at = (int64_t)lb_alert_take_number(bytes);
    incident->value = lb_alert_take_double(bytes);
    incident->peak = lb_alert_take_double(bytes);
    incident->count = lb_alert_take_number(bytes);
    for (int i = 0; i < LB_INCIDENT_FLAPS; i++)
        incident->flaps[i] = (int64_t)lb_alert_take_number(bytes);
    incident->flap_count = lb_alert_take_number(bytes);
    incident->changed_ns = (int64_t)lb_alert_take_number(bytes);
    incident->replayed_until = (int64_t)lb_alert_take_number(bytes);
    incident->acked_ns = (int64_t)lb_alert_take_number(bytes);
    take_line(bytes, incident->acked_by, sizeof(incident->acked_by));
    take_line(bytes, incident->comment, sizeof(incident->comment));
    bytes->bad = bytes->bad || !is_severity(incident->severity) || !is_severity(incident->last);
}

struct lb_incident *lb_incident_read(struct lb_incidents *table, struct lb_alert_bytes *bytes, const uint64_t sinks[64])
{
    struct lb_incident *incident;
    uint64_t fingerprint[2];
    uint64_t lanes;

    fingerprint[0] = lb_alert_take_number(bytes);
    fingerprint[1] = lb_alert_take_number(bytes);
    struct lb_str rule = lb_alert_take_text(bytes);
    struct lb_str key = lb_alert_take_text(bytes);
    incident = bytes->bad ? NULL : lb_incidents_find(table, fingerprint);
    if (incident == NULL && !bytes->bad)
        incident = lb_incidents_add(table, fingerprint, rule, key);
    if (incident == NULL) {
        bytes->bad = true;
        return NULL;
    }
    read_standing(incident, bytes);
    lanes = lb_alert_take_number(bytes);
    bytes->bad = bytes->bad || lanes > LB_INCIDENT_LANES_MAX;
    incident->lane_count = 0;
    for (uint64_t i = 0; i < lanes && !bytes->bad; i++)
        read_lane(incident, bytes, sinks);
    if (!bytes->bad)
        return incident;
    lb_incidents_remove(table, incident);
    return NULL;
}
