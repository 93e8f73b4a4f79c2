/*
 * envelope_docker.c - the records of a container's log, as Docker's json-file
 * driver or a runtime of Kubernetes (CRI) writes it.
 *
 * A `log` without a newline (or a line tagged P) is a part: what follows in the same stream
 * (stdout and stderr take turns as they like) is joined to it. Records stand
 * in the order in which they were completed, so their ends rise, as marks
 * need it; a joined one begins where its first part does. Batches end where
 * no part is open, unless ingest could not wait: then what is there goes out.
 *
 * With `multiline:` whole lines of a stream are joined once more, to events. An
 * event is known to be over when the next one begins, so the records are put
 * in the order of their ends when all is read.
 */
#include "cri_line.h"
#include "docker_line.h"
#include "lb_limits.h"
#include "lb_multiline.h"
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

/* An event of several lines that may still go on. */
struct open_event {
    struct lb_multiline_state state;
    struct open_record text;
};

/* Reads a line; lines come in the order in which they stand. False: it is none. */
typedef bool read_line(struct docker_reader *reader, char *line, size_t len, struct docker_line *out);

struct envelope {
    struct lb_batch *batch;
    read_line *read;
    const struct lb_multiline *rule; /* NULL: each line is an event */
    struct lb_field *stream_fields;  /* one for each event */
    size_t max_line;
    struct docker_reader reader;
    struct open_record open[STREAM_COUNT];
    struct open_event events[STREAM_COUNT];
};

static const struct lb_source *source_of(const struct lb_batch *batch)
{
    return batch->stream != NULL ? batch->stream->source : NULL;
}

static size_t max_line_of(const struct lb_batch *batch)
{
    const struct lb_source *source = source_of(batch);

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

static size_t stream_of(const struct docker_line *line)
{
    if (line->stream.kind == LB_VALUE_NONE)
        return STREAM_NONE;
    return line->stream.len == 6 && memcmp(line->stream.ptr, "stderr", 6) == 0 ? STREAM_ERR : STREAM_OUT;
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
static void join(struct envelope *self, struct open_record *open)
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
    open->is_open = false;
}

static void put(struct envelope *self, const struct lb_record *record)
{
    *next_record(self) = *record;
    emit(self);
}

static void end_event(struct envelope *self, struct open_event *event)
{
    if (!event->text.is_open)
        return;
    join(self, &event->text);
    put(self, &event->text.record);
}

/* A whole line of a stream: it goes on with the event that is open there, or begins the next. */
static void take_line(struct envelope *self, struct open_event *event, const struct lb_record *line)
{
    struct lb_str text = { line->message.ptr, line->message.len };
    bool joins = lb_multiline_joins(self->rule, &event->state, text);

    if (joins && event->text.is_open && event->text.len + 1 + text.len <= self->max_line) {
        add_part(self, &event->text, lb_value_text(LB_STR("\n")));
        add_part(self, &event->text, line->message);
        event->text.record.end = line->end;
        return;
    }
    end_event(self, event);
    begin(self, &event->text, line);
}

/* A line is whole: it is a record, or part of an event. */
static void take_whole(struct envelope *self, size_t stream, const struct lb_record *line)
{
    if (self->rule != NULL)
        take_line(self, &self->events[stream], line);
    else
        put(self, line);
}

static void finish(struct envelope *self, size_t stream)
{
    join(self, &self->open[stream]);
    take_whole(self, stream, &self->open[stream].record);
}

static void take_event(struct envelope *self, uint32_t i)
{
    struct lb_batch *batch = self->batch;
    const struct lb_event *event = lb_batch_event(batch, i);
    struct lb_record record;
    struct docker_line line;

    begin_record(batch, i, &record);
    if (!self->read(&self->reader, batch->bytes + event->start, event->length, &line)) {
        record.flags |= LB_RECORD_PARSE_ERROR;
        record.reason = lb_str_from(line.reason);
        put(self, &record);
        return;
    }
    size_t stream = stream_of(&line);
    struct open_record *open = &self->open[stream];
    if (!open->is_open) {
        fill(self, i, &line, &record);
        if (line.whole)
            take_whole(self, stream, &record);
        else
            begin(self, open, &record);
        return;
    }
    open->record.end = record.end;
    add_part(self, open, line.log);
    if (line.whole)
        finish(self, stream);
}

/* What is still open, the one that began first before the others. Their ends must not fall behind. */
static void finish_all(struct envelope *self)
{
    while (true) {
        size_t earliest = STREAM_COUNT;

        for (size_t i = 0; i < STREAM_COUNT; i++) {
            if (self->open[i].is_open &&
                (earliest == STREAM_COUNT || self->open[i].record.start < self->open[earliest].record.start))
                earliest = i;
        }
        if (earliest == STREAM_COUNT)
            return;
        self->open[earliest].record.end = lb_batch_end(self->batch, self->batch->event_count - 1);
        finish(self, earliest);
    }
}

/* Nearly in order already: an event waits only for the next line of its own stream. */
static void sort_by_end(struct lb_batch *batch)
{
    for (uint32_t i = 1; i < batch->record_count; i++) {
        struct lb_record record = batch->records[i];
        uint32_t at = i;

        for (; at > 0 && batch->records[at - 1].end > record.end; at--)
            batch->records[at] = batch->records[at - 1];
        batch->records[at] = record;
    }
}

static void finish_events(struct envelope *self)
{
    for (size_t i = 0; i < STREAM_COUNT; i++)
        end_event(self, &self->events[i]);
    sort_by_end(self->batch);
}

static enum lb_err open_with(struct lb_batch *batch, read_line *read)
{
    const struct lb_source *source = source_of(batch);
    struct envelope self = {
        .batch = batch, .read = read, .rule = source != NULL ? source->multiline : NULL, .max_line = max_line_of(batch)
    };

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
    if (self.rule != NULL)
        finish_events(&self);
    return LB_OK;
}

static enum lb_err open_docker(struct lb_batch *batch)
{
    return open_with(batch, docker_read_line);
}

/* A runtime's line in the words of Docker's. */
static bool read_cri(struct docker_reader *reader, char *line, size_t len, struct docker_line *out)
{
    struct cri_line cri;

    (void)reader;
    *out = (struct docker_line){ 0 };
    if (!cri_read_line((struct lb_str){ line, len }, &cri)) {
        out->reason = cri.reason;
        return false;
    }
    out->log = lb_value_text(cri.text);
    out->whole = !cri.partial;
    out->stream = lb_value_of(cri.stream, LB_VALUE_CLEAN);
    out->timed = true;
    out->time_ns = cri.time_ns;
    return true;
}

static enum lb_err open_cri(struct lb_batch *batch)
{
    return open_with(batch, read_cri);
}

const struct lb_envelope lb_envelope_docker = { "docker", open_docker };
const struct lb_envelope lb_envelope_cri = { "cri", open_cri };
