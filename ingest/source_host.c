/*
 * source_host.c - the machine: processor, memory, file systems, containers.
 *
 * Here: options and rounds. A round goes through the collectors one after the
 * other, and gives way to the others on its loop between two steps. What is
 * known of the time before (counters, the growth of disks) is handed on to
 * the instance that replaces this one at a reload.
 */
#include "host.h"
#include "source_timer.h"

#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODULE "source.host"
#define MEMBER(name) offsetof(struct host_source, name)

static const char *const collector_words[] = { "cpu", "memory", "disk", "load", "containers", NULL };

static const struct lb_option mount_options[] = {
    { .name = "include",
      .kind = LB_OPTION_STRINGS,
      .offset = MEMBER(mounts_include),
      .help = "patterns of the paths that are watched; unless given, all that hold data, each device once" },
    { .name = "exclude",
      .kind = LB_OPTION_STRINGS,
      .offset = MEMBER(mounts_exclude),
      .help = "patterns of paths that are not" },
    { 0 },
};

static const struct lb_option options[] = {
    { .name = "every",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(every_ns),
      .fallback = "10s",
      .help = "how often it looks",
      .min = 100 * LB_MILLISECOND,
      .max = 24 * 3600 * LB_SECOND },
    { .name = "collect",
      .kind = LB_OPTION_STRINGS,
      .offset = MEMBER(collect),
      .fallback = "[cpu, memory, disk, load, containers]",
      .help = "any of cpu, memory, disk, load, containers" },
    { .name = "mounts", .kind = LB_OPTION_GROUP, .group = mount_options, .help = "which file systems" },
    { .name = "growth_over",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(growth_over_ns),
      .fallback = "1h",
      .help = "over which time the growth of a disk is measured; it is told after a sixth of it",
      .min = LB_SECOND,
      .max = 30 * 24 * 3600 * LB_SECOND },
    { .name = "root",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(root),
      .fallback = "/",
      .help = "where the machine's /proc, /sys and file systems are: in a container, where its root is mounted" },
    { .name = "docker",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(docker),
      .fallback = "/var/lib/docker/containers",
      .help = "Docker's directory of containers, below root: names, images and restarts are from there" },
    { 0 },
};

/* --- trouble ---------------------------------------------------------------------- */

void host_trouble(struct host_source *self, enum host_collector which, const char *what)
{
    if ((self->told & which) == 0)
        LB_WARN(
            MODULE,
            "cannot tell about this machine: a file is missing or not as the kernel writes it; the part is left out "
            "until it is source=" LB_STR_FMT " file=" LB_STR_FMT "%s error=\"%s\"",
            LB_STR_ARG(self->source->section.name), LB_STR_ARG(self->root), what, strerror(errno));
    self->told |= which;
}

void host_well(struct host_source *self, enum host_collector which)
{
    self->told &= ~(unsigned)which;
}

/* --- rounds ------------------------------------------------------------------------- */

static const struct collector {
    enum host_collector bit;
    bool (*report)(struct host_source *self);
} collectors[] = {
    { HOST_CPU, host_report_cpu },    { HOST_MEMORY, host_report_memory },         { HOST_LOAD, host_report_load },
    { HOST_DISK, host_report_disks }, { HOST_CONTAINERS, host_report_containers },
};

static void end_round(struct host_source *self)
{
    int64_t now = lb_clock_monotonic();

    self->in_round = false;
    reporter_flush(&self->reporter);
    if (self->source->exit_at_eof && !self->finished) {
        self->finished = true;
        lb_source_finished(self->source);
        return;
    }
    self->due_ns += self->every_ns;
    if (self->due_ns < now) /* rounds that were missed are not made up for */
        self->due_ns = now - now % self->every_ns + self->every_ns;
    source_timer_set(self->source, self->timer, self->due_ns);
}

static void take_step(struct host_source *self)
{
    for (size_t i = 0; i < sizeof(collectors) / sizeof(collectors[0]); i++) {
        if ((self->left & collectors[i].bit) == 0)
            continue;
        if (!collectors[i].report(self)) {
            source_timer_set(self->source, self->timer, 0); /* the others on this loop come first */
            return;
        }
        self->left &= ~(unsigned)collectors[i].bit;
    }
    end_round(self);
}

static void on_time(evutil_socket_t fd, short what, void *context)
{
    struct host_source *self = context;

    (void)fd, (void)what;
    if (self->stopped || self->finished)
        return;
    if (!self->in_round) {
        self->in_round = true;
        self->left = self->wanted;
        self->now_ns = lb_clock_monotonic();
    }
    take_step(self);
}

/* --- open and close --------------------------------------------------------------------- */

static bool read_collect(const struct lb_source *source, unsigned *bits, struct lb_diag *diag)
{
    const struct host_source *self = source->state;
    bool ok = true;

    *bits = 0;
    for (size_t i = 0; i < self->collect.count; i++) {
        unsigned word = 0;

        while (collector_words[word] != NULL && !lb_str_is(self->collect.items[i], collector_words[word]))
            word++;
        if (collector_words[word] != NULL) {
            *bits |= 1U << word;
            continue;
        }
        lb_diag_error(diag, lb_section_place(&source->section, "collect"),
                      "source \"" LB_STR_FMT "\": \"collect\": expected cpu, memory, disk, load or containers, got "
                      "\"%.80s\"",
                      LB_STR_ARG(source->section.name), self->collect.items[i].ptr);
        ok = false;
    }
    if (ok && *bits == 0)
        lb_diag_error(diag, lb_section_place(&source->section, "collect"),
                      "source \"" LB_STR_FMT
                      "\": \"collect\": the list is empty, so nothing would be told; remove it for "
                      "all",
                      LB_STR_ARG(source->section.name));
    return ok && *bits != 0;
}

static void read_name(struct host_source *self)
{
    struct host_file file;
    struct lb_str line;

    /* In a container the name that the kernel says is the container's. */
    if (!lb_str_is(self->root, "/") && host_open(&file, self->root, "/etc/hostname")) {
        if (host_line(&file, &line)) {
            struct lb_str word = host_take_word(&line);

            snprintf(self->name, sizeof(self->name), LB_STR_FMT, LB_STR_ARG(word));
        }
        host_close(&file);
    }
    if (self->name[0] == '\0' && gethostname(self->name, sizeof(self->name) - 1) != 0)
        self->name[0] = '\0';
}

/* Counters and histories; of the same machine only. */
static void take_over(struct host_source *self, struct host_source *from)
{
    if (!lb_str_equal(self->root, from->root))
        return;
    if (from->in_round) {
        if (from->containers.walking)
            host_walk_end(&from->containers.walk);
        from->containers.walking = false;
        from->disks.next = 0;
        from->in_round = false;
    }
    self->cpu = from->cpu;
    self->memory = from->memory;
    self->told = from->told;
    self->disks = from->disks;
    self->containers = from->containers;
    from->disks = (struct host_disks){ 0 };
    from->containers = (struct host_containers){ 0 };
    self->due_ns = from->due_ns;
}

static void release(struct host_source *self)
{
    if (self->timer != NULL)
        event_free(self->timer);
    self->timer = NULL;
    reporter_close(&self->reporter);
    host_disks_free(&self->disks);
    host_containers_free(&self->containers);
    self->source = NULL;
}

/* The first round comes soon, but not before there is something to compare with. */
static void begin(struct host_source *self)
{
    int64_t now = lb_clock_monotonic();
    int64_t latest = now + (self->every_ns < LB_SECOND ? self->every_ns : LB_SECOND);

    if (!self->cpu.known || self->due_ns == 0 || self->due_ns > now + self->every_ns) {
        host_prepare_cpu(self);
        self->due_ns = latest;
    }
    source_timer_set(self->source, self->timer, self->due_ns);
}

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    struct host_source *self = source->state;

    if (!read_collect(source, &self->wanted, diag))
        return LB_BAD_CONF;
    self->source = source;
    self->stopped = false;
    read_name(self);
    self->timer = evtimer_new(lb_loop_base(source->loop), on_time, self);
    if (self->timer == NULL || !reporter_open(&self->reporter, source, LB_STR("host"), lb_str_from(self->name))) {
        release(self);
        lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory");
        return LB_NOMEM;
    }
    if (source->before != NULL)
        take_over(self, source->before->state);
    begin(self);
    return LB_OK;
}

static void stop(struct lb_source *source)
{
    struct host_source *self = source->state;

    if (self->source == NULL)
        return;
    self->stopped = true;
    evtimer_del(self->timer);
    reporter_flush(&self->reporter);
}

static void resume(struct lb_source *source)
{
    struct host_source *self = source->state;

    if (source->before != NULL)
        take_over(self, source->before->state);
    self->stopped = false;
    source_timer_set(self->source, self->timer, self->due_ns);
}

static void close_source(struct lb_source *source)
{
    struct host_source *self = source->state;

    if (self->source != NULL)
        release(self);
}

static enum lb_err check(struct lb_source *source, struct lb_diag *diag)
{
    const struct host_source *self = source->state;
    unsigned bits;
    bool ok = read_collect(source, &bits, diag);
    char path[PATH_MAX];

    if (self->root.len == 0 || self->root.len > PATH_MAX / 2) {
        lb_diag_error(diag, lb_section_place(&source->section, "root"),
                      "source \"" LB_STR_FMT "\": \"root\": expected the path of a directory, / for this machine",
                      LB_STR_ARG(source->section.name));
        return LB_BAD_CONF;
    }
    snprintf(path, sizeof(path), LB_STR_FMT "/proc", LB_STR_ARG(self->root));
    if (access(path, R_OK | X_OK) != 0) {
        lb_diag_error(diag, lb_section_place(&source->section, "root"),
                      "source \"" LB_STR_FMT "\": cannot look into %s: %s; \"root\" is where the machine's root is "
                      "mounted, as in `docker run -v /:/host:ro` with root: /host",
                      LB_STR_ARG(source->section.name), path, strerror(errno));
        ok = false;
    }
    return ok ? LB_OK : LB_BAD_CONF;
}

const struct lb_source_type lb_source_host = {
    .module = { .name = "host",
                .help = "measures this machine: processor, memory, load, file systems, containers",
                .state_size = sizeof(struct host_source),
                .options = options },
    .file_like = true,
    .envelope = &lb_envelope_lines,
    .parse = "json",
    .check = check,
    .open = open_source,
    .stop = stop,
    .resume = resume,
    .close = close_source,
};
