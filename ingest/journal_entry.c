/*
 * journal_entry.c - which field of the journal becomes what.
 *
 * The service is the best of what is there: a container's name, a unit that
 * is a service, the identifier, any other unit, the process. A name that comes
 * twice counts once. Bytes that are no UTF-8 are repaired when they are
 * written; a message is passed on as it is.
 */
#include "journal_entry.h"

#include "lb_json.h"
#include "lb_level.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum use { AS_FIELD, AS_MESSAGE, AS_LEVEL, AS_HOST, AS_TIME, AS_NUMBER, AS_NOTHING };

struct known {
    const char *name;
    const char *field; /* its name in a record; NULL: none */
    enum use use;
    unsigned rank; /* as the service; 0: it is none */
};

static const struct known known[] = {
    { "MESSAGE", NULL, AS_MESSAGE, 0 },
    { "PRIORITY", NULL, AS_LEVEL, 0 },
    { "_HOSTNAME", NULL, AS_HOST, 0 },
    { "_SOURCE_REALTIME_TIMESTAMP", NULL, AS_TIME, 0 },
    { "CONTAINER_NAME", "container_name", AS_FIELD, 9 },
    { "_SYSTEMD_UNIT", "unit", AS_FIELD, 4 },
    { "_SYSTEMD_USER_UNIT", "user_unit", AS_FIELD, 3 },
    { "SYSLOG_IDENTIFIER", "identifier", AS_FIELD, 6 },
    { "_COMM", NULL, AS_NOTHING, 2 },
    { "_PID", "pid", AS_NUMBER, 0 },
    { "_UID", "uid", AS_NUMBER, 0 },
    { "_TRANSPORT", "transport", AS_FIELD, 0 },
    { "_BOOT_ID", "boot_id", AS_FIELD, 0 },
    { "CODE_LINE", "code_line", AS_NUMBER, 0 },
    { "ERRNO", "errno", AS_NUMBER, 0 },
    { "SYSLOG_PID", NULL, AS_NOTHING, 0 }, /* as _PID */
    { "SYSLOG_FACILITY", "syslog_facility", AS_NUMBER, 0 },
    { "SYSLOG_TIMESTAMP", NULL, AS_NOTHING, 0 }, /* as the time */
    { "SYSLOG_RAW", NULL, AS_NOTHING, 0 },       /* as the message */
};

enum { RANK_SERVICE_UNIT = 8 };

void journal_entry_init(struct journal_entry *self, bool all, size_t max_line)
{
    *self = (struct journal_entry){ .all = all, .max_line = max_line };
    lb_buffer_init(&self->fields, (size_t)JOURNAL_FIELDS_MAX * 8 * JOURNAL_VALUE_BYTES_MAX);
    lb_buffer_init(&self->message, max_line + 1);
}

void journal_entry_free(struct journal_entry *self)
{
    lb_buffer_free(&self->fields);
    lb_buffer_free(&self->message);
}

void journal_entry_begin(struct journal_entry *self)
{
    lb_buffer_reset(&self->fields);
    lb_buffer_reset(&self->message);
    lb_buffer_append_char(&self->fields, '{');
    self->service[0] = self->host[0] = '\0';
    self->service_rank = 0;
    self->time_ns = LB_TIME_NONE;
    self->level = LB_LEVEL_NONE;
    self->truncated = false;
    self->count = 0;
}

static bool is_new(struct journal_entry *self, struct lb_str name)
{
    uint64_t hash = XXH64(name.ptr, name.len, 0);

    for (uint32_t i = 0; i < self->count; i++)
        if (self->names[i] == hash)
            return false;
    if (self->count == JOURNAL_FIELDS_MAX)
        return false;
    self->names[self->count++] = hash;
    return true;
}

static const struct known *find(struct lb_str name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (lb_str_is(name, known[i].name))
            return &known[i];
    return NULL;
}

static bool is_number(struct lb_str text)
{
    if (text.len == 0 || text.len > 18 || (text.ptr[0] == '0' && text.len > 1))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (isdigit((unsigned char)text.ptr[i]) == 0)
            return false;
    return true;
}

/* At most `max` bytes, not within a character. */
static struct lb_str cut(struct journal_entry *self, struct lb_str text, size_t max)
{
    if (text.len <= max)
        return text;
    self->truncated = true;
    text.len = max;
    while (text.len > 0 && max - text.len < 4 && ((unsigned char)text.ptr[text.len] & 0xC0) == 0x80)
        text.len--;
    return text;
}

static void add_field(struct journal_entry *self, struct lb_str name, struct lb_str value, bool number)
{
    if (self->fields.len > 1)
        lb_buffer_append_char(&self->fields, ',');
    lb_buffer_append_char(&self->fields, '"');
    lb_json_escape(&self->fields, name);
    if (number && is_number(value)) {
        lb_buffer_append(&self->fields, "\":", 2);
        lb_buffer_append_str(&self->fields, value);
        return;
    }
    lb_buffer_append(&self->fields, "\":\"", 3);
    lb_json_escape(&self->fields, cut(self, value, JOURNAL_VALUE_BYTES_MAX));
    lb_buffer_append_char(&self->fields, '"');
}

static void consider_service(struct journal_entry *self, unsigned rank, struct lb_str value)
{
    static const char ending[] = ".service";
    size_t ending_len = sizeof(ending) - 1;

    if (value.len > ending_len && memcmp(value.ptr + value.len - ending_len, ending, ending_len) == 0 && rank < 6) {
        value.len -= ending_len;
        rank = RANK_SERVICE_UNIT;
    }
    /* The manager of a user's services speaks for none of them. */
    if (rank == RANK_SERVICE_UNIT && lb_str_starts(value, LB_STR("user@")))
        rank = 1;
    if (rank <= self->service_rank || value.len == 0)
        return;
    self->service_rank = rank;
    snprintf(self->service, sizeof(self->service), LB_STR_FMT, LB_STR_ARG(value));
}

static void add_known(struct journal_entry *self, const struct known *what, struct lb_str value)
{
    switch (what->use) {
    case AS_MESSAGE: lb_buffer_append_str(&self->message, cut(self, value, self->max_line)); break;
    case AS_LEVEL:
        if (value.len == 1 && value.ptr[0] >= '0' && value.ptr[0] <= '7')
            self->level = (uint8_t)(value.ptr[0] - '0');
        break;
    case AS_HOST: snprintf(self->host, sizeof(self->host), LB_STR_FMT, LB_STR_ARG(value)); break;
    case AS_TIME:
        if (is_number(value) && value.len <= 16)
            self->time_ns = strtoll(value.ptr, NULL, 10) * 1000;
        break;
    case AS_NUMBER:
    case AS_FIELD: add_field(self, lb_str_from(what->field), value, what->use == AS_NUMBER); break;
    case AS_NOTHING: break;
    }
    if (what->rank > 0)
        consider_service(self, what->rank, value);
}

void journal_entry_add(struct journal_entry *self, const char *data, size_t len)
{
    const char *equals = memchr(data, '=', len < JOURNAL_NAME_BYTES_MAX + 1 ? len : JOURNAL_NAME_BYTES_MAX + 1);
    char lower[JOURNAL_NAME_BYTES_MAX + 1];

    if (equals == NULL || equals == data)
        return;
    struct lb_str name = { data, (size_t)(equals - data) };
    struct lb_str value = { equals + 1, len - name.len - 1 };
    if (!is_new(self, name))
        return;
    const struct known *what = find(name);
    if (what != NULL) {
        add_known(self, what, value);
        return;
    }
    if ((name.ptr[0] == '_' && !self->all) || (name.len > 1 && name.ptr[0] == '_' && name.ptr[1] == '_'))
        return;
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)tolower((unsigned char)name.ptr[i]);
    /* The record's own; what an application calls so is not to hide it. */
    static const char *const own[] = { "timestamp", "level", "service", "host", "message", "source" };
    char *end = lower + name.len;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (lb_str_is((struct lb_str){ lower, name.len }, own[i]) && name.len < JOURNAL_NAME_BYTES_MAX) {
            *end++ = '_';
            break;
        }
    add_field(self, (struct lb_str){ lower, (size_t)(end - lower) }, value, false);
}

bool journal_entry_end(struct journal_entry *self, struct lb_entry *entry)
{
    lb_buffer_append_char(&self->fields, '}');
    entry->time_ns = self->time_ns;
    entry->level = self->level;
    entry->truncated = self->truncated;
    entry->service = lb_str_from(self->service);
    entry->host = lb_str_from(self->host);
    entry->fields = lb_buffer_str(&self->fields);
    entry->message = lb_buffer_str(&self->message);
    return !self->fields.failed && !self->message.failed;
}
