/*
 * docker_rotation.c - bytes until a file is deleted, over bytes in a second.
 *
 * The tricky thing is that rotation goes by whole files: a line is safe until the file it is in is the oldest, and
 * then gone at once. So for each file, those that are yet to be written included, the time of its end is compared with
 * the time at which it will have been read; the first that is too late says how long is left.
 */
#include "docker_rotation.h"
#include "docker_config.h"

#include "lb_alloc.h"
#include "lb_json.h"
#include "lb_log.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    CONTAINERS_MAX = 1024, /* that are behind at once; of further ones nothing is said */
    MEMBERS_MAX = 128,
    ID_BYTES = 72,        /* 64 digits, and their end */
    MEASURE_SECONDS = 5,  /* rates of less say nothing */
    SMOOTH_SECONDS = 20,  /* over which rates are averaged */
    NEAR_SECONDS = 5,     /* who is not farther behind keeps up */
    WARN_WITHIN = 3600,   /* seconds */
    WARN_EVERY = 60,      /* seconds, for a source */
    FORGET_SECONDS = 120, /* a container that has been read */
};

struct container {
    uint64_t key; /* of its directory */
    char *live;   /* the path of the file that is written */
    struct docker_backlog backlog;
    uint64_t tail_inode; /* of that, as the tail has it */
    uint64_t tail_offset;
    uint64_t inode; /* and when it was last looked at, */
    uint64_t seen_bytes;
    uint64_t seen_unread;
    uint64_t unread;
    int64_t first_ns; /* monotonic; 0: not looked at yet */
    int64_t seen_ns;
    int64_t behind_ns; /* when there was something to read last */
};

struct docker_rotation {
    const struct lb_source *source;
    struct lb_metric *left;
    struct container *items;
    uint32_t count;
    size_t capacity;
    int64_t warned_ns;
    pthread_mutex_t lock; /* guards what follows */
    int64_t worst;        /* seconds */
    char container[ID_BYTES];
};

/* --- what the container says ----------------------------------------------------- */

static struct lb_value member(struct lb_str text, const char *name)
{
    struct lb_field fields[MEMBERS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = MEMBERS_MAX };

    if (lb_json_read_object(text, &object) != LB_OK)
        return (struct lb_value){ .kind = LB_VALUE_NONE };
    for (uint32_t i = 0; i < object.field_count; i++) {
        if (lb_str_is((struct lb_str){ fields[i].key.ptr, fields[i].key.len }, name))
            return fields[i].value;
    }
    return (struct lb_value){ .kind = LB_VALUE_NONE };
}

static struct lb_str text_of_member(struct lb_value object, const char *name)
{
    struct lb_value value = lb_value_member(object, lb_str_from(name));

    return lb_value_is_string(value) ? (struct lb_str){ value.ptr, value.len } : (struct lb_str){ 0 };
}

/* "10m", "1g", "500k", "1048576": of 1024, as Docker counts. 0: it is none, or without a bound. */
static uint64_t read_size(struct lb_str text)
{
    static const char units[] = "bkmgt";
    char number[32];
    char *end;

    if (text.len == 0 || text.len >= sizeof(number))
        return 0;
    memcpy(number, text.ptr, text.len);
    number[text.len] = '\0';
    double value = strtod(number, &end);
    if (end == number || !(value > 0))
        return 0;
    const char *unit = *end != '\0' ? strchr(units, *end | 0x20) : units;
    if (unit == NULL)
        return 0;
    value *= pow(1024, (double)(unit - units));
    return value < (double)INT64_MAX ? (uint64_t)value : 0;
}

bool docker_limits_read(struct lb_str text, struct docker_limits *limits)
{
    struct lb_value config = member(text, "LogConfig");

    if (config.kind == LB_VALUE_NONE)
        config = lb_value_member(member(text, "HostConfig"), LB_STR("LogConfig"));
    if (config.kind == LB_VALUE_NONE)
        return false;
    struct lb_value options = lb_value_member(config, LB_STR("Config"));
    uint64_t files = read_size(text_of_member(options, "max-file"));
    limits->file_bytes = read_size(text_of_member(options, "max-size"));
    limits->files = files == 0 ? 1 : files < DOCKER_FILES_MAX ? (uint32_t)files : DOCKER_FILES_MAX;
    /* A file that is compressed when it is rotated is another one, and nobody reads it. */
    if (lb_str_is(text_of_member(options, "compress"), "true"))
        limits->files = 1;
    return true;
}

static void find_limits(const char *live, struct docker_limits *limits)
{
    static const char *const names[] = { "hostconfig.json", "config.v2.json" };
    struct lb_buffer text;
    bool found = false;

    lb_buffer_init(&text, DOCKER_CONFIG_BYTES_MAX);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !found; i++)
        found = docker_config_read(live, names[i], &text) && docker_limits_read(lb_buffer_str(&text), limits);
    lb_buffer_free(&text);
}

/* --- how long ----------------------------------------------------------------------- */

/* The time after which so many bytes were read or written; never, at no rate. */
static double after(double bytes, double rate)
{
    return bytes <= 0 ? 0 : rate > 0 ? bytes / rate : INFINITY;
}

/* Of files that are yet to be written: the first that is not read in time, when reading is slower for good. */
static double left_of_later_files(const struct docker_backlog *backlog, double to_read, double to_end)
{
    double size = (double)backlog->limits.file_bytes;
    double lead = to_end * backlog->read - to_read * backlog->written;

    if (after(to_read, backlog->read) > after(to_end, backlog->written))
        return after(to_end, backlog->written);
    if (backlog->read >= backlog->written)
        return INFINITY;
    double files = ceil(lead / (size * (backlog->written - backlog->read)));
    return after(to_end + files * size, backlog->written);
}

/* Of who keeps up the two rates differ by chance only. */
static bool is_near(const struct docker_backlog *backlog)
{
    double half = (double)backlog->limits.file_bytes * backlog->limits.files / 2;
    double some = backlog->written * NEAR_SECONDS;
    double unread = 0;

    for (uint32_t i = 0; i < backlog->limits.files; i++)
        unread += (double)backlog->unread[i];
    return unread < (some < half ? some : half);
}

int64_t docker_rotation_left(const struct docker_backlog *backlog)
{
    double size = (double)backlog->limits.file_bytes;
    double to_live_end = size > (double)backlog->live_bytes ? size - (double)backlog->live_bytes : 0;
    double to_read = 0;
    double left = INFINITY;

    if (size <= 0 || backlog->written <= 0 || is_near(backlog))
        return DOCKER_LEFT_MAX;
    for (uint32_t i = backlog->limits.files; i-- > 1 && isinf(left);) {
        double to_end = to_live_end + (double)(backlog->limits.files - 1 - i) * size;

        to_read += (double)backlog->unread[i];
        if (backlog->unread[i] > 0 && after(to_read, backlog->read) > after(to_end, backlog->written))
            left = after(to_end, backlog->written);
    }
    if (isinf(left) && to_read + (double)backlog->unread[0] > 0)
        left = left_of_later_files(backlog, to_read + (double)backlog->unread[0] + to_live_end,
                                   to_live_end + (double)(backlog->limits.files - 1) * size);
    return left < DOCKER_LEFT_MAX ? (int64_t)left : DOCKER_LEFT_MAX;
}

/* --- containers that are behind ------------------------------------------------------- */

/* "…/ID-json.log.2" is 2, and its path without that; -1: none of the driver's. */
static int number_of(const char *path, size_t *length)
{
    const char *name = strrchr(path, '/');
    const char *dot = name != NULL ? strrchr(name, '.') : NULL;
    char *end;

    *length = strlen(path);
    if (dot == NULL || dot[1] < '0' || dot[1] > '9')
        return 0;
    long number = strtol(dot + 1, &end, 10);
    if (*end != '\0' || number >= DOCKER_FILES_MAX)
        return -1;
    *length = (size_t)(dot - path);
    return (int)number;
}

static bool make_room(struct docker_rotation *self)
{
    if (self->count >= CONTAINERS_MAX)
        return false;
    struct container *items = lb_grown(self->items, self->count, &self->capacity, sizeof(*items));
    if (items == NULL)
        return false;
    self->items = items;
    return true;
}

/* NULL: it is not known, and `add` is not set or there is no room. */
static struct container *container_of(struct docker_rotation *self, const char *path, size_t length, bool add)
{
    uint64_t key = XXH64(path, length, 0);

    for (uint32_t i = 0; i < self->count; i++)
        if (self->items[i].key == key)
            return &self->items[i];
    if (!add || !make_room(self))
        return NULL;
    struct container *container = &self->items[self->count];
    *container = (struct container){ .key = key, .live = lb_alloc(length + 1) };
    if (container->live == NULL)
        return NULL;
    memcpy(container->live, path, length);
    find_limits(container->live, &container->backlog.limits);
    self->count++;
    return container;
}

static void add_file(struct docker_rotation *self, const struct lb_tail_file *file)
{
    uint64_t unread = file->size > file->offset ? file->size - file->offset : 0;
    size_t length;
    int number = file->gone || file->packed != LB_UNPACK_NONE ? -1 : number_of(file->path, &length);
    struct container *container = number >= 0 ? container_of(self, file->path, length, unread > 0) : NULL;

    if (container == NULL)
        return;
    container->backlog.unread[number] += unread;
    container->unread += unread;
    if (number > 0)
        return;
    container->tail_inode = file->identity.inode;
    container->tail_offset = file->offset;
}

/* An average over what was seen so far, later over the last seconds. */
static void average(double *rate, double bytes, double seconds, double age)
{
    double window = age + seconds < SMOOTH_SECONDS ? age + seconds : SMOOTH_SECONDS;

    *rate += (seconds < window ? seconds / window : 1) * (bytes / seconds - *rate);
}

/* What was written since the last look: the file has grown, or it was rotated and another begun. */
static double written_since(const struct container *self, const struct stat *status)
{
    uint64_t size = (uint64_t)status->st_size;
    uint64_t limit = self->backlog.limits.file_bytes;

    if (status->st_ino == self->inode && size >= self->seen_bytes)
        return (double)(size - self->seen_bytes);
    return (double)size + (double)(limit > self->seen_bytes ? limit - self->seen_bytes : 0);
}

/* Sizes that the tail has seen may be old; what is written now is what counts. */
static void correct_unread(struct container *self, const struct stat *status)
{
    uint64_t size = (uint64_t)status->st_size;
    uint64_t live = size;

    if (status->st_ino == self->tail_inode)
        live = size > self->tail_offset ? size - self->tail_offset : 0;
    else
        live += self->backlog.unread[0]; /* rotated just now, and the tail does not know */
    self->unread += live - self->backlog.unread[0];
    self->backlog.unread[0] = live;
}

static void measure(struct container *self, const struct stat *status, int64_t now)
{
    double seconds = (double)(now - self->seen_ns) / (double)LB_SECOND;
    double age = (double)(self->seen_ns - self->first_ns) / (double)LB_SECOND;

    correct_unread(self, status);
    if (self->first_ns != 0 && seconds > 0) {
        double written = written_since(self, status);
        double read = written - ((double)self->unread - (double)self->seen_unread);

        average(&self->backlog.written, written, seconds, age);
        average(&self->backlog.read, read > 0 ? read : 0, seconds, age);
    }
    if (self->first_ns == 0)
        self->first_ns = now;
    self->inode = status->st_ino;
    self->backlog.live_bytes = self->seen_bytes = (uint64_t)status->st_size;
    self->seen_unread = self->unread;
    self->seen_ns = now;
}

static int64_t left_of(struct container *self, int64_t now)
{
    struct stat status;

    if (self->backlog.limits.file_bytes == 0)
        return DOCKER_LEFT_MAX;
    if (stat(self->live, &status) == 0) /* while it is rotated there is none for a moment, and the rates stay */
        measure(self, &status, now);
    if (self->first_ns == 0 || now - self->first_ns < MEASURE_SECONDS * LB_SECOND)
        return DOCKER_LEFT_MAX; /* nothing can be said yet */
    return docker_rotation_left(&self->backlog);
}

static void forget(struct docker_rotation *self, uint32_t i)
{
    lb_free(self->items[i].live);
    self->items[i] = self->items[--self->count];
}

static void forget_read(struct docker_rotation *self, int64_t now)
{
    for (uint32_t i = self->count; i-- > 0;) {
        if (self->items[i].unread > 0 || self->items[i].behind_ns == 0)
            self->items[i].behind_ns = now;
        if (now - self->items[i].behind_ns > FORGET_SECONDS * LB_SECOND)
            forget(self, i);
    }
}

/* --- telling ------------------------------------------------------------------------------ */

static const char *name_of(const struct container *container, char name[ID_BYTES])
{
    const char *end = strrchr(container->live, '/');
    const char *start = end;

    while (start != NULL && start > container->live && start[-1] != '/')
        start--;
    snprintf(name, ID_BYTES, "%.*s", start != NULL ? (int)(end - start) : 0, start != NULL ? start : "");
    return name;
}

static void warn(struct docker_rotation *self, const struct container *worst, int64_t left, int64_t now)
{
    char name[ID_BYTES];

    if (left >= WARN_WITHIN || (self->warned_ns != 0 && now - self->warned_ns < WARN_EVERY * LB_SECOND))
        return;
    self->warned_ns = now;
    LB_WARN("source.docker",
            "rotation will take lines that are not read; see in /api/v1/status which sink holds them back, or give the "
            "container a larger max-size or max-file source=" LB_STR_FMT " container=%s left_seconds=%" PRId64
            " unread_bytes=%" PRIu64 " written_per_second=%.0f read_per_second=%.0f",
            LB_STR_ARG(self->source->section.name), name_of(worst, name), left, worst->unread, worst->backlog.written,
            worst->backlog.read);
}

static void tell(struct docker_rotation *self, const struct container *worst, int64_t left, int64_t now)
{
    char name[ID_BYTES] = "";

    lb_metric_set(self->left, left);
    pthread_mutex_lock(&self->lock);
    self->worst = left;
    memcpy(self->container, worst != NULL ? name_of(worst, name) : name, ID_BYTES);
    pthread_mutex_unlock(&self->lock);
    if (worst != NULL)
        warn(self, worst, left, now);
}

void docker_rotation_look(struct docker_rotation *self, const struct lb_tail *tail, int64_t now)
{
    const struct container *worst = NULL;
    int64_t least = DOCKER_LEFT_MAX;

    for (uint32_t i = 0; i < self->count; i++) {
        self->items[i].unread = 0;
        memset(self->items[i].backlog.unread, 0, sizeof(self->items[i].backlog.unread));
    }
    for (uint32_t i = 0; i < tail->file_count; i++)
        add_file(self, tail->files[i]);
    forget_read(self, now);
    for (uint32_t i = 0; i < self->count; i++) {
        struct container *container = &self->items[i];
        int64_t left = left_of(container, now);

        if (left < least) {
            least = left;
            worst = container;
        }
    }
    tell(self, worst, least, now);
}

void docker_rotation_status(struct docker_rotation *self, struct lb_buffer *out)
{
    pthread_mutex_lock(&self->lock);
    if (self->worst < DOCKER_LEFT_MAX)
        lb_buffer_print(out, ",\"rotation_left_seconds\":%" PRId64 ",\"rotation_container\":\"%s\"", self->worst,
                        self->container);
    pthread_mutex_unlock(&self->lock);
}

/* --- begin and end -------------------------------------------------------------------------- */

struct docker_rotation *docker_rotation_new(const struct lb_source *source)
{
    struct docker_rotation *self = lb_alloc(sizeof(*self));
    char name[LB_NAME_BYTES_MAX + 1];
    char labels[2 * LB_NAME_BYTES_MAX];

    if (self == NULL)
        return NULL;
    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->source = source;
    self->worst = DOCKER_LEFT_MAX;
    self->left = lb_metric(LB_GAUGE, "logboom_rotation_left_seconds",
                           "Time until rotation takes lines that are not read; 86400: nothing is in danger", labels);
    lb_metric_set(self->left, DOCKER_LEFT_MAX);
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

void docker_rotation_free(struct docker_rotation *self)
{
    if (self == NULL)
        return;
    while (self->count > 0)
        forget(self, 0);
    lb_free(self->items);
    lb_metric_set(self->left, DOCKER_LEFT_MAX);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}
