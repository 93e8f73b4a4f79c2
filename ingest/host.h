/*
 * host.h - the parts of the source that watches the machine.
 *
 * What the kernel says stands in files: /proc, /sys/fs/cgroup. Each collector
 * reads its files, keeps what it needs to tell a rate, and writes records by
 * the reporter. Nothing of it is trusted to be there, short or well-formed:
 * what cannot be read is left out of the record, and told once. The paths lie
 * below `root`. One thread: the loop of files.
 */
#ifndef HOST_H
#define HOST_H

#include "reporter.h"

#include <dirent.h>
#include <limits.h>
#include <sys/statvfs.h>

enum {
    HOST_LINE_BYTES = 8 * 1024,
    HOST_FILE_BYTES_MAX = 8 * 1024 * 1024, /* of one file of /proc: 10,000 mounts are 1 MiB */
    HOST_MOUNTS_MAX = 256,
    HOST_MOUNT_BYTES = 256, /* of a mount's path; longer ones are left out */
    HOST_HISTORY = 60,      /* samples of a mount, over `growth_over` */
    HOST_CONTAINERS_MAX = 1024,
    HOST_ID_BYTES = 65,
    HOST_CGROUP_DEPTH = 8,
    HOST_CGROUPS_MAX = 20000, /* directories that one round looks into */
    HOST_STEP = 64,           /* containers, mounts or directories, before others have their turn on the loop */
};

/* Bits of `collect`, in the order of its words. */
enum host_collector { HOST_CPU = 1, HOST_MEMORY = 2, HOST_DISK = 4, HOST_LOAD = 8, HOST_CONTAINERS = 16 };

/* --- files ---------------------------------------------------------------------- */

struct host_file {
    int fd;
    size_t start; /* of what is not read yet */
    size_t len;
    size_t total;
    bool skipping; /* the rest of a line that was too long */
    char text[HOST_LINE_BYTES];
};

/* False with errno. The path is that below `root`. */
bool host_open(struct host_file *file, struct lb_str root, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool host_line(struct host_file *file, struct lb_str *line); /* without its newline; false at the end */
void host_close(struct host_file *file);

/* The first number of a file of one; false if there is none ("max" is none). */
bool host_number(struct lb_str root, uint64_t *number, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The number behind `key` and blanks on a line of its own. */
bool host_keyed(struct lb_str root, const char *path, const char *key, uint64_t *number);

bool host_take_number(struct lb_str *text, uint64_t *number); /* leading blanks skipped; moves behind it */
struct lb_str host_take_word(struct lb_str *text);            /* empty at the end */

/* --- cpu, memory, load ------------------------------------------------------------- */

enum { HOST_CPU_STATES = 8 }; /* user nice system idle iowait irq softirq steal */

struct host_cpu {
    uint64_t ticks[HOST_CPU_STATES];
    bool known;
};

struct host_memory {
    uint64_t oom_kills;
    bool known;
};

/* --- disks -------------------------------------------------------------------------- */

struct host_sample {
    int64_t at_ns; /* monotonic */
    uint64_t used;
};

struct host_mount {
    char path[HOST_MOUNT_BYTES];
    char device[HOST_MOUNT_BYTES]; /* cut where it is longer */
    char type[32];
    bool read_only;
    bool seen;
    uint32_t first; /* of a ring */
    uint32_t count;
    struct host_sample history[HOST_HISTORY];
};

struct host_disks {
    struct host_mount *mounts;
    uint32_t count;
    uint32_t capacity;
    uint32_t next; /* to be measured in this round */
    bool told_many;
};

/* --- containers ------------------------------------------------------------------------ */

struct host_walk {
    DIR *levels[HOST_CGROUP_DEPTH];
    size_t ends[HOST_CGROUP_DEPTH]; /* of `path`, for each level */
    int depth;                      /* -1: at the end */
    uint32_t directories;
    char path[PATH_MAX];
};

enum host_walked { HOST_WALK_CONTAINER, HOST_WALK_PAUSE, HOST_WALK_END };

/* Begins at a directory below the root of cgroups. */
void host_walk_begin(struct host_walk *walk, const char *directory);
/* The next directory of a container: its path is walk->path, its id in `id`. PAUSE: call again; `budget` is used up. */
enum host_walked host_walk_next(struct host_walk *walk, uint32_t *budget, char id[HOST_ID_BYTES]);
void host_walk_end(struct host_walk *walk);

struct host_container {
    char id[HOST_ID_BYTES];
    char name[128];
    char image[192];
    int64_t seen_ns;
    int64_t config_ns; /* when Docker's file was changed that `name`, `image` and `restarts` are from */
    uint64_t restarts;
    bool has_restarts; /* `restarts` is known, and so was its value before */
    uint64_t oom_kills;
    bool has_oom;
    uint64_t cpu_ns;
    int64_t cpu_at_ns;
    uint64_t throttled;
    bool has_throttled;
};

struct host_containers {
    struct host_container *items;
    uint32_t count;
    uint32_t capacity;
    struct host_walk walk;
    bool walking;
    bool old;       /* cgroup v1 */
    bool seen_once; /* a round has ended: what appears now is new */
    bool told_many;
    struct lb_buffer config; /* of Docker */
};

/* --- the source ----------------------------------------------------------------------------- */

struct host_source {
    /* Options. */
    int64_t every_ns;
    struct lb_strs collect;
    struct lb_str root;
    struct lb_strs mounts_include;
    struct lb_strs mounts_exclude;
    int64_t growth_over_ns;
    struct lb_str docker;

    struct lb_source *source;
    struct reporter reporter;
    struct event *timer;
    unsigned wanted; /* enum host_collector */
    unsigned left;   /* of this round */
    unsigned told;   /* collectors whose trouble was told */
    int64_t due_ns;  /* the next round, monotonic */
    int64_t now_ns;  /* of this round */
    bool in_round;
    bool stopped;
    bool finished;
    char name[256]; /* of the host */
    struct host_cpu cpu;
    struct host_memory memory;
    struct host_disks disks;
    struct host_containers containers;
};

/* Each writes its records. False: there is more, call again. */
bool host_report_cpu(struct host_source *self);
bool host_report_memory(struct host_source *self);
bool host_report_load(struct host_source *self);
bool host_report_disks(struct host_source *self);
bool host_report_containers(struct host_source *self);

/* Takes the first measure, so that the first round can tell rates. */
void host_prepare_cpu(struct host_source *self);

/* Logs once, until told() says that it is well again. */
void host_trouble(struct host_source *self, enum host_collector which, const char *what);
void host_well(struct host_source *self, enum host_collector which);

/* What close() frees. */
void host_disks_free(struct host_disks *disks);
void host_containers_free(struct host_containers *self);

#endif
