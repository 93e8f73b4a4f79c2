/*
 * forward_record.c - a record as a line of JSON, and what Docker sends in parts.
 *
 * A record of Docker's driver (it has log, source, container_id and container_name) gets the names that the source
 * docker gives: message, stream, container.id and .name. The line ends with the message, so that a message in parts is
 * written when its last part is there, behind what the first said.
 *
 * The tricky thing is length. A line is at most max_line: the text that would be over it is cut, and members behind it
 * are left out, so what is written is whole JSON whatever came.
 */
#include "forward.h"

#include "lb_alloc.h"
#include "lb_json.h"

#include <inttypes.h>
#include <stdio.h>

enum { SMALLEST_CUT = 64, TAIL = 2 /* `}` and what precedes it */ };

/* What Docker says, as items of the map; kind NIL: it does not. */
struct docker {
    struct msgpack_item log;
    struct msgpack_item stream;
    struct msgpack_item id;
    struct msgpack_item name;
    struct msgpack_item partial;
    struct msgpack_item partial_id;
    struct msgpack_item partial_last;
    struct msgpack_item partial_ordinal;
    bool is_docker;
};

/* A record on its way. */
struct entry {
    struct lb_str tag;
    int64_t time_ns;
    struct msgpack_reader members;
    uint32_t count;
    struct docker docker;
};

/* --- Docker's members -------------------------------------------------------------------- */

static struct msgpack_item *member_of(struct docker *docker, struct lb_str key)
{
    const struct {
        const char *name;
        struct msgpack_item *item;
    } members[] = {
        { "log", &docker->log },
        { "source", &docker->stream },
        { "container_id", &docker->id },
        { "container_name", &docker->name },
        { "partial_message", &docker->partial },
        { "partial_id", &docker->partial_id },
        { "partial_last", &docker->partial_last },
        { "partial_ordinal", &docker->partial_ordinal },
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (lb_str_is(key, members[i].name))
            return members[i].item;
    }
    return NULL;
}

/* Looks at all members first; false: it is broken. */
static bool look(struct msgpack_reader reader, uint32_t count, struct docker *docker)
{
    *docker = (struct docker){ .is_docker = false };
    for (uint32_t i = 0; i < count; i++) {
        struct msgpack_reader at;
        struct msgpack_item key;
        struct msgpack_item *member;

        at = reader;
        if (msgpack_next(&at, &key) != LB_OK || msgpack_skip(&reader) != LB_OK)
            return false;
        at = reader;
        if (msgpack_skip(&reader) != LB_OK)
            return false;
        member = key.kind == MSGPACK_TEXT ? member_of(docker, key.bytes) : NULL;
        if (member != NULL && msgpack_next(&at, member) != LB_OK)
            return false;
    }
    docker->is_docker = docker->log.kind == MSGPACK_TEXT && docker->stream.kind == MSGPACK_TEXT &&
                        docker->id.kind == MSGPACK_TEXT && docker->name.kind == MSGPACK_TEXT;
    return true;
}

static bool is_true(const struct msgpack_item *item)
{
    return (item->kind == MSGPACK_BOOL && item->number != 0) ||
           (item->kind == MSGPACK_TEXT && lb_str_is(item->bytes, "true"));
}

/* A part that can be joined to others. */
static bool is_part(const struct docker *docker)
{
    return docker->is_docker && is_true(&docker->partial) && docker->partial_id.kind == MSGPACK_TEXT &&
           docker->partial_id.bytes.len > 0 && docker->partial_id.bytes.len <= FORWARD_PART_ID;
}

/* --- members ------------------------------------------------------------------------------- */

struct writer {
    struct lb_buffer *out;
    size_t limit;
    bool truncated;
};

static void put_key(struct lb_buffer *out, struct lb_str key)
{
    if (out->len > 0 && out->ptr[out->len - 1] != '{')
        lb_buffer_append_char(out, ',');
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, key);
    lb_buffer_append(out, "\":", 2);
}

static void put_text(struct lb_buffer *out, struct lb_str key, struct lb_str text)
{
    put_key(out, key);
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static bool is_over(const struct writer *writer)
{
    return writer->out->failed || writer->out->len + TAIL > writer->limit;
}

static void take_back(struct writer *writer, size_t len)
{
    writer->out->len = len;
    writer->out->failed = false;
    writer->truncated = true;
}

/* No character in the middle. */
static struct lb_str cut(struct lb_str text, size_t len)
{
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return (struct lb_str){ text.ptr, len };
}

/* Text as long as there is room for. Escapes make it longer, by how much shows when it is written. */
static void put_long_text(struct writer *writer, struct lb_str key, struct lb_str text)
{
    size_t before = writer->out->len;
    size_t room = writer->limit > before ? writer->limit - before : 0;

    put_text(writer->out, key, text);
    if (!is_over(writer))
        return;
    take_back(writer, before);
    if (text.len == 0)
        return;
    for (size_t len = room < text.len ? room : text.len - 1; len >= SMALLEST_CUT; len -= len / 8) {
        put_text(writer->out, key, cut(text, len));
        if (!is_over(writer))
            return;
        take_back(writer, before);
    }
}

static enum lb_err put_value(struct writer *writer, struct lb_str key, struct msgpack_reader *reader)
{
    struct msgpack_reader start = *reader;
    struct msgpack_item item;
    size_t before = writer->out->len;
    enum lb_err err = msgpack_next(reader, &item);

    if (err != LB_OK)
        return err;
    if (item.kind == MSGPACK_TEXT) {
        put_long_text(writer, key, item.bytes);
        return LB_OK;
    }
    put_key(writer->out, key);
    err = msgpack_write_item(reader, &item, writer->out);
    if (err != LB_OK || !is_over(writer))
        return err;
    take_back(writer, before);
    *reader = start;
    return msgpack_skip(reader);
}

/* Keys that are no text are written as they are. */
static enum lb_err read_key(struct msgpack_reader *reader, struct lb_str *key, char *number, size_t size)
{
    struct msgpack_reader start = *reader;
    struct msgpack_item item;
    enum lb_err err = msgpack_next(reader, &item);

    if (err != LB_OK)
        return err;
    *key = item.bytes;
    if (item.kind == MSGPACK_TEXT)
        return LB_OK;
    int len = item.kind == MSGPACK_INT        ? snprintf(number, size, "%" PRId64, item.integer)
              : item.kind == MSGPACK_UNSIGNED ? snprintf(number, size, "%" PRIu64, item.number)
                                              : snprintf(number, size, "key");
    *key = (struct lb_str){ number, (size_t)len };
    *reader = start;
    return msgpack_skip(reader);
}

/* What Docker's members become is written by itself. `parts`: partial_… too is said already. */
static bool is_said(const struct docker *docker, bool parts, struct lb_str key)
{
    struct docker any;

    if (!docker->is_docker || member_of(&any, key) == NULL)
        return false;
    return parts || !lb_str_starts(key, LB_STR("partial_"));
}

static enum lb_err put_members(struct writer *writer, struct msgpack_reader *reader, const struct entry *entry,
                               bool parts)
{
    enum lb_err err = LB_OK;

    for (uint32_t i = 0; i < entry->count && err == LB_OK; i++) {
        char number[32];
        struct lb_str key;

        err = read_key(reader, &key, number, sizeof(number));
        if (err != LB_OK)
            break;
        if (is_said(&entry->docker, parts, key) || is_over(writer))
            err = msgpack_skip(reader);
        else
            err = put_value(writer, key, reader);
    }
    return err;
}

static void put_container(struct lb_buffer *out, const struct docker *docker)
{
    struct lb_str name = docker->name.bytes;

    if (name.len > 0 && name.ptr[0] == '/')
        name = (struct lb_str){ name.ptr + 1, name.len - 1 };
    put_text(out, LB_STR("stream"), docker->stream.bytes);
    put_key(out, LB_STR("container"));
    lb_buffer_append_char(out, '{');
    put_text(out, LB_STR("id"), docker->id.bytes);
    put_text(out, LB_STR("name"), name);
    lb_buffer_append_char(out, '}');
}

/* --- parts ------------------------------------------------------------------------------------ */

static struct forward_part *find_part(struct forward_peer *self, struct lb_str id)
{
    for (size_t i = 0; self->parts != NULL && i < FORWARD_PARTS_MAX; i++) {
        struct forward_part *part = &self->parts[i];

        if (part->id_len == id.len && memcmp(part->id, id.ptr, id.len) == 0)
            return part;
    }
    return NULL;
}

/* NULL: no room. */
static struct forward_part *begin_part(struct forward_peer *self, struct lb_str id, int64_t time_ns)
{
    size_t max_line = self->peer.owner->source->options.max_line;
    size_t i = 0;

    if (self->parts == NULL) {
        self->parts = lb_alloc(FORWARD_PARTS_MAX * sizeof(*self->parts));
        if (self->parts == NULL)
            return NULL;
        memset(self->parts, 0, FORWARD_PARTS_MAX * sizeof(*self->parts));
    }
    while (i < FORWARD_PARTS_MAX && self->parts[i].id_len > 0)
        i++;
    if (i == FORWARD_PARTS_MAX)
        return NULL;
    struct forward_part *part = &self->parts[i];
    *part = (struct forward_part){ .id_len = id.len, .time_ns = time_ns, .since = lb_clock_monotonic() };
    memcpy(part->id, id.ptr, id.len);
    lb_buffer_init(&part->head, max_line);
    lb_buffer_init(&part->text, max_line);
    return part;
}

void forward_part_free(struct forward_part *part)
{
    lb_buffer_free(&part->head);
    lb_buffer_free(&part->text);
    *part = (struct forward_part){ .id_len = 0 };
}

void forward_parts_free(struct forward_peer *self)
{
    for (size_t i = 0; self->parts != NULL && i < FORWARD_PARTS_MAX; i++) {
        if (self->parts[i].id_len > 0)
            forward_part_free(&self->parts[i]);
    }
    lb_free(self->parts);
    self->parts = NULL;
}

struct forward_part *forward_part_late(struct forward_peer *self, bool all)
{
    int64_t now = self->parts != NULL ? lb_clock_monotonic() : 0;

    for (size_t i = 0; self->parts != NULL && i < FORWARD_PARTS_MAX; i++) {
        struct forward_part *part = &self->parts[i];

        if (part->id_len > 0 && (all || now - part->since > FORWARD_PART_AGE))
            return part;
    }
    return NULL;
}

static void add_text(struct forward_part *part, struct lb_str text)
{
    size_t room = part->text.bytes_max - part->text.len;

    if (text.len > room) {
        text.len = room;
        part->truncated = true;
    }
    lb_buffer_append_str(&part->text, text);
    part->truncated |= part->text.failed;
    part->text.failed = false;
}

/* --- lines --------------------------------------------------------------------------------------- */

static void begin_line(struct lb_buffer *out, int64_t time_ns)
{
    lb_buffer_reset(out);
    lb_buffer_print(out, "%" PRId64 " {", time_ns);
}

static bool end_line(struct writer *writer, struct lb_str message)
{
    put_long_text(writer, LB_STR("message"), message);
    lb_buffer_append_char(writer->out, '}');
    return writer->truncated;
}

void forward_write_part(struct forward_peer *self, const struct forward_part *part)
{
    struct writer writer = { &forward_of(self)->line, self->peer.owner->source->options.max_line, false };

    begin_line(writer.out, part->time_ns);
    lb_buffer_append_str(writer.out, lb_buffer_str(&part->head));
    (void)end_line(&writer, lb_buffer_str(&part->text));
}

/* The line without the message. `parts`: it says nothing of being one. */
static enum lb_err put_head(struct writer *writer, const struct entry *entry, struct msgpack_reader *reader, bool parts)
{
    put_long_text(writer, LB_STR("tag"), entry->tag);
    if (entry->docker.is_docker)
        put_container(writer->out, &entry->docker);
    return put_members(writer, reader, entry, parts);
}

/* The part that the record belongs to, its head written. NULL: it cannot be. */
static struct forward_part *part_for(struct forward_peer *self, const struct entry *entry)
{
    struct lb_str id = entry->docker.partial_id.bytes;
    struct forward_part *part = find_part(self, id);
    struct msgpack_reader reader = entry->members;
    struct writer writer = { NULL, self->peer.owner->source->options.max_line, false };

    if (part != NULL || !peers_have_room(self->peer.owner))
        return part;
    part = begin_part(self, id, entry->time_ns);
    if (part == NULL)
        return NULL;
    writer.out = &part->head;
    (void)!put_head(&writer, entry, &reader, true); /* it was looked at */
    part->truncated = writer.truncated;
    return part;
}

static enum forward_record join(struct forward_peer *self, const struct entry *entry, struct forward_part *part,
                                struct forward_line *line)
{
    /* Where it waited for credit its last part was added before. */
    if (!part->whole)
        add_text(part, entry->docker.log.bytes);
    part->whole = is_true(&entry->docker.partial_last);
    if (!part->whole)
        return FORWARD_HELD;
    forward_write_part(self, part);
    *line = (struct forward_line){ part, part->truncated };
    return FORWARD_RECORD;
}

/* Moves behind the map. False: it is none, or broken. */
static bool read_entry(struct msgpack_reader *reader, struct entry *entry)
{
    struct msgpack_item map;
    struct msgpack_reader start = *reader;

    if (msgpack_next(reader, &map) != LB_OK || (map.kind != MSGPACK_MAP && map.kind != MSGPACK_NIL))
        return false;
    entry->members = *reader;
    entry->count = map.count;
    *reader = start;
    return msgpack_skip(reader) == LB_OK && look(entry->members, map.count, &entry->docker);
}

enum forward_record forward_write(struct forward_peer *self, const struct forward_entry *from,
                                  struct msgpack_reader *reader, struct forward_line *line)
{
    struct writer writer = { &forward_of(self)->line, self->peer.owner->source->options.max_line, false };
    struct entry entry = { .tag = from->tag, .time_ns = from->time_ns };

    *line = (struct forward_line){ NULL, false };
    if (!read_entry(reader, &entry))
        return FORWARD_BAD;
    if (from->joins && is_part(&entry.docker)) {
        struct forward_part *part = part_for(self, &entry);

        if (part != NULL)
            return join(self, &entry, part, line);
    }
    begin_line(writer.out, entry.time_ns);
    if (put_head(&writer, &entry, &entry.members, false) != LB_OK)
        return FORWARD_BAD;
    if (entry.docker.is_docker)
        (void)end_line(&writer, entry.docker.log.bytes);
    else
        lb_buffer_append_char(writer.out, '}');
    line->truncated = writer.truncated;
    return writer.out->failed ? FORWARD_BAD : FORWARD_RECORD;
}
