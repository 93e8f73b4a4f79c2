/*
 * host_disk.c - file systems: how full, and when they will be.
 *
 * A line through the last samples of what is used (least squares over at most
 * HOST_HISTORY of them) tells the growth. Their number is bounded, so they
 * are as far apart as `growth_over` asks, not one for each round.
 *
 * The tricky thing: statvfs() on a file system whose server is gone does not
 * return. Network and FUSE file systems are left out for that reason, however
 * the patterns are; what is a part of another mount (bind) or holds no data
 * is left out too, unless `mounts.include` names it.
 */
#include "host.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>

enum { FIT_SAMPLES_MIN = 3 };

/* --- which ------------------------------------------------------------------------- */

/* A round must not wait for a server or another process. */
static const char *const remote_types[] = { "nfs",       "nfs4",   "cifs", "smb3",  "smbfs", "ncpfs",
                                            "afs",       "ceph",   "9p",   "coda",  "gfs2",  "lustre",
                                            "glusterfs", "autofs", "fuse", "davfs", NULL };

/* Nothing is stored there, or nothing can be written. */
static const char *const other_types[] = { "proc",       "sysfs",      "cgroup",   "cgroup2",     "devpts", "devtmpfs",
                                           "debugfs",    "tracefs",    "mqueue",   "hugetlbfs",   "pstore", "bpf",
                                           "securityfs", "configfs",   "fusectl",  "binfmt_misc", "nsfs",   "selinuxfs",
                                           "efivarfs",   "rpc_pipefs", "squashfs", "iso9660",     "ramfs",  NULL };

static bool is_any(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

static bool matches(const struct lb_strs *patterns, const char *path)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (fnmatch(patterns->items[i].ptr, path, 0) == 0)
            return true;
    }
    return false;
}

static bool is_below(const char *path, const char *directory)
{
    size_t len = strlen(directory);

    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool wanted(const struct host_source *self, const struct host_mount *mount)
{
    if (is_any(mount->type, remote_types) || strncmp(mount->type, "fuse.", 5) == 0)
        return false;
    if (matches(&self->mounts_exclude, mount->path))
        return false;
    if (self->mounts_include.count > 0)
        return matches(&self->mounts_include, mount->path);
    if (strcmp(mount->path, "/") == 0)
        return true;
    if (is_below(mount->path, "/sys") || is_below(mount->path, "/proc") || is_below(mount->path, "/dev"))
        return false;
    return !is_any(mount->type, other_types) && strcmp(mount->type, "overlay") != 0;
}

/* The same device at another place. `mounts.include` may ask for both. */
static bool is_double(const struct host_source *self, const struct host_mount *mount)
{
    for (uint32_t i = 0; mount->device[0] == '/' && i < self->disks.count; i++) {
        if (self->disks.mounts[i].seen && strcmp(self->disks.mounts[i].device, mount->device) == 0 &&
            strcmp(self->disks.mounts[i].path, mount->path) != 0)
            return true;
    }
    return false;
}

/* --- the table of mounts ------------------------------------------------------------- */

static struct host_mount *find(struct host_disks *disks, const char *path)
{
    for (uint32_t i = 0; i < disks->count; i++) {
        if (strcmp(disks->mounts[i].path, path) == 0)
            return &disks->mounts[i];
    }
    return NULL;
}

static bool grow(struct host_disks *disks)
{
    uint32_t capacity = disks->capacity > 0 ? 2 * disks->capacity : 8;
    struct host_mount *grown;

    if (disks->count < disks->capacity)
        return true;
    if (capacity > HOST_MOUNTS_MAX)
        capacity = HOST_MOUNTS_MAX;
    if (capacity <= disks->capacity)
        return false;
    grown = lb_realloc(disks->mounts, capacity * sizeof(*grown));
    if (grown == NULL)
        return false;
    disks->mounts = grown;
    disks->capacity = capacity;
    return true;
}

static void note(struct host_source *self, const struct host_mount *found)
{
    struct host_disks *disks = &self->disks;
    struct host_mount *known = find(disks, found->path);

    if (known != NULL && strcmp(known->device, found->device) == 0) {
        known->seen = true;
        known->read_only = found->read_only;
        return;
    }
    if (known == NULL && !grow(disks)) {
        if (!disks->told_many)
            LB_WARN("source.host",
                    "more file systems than are watched; name those that matter in mounts.include "
                    "watched=%u first_left_out=%s",
                    disks->count, found->path);
        disks->told_many = true;
        return;
    }
    if (known == NULL)
        known = &disks->mounts[disks->count++];
    *known = *found; /* another device is another history */
    known->seen = true;
}

/* \040 is a blank, \134 a backslash. False if it does not fit. */
static bool unescape(struct lb_str word, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];

        if (c == '\\' && i + 3 < word.len && word.ptr[i + 1] >= '0' && word.ptr[i + 1] <= '3') {
            c = (char)((word.ptr[i + 1] - '0') * 64 + ((word.ptr[i + 2] - '0') & 7) * 8 +
                       ((word.ptr[i + 3] - '0') & 7));
            i += 3;
        }
        if (len + 1 >= size || c == '\0')
            return false;
        out[len++] = c;
    }
    out[len] = '\0';
    return len > 0;
}

static void read_mount(struct host_source *self, struct lb_str line)
{
    struct lb_str device = host_take_word(&line);
    struct lb_str path = host_take_word(&line);
    struct lb_str type = host_take_word(&line);
    struct lb_str flags = host_take_word(&line);
    struct host_mount mount = { 0 };

    if (!unescape(path, mount.path, sizeof(mount.path)) || mount.path[0] != '/')
        return;
    snprintf(mount.device, sizeof(mount.device), LB_STR_FMT, LB_STR_ARG(device));
    snprintf(mount.type, sizeof(mount.type), LB_STR_FMT, LB_STR_ARG(type));
    mount.read_only = lb_str_is(flags, "ro") || lb_str_starts(flags, LB_STR("ro,"));
    if (wanted(self, &mount) && (self->mounts_include.count > 0 || !is_double(self, &mount)))
        note(self, &mount);
}

/* Those that are mounted no more are forgotten, with their history. */
static void forget_gone(struct host_disks *disks)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < disks->count; i++) {
        if (disks->mounts[i].seen && kept != i)
            disks->mounts[kept] = disks->mounts[i];
        kept += disks->mounts[i].seen;
    }
    disks->count = kept;
}

/* Those of the first process: ours may be a view in which systemd has made all read-only, or a container's. */
static bool open_mounts(struct host_file *file, struct lb_str root)
{
    return host_open(file, root, "/proc/1/mounts") || host_open(file, root, "/proc/mounts");
}

static bool read_mounts(struct host_source *self)
{
    struct host_file file;
    struct lb_str line;

    if (!open_mounts(&file, self->root))
        return false;
    for (uint32_t i = 0; i < self->disks.count; i++)
        self->disks.mounts[i].seen = false;
    while (host_line(&file, &line))
        read_mount(self, line);
    host_close(&file);
    forget_gone(&self->disks);
    return true;
}

void host_disks_free(struct host_disks *disks)
{
    lb_free(disks->mounts);
    *disks = (struct host_disks){ 0 };
}

/* --- growth -------------------------------------------------------------------------------- */

static const struct host_sample *sample_at(const struct host_mount *mount, uint32_t i)
{
    return &mount->history[(mount->first + i) % HOST_HISTORY];
}

static void keep_sample(struct host_mount *mount, int64_t now_ns, uint64_t used, int64_t over_ns)
{
    const struct host_sample *last = mount->count > 0 ? sample_at(mount, mount->count - 1) : NULL;

    if (last != NULL && now_ns - last->at_ns < over_ns / HOST_HISTORY)
        return;
    while (mount->count > 0 && (mount->count == HOST_HISTORY || now_ns - sample_at(mount, 0)->at_ns > over_ns)) {
        mount->first = (mount->first + 1) % HOST_HISTORY;
        mount->count--;
    }
    mount->history[(mount->first + mount->count++) % HOST_HISTORY] = (struct host_sample){ now_ns, used };
}

/* Bytes in a second by least squares. False while the samples say too little: few, or of a short time. */
static bool fit(const struct host_mount *mount, int64_t over_ns, double *slope)
{
    int64_t start = mount->count > 0 ? sample_at(mount, 0)->at_ns : 0;
    double n = mount->count;
    double sum_t = 0;
    double sum_u = 0;
    double sum_tt = 0;
    double sum_tu = 0;

    if (mount->count < FIT_SAMPLES_MIN || sample_at(mount, mount->count - 1)->at_ns - start < over_ns / 6)
        return false;
    double base = (double)sample_at(mount, 0)->used;
    for (uint32_t i = 0; i < mount->count; i++) {
        const struct host_sample *sample = sample_at(mount, i);
        double t = (double)(sample->at_ns - start) / (double)LB_SECOND;
        double u = (double)sample->used - base; /* small numbers keep their digits */

        sum_t += t;
        sum_u += u;
        sum_tt += t * t;
        sum_tu += t * u;
    }
    double spread = n * sum_tt - sum_t * sum_t;
    if (spread <= 0)
        return false;
    *slope = (n * sum_tu - sum_t * sum_u) / spread;
    return true;
}

/* --- a record ---------------------------------------------------------------------------------- */

struct space {
    uint64_t total;
    uint64_t used;
    uint64_t left; /* for users; what is kept for root is neither used nor left */
};

static bool measure(const struct host_source *self, const struct host_mount *mount, struct statvfs *found)
{
    char path[PATH_MAX];
    size_t len = self->root.len;

    while (len > 0 && self->root.ptr[len - 1] == '/')
        len--;
    if (len + strlen(mount->path) >= sizeof(path))
        return false;
    snprintf(path, sizeof(path), "%.*s%s", (int)len, self->root.ptr, mount->path);
    return statvfs(path, found) == 0 && found->f_blocks > 0 && found->f_bfree <= found->f_blocks;
}

static struct space space_of(const struct statvfs *found)
{
    uint64_t unit = found->f_frsize > 0 ? found->f_frsize : found->f_bsize;

    return (struct space){ found->f_blocks * unit, (found->f_blocks - found->f_bfree) * unit, found->f_bavail * unit };
}

static void report_inodes(struct reporter *out, const struct statvfs *found)
{
    if (found->f_files == 0 || found->f_ffree > found->f_files)
        return; /* btrfs makes them as needed */
    reporter_count(out, "inodes_total", found->f_files);
    reporter_count(out, "inodes_free", found->f_ffree);
    reporter_number(out, "inodes_free_pct", 100.0 * (double)found->f_ffree / (double)found->f_files);
}

static void report_growth(struct reporter *out, bool known, double slope, const struct space *space)
{
    if (!known)
        return;
    reporter_number(out, "disk_growth_per_hour", slope * 3600);
    if (slope * 3600 >= 1)
        reporter_number(out, "full_in_s", (double)space->left / slope);
}

/* As df has it: of what users can have. */
static double percent_left(const struct space *space)
{
    uint64_t usable = space->used + space->left;

    return usable > 0 ? 100.0 * (double)space->left / (double)usable : 0;
}

static void tell(const struct host_mount *mount, const struct space *space, double slope, struct reporter *out)
{
    char left[REPORT_WORD_BYTES];
    char when[REPORT_WORD_BYTES] = "";
    bool grows = slope * 3600 >= 1 && (double)space->left / slope < 30 * 86400.0;

    if (grows)
        report_duration((double)space->left / slope, when);
    reporter_print(out, "message", "disk %s %.1f %% used, %s free%s%s", mount->path, 100 - percent_left(space),
                   report_size(space->left, left), grows ? ", full in " : "", when);
}

static void report(struct host_source *self, struct host_mount *mount)
{
    struct reporter *out = &self->reporter;
    struct statvfs found;
    double slope = 0;

    if (!measure(self, mount, &found))
        return;
    struct space space = space_of(&found);
    keep_sample(mount, lb_clock_monotonic(), space.used, self->growth_over_ns);
    bool known = fit(mount, self->growth_over_ns, &slope);

    reporter_begin(out, lb_clock_now(), LB_LEVEL_INFO);
    tell(mount, &space, slope, out);
    reporter_text(out, "event", LB_STR("disk"));
    reporter_text(out, "mount", lb_str_from(mount->path));
    reporter_text(out, "device", lb_str_from(mount->device));
    reporter_text(out, "filesystem", lb_str_from(mount->type));
    reporter_number(out, "disk_free_pct", percent_left(&space));
    reporter_number(out, "disk_used_pct", 100 - percent_left(&space));
    reporter_count(out, "disk_total", space.total);
    reporter_count(out, "disk_used", space.used);
    reporter_count(out, "disk_free", space.left);
    report_inodes(out, &found);
    report_growth(out, known, slope, &space);
    if (mount->read_only)
        reporter_value(out, LB_STR("read_only"), lb_value_of(LB_STR("true"), LB_VALUE_BOOL));
    reporter_end(out);
}

bool host_report_disks(struct host_source *self)
{
    struct host_disks *disks = &self->disks;

    if (disks->next == 0 && !read_mounts(self)) {
        host_trouble(self, HOST_DISK, "/proc/mounts");
        return true;
    }
    host_well(self, HOST_DISK);
    for (uint32_t i = 0; i < HOST_STEP && disks->next < disks->count; i++)
        report(self, &disks->mounts[disks->next++]);
    if (disks->next < disks->count)
        return false;
    disks->next = 0;
    return true;
}
