/*
 * host_containers.c - what containers use: control groups of version 2, and of version 1 where it has the same facts.
 *
 * The page cache that the kernel would give back (inactive_file) does not
 * count as used: a container that reads files would else always be full. The
 * tricky thing is what is told as new (kills, restarts): a container that
 * dies again and again has no control group between two lives, so it is
 * remembered for a while.
 */
#include "host.h"

#include "lb_alloc.h"
#include "lb_json.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMEMBERED (15 * 60 * LB_SECOND)

enum { CONFIG_BYTES_MAX = 1024 * 1024, MEMBERS_MAX = 128, FILE_BYTES = PATH_MAX + 32 };

/* No limit of version 1 is a number near the highest. */
static const uint64_t no_limit = UINT64_C(1) << 60;

/* --- the table -------------------------------------------------------------------- */

static struct host_container *find(struct host_containers *self, const char *id)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (memcmp(self->items[i].id, id, HOST_ID_BYTES) == 0)
            return &self->items[i];
    }
    return NULL;
}

static bool grow(struct host_containers *self)
{
    uint32_t capacity = self->capacity > 0 ? 2 * self->capacity : 16;
    struct host_container *grown;

    if (self->count < self->capacity)
        return true;
    if (self->capacity >= HOST_CONTAINERS_MAX)
        return false;
    grown = lb_realloc(self->items, capacity * sizeof(*grown));
    if (grown == NULL)
        return false;
    self->items = grown;
    self->capacity = capacity;
    return true;
}

static struct host_container *get(struct host_containers *self, const char *id)
{
    struct host_container *known = find(self, id);

    if (known != NULL)
        return known;
    if (!grow(self)) {
        if (!self->told_many)
            LB_WARN("source.host", "more containers than are watched, the others are left out watched=%u", self->count);
        self->told_many = true;
        return NULL;
    }
    known = &self->items[self->count++];
    *known = (struct host_container){ .has_oom = self->seen_once };
    memcpy(known->id, id, HOST_ID_BYTES);
    return known;
}

static void forget_gone(struct host_containers *self, int64_t now_ns)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < self->count; i++) {
        bool stays = now_ns - self->items[i].seen_ns < REMEMBERED;

        if (stays && kept != i)
            self->items[kept] = self->items[i];
        kept += stays;
    }
    self->count = kept;
}

void host_containers_free(struct host_containers *self)
{
    if (self->walking)
        host_walk_end(&self->walk);
    lb_buffer_free(&self->config);
    lb_free(self->items);
    self->items = NULL;
    self->count = self->capacity = 0;
    self->walking = false;
}

/* --- what Docker knows --------------------------------------------------------------- */

static struct lb_value member(const struct lb_json_object *object, const char *name)
{
    for (uint32_t i = 0; i < object->field_count; i++) {
        if (lb_str_is((struct lb_str){ object->fields[i].key.ptr, object->fields[i].key.len }, name))
            return object->fields[i].value;
    }
    return (struct lb_value){ .kind = LB_VALUE_NONE };
}

static void copy_word(char *out, size_t size, struct lb_value value)
{
    size_t skipped = value.len > 0 && value.ptr[0] == '/' ? 1 : 0; /* of names */

    /* Names and images need no escapes; one that has some is not shown. */
    if (value.kind == LB_VALUE_CLEAN && value.len - skipped < size)
        snprintf(out, size, "%.*s", (int)(value.len - skipped), value.ptr + skipped);
}

static void take_config(struct host_container *container, struct lb_str text, uint64_t *restarts_new)
{
    struct lb_field fields[MEMBERS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = MEMBERS_MAX };
    double restarts;

    if (lb_json_read_object(text, &object) != LB_OK)
        return;
    copy_word(container->name, sizeof(container->name), member(&object, "Name"));
    copy_word(container->image, sizeof(container->image), lb_value_member(member(&object, "Config"), LB_STR("Image")));
    if (!lb_value_number(member(&object, "RestartCount"), &restarts) || restarts < 0 || restarts > 1e15)
        return;
    if (container->has_restarts && (uint64_t)restarts > container->restarts)
        *restarts_new = (uint64_t)restarts - container->restarts;
    container->restarts = (uint64_t)restarts;
    container->has_restarts = true;
}

/* Reads the file again only when it was written. */
static void read_config(struct host_source *self, struct host_container *container, uint64_t *restarts_new)
{
    struct lb_buffer *text = &self->containers.config;
    size_t root = self->root.len;
    struct stat status;
    char path[PATH_MAX];

    if (text->bytes_max == 0)
        lb_buffer_init(text, CONFIG_BYTES_MAX);
    while (root > 0 && self->root.ptr[root - 1] == '/')
        root--;
    int len = snprintf(path, sizeof(path), "%.*s" LB_STR_FMT "/%s/config.v2.json", (int)root, self->root.ptr,
                       LB_STR_ARG(self->docker), container->id);
    int fd = len > 0 && len < (int)sizeof(path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        int64_t changed = status.st_mtim.tv_sec * LB_SECOND + status.st_mtim.tv_nsec;

        lb_buffer_reset(text);
        if (changed != container->config_ns && lb_buffer_reserve(text, (size_t)status.st_size)) {
            ssize_t got = pread(fd, text->ptr, (size_t)status.st_size, 0);

            container->config_ns = changed;
            take_config(container, (struct lb_str){ text->ptr, got > 0 ? (size_t)got : 0 }, restarts_new);
        }
    }
    close(fd);
}

/* --- what the kernel says -------------------------------------------------------------- */

struct usage {
    bool has_memory, has_limit, has_oom, has_cpu, has_cpu_limit, has_throttled;
    uint64_t memory; /* with all of the page cache */
    uint64_t cache;  /* of it, what would be given back */
    uint64_t limit;
    uint64_t oom_kills;
    uint64_t cpu_ns;
    double cpu_limit; /* cores */
    uint64_t throttled;
};

static const struct lb_str no_root = { "", 0 };

static bool keyed(const char *directory, const char *file, const char *key, uint64_t *number)
{
    char path[FILE_BYTES];

    snprintf(path, sizeof(path), "%s/%s", directory, file);
    return host_keyed(no_root, path, key, number);
}

/* `max 100000` is none; `150000 100000` are 1.5 cores. */
static void read_cpu_limit(const char *directory, struct usage *usage)
{
    struct host_file file;
    struct lb_str line;
    uint64_t quota;
    uint64_t period;

    if (!host_open(&file, no_root, "%s/cpu.max", directory))
        return;
    if (host_line(&file, &line) && host_take_number(&line, &quota) && host_take_number(&line, &period) && period > 0) {
        usage->cpu_limit = (double)quota / (double)period;
        usage->has_cpu_limit = usage->cpu_limit > 0;
    }
    host_close(&file);
}

static void read_usage(const char *directory, struct usage *usage)
{
    uint64_t microseconds;

    usage->has_memory = host_number(no_root, &usage->memory, "%s/memory.current", directory);
    usage->has_limit = host_number(no_root, &usage->limit, "%s/memory.max", directory);
    usage->has_oom = keyed(directory, "memory.events", "oom_kill", &usage->oom_kills);
    keyed(directory, "memory.stat", "inactive_file", &usage->cache);
    usage->has_cpu = keyed(directory, "cpu.stat", "usage_usec", &microseconds) && microseconds < UINT64_MAX / 1000;
    usage->cpu_ns = usage->has_cpu ? microseconds * 1000 : 0;
    usage->has_throttled = keyed(directory, "cpu.stat", "nr_throttled", &usage->throttled);
    read_cpu_limit(directory, usage);
}

/* Version 1 has a tree for each controller; the walk is in that of memory. */
static void read_usage_old(const struct host_source *self, const char *directory, struct usage *usage)
{
    const char *below = strstr(directory, "/sys/fs/cgroup/memory/");

    usage->has_memory = host_number(no_root, &usage->memory, "%s/memory.usage_in_bytes", directory);
    usage->has_limit = host_number(no_root, &usage->limit, "%s/memory.limit_in_bytes", directory);
    usage->has_oom = keyed(directory, "memory.oom_control", "oom_kill", &usage->oom_kills);
    keyed(directory, "memory.stat", "total_inactive_file", &usage->cache);
    if (below != NULL)
        usage->has_cpu = host_number(self->root, &usage->cpu_ns, "/sys/fs/cgroup/cpuacct/%s/cpuacct.usage",
                                     below + sizeof("/sys/fs/cgroup/memory/") - 1);
}

/* --- a record ------------------------------------------------------------------------------ */

struct news {
    uint64_t restarts;
    uint64_t oom_kills;
    uint64_t throttled;
    double cpu_pct; /* 100 is one core */
    bool has_oom, has_cpu, has_throttled;
};

static uint64_t step(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* What has happened since the record before; and remembers. A counter that begins anew is another life. */
static void compare(struct host_container *container, const struct usage *usage, int64_t now_ns, struct news *news)
{
    if (usage->has_oom) {
        news->has_oom = container->has_oom;
        news->oom_kills =
            usage->oom_kills >= container->oom_kills ? step(usage->oom_kills, container->oom_kills) : usage->oom_kills;
        container->oom_kills = usage->oom_kills;
        container->has_oom = true;
    }
    if (usage->has_cpu) {
        int64_t elapsed = now_ns - container->cpu_at_ns;

        news->has_cpu = container->cpu_at_ns > 0 && elapsed > 0 && usage->cpu_ns >= container->cpu_ns;
        if (news->has_cpu)
            news->cpu_pct = 100.0 * (double)(usage->cpu_ns - container->cpu_ns) / (double)elapsed;
        container->cpu_ns = usage->cpu_ns;
        container->cpu_at_ns = now_ns;
    }
    if (usage->has_throttled) {
        news->has_throttled = container->has_throttled;
        news->throttled = step(usage->throttled, container->throttled);
        container->throttled = usage->throttled;
        container->has_throttled = true;
    }
}

static double percent_of_limit(const struct usage *usage)
{
    return 100.0 * (double)step(usage->memory, usage->cache) / (double)usage->limit;
}

static void tell(struct reporter *out, const struct host_container *container, const struct usage *usage,
                 const struct news *news)
{
    char used[REPORT_WORD_BYTES];
    char limit[REPORT_WORD_BYTES];
    char text[512];
    int len = snprintf(text, sizeof(text), "container %.*s", container->name[0] != '\0' ? 120 : 12,
                       container->name[0] != '\0' ? container->name : container->id);

    if (usage->has_memory && usage->has_limit)
        len += snprintf(text + len, sizeof(text) - (size_t)len, ": memory %.1f %% of %s", percent_of_limit(usage),
                        report_size(usage->limit, limit));
    else if (usage->has_memory)
        len += snprintf(text + len, sizeof(text) - (size_t)len, ": memory %s, no limit",
                        report_size(step(usage->memory, usage->cache), used));
    if (news->has_cpu)
        len += snprintf(text + len, sizeof(text) - (size_t)len, ", CPU %.1f %%", news->cpu_pct);
    if (news->oom_kills > 0 && news->has_oom)
        len += snprintf(text + len, sizeof(text) - (size_t)len, ", %llu processes killed for want of memory",
                        (unsigned long long)news->oom_kills);
    if (news->restarts > 0)
        snprintf(text + len, sizeof(text) - (size_t)len, ", restarted");
    reporter_text(out, "message", lb_str_from(text));
}

static void report_identity(struct reporter *out, const struct host_container *container)
{
    reporter_object(out, "container");
    reporter_text(out, "id", lb_str_from(container->id));
    if (container->name[0] != '\0')
        reporter_text(out, "name", lb_str_from(container->name));
    if (container->image[0] != '\0')
        reporter_text(out, "image", lb_str_from(container->image));
    reporter_object_end(out);
}

static void report_memory(struct reporter *out, const struct usage *usage, const struct news *news)
{
    if (usage->has_memory) {
        reporter_count(out, "mem_used", step(usage->memory, usage->cache));
        reporter_count(out, "mem_cache", usage->cache);
    }
    if (usage->has_limit)
        reporter_count(out, "mem_limit", usage->limit);
    if (usage->has_memory && usage->has_limit)
        reporter_number(out, "mem_pct", percent_of_limit(usage));
    if (usage->has_oom)
        reporter_count(out, "oom_kills", usage->oom_kills);
    if (news->has_oom)
        reporter_count(out, "oom_kills_new", news->oom_kills);
}

static void report_cpu(struct reporter *out, const struct usage *usage, const struct news *news)
{
    if (news->has_cpu)
        reporter_number(out, "cpu_pct", news->cpu_pct);
    if (usage->has_cpu_limit)
        reporter_number(out, "cpu_limit_cores", usage->cpu_limit);
    if (news->has_cpu && usage->has_cpu_limit)
        reporter_number(out, "cpu_limit_pct", news->cpu_pct / usage->cpu_limit);
    if (news->has_throttled)
        reporter_count(out, "cpu_throttled_new", news->throttled);
}

static void report(struct host_source *self, struct host_container *container)
{
    struct reporter *out = &self->reporter;
    const char *directory = self->containers.walk.path;
    struct usage usage = { 0 };
    struct news news = { 0 };
    bool knew_restarts = container->has_restarts;

    if (self->containers.old)
        read_usage_old(self, directory, &usage);
    else
        read_usage(directory, &usage);
    usage.has_limit = usage.has_limit && usage.limit > 0 && usage.limit < no_limit;
    if (!usage.has_memory && !usage.has_cpu)
        return; /* gone meanwhile, or no controller works there */
    compare(container, &usage, lb_clock_monotonic(), &news);
    read_config(self, container, &news.restarts);

    reporter_begin(out, lb_clock_now(), LB_LEVEL_INFO);
    tell(out, container, &usage, &news);
    reporter_text(out, "event", LB_STR("container"));
    report_identity(out, container);
    report_memory(out, &usage, &news);
    report_cpu(out, &usage, &news);
    if (container->has_restarts)
        reporter_count(out, "restarts", container->restarts);
    if (container->has_restarts && knew_restarts)
        reporter_count(out, "restarts_new", news.restarts);
    reporter_end(out);
}

/* False: there are no control groups. */
static bool begin_walk(struct host_source *self)
{
    struct host_containers *containers = &self->containers;
    size_t root = self->root.len;
    char path[PATH_MAX];

    while (root > 0 && self->root.ptr[root - 1] == '/')
        root--;
    if (root > PATH_MAX / 2)
        return false;
    snprintf(path, sizeof(path), "%.*s/sys/fs/cgroup/cgroup.controllers", (int)root, self->root.ptr);
    containers->old = access(path, F_OK) != 0;
    snprintf(path, sizeof(path), "%.*s/sys/fs/cgroup%s", (int)root, self->root.ptr, containers->old ? "/memory" : "");
    host_walk_begin(&containers->walk, path);
    containers->walking = containers->walk.depth >= 0;
    return containers->walking;
}

bool host_report_containers(struct host_source *self)
{
    struct host_containers *containers = &self->containers;
    uint32_t budget = HOST_STEP;
    char id[HOST_ID_BYTES];
    enum host_walked walked;

    if (!containers->walking && !begin_walk(self))
        return true; /* a machine without them is no trouble */
    while ((walked = host_walk_next(&containers->walk, &budget, id)) == HOST_WALK_CONTAINER) {
        struct host_container *container = get(containers, id);

        if (container == NULL)
            continue;
        container->seen_ns = self->now_ns;
        report(self, container);
    }
    if (walked == HOST_WALK_PAUSE)
        return false;
    containers->walking = false;
    containers->seen_once = true;
    forget_gone(containers, self->now_ns);
    return true;
}
