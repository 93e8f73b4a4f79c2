/* alert_marker.c - markers: kept, found, written; see lb_markers.h. */
#include "lb_markers.h"

#include "lb_alloc.h"
#include "lb_file.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_time.h"

#include <errno.h>
#include <pthread.h>

#define MODULE "route.alert"

enum { VERSION = 1, FILE_BYTES_MAX = 16 * 1024 * 1024, LINE_SCRATCH = 4096 };

/* One allocation: its texts stand behind it. */
struct marker {
    struct lb_marker at;
    char bytes[];
};

struct lb_markers {
    char *path;
    pthread_mutex_t change_lock; /* taken before `lock` */
    pthread_mutex_t lock;        /* guards the rest */
    struct marker *items[LB_MARKERS_MAX + 1];
    size_t count;
};

static struct lb_str put_behind(char **to, struct lb_str text)
{
    struct lb_str copy = { *to, text.len };

    memcpy(*to, text.ptr, text.len);
    *to += text.len;
    return copy;
}

static struct marker *copy_of(const struct lb_marker *from)
{
    struct marker *copy = lb_alloc(sizeof(*copy) + from->text.len + from->service.len + from->author.len + 1);

    if (copy == NULL)
        return NULL;
    char *to = copy->bytes;

    copy->at.time = from->time;
    copy->at.text = put_behind(&to, from->text);
    copy->at.service = put_behind(&to, from->service);
    copy->at.author = put_behind(&to, from->author);
    return copy;
}

/* Behind those of the same time. */
static size_t place_of(const struct lb_markers *self, int64_t time)
{
    size_t at = self->count;

    while (at > 0 && self->items[at - 1]->at.time > time)
        at--;
    return at;
}

static void write_text(struct lb_buffer *out, const char *name, struct lb_str text)
{
    if (text.len == 0)
        return;
    lb_buffer_print(out, ",\"%s\":\"", name);
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void write_marker(const struct lb_marker *marker, struct lb_buffer *out)
{
    char time[LB_TIME_TEXT_SIZE];

    lb_buffer_print(out, "{\"time\":\"%.*s\"", (int)lb_time_write(marker->time, time), time);
    write_text(out, "service", marker->service);
    write_text(out, "text", marker->text);
    write_text(out, "author", marker->author);
    lb_buffer_append_char(out, '}');
}

/* All with `added` in its place, but for the first of too many. */
static bool save(const struct lb_markers *self, const struct marker *added, size_t place)
{
    struct lb_buffer out;
    size_t skip = self->count == LB_MARKERS_MAX;

    lb_buffer_init(&out, FILE_BYTES_MAX);
    lb_buffer_print(&out, "{\"markers\":%zu,\"version\":%d}\n", self->count + 1 - skip, VERSION);
    for (size_t i = 0; i <= self->count; i++) {
        if (i == place) {
            write_marker(&added->at, &out);
            lb_buffer_append_char(&out, '\n');
        }
        if (i < skip || i == self->count)
            continue;
        write_marker(&self->items[i]->at, &out);
        lb_buffer_append_char(&out, '\n');
    }
    errno = ENOMEM;
    bool ok = !out.failed && lb_file_replace(self->path, lb_buffer_str(&out));
    lb_buffer_free(&out);
    return ok;
}

static void insert(struct lb_markers *self, struct marker *marker, size_t place)
{
    for (size_t i = self->count; i > place; i--)
        self->items[i] = self->items[i - 1];
    self->items[place] = marker;
    self->count++;
    if (self->count <= LB_MARKERS_MAX)
        return;
    lb_free(self->items[0]);
    self->count--;
    for (size_t i = 0; i < self->count; i++)
        self->items[i] = self->items[i + 1];
}

static bool is_too_long(const struct lb_marker *marker)
{
    return marker->text.len == 0 || marker->text.len > LB_MARKER_TEXT_BYTES ||
           marker->service.len > LB_MARKER_NAME_BYTES || marker->author.len > LB_MARKER_NAME_BYTES;
}

static enum lb_err add(struct lb_markers *self, const struct lb_marker *marker)
{
    size_t place = place_of(self, marker->time);

    if (is_too_long(marker) || (place == 0 && self->count == LB_MARKERS_MAX))
        return LB_LIMIT;
    struct marker *copy = copy_of(marker);

    if (copy == NULL)
        return LB_NOMEM;
    if (!save(self, copy, place)) {
        lb_free(copy);
        return LB_IO;
    }
    pthread_mutex_lock(&self->lock);
    insert(self, copy, place);
    pthread_mutex_unlock(&self->lock);
    return LB_OK;
}

enum lb_err lb_markers_add(struct lb_markers *markers, const struct lb_marker *marker)
{
    pthread_mutex_lock(&markers->change_lock);
    enum lb_err err = add(markers, marker);
    pthread_mutex_unlock(&markers->change_lock);
    return err;
}

/* --- opening ------------------------------------------------------------------------ */

static bool read_line(struct lb_markers *self, struct lb_str line)
{
    char room[LINE_SCRATCH];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_value object = lb_value_of(line, LB_VALUE_OBJECT);
    struct lb_marker marker;

    if (line.len == 0 || line.ptr[0] != '{' || !lb_json_valid(line))
        return false;
    marker.text = lb_value_str(lb_value_member(object, LB_STR("text")), &scratch);
    marker.service = lb_value_str(lb_value_member(object, LB_STR("service")), &scratch);
    marker.author = lb_value_str(lb_value_member(object, LB_STR("author")), &scratch);
    if (!lb_time_rfc3339(lb_value_str(lb_value_member(object, LB_STR("time")), &scratch), &marker.time) ||
        is_too_long(&marker))
        return false;
    struct marker *copy = copy_of(&marker);

    if (copy != NULL)
        insert(self, copy, place_of(self, marker.time));
    return copy != NULL;
}

static void load(struct lb_markers *self)
{
    struct lb_buffer bytes;
    size_t damaged = 0;
    bool is_head = true;

    lb_buffer_init(&bytes, FILE_BYTES_MAX);
    enum lb_err err = lb_file_read(self->path, &bytes);
    struct lb_str rest = lb_buffer_str(&bytes);

    while (err == LB_OK && rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.ptr) : rest.len;

        if (!is_head)
            damaged += !read_line(self, (struct lb_str){ rest.ptr, len });
        is_head = false;
        len += end != NULL;
        rest = (struct lb_str){ rest.ptr + len, rest.len - len };
    }
    if (damaged > 0 || (err != LB_OK && err != LB_END))
        LB_WARN(MODULE, "markers cannot be read and are left out path=%s lines=%zu error=%s", self->path, damaged,
                lb_err_name(err));
    lb_buffer_free(&bytes);
}

struct lb_markers *lb_markers_open(const char *path)
{
    struct lb_markers *self = lb_alloc(sizeof(*self));
    size_t size = strlen(path) + 1;

    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->change_lock, NULL);
    pthread_mutex_init(&self->lock, NULL);
    self->path = lb_alloc(size);
    if (self->path == NULL) {
        lb_markers_free(self);
        return NULL;
    }
    memcpy(self->path, path, size);
    load(self);
    return self;
}

void lb_markers_free(struct lb_markers *markers)
{
    if (markers == NULL)
        return;
    for (size_t i = 0; i < markers->count; i++)
        lb_free(markers->items[i]);
    pthread_mutex_destroy(&markers->change_lock);
    pthread_mutex_destroy(&markers->lock);
    lb_free(markers->path);
    lb_free(markers);
}

/* --- asking --------------------------------------------------------------------------- */

static bool is_of(const struct lb_marker *marker, struct lb_str service)
{
    return marker->service.len == 0 || lb_str_equal(marker->service, service);
}

size_t lb_markers_newest(struct lb_markers *markers, struct lb_str service, int64_t at, int64_t near,
                         char text[LB_MARKER_TEXT_BYTES])
{
    size_t length = 0;

    pthread_mutex_lock(&markers->lock);
    for (size_t i = markers->count; i > 0 && length == 0; i--) {
        const struct lb_marker *marker = &markers->items[i - 1]->at;

        if (marker->time < at - near)
            break;
        if (marker->time > at || !is_of(marker, service))
            continue;
        length = marker->text.len;
        memcpy(text, marker->text.ptr, length);
    }
    pthread_mutex_unlock(&markers->lock);
    return length;
}

void lb_markers_write(struct lb_markers *markers, int64_t since, int64_t until, struct lb_str service,
                      struct lb_buffer *out)
{
    bool any = false;

    lb_buffer_append_char(out, '[');
    pthread_mutex_lock(&markers->lock);
    for (size_t i = 0; i < markers->count; i++) {
        const struct lb_marker *marker = &markers->items[i]->at;

        if (marker->time < since || marker->time >= until || (service.len > 0 && !is_of(marker, service)))
            continue;
        if (any)
            lb_buffer_append_char(out, ',');
        write_marker(marker, out);
        any = true;
    }
    pthread_mutex_unlock(&markers->lock);
    lb_buffer_append_char(out, ']');
}
