/*
 * envelope_docker.c - the records of a container's json-file log.
 *
 * A `log` without a newline is a part: what follows in the same stream
 * (stdout and stderr take turns as they like) is joined to it. Records stand
 * in the order in which they were completed, so their ends rise, as marks
 * need it; a joined one begins where its first part does. Batches end where
 * no part is open, unless ingest could not wait: then what is there goes out.
 */
#include "docker_line.h"
#include "lb_limits.h"
#include "lb_parser.h"
#include "lb_source.h"

struct part {
    struct part *next;
    struct lb_value text;
};

/* A record whose newline has not come yet. */
struct open_record {
    bool is_open;
    struct lb_record record; /* its message is the first part */
    struct part *more;
    struct part **tail;
    size_t len; /* of all parts, at most max_line */
};

enum { STREAM_OUT, STREAM_ERR, STREAM_NONE, STREAM_COUNT };

struct envelope {
    struct lb_batch *batch;
    struct lb_field *stream_fields; /* one for each event */
    size_t max_line;
    struct docker_reader reader;
    struct open_record open[STREAM_COUNT];
};

static size_t max_line_of(const struct lb_batch *batch)
{
    const struct lb_source *source = batch->stream != NULL ? batch->stream->source : NULL;

    return source != NULL && source->options.max_line > 0 ? source->options.max_line : LB_LINE_BYTES;
}

/* Where the next record shall stand; it counts once emit() is called. */
static struct lb_record *next_record(struct envelope *self)
{
    return &self->batch->records[self->batch->record_count];
}

static void emit(struct envelope *self)
{
    self->batch->record_count++;
}

static void begin_record(const struct lb_batch *batch, uint32_t i, struct lb_record *record)
{
    const struct lb_event *event = lb_batch_event(batch, i);

    *record = (struct lb_record){
        .time_ns = batch->arrival_ns,
        .start = lb_batch_offset(batch, i),
        .end = lb_batch_end(batch, i),
        .message = { batch->bytes + event->start, event->length, LB_VALUE_TEXT, 0 },
        .flags = (uint16_t)(LB_RECORD_NO_TIME | (event->truncated ? LB_RECORD_TRUNCATED : 0)),
        .level = LB_LEVEL_NONE,
    };
}

static void fill(struct envelope *self, uint32_t i, const struct docker_line *line, struct lb_record *record)
{
    struct lb_field *field = &self->stream_fields[i];

    record->message = line->log;
    if (line->timed) {
        record->time_ns = line->time_ns;
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    }
    if (line->stream.kind != LB_VALUE_NONE) {
        *field = (struct lb_field){ lb_value_of(LB_STR("stream"), LB_VALUE_CLEAN), line->stream };
        record->fields = field;
        record->field_count = record->field_capacity = 1;
    }
    record->rest = line->rest;
    for (uint32_t n = 0; n < line->field_count; n++)
        lb_record_add(record, &self->batch->arena, line->fields[n].key, line->fields[n].value);
}

static struct open_record *open_of(struct envelope *self, const struct docker_line *line)
{
    if (line->stream.kind == LB_VALUE_NONE)
        return &self->open[STREAM_NONE];
    return &self->open[line->stream.len == 6 && memcmp(line->stream.ptr, "stderr", 6) == 0 ? STREAM_ERR : STREAM_OUT];
}

/* What of `text` fits below max_line, cut between characters; nothing behind a cut. */
static struct lb_value fitting(const struct envelope *self, struct open_record *open, struct lb_value text)
{
    bool cut = (open->record.flags & LB_RECORD_TRUNCATED) != 0;
    size_t room = cut ? 0 : self->max_line - open->len;

    if (text.len <= room)
        return text;
    open->record.flags |= LB_RECORD_TRUNCATED;
    text.len = (uint32_t)room;
    while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
        text.len--;
    return text;
}

static void begin(struct envelope *self, struct open_record *open, const struct lb_record *first)
{
    *open = (struct open_record){ .is_open = true, .record = *first };
    open->record.message = fitting(self, open, first->message);
    open->len = open->record.message.len;
    open->tail = &open->more;
}

static void add_part(struct envelope *self, struct open_record *open, struct lb_value text)
{
    struct part *part;

    text = fitting(self, open, text);
    if (text.len == 0)
        return;
    part = lb_arena_alloc(&self->batch->arena, sizeof(*part));
    if (part == NULL) {
        open->record.flags |= LB_RECORD_TRUNCATED;
        return;
    }
    *part = (struct part){ NULL, text };
    *open->tail = part;
    open->tail = &part->next;
    open->len += text.len;
}

static size_t append(char *text, size_t len, struct lb_value part)
{
    if (part.len > 0)
        memcpy(text + len, part.ptr, part.len);
    return len + part.len;
}

/* Joins the parts. Where the arena has no room for that, the first one stands for all. */
static void finish(struct envelope *self, struct open_record *open)
{
    char *text = open->more != NULL ? lb_arena_alloc(&self->batch->arena, open->len) : NULL;

    if (text != NULL) {
        size_t len = append(text, 0, open->record.message);

        for (const struct part *part = open->more; part != NULL; part = part->next)
            len = append(text, len, part->text);
        open->record.message = lb_value_text((struct lb_str){ text, len });
    } else if (open->more != NULL) {
        open->record.flags |= LB_RECORD_TRUNCATED;
    }
    *next_record(self) = open->record;
    emit(self);
    open->is_open = false;
}

static void take_event(struct envelope *self, uint32_t i)
{
    struct lb_batch *batch = self->batch;
    const struct lb_event *event = lb_batch_event(batch, i);
    struct lb_record *record = next_record(self);
    struct docker_line line;

    begin_record(batch, i, record);

    if (!docker_read_line(&self->reader, batch->bytes + event->start, event->length, &line)) {
        record->flags |= LB_RECORD_PARSE_ERROR;
        record->reason = lb_str_from(line.reason);
        emit(self);
        return;
    }
    struct open_record *open = open_of(self, &line);
    if (!open->is_open) {
        fill(self, i, &line, record);
        if (line.whole)
            emit(self);
        else
            begin(self, open, record);
        return;
    }
    open->record.end = record->end;
    add_part(self, open, line.log);
    if (line.whole)
        finish(self, open);
}

/* What is still open, the one that began first before the others. Their ends must not fall behind. */
static void finish_all(struct envelope *self)
{
    while (true) {
        struct open_record *earliest = NULL;

        for (unsigned i = 0; i < STREAM_COUNT; i++) {
            struct open_record *open = &self->open[i];

            if (open->is_open && (earliest == NULL || open->record.start < earliest->record.start))
                earliest = open;
        }
        if (earliest == NULL)
            return;
        earliest->record.end = lb_batch_end(self->batch, self->batch->event_count - 1);
        finish(self, earliest);
    }
}

static enum lb_err open_docker(struct lb_batch *batch)
{
    struct envelope self = { .batch = batch, .max_line = max_line_of(batch) };

    batch->record_count = 0;
    if (batch->event_count == 0)
        return LB_OK;
    batch->records = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->records));
    self.stream_fields = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*self.stream_fields));
    if (batch->records == NULL || self.stream_fields == NULL)
        return LB_NOMEM;
    self.reader = (struct docker_reader){ .arena = &batch->arena, .free = batch->bytes };
    for (uint32_t i = 0; i < batch->event_count; i++)
        take_event(&self, i);
    finish_all(&self);
    return LB_OK;
}

const struct lb_envelope lb_envelope_docker = { "docker", open_docker };
