/* notice_history.c - notices kept to look back at; see notice_history.h. */
#include "notice_history.h"

#include "notice_outcomes.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_file.h"
#include "lb_format.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_time.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "daemon"

enum {
    FILE_MODE = 0640,
    FILE_BYTES_MAX = 8 * 1024 * 1024,
    BATCH_BYTES_MAX = 16 * 1024 * 1024,
    FOUND_MAX = 10000,
};

struct notice_history {
    char *path;
    char *older;
    pthread_mutex_t lock; /* guards the files against a reader that comes in while they change places */
    int fd;               /* -1: not open */
    bool told;            /* that it cannot be written */
    struct lb_buffer lines;
    struct lb_scratch scratch;
    struct lb_formatter formatter;
};

struct notice_history *notice_history_open(const char *path)
{
    struct notice_history *self = lb_alloc(sizeof(*self));
    size_t size = strlen(path) + sizeof(".1");

    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    self->fd = -1;
    lb_buffer_init(&self->lines, BATCH_BYTES_MAX);
    self->path = lb_alloc(size);
    self->older = lb_alloc(size);
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    self->formatter = (struct lb_formatter){ .format = LB_FORMAT_JSON, .scratch = &self->scratch };
    if (self->path == NULL || self->older == NULL || self->scratch.ptr == NULL) {
        notice_history_close(self);
        return NULL;
    }
    snprintf(self->path, size, "%s", path);
    snprintf(self->older, size, "%s.1", path);
    return self;
}

void notice_history_close(struct notice_history *self)
{
    if (self == NULL)
        return;
    if (self->fd >= 0)
        close(self->fd);
    pthread_mutex_destroy(&self->lock);
    lb_buffer_free(&self->lines);
    lb_free(self->scratch.ptr);
    lb_free(self->older);
    lb_free(self->path);
    lb_free(self);
}

/* --- noting ---------------------------------------------------------------------- */

static bool goes_to(const struct lb_batch *batch, uint32_t sink, const struct lb_record *record)
{
    const struct lb_selection *selection = &batch->selections[sink];

    for (uint32_t i = 0; i < selection->count; i++)
        if (lb_batch_selected(batch, selection, i) == record)
            return true;
    return false;
}

/* `…}` and the line end become `…,"sinks":["pager"],"notice_id":"…"}`. */
static void add_sinks(struct notice_history *self, const struct lb_batch *batch, const struct lb_record *record,
                      const struct lb_strs *sinks)
{
    char id[LB_RECORD_ID_SIZE];
    bool any = false;

    lb_record_id(batch, record, id);
    self->lines.len -= 2;
    lb_buffer_append_str(&self->lines, LB_STR(",\"sinks\":["));
    for (uint32_t i = 0; i < sinks->count; i++) {
        if (!goes_to(batch, i, record))
            continue;
        lb_buffer_append_str(&self->lines, any ? LB_STR(",\"") : LB_STR("\""));
        lb_json_escape(&self->lines, sinks->items[i]);
        lb_buffer_append_char(&self->lines, '"');
        any = true;
    }
    lb_buffer_print(&self->lines, "],\"notice_id\":\"%s\"}\n", id);
}

/* Open for the next lines; a full file gives way. */
static bool prepare(struct notice_history *self)
{
    struct stat status;

    if (self->fd < 0)
        self->fd = open(self->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (self->fd < 0 || fstat(self->fd, &status) != 0)
        return false;
    if (status.st_size < FILE_BYTES_MAX)
        return true;
    close(self->fd);
    self->fd = -1;
    if (rename(self->path, self->older) != 0)
        return false;
    self->fd = open(self->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    return self->fd >= 0;
}

static void append(struct notice_history *self, struct lb_str lines)
{
    pthread_mutex_lock(&self->lock);
    bool ok = prepare(self) && write(self->fd, lines.ptr, lines.len) == (ssize_t)lines.len;
    if (!ok && !self->told)
        LB_WARN(MODULE, "notices are missing in the history path=%s reason=%s", self->path, strerror(errno));
    self->told = !ok;
    pthread_mutex_unlock(&self->lock);
}

void notice_history_add(struct notice_history *self, struct lb_str object)
{
    struct lb_buffer line;

    lb_buffer_init(&line, BATCH_BYTES_MAX);
    lb_buffer_append_str(&line, object);
    lb_buffer_append_char(&line, '\n');
    if (!line.failed)
        append(self, lb_buffer_str(&line));
    lb_buffer_free(&line);
}

void notice_history_told(void *history, const struct lb_delivery_outcome *outcome)
{
    struct lb_buffer line;

    lb_buffer_init(&line, BATCH_BYTES_MAX);
    notice_outcome_write(outcome, lb_clock_now(), &line);
    if (!line.failed)
        append(history, lb_buffer_str(&line));
    lb_buffer_free(&line);
}

void notice_history_note(struct notice_history *self, const struct lb_batch *batch, const struct lb_strs *sinks)
{
    lb_buffer_reset(&self->lines);
    for (uint32_t i = 0; i < batch->record_count; i++) {
        size_t before = self->lines.len;

        self->scratch.used = 0;
        lb_format_write(&self->formatter, batch, &batch->records[i], &self->lines);
        if (self->lines.len > before + 2)
            add_sinks(self, batch, &batch->records[i], sinks);
    }
    if (!self->lines.failed && self->lines.len > 0)
        append(self, lb_buffer_str(&self->lines));
}

/* --- answering ---------------------------------------------------------------------- */

static bool is_text(struct lb_value object, const char *name, struct lb_str wanted, struct lb_scratch *scratch)
{
    return wanted.len == 0 || lb_str_equal(lb_value_str(lb_value_member(object, lb_str_from(name)), scratch), wanted);
}

static bool is_asked_for(const struct notice_query *query, struct lb_str line)
{
    char room[1024];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_value object = lb_value_of(line, LB_VALUE_OBJECT);
    int64_t time;

    if (line.len == 0 || line.ptr[0] != '{' || !lb_json_valid(line))
        return false;
    return lb_time_rfc3339(lb_value_str(lb_value_member(object, LB_STR("timestamp")), &scratch), &time) &&
           time >= query->since && time < query->until && is_text(object, "rule", query->rule, &scratch) &&
           is_text(object, "alert_id", query->alert_id, &scratch);
}

/* From the end of the file backwards: the newest first, so the outcomes of a notice before it. */
static size_t find_lines(const struct notice_query *query, struct lb_str bytes, struct lb_str *found, size_t room,
                         struct notice_outcomes *outcomes)
{
    size_t count = 0;

    while (count < room && bytes.len > 0) {
        size_t end = bytes.ptr[bytes.len - 1] == '\n' ? bytes.len - 1 : bytes.len;
        const char *before = end > 0 ? memrchr(bytes.ptr, '\n', end) : NULL;
        size_t begin = before != NULL ? (size_t)(before - bytes.ptr) + 1 : 0;
        struct lb_str line = { bytes.ptr + begin, end - begin };

        if (!notice_outcomes_take(outcomes, line) && is_asked_for(query, line))
            found[count++] = line;
        bytes.len = begin;
    }
    return count;
}

/* What earlier versions have noted has no id. */
static void write_notice(struct lb_str line, struct notice_outcomes *outcomes, struct lb_buffer *out)
{
    struct lb_str id = notice_id_of(line);

    if (id.len == 0) {
        lb_buffer_append_str(out, line);
        return;
    }
    lb_buffer_append(out, line.ptr, line.len - 1);
    lb_buffer_append_str(out, LB_STR(",\"deliveries\":"));
    notice_outcomes_list(outcomes, id, out);
    lb_buffer_append_char(out, '}');
}

static void write_found(const struct lb_str *found, size_t count, struct notice_outcomes *outcomes,
                        struct lb_buffer *out)
{
    lb_buffer_append_char(out, '[');
    for (size_t i = count; i > 0; i--) {
        write_notice(found[i - 1], outcomes, out);
        if (i > 1)
            lb_buffer_append_char(out, ',');
    }
    lb_buffer_append_char(out, ']');
}

void notice_history_write(struct notice_history *self, const struct notice_query *query, struct lb_buffer *out)
{
    size_t limit = query->limit < FOUND_MAX ? query->limit : FOUND_MAX;
    struct lb_str *found = lb_alloc((limit + 1) * sizeof(*found));
    struct notice_outcomes outcomes = { 0 };
    struct lb_buffer newer;
    struct lb_buffer older;
    size_t count = 0;

    lb_buffer_init(&newer, FILE_BYTES_MAX + BATCH_BYTES_MAX);
    lb_buffer_init(&older, FILE_BYTES_MAX + BATCH_BYTES_MAX);
    pthread_mutex_lock(&self->lock);
    enum lb_err has_newer = lb_file_read(self->path, &newer);
    enum lb_err has_older = lb_file_read(self->older, &older);
    pthread_mutex_unlock(&self->lock);
    if (found != NULL && has_newer == LB_OK)
        count = find_lines(query, lb_buffer_str(&newer), found, limit, &outcomes);
    if (found != NULL && has_older == LB_OK)
        count += find_lines(query, lb_buffer_str(&older), found + count, limit - count, &outcomes);
    if (found != NULL)
        count = notices_keep_once(found, count);
    write_found(found, count, &outcomes, out);
    notice_outcomes_free(&outcomes);
    lb_buffer_free(&newer);
    lb_buffer_free(&older);
    lb_free(found);
}
