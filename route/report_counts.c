/*
 * report_counts.c - what a report counts.
 *
 * Each table is an array with an index of hashes in front of it, so a record
 * costs two look-ups and no allocation. Durations are counted in buckets that
 * grow by a tenth, so a percentile is right to 5 %.
 */
#include "report_parts.h"

#include "lb_alloc.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

enum { VERSION = 1 };

#define LEAST 0.1  /* of a duration, in ms */
#define FACTOR 1.1 /* between two buckets */

struct lb_report_counts *lb_report_counts_new(int64_t from)
{
    struct lb_report_counts *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->from = from;
    lb_alert_patterns_init(&self->patterns);
    return self;
}

void lb_report_counts_free(struct lb_report_counts *self)
{
    if (self == NULL)
        return;
    lb_alert_patterns_free(&self->patterns);
    lb_free(self);
}

int64_t lb_report_from(const struct lb_report_counts *self)
{
    return self->from;
}

/* --- tables --------------------------------------------------------------- */

/* The place of a name in `index`, which holds numbers + 1 of entries `size` bytes apart with the name in front. */
static uint16_t *place_of(uint16_t *index, const void *entries, size_t size, struct lb_str name)
{
    uint32_t at = (uint32_t)XXH3_64bits(name.ptr, name.len) & (REPORT_INDEX - 1);

    for (; index[at] != 0; at = (at + 1) & (REPORT_INDEX - 1)) {
        const char *known = (const char *)entries + (size_t)(index[at] - 1) * size;

        if (strlen(known) == name.len && memcmp(known, name.ptr, name.len) == 0)
            break;
    }
    return &index[at];
}

/* Cut to what fits, without what ends a text. */
static struct lb_str clean(struct lb_str text, char *to, size_t size)
{
    size_t len = text.len < size ? text.len : size - 1;

    for (size_t i = 0; i < len; i++)
        to[i] = (unsigned char)text.ptr[i] >= ' ' ? text.ptr[i] : ' ';
    to[len] = '\0';
    return (struct lb_str){ to, len };
}

static struct report_service *service_of(struct lb_report_counts *self, struct lb_str name)
{
    char text[LB_REPORT_NAME_BYTES];
    struct lb_str cleaned = clean(name, text, sizeof(text));
    uint16_t *place = place_of(self->service_index, self->services, sizeof(self->services[0]), cleaned);

    if (*place == 0 && self->service_count == LB_REPORT_SERVICES_MAX)
        return &self->others;
    if (*place == 0) {
        struct report_service *service = &self->services[self->service_count++];

        memset(service, 0, sizeof(*service));
        memcpy(service->name, text, cleaned.len + 1);
        *place = (uint16_t)self->service_count;
    }
    return &self->services[*place - 1];
}

static void count_slow(struct lb_report_counts *self, struct lb_str service, struct lb_str route, double ms)
{
    char text[REPORT_SLOW_BYTES];
    size_t len = clean(service, text, LB_REPORT_NAME_BYTES).len;
    uint16_t *place;
    int bucket = ms <= LEAST ? 0 : (int)(log(ms / LEAST) / log(FACTOR)) + 1;

    if (route.len > 0) {
        text[len++] = ' ';
        len += clean(route, text + len, sizeof(text) - len).len;
    }
    place = place_of(self->slow_index, self->slow, sizeof(self->slow[0]), (struct lb_str){ text, len });
    if (*place == 0 && self->slow_count == LB_REPORT_SLOW_MAX)
        return;
    if (*place == 0) {
        struct report_slow *slow = &self->slow[self->slow_count++];

        memset(slow, 0, sizeof(*slow));
        memcpy(slow->name, text, len + 1);
        *place = (uint16_t)self->slow_count;
    }
    struct report_slow *slow = &self->slow[*place - 1];

    slow->count++;
    slow->buckets[bucket < REPORT_BUCKETS ? bucket : REPORT_BUCKETS - 1]++;
}

/* Of what is worth a look only: errors. */
static void count_pattern(struct lb_report_counts *self, struct lb_str message)
{
    struct lb_alert_pattern pattern;

    if (!lb_alert_patterns_see(&self->patterns, 0, message, &pattern))
        return;
    for (uint32_t i = 0; i < self->new_count; i++) {
        if (self->new[i].id == pattern.id) {
            self->new[i].count++;
            return;
        }
    }
    if (!pattern.fresh || !self->learned)
        return;
    if (self->new_count == LB_REPORT_NEW_MAX) {
        self->more_new++;
        return;
    }
    struct report_new *new = &self->new[self->new_count++];

    *new = (struct report_new){ .id = pattern.id, .count = 1 };
    (void)clean((struct lb_str){ pattern.text, pattern.length }, new->text, sizeof(new->text));
}

static struct lb_str text_of(struct lb_value value)
{
    return value.kind != LB_VALUE_NONE ? (struct lb_str){ value.ptr, value.len } : LB_STR("");
}

void lb_report_count(struct lb_report_counts *self, const struct lb_record *record)
{
    struct lb_str name = text_of(record->service);
    struct report_service *service = service_of(self, name.len > 0 ? name : LB_STR("(no service)"));
    const struct lb_field *duration = lb_record_field(record, LB_STR("duration_ms"));
    double ms;

    service->records++;
    if (record->level <= LB_LEVEL_ERROR) {
        service->errors++;
        if (record->message.kind != LB_VALUE_NONE)
            count_pattern(self, text_of(record->message));
    }
    if (duration == NULL || !lb_value_number(duration->value, &ms))
        return;
    const struct lb_field *route = lb_record_field(record, LB_STR("route"));

    count_slow(self, name.len > 0 ? name : LB_STR("(no service)"), route != NULL ? text_of(route->value) : LB_STR(""),
               ms);
}

double lb_report_percentile(const struct report_slow *slow, double part)
{
    uint64_t wanted = (uint64_t)ceil(part * (double)slow->count);
    uint64_t seen = 0;

    for (int i = 0; i < REPORT_BUCKETS; i++) {
        seen += slow->buckets[i];
        if (seen >= wanted)
            return i == 0 ? LEAST : LEAST * pow(FACTOR, i - 0.5);
    }
    return 0;
}

static void turn_service(struct report_service *service)
{
    service->records_before = service->records;
    service->errors_before = service->errors;
    service->records = service->errors = 0;
}

/* Services that were silent for two periods give their place back. */
void lb_report_turn(struct lb_report_counts *self, int64_t now)
{
    uint32_t kept = 0;

    memset(self->service_index, 0, sizeof(self->service_index));
    for (uint32_t i = 0; i < self->service_count; i++) {
        if (self->services[i].records == 0)
            continue;
        self->services[kept] = self->services[i];
        turn_service(&self->services[kept]);
        kept++;
        *place_of(self->service_index, self->services, sizeof(self->services[0]),
                  lb_str_from(self->services[kept - 1].name)) = (uint16_t)kept;
    }
    self->service_count = kept;
    turn_service(&self->others);
    self->slow_count = self->new_count = 0;
    self->more_new = 0;
    memset(self->slow_index, 0, sizeof(self->slow_index));
    self->learned = true;
    self->compared = true;
    self->from = now;
}

void lb_report_add_alert(struct lb_report_alerts *alerts, struct lb_str rule)
{
    char name[LB_REPORT_NAME_BYTES];

    (void)clean(rule, name, sizeof(name));
    for (uint32_t i = 0; i < alerts->count; i++) {
        if (strcmp(alerts->items[i].rule, name) == 0) {
            alerts->items[i].count++;
            return;
        }
    }
    if (alerts->count == LB_REPORT_ALERTS_MAX)
        return;
    memcpy(alerts->items[alerts->count].rule, name, sizeof(name));
    alerts->items[alerts->count++].count = 1;
}

/* --- as bytes ------------------------------------------------------------- */

static void put_service(struct lb_buffer *out, const struct report_service *service)
{
    lb_alert_put_text(out, lb_str_from(service->name));
    lb_alert_put_number(out, service->records);
    lb_alert_put_number(out, service->errors);
    lb_alert_put_number(out, service->records_before);
    lb_alert_put_number(out, service->errors_before);
}

static void put_slow(struct lb_buffer *out, const struct report_slow *slow)
{
    lb_alert_put_text(out, lb_str_from(slow->name));
    lb_alert_put_number(out, slow->count);
    lb_buffer_append(out, (const char *)slow->buckets, sizeof(slow->buckets));
}

void lb_report_counts_save(const struct lb_report_counts *self, struct lb_buffer *out)
{
    size_t begin = out->len;

    lb_alert_put_number(out, VERSION);
    lb_alert_put_number(out, (uint64_t)self->from);
    lb_alert_put_number(out, (uint64_t)self->learned << 1 | self->compared);
    lb_alert_put_number(out, self->more_new);
    put_service(out, &self->others);
    lb_alert_put_number(out, self->service_count);
    for (uint32_t i = 0; i < self->service_count; i++)
        put_service(out, &self->services[i]);
    lb_alert_put_number(out, self->slow_count);
    for (uint32_t i = 0; i < self->slow_count; i++)
        put_slow(out, &self->slow[i]);
    lb_alert_put_number(out, self->new_count);
    for (uint32_t i = 0; i < self->new_count; i++) {
        lb_alert_put_number(out, self->new[i].id);
        lb_alert_put_number(out, self->new[i].count);
        lb_alert_put_text(out, lb_str_from(self->new[i].text));
    }
    lb_alert_patterns_write(&self->patterns, out);
    if (!out->failed)
        lb_alert_put_number(out, XXH3_64bits(out->ptr + begin, out->len - begin));
}

static void take_text(struct lb_alert_bytes *bytes, char *to, size_t size)
{
    (void)clean(lb_alert_take_text(bytes), to, size);
}

static void take_service(struct lb_alert_bytes *bytes, struct report_service *service)
{
    take_text(bytes, service->name, sizeof(service->name));
    service->records = lb_alert_take_number(bytes);
    service->errors = lb_alert_take_number(bytes);
    service->records_before = lb_alert_take_number(bytes);
    service->errors_before = lb_alert_take_number(bytes);
}

static void take_tables(struct lb_report_counts *self, struct lb_alert_bytes *bytes)
{
    uint64_t services;
    uint64_t slow;
    uint64_t new;

    take_service(bytes, &self->others);
    services = lb_alert_take_number(bytes);
    bytes->bad = bytes->bad || services > LB_REPORT_SERVICES_MAX;
    for (uint64_t i = 0; i < services && !bytes->bad; i++) {
        take_service(bytes, &self->services[i]);
        *place_of(self->service_index, self->services, sizeof(self->services[0]), lb_str_from(self->services[i].name)) =
            (uint16_t)(i + 1);
        self->service_count++;
    }
    slow = lb_alert_take_number(bytes);
    bytes->bad = bytes->bad || slow > LB_REPORT_SLOW_MAX;
    for (uint64_t i = 0; i < slow && !bytes->bad; i++) {
        take_text(bytes, self->slow[i].name, sizeof(self->slow[i].name));
        self->slow[i].count = lb_alert_take_number(bytes);
        lb_alert_take(bytes, self->slow[i].buckets, sizeof(self->slow[i].buckets));
        *place_of(self->slow_index, self->slow, sizeof(self->slow[0]), lb_str_from(self->slow[i].name)) =
            (uint16_t)(i + 1);
        self->slow_count++;
    }
    new = lb_alert_take_number(bytes);
    bytes->bad = bytes->bad || new > LB_REPORT_NEW_MAX;
    for (uint64_t i = 0; i < new && !bytes->bad; i++) {
        self->new[i].id = lb_alert_take_number(bytes);
        self->new[i].count = lb_alert_take_number(bytes);
        take_text(bytes, self->new[i].text, sizeof(self->new[i].text));
        self->new_count++;
    }
}

struct lb_report_counts *lb_report_counts_restore(struct lb_str text)
{
    struct lb_alert_bytes bytes = { text.ptr, text.len, false };
    struct lb_report_counts *self = lb_report_counts_new(0);
    uint64_t sum = 0;

    if (self == NULL || text.len < sizeof(sum))
        goto bad;
    bytes.left -= sizeof(sum);
    memcpy(&sum, text.ptr + bytes.left, sizeof(sum));
    if (sum != XXH3_64bits(text.ptr, bytes.left) || lb_alert_take_number(&bytes) != VERSION)
        goto bad;
    self->from = (int64_t)lb_alert_take_number(&bytes);
    uint64_t flags = lb_alert_take_number(&bytes);
    self->learned = (flags & 2) != 0;
    self->compared = (flags & 1) != 0;
    self->more_new = lb_alert_take_number(&bytes);
    take_tables(self, &bytes);
    struct lb_str rest = { bytes.ptr, bytes.left };
    if (!bytes.bad && lb_alert_patterns_restore(&self->patterns, &rest))
        return self;
bad:
    lb_report_counts_free(self);
    return NULL;
}
