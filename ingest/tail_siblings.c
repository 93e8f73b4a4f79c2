/*
 * tail_siblings.c - what stands beside a log: the same file under another
 * name, copies that copytruncate makes, and logs that came and were rotated
 * away before we saw them.
 *
 * A copy shares the stem of the name, begins like the original and is at
 * least as long as what was read. Of a short log all that was read must be
 * there: then at worst lines are skipped that were delivered word for word. A missed log has the name of one of ours
 * with a number or a date, matches no glob itself, and was written since we
 * follow that log: all older ones are none of ours, and all that we ever
 * followed are known. Directories are read once for all their logs.
 */
#include "tail.h"

#include "lb_log.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    COPY_HEAD_MIN = 16, /* what begins alike for less may be chance, unless it is all that was read */
};

/* --- names ------------------------------------------------------------------------ */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* "app" of "/log/app.2.log": what the names of a log and its copies share. */
static struct lb_str stem(const char *path)
{
    const char *name = base_name(path);

    return (struct lb_str){ name, strcspn(name + (*name == '.'), ".-_") + (*name == '.') };
}

static bool are_related(const char *a, const char *b)
{
    struct lb_str left = { a, (size_t)(base_name(a) - a) };
    struct lb_str right = { b, (size_t)(base_name(b) - b) };

    return lb_str_equal(left, right) && lb_str_equal(stem(a), stem(b));
}

static void copy_text(char *to, const char *from, size_t len)
{
    memcpy(to, from, len);
    to[len] = '\0';
}

/* The kubelet compresses app.log.DATE into app.log.DATE.tmp, which becomes app.log.DATE.gz when it is whole. */
static bool is_in_the_making(const char *dot)
{
    return dot != NULL && strcmp(dot, ".tmp") == 0;
}

bool lb_tail_log_name(const struct lb_tail *self, const char *path, char *log)
{
    const char *name = base_name(path);
    const char *dot = strrchr(name, '.');

    if (lb_tail_packed(name) != NULL || is_in_the_making(dot) || strlen(path) >= PATH_MAX)
        return false;
    for (const char *at = name + (*name != '\0'); *at != '\0'; at++) {
        if (strchr(".-_", *at) == NULL || !isdigit((unsigned char)at[1]))
            continue;
        copy_text(log, path, (size_t)(at - path));
        if (lb_tail_matches(&self->options, log))
            return true;
        if (dot <= at)
            continue;
        copy_text(log + (at - path), dot, strlen(dot));
        if (lb_tail_matches(&self->options, log))
            return true;
    }
    return false;
}

/* --- directories -------------------------------------------------------------------- */

struct visit {
    bool (*test)(struct visit *visit, const char *path); /* true: stop here */
    struct lb_tail *tail;
    const char *beside;
    const struct lb_tail_identity *identity;
    uint64_t size;
    const struct lb_tail_file *marked; /* or NULL */
    struct stat status;                /* of the path that was found */
    char path[PATH_MAX];
};

static bool is_regular(struct visit *self)
{
    return lstat(self->path, &self->status) == 0 && S_ISREG(self->status.st_mode);
}

/* `len`: of the directory's path at the front of `beside`. True when a test stopped; then visit->path is its path. */
static bool visit_directory(struct visit *self, const char *beside, size_t len)
{
    bool hit = false;

    if (len + 2 >= PATH_MAX)
        return false;
    memcpy(self->path, beside, len);
    copy_text(self->path + len, "/", 1);
    DIR *directory = opendir(self->path);
    if (directory == NULL)
        return false;
    for (struct dirent *entry = readdir(directory); entry != NULL && !hit; entry = readdir(directory)) {
        size_t name_len = strlen(entry->d_name);

        if ((entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) || len + name_len + 2 > PATH_MAX)
            continue;
        copy_text(self->path + len + 1, entry->d_name, name_len);
        hit = self->test(self, self->path);
    }
    closedir(directory);
    return hit;
}

static bool visit_siblings(struct visit *self)
{
    size_t len = (size_t)(base_name(self->beside) - self->beside);

    return visit_directory(self, self->beside, len > 0 ? len - 1 : 0);
}

/* --- the same file --------------------------------------------------------------------- */

static bool has_inode(struct visit *self, const char *path)
{
    (void)path;
    return is_regular(self) && self->status.st_ino == self->identity->inode &&
           self->status.st_dev == self->identity->device;
}

/* The directory of `path` changed since a second before `began`, as while all logs in it are rotated. */
static bool is_restless(const char *path, int64_t began)
{
    char parent[PATH_MAX];
    struct stat status;

    copy_text(parent, path, (size_t)(base_name(path) - path));
    return stat(parent, &status) == 0 && began - lb_tail_mtime(&status) < LB_SECOND;
}

/* A file that is renamed while its directory is read may be passed over. */
static bool visit_restless(struct visit *self)
{
    bool hit = false;

    for (unsigned tries = 0; !hit && tries <= LB_TAIL_FIND_TRIES; tries++) {
        int64_t began = lb_tail_file_time(); /* it may take long, where the process has to stand still */

        hit = visit_siblings(self);
        if (!is_restless(self->beside, began))
            break;
    }
    return hit;
}

bool lb_tail_find_inode(const char *path, const struct lb_tail_identity *identity, char *found)
{
    struct visit visit = { .test = has_inode, .beside = path, .identity = identity };

    if (!visit_restless(&visit))
        return false;
    copy_text(found, visit.path, strlen(visit.path));
    return true;
}

/* --- copies ------------------------------------------------------------------------------- */

/* `read`: bytes of it that were read. */
static bool says_enough(const struct lb_tail_identity *identity, uint64_t read)
{
    return identity->length >= COPY_HEAD_MIN || (identity->length > 0 && read <= identity->length);
}

static bool holds_content(struct visit *visit)
{
    int fd = lb_tail_open_inode(visit->path, visit->status.st_dev, visit->status.st_ino);

    if (fd < 0)
        return false;
    bool same = lb_tail_match_head(visit->identity, fd) == LB_TAIL_SAME &&
                (visit->marked == NULL || lb_tail_match_marker(visit->marked, fd) == LB_TAIL_SAME);
    close(fd);
    return same;
}

static bool is_the_copy(struct visit *self, const char *path)
{
    if (!lb_str_equal(stem(self->beside), stem(path)) || !is_regular(self) ||
        (uint64_t)self->status.st_size < self->size || has_inode(self, path))
        return false;
    struct lb_tail_file *file = lb_tail_find(self->tail, self->status.st_dev, self->status.st_ino);
    if (file != NULL && (file->stream != NULL || file->id != 0))
        return false;
    return holds_content(self);
}

/* One that is held has a descriptor, and may have lost its name by now. */
static struct lb_tail_file *find_held(struct lb_tail *self, const struct visit *visit)
{
    for (uint32_t i = 0; i < self->file_count; i++) {
        struct lb_tail_file *file = self->files[i];

        if (file->gone && file->fd >= 0 && file->stream == NULL && file->id == 0 && file->size >= visit->size &&
            are_related(file->path, visit->beside) && lb_tail_match_head(visit->identity, file->fd) == LB_TAIL_SAME &&
            (visit->marked == NULL || lb_tail_match_marker(visit->marked, file->fd) == LB_TAIL_SAME))
            return file;
    }
    return NULL;
}

struct lb_tail_file *lb_tail_find_copy(struct lb_tail *self, const char *path, const struct lb_tail_identity *identity,
                                       uint64_t size, const struct lb_tail_file *marked)
{
    struct lb_tail_identity original = *identity;
    struct visit visit = { .test = is_the_copy, .tail = self, .beside = path, .identity = &original, .marked = marked };

    visit.size = size > original.length ? size : original.length;
    if (!says_enough(&original, size))
        return NULL;
    bool found = visit_restless(&visit);
    struct lb_tail_file *file =
        found ? lb_tail_find(self, visit.status.st_dev, visit.status.st_ino) : find_held(self, &visit);
    if (found && file == NULL)
        file = lb_tail_add(self, visit.path, &visit.status);
    if (file != NULL) {
        file->rotated = true;
        file->hold_ns = 0;
    }
    return file;
}

/* How many parts of the two paths are the same, counted from their ends. */
static unsigned common_parts(const char *a, const char *b)
{
    const char *end_a = a + strlen(a);
    const char *end_b = b + strlen(b);
    unsigned parts = 0;

    while (end_a > a && end_b > b && end_a[-1] == end_b[-1]) {
        end_a--;
        end_b--;
        parts += *end_a == '/';
    }
    return parts;
}

struct lb_tail_file *lb_tail_find_moved(struct lb_tail *self, const struct lb_tail_known *known, uint64_t size)
{
    struct lb_tail_file *found = NULL;
    unsigned most = 0;

    if (!says_enough(&known->identity, size))
        return NULL;
    for (uint32_t i = 0; i < self->file_count; i++) {
        struct lb_tail_file *file = self->files[i];
        unsigned parts = common_parts(file->path, known->path);

        if (file->id != 0 || file->stream != NULL || (file->packed == LB_UNPACK_NONE && file->size < size) ||
            parts == 0 || parts < most || lb_tail_match_path(&known->identity, file->path) != LB_TAIL_SAME)
            continue;
        found = parts > most ? file : NULL;
        most = parts;
    }
    return found;
}

/*
 * A young log begins with little, and another one with the same. But while it still holds what was read of it, a copy
 * of it is not longer than it is, and goes on as it does. `size` was seen before.
 */
static bool is_surely_another(const struct lb_tail_file *other, const char *head, size_t len, uint64_t size)
{
    char theirs[LB_TAIL_HEAD_BYTES];
    struct stat status;

    if (other->packed != LB_UNPACK_NONE)
        return false;
    int fd =
        other->fd >= 0 ? other->fd : lb_tail_open_inode(other->path, other->identity.device, other->identity.inode);
    if (fd < 0)
        return false;
    ssize_t got = lb_tail_pread(fd, theirs, len, 0);
    bool holds = got >= 0 && lb_tail_match_head(&other->identity, fd) == LB_TAIL_SAME &&
                 lb_tail_match_marker(other, fd) == LB_TAIL_SAME && fstat(fd, &status) == 0;
    if (fd != other->fd)
        close(fd);
    return holds && (size > (uint64_t)status.st_size || memcmp(head, theirs, (size_t)got) != 0);
}

bool lb_tail_is_copy(const struct lb_tail *self, const struct lb_tail_file *file, int fd)
{
    char head[LB_TAIL_HEAD_BYTES];
    ssize_t len = lb_tail_pread(fd, head, sizeof(head), 0);
    struct stat status;
    uint32_t hashed = 0; /* bytes under `hash`: most heads are of one length */
    uint64_t hash = 0;

    if (fstat(fd, &status) != 0)
        return false;
    for (uint32_t i = 0; i < self->file_count; i++) {
        const struct lb_tail_file *other = self->files[i];
        uint32_t length = other->identity.length;

        if (other == file || !says_enough(&other->identity, other->offset) || (ssize_t)length > len)
            continue;
        if (length != hashed) {
            hash = XXH64(head, length, 0);
            hashed = length;
        }
        if (hash == other->identity.fingerprint && are_related(other->path, file->path) &&
            !is_surely_another(other, head, (size_t)len, (uint64_t)status.st_size))
            return true;
    }
    return false;
}

/* Or nobody can tell, for neither a path nor a descriptor leads to it: it is found again, or let go. */
static bool was_truncated(const struct lb_tail_file *file)
{
    struct stat status;
    int fd = file->fd >= 0 ? file->fd : lb_tail_open_inode(file->path, file->identity.device, file->identity.inode);

    if (fd < 0)
        return file->gone;
    bool truncated = (fstat(fd, &status) == 0 && (uint64_t)status.st_size < file->offset) ||
                     lb_tail_match_head(&file->identity, fd) == LB_TAIL_OTHER ||
                     lb_tail_match_marker(file, fd) == LB_TAIL_OTHER;
    if (fd != file->fd)
        close(fd);
    return truncated;
}

bool lb_tail_may_take_over(struct lb_tail *self, const struct lb_tail_file *file)
{
    for (uint32_t i = 0; i < self->file_count; i++) {
        struct lb_tail_file *other = self->files[i];

        bool known = other->stream != NULL || other->id != 0;

        if (other == file || !known || other->packed != LB_UNPACK_NONE || !are_related(other->path, file->path) ||
            !was_truncated(other))
            continue;
        lb_tail_ready(self, other);
        return true;
    }
    return false;
}

/* --- missed logs ---------------------------------------------------------------------------- */

static void take(struct lb_tail *self, const char *path, const struct stat *status)
{
    int fd = lb_tail_open_inode(path, status->st_dev, status->st_ino);
    struct lb_tail_file *file = fd >= 0 ? lb_tail_add(self, path, status) : NULL;

    if (fd < 0 && errno == ESTALE) /* logs are rotated just now */
        lb_tail_watch_search(self, path);
    if (file != NULL && !lb_tail_adopt(self, file) && lb_tail_is_copy(self, file, fd)) {
        lb_tail_release(self, file);
        file = NULL;
    }
    if (fd >= 0)
        close(fd);
    if (file == NULL)
        return;
    LB_INFO("source.file", "file was rotated before it was seen path=%s", path);
    file->rotated = true;
    lb_tail_ready(self, file);
}

static bool take_missed(struct visit *self, const char *path)
{
    struct lb_tail *tail = self->tail;
    char log[PATH_MAX];

    if (lb_tail_matches(&tail->options, path) || lb_tail_excludes(&tail->options, path) ||
        !lb_tail_log_name(tail, path, log) || !is_regular(self))
        return false;
    struct lb_tail_file *file = lb_tail_find(tail, self->status.st_dev, self->status.st_ino);
    if (file != NULL && file->gone) /* it was passed over when it was looked for, or its directory could not be read */
        lb_tail_renamed(tail, file, path);
    else if (file == NULL && lb_tail_mtime(&self->status) >= lb_tail_followed_since(tail, log))
        take(tail, path, &self->status);
    return false; /* there may be more */
}

void lb_tail_find_missed(struct lb_tail *self, const char *directory)
{
    struct visit visit = { .test = take_missed, .tail = self };

    visit_directory(&visit, directory, strcmp(directory, "/") == 0 ? 0 : strlen(directory));
}

/* Hashes of different paths may be equal; then the earlier time counts for both, which does no harm. */
void lb_tail_note_log(struct lb_tail *self, struct lb_tail_known *known)
{
    char log[PATH_MAX];
    const char *path = known->path;
    uint32_t cursor = 0;

    if (!lb_tail_matches(&self->options, path) && lb_tail_log_name(self, path, log))
        path = log;
    uint64_t key = XXH64(path, strlen(path), 0);
    struct lb_tail_known *before = lb_tail_map_each(&self->known_by_log, key, &cursor);
    if (before != NULL && before->identity.born_ns <= known->identity.born_ns)
        return;
    if (before != NULL)
        lb_tail_map_remove(&self->known_by_log, key, before);
    (void)lb_tail_map_put(&self->known_by_log, key, known);
}

int64_t lb_tail_file_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return now.tv_sec * LB_SECOND + now.tv_nsec;
}

int64_t lb_tail_log_born(const struct lb_tail *self, const char *log)
{
    uint32_t cursor = 0;
    const struct lb_tail_known *known = lb_tail_map_each(&self->known_by_log, XXH64(log, strlen(log), 0), &cursor);

    return known != NULL ? known->identity.born_ns : INT64_MAX;
}
