/*
 * output_retention.c - deletes old files, the oldest first.
 *
 * Two rounds: what is too old, and what a service has too much of; then what
 * all have too much of. So a noisy service with a quota never drives out the
 * files of a quiet one. Only files that the template could have made are
 * looked at, never one that is still written or held, and none that is
 * younger than at_least, whatever else is said. Of each service the newest
 * finished file stays, unless it is older than an age that was set.
 *
 * A file's age is that of its newest event: the time of its last write, which
 * sealing moves back to the time of the last record. A full disk makes the
 * keys that limit space work at once, even below their limits.
 */
#include "output.h"

#include "manifest_writer.h"
#include "sealer.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    DELETIONS_MAX = 256,                /* in one go: each is made durable in the manifest */
    EMERGENCY_BYTES = 16 * 1024 * 1024, /* to be freed on a full disk, */
    EMERGENCY_PART = 16,                /* or this part of a small one */
};

static const struct lb_option service_options[] = {
    { "age", LB_OPTION_DURATION, offsetof(struct output, keep_service_age_ns), NULL,
      .help = "files whose newest record is older are deleted" },
    { "size", LB_OPTION_SIZE, offsetof(struct output, keep_service_size), NULL,
      .help = "its oldest files are deleted while they take more space on disk" },
    { "count", LB_OPTION_COUNT, offsetof(struct output, keep_service_count), NULL,
      .help = "its oldest files are deleted while there are more" },
    { 0 },
};

const struct lb_option output_keep_options[] = {
    { "at_least", LB_OPTION_DURATION, offsetof(struct output, keep_at_least_ns), NULL,
      .help = "younger files are never deleted, whatever the other keys say" },
    { "age", LB_OPTION_DURATION, offsetof(struct output, keep_age_ns), NULL,
      .help = "files whose newest record is older are deleted" },
    { "size", LB_OPTION_SIZE, offsetof(struct output, keep_size), NULL,
      .help = "the oldest files are deleted while all together take more space on disk" },
    { "count", LB_OPTION_COUNT, offsetof(struct output, keep_count), NULL,
      .help = "the oldest files are deleted while there are more" },
    { "free", LB_OPTION_SIZE, offsetof(struct output, keep_free), NULL,
      .help = "the oldest files are deleted while the file system has less space left" },
    { "per_service", LB_OPTION_GROUP, .help = "limits for the files of each service", .group = service_options },
    { 0 },
};

struct candidate {
    char *path;
    uint64_t service; /* its hash */
    uint32_t group;
    int64_t written_ns;
    uint64_t bytes;
    bool fixed; /* in use or held */
    bool gone;
};

/* What a service has. */
struct group {
    uint64_t bytes;
    uint64_t files;
    uint64_t finished;
};

struct retention {
    struct output *self;
    struct candidate *items;
    size_t count;
    size_t capacity;
    struct group *groups;
    uint64_t bytes; /* of all files, those in use included */
    uint64_t files;
    uint64_t wanted; /* bytes that are still to be freed: keep.free, or a full disk */
    const char *wanted_for;
    int64_t now;
    unsigned deletions;
    bool failed; /* no memory: nothing is deleted by half the facts */
};

/* --- collecting ---------------------------------------------------------------------- */

static bool grow(struct retention *retention)
{
    struct candidate *items = lb_grown(retention->items, retention->count, &retention->capacity, sizeof(*items));

    if (items == NULL)
        return false;
    retention->items = items;
    return true;
}

static void collect(void *context, const struct output_found *found)
{
    struct retention *retention = context;
    const struct output *self = retention->self;
    size_t size = strlen(found->path) + 1;
    char *path = found->temporary ? NULL : lb_alloc(size);

    if (found->temporary)
        return;
    if (path == NULL || !grow(retention)) {
        retention->failed = true;
        lb_free(path);
        return;
    }
    memcpy(path, found->path, size);
    struct lb_str service = output_pattern_service(&self->pattern, path);
    retention->items[retention->count++] = (struct candidate){ .path = path,
                                                               .service = XXH3_64bits(service.ptr, service.len),
                                                               .written_ns = found->written_ns,
                                                               .bytes = found->bytes,
                                                               .fixed = found->held || output_is_in_use(self, found) };
    retention->bytes += found->bytes;
    retention->files++;
}

static int by_service(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    return (x->service > y->service) - (x->service < y->service);
}

static int older_first(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->written_ns != y->written_ns)
        return x->written_ns > y->written_ns ? 1 : -1;
    /* Of one moment: a file without a number is older than one with, and 2 than 10. */
    size_t x_len = strlen(x->path);
    size_t y_len = strlen(y->path);
    return x_len != y_len ? (x_len > y_len) - (x_len < y_len) : strcmp(x->path, y->path);
}

static bool make_groups(struct retention *retention)
{
    uint32_t group = 0;

    retention->groups = lb_alloc(retention->count * sizeof(*retention->groups));
    if (retention->groups == NULL)
        return false;
    qsort(retention->items, retention->count, sizeof(*retention->items), by_service);
    for (size_t i = 0; i < retention->count; i++) {
        struct candidate *item = &retention->items[i];

        if (i > 0 && item->service != retention->items[i - 1].service)
            group++;
        item->group = group;
        retention->groups[group].bytes += item->bytes;
        retention->groups[group].files++;
        retention->groups[group].finished += !item->fixed;
    }
    qsort(retention->items, retention->count, sizeof(*retention->items), older_first);
    return true;
}

/* --- space ----------------------------------------------------------------------------- */

static bool limits_space(const struct output *self)
{
    return self->keep_size > 0 || self->keep_count > 0 || self->keep_free > 0 || self->keep_service_size > 0 ||
           self->keep_service_count > 0;
}

static void look_at_disk(struct retention *retention)
{
    const struct output *self = retention->self;
    struct statvfs disk;
    char root[PATH_MAX];

    if (self->pattern.root_len >= sizeof(root))
        return;
    snprintf(root, sizeof(root), "%.*s", (int)self->pattern.root_len, self->pattern.text);
    if (statvfs(*root != '\0' ? root : ".", &disk) != 0)
        return;
    uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / EMERGENCY_PART;

    retention->wanted_for = "free";
    if (self->keep_free > available)
        retention->wanted = self->keep_free - available;
    if (self->disk_full && limits_space(self) && retention->wanted == 0) {
        retention->wanted = part < EMERGENCY_BYTES ? part : EMERGENCY_BYTES;
        retention->wanted_for = "disk full";
    }
}

/* --- judging ------------------------------------------------------------------------------ */

static const char *age_reason(const struct output *self, int64_t age)
{
    if (self->keep_age_ns > 0 && age > self->keep_age_ns)
        return "age";
    return self->keep_service_age_ns > 0 && age > self->keep_service_age_ns ? "service age" : NULL;
}

static const char *service_reason(const struct output *self, const struct group *group)
{
    if (self->keep_service_size > 0 && group->bytes > self->keep_service_size)
        return "service size";
    return self->keep_service_count > 0 && group->files > self->keep_service_count ? "service count" : NULL;
}

static const char *common_reason(const struct retention *retention)
{
    const struct output *self = retention->self;

    if (self->keep_size > 0 && retention->bytes > self->keep_size)
        return "size";
    if (self->keep_count > 0 && retention->files > self->keep_count)
        return "count";
    return retention->wanted > 0 ? retention->wanted_for : NULL;
}

/* Why the file is to go, or NULL. */
static const char *reason_of(const struct retention *retention, const struct candidate *item, bool common)
{
    const struct output *self = retention->self;
    const struct group *group = &retention->groups[item->group];
    int64_t age = retention->now - item->written_ns;

    if (item->fixed || item->gone || age < self->keep_at_least_ns)
        return NULL;
    if (!common && age_reason(self, age) != NULL)
        return age_reason(self, age);
    if (group->finished <= 1)
        return NULL;
    return common ? common_reason(retention) : service_reason(self, group);
}

/* --- deleting ----------------------------------------------------------------------------- */

/* Removes directories that became empty, below the constant one. */
static void remove_empty_parents(const struct output *self, char *path)
{
    for (char *slash = strrchr(path, '/'); slash != NULL; slash = strrchr(path, '/')) {
        struct output_place place;

        *slash = '\0';
        if ((size_t)(slash - path) < self->pattern.root_len || !output_place_open(self, path, false, &place))
            return;
        bool removed = unlinkat(place.directory, place.name, AT_REMOVEDIR) == 0;
        output_place_close(&place);
        if (!removed)
            return;
    }
}

/* Before the file goes: a line too many is put right by the next one, a file that is gone without one never. */
static bool tell(const struct retention *retention, const struct candidate *item, const char *reason)
{
    const struct output *self = retention->self;
    char root[PATH_MAX];
    struct lb_buffer line;

    snprintf(root, sizeof(root), "%.*s", (int)self->pattern.root_len, self->pattern.text);
    lb_buffer_init(&line, 64 * 1024);
    manifest_begin(&line, "deleted", item->path + self->pattern.root_len);
    lb_buffer_print(&line, ",\"bytes\":%" PRIu64 ",\"reason\":\"%s\"", item->bytes, reason);
    bool ok = !line.failed && manifest_append(root, lb_buffer_str(&line));

    lb_buffer_free(&line);
    return ok;
}

/* True when it is gone. */
static bool delete_file(const struct retention *retention, const struct candidate *item, const char *reason)
{
    const struct output *self = retention->self;
    bool told = !self->kind->numbered || tell(retention, item, reason);

    if (!output_unlink_at(self, item->path)) {
        LB_WARN("sink", "cannot delete an expired file path=%s reason=%s", item->path, strerror(errno));
        return false;
    }
    /* A full disk may have had no room for the line until now. */
    if (!told && !tell(retention, item, reason))
        LB_WARN("sink", "cannot tell the manifest of a deleted file path=%s reason=%s", item->path, strerror(errno));
    LB_INFO("sink", "deleted an expired file path=%s because=\"%s\" age_seconds=%" PRId64 " bytes=%" PRIu64, item->path,
            reason, (retention->now - item->written_ns) / LB_SECOND, item->bytes);
    return true;
}

static void expire(struct retention *retention, struct candidate *item, const char *reason)
{
    struct output *self = retention->self;
    struct group *group = &retention->groups[item->group];

    if (output_ledger_knows(self, item->path)) {
        LB_WARN("sink", "an expired file is not deleted, another sink writes it path=%s", item->path);
        item->fixed = true;
        return;
    }
    if (self->sealer != NULL && !sealer_hold(self->sealer, item->path))
        return;
    item->gone = delete_file(retention, item, reason);
    if (self->sealer != NULL)
        sealer_release(self->sealer);
    retention->deletions++;
    if (!item->gone)
        return;
    retention->bytes -= item->bytes;
    retention->files--;
    group->bytes -= item->bytes;
    group->files--;
    group->finished--;
    retention->wanted -= item->bytes < retention->wanted ? item->bytes : retention->wanted;
    lb_metric_add(self->deleted, 1);
    remove_empty_parents(self, item->path);
}

static void expire_all(struct retention *retention, bool common)
{
    for (size_t i = 0; i < retention->count && retention->deletions < DELETIONS_MAX; i++) {
        const char *reason = reason_of(retention, &retention->items[i], common);

        if (reason != NULL)
            expire(retention, &retention->items[i], reason);
    }
}

bool output_retain(struct output *self)
{
    struct retention retention = { .self = self, .now = lb_clock_now() };

    if (self->keep_age_ns == 0 && self->keep_service_age_ns == 0 && !limits_space(self))
        return true;
    output_walk(self, collect, &retention);
    if (retention.count > 0 && !retention.failed && make_groups(&retention)) {
        look_at_disk(&retention);
        expire_all(&retention, false);
        expire_all(&retention, true);
    }
    self->disk_full = false;
    for (size_t i = 0; i < retention.count; i++)
        lb_free(retention.items[i].path);
    lb_free(retention.items);
    lb_free(retention.groups);
    return retention.deletions < DELETIONS_MAX;
}
