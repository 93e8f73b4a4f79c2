/*
 * expr_list.c - sets of texts, read from files and changed while they are asked.
 *
 * All lists of the program hang on one chain, which the thread that looks for
 * changes walks once a second. `lock` guards that chain, and what is retired;
 * who asks only loads a pointer.
 */
#include "expr_list.h"

#include "lb_alloc.h"
#include "lb_buffer.h"
#include "lb_clock.h"
#include "lb_err.h"
#include "lb_expr.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MODULE "route.list"

/* Nobody asks one set for so long: a question takes microseconds. */
#define GRACE (60 * LB_SECOND)

struct set {
    struct lb_buffer bytes;
    struct lb_str *table; /* open addressing; ptr NULL: free */
    uint32_t capacity;    /* a power of two */
    uint32_t count;
    struct set *next; /* of those that are retired */
    int64_t retired_ns;
};

struct lb_expr_list {
    _Atomic(struct set *) set;
    char *path;
    struct stat seen; /* of the file, when it was last looked at */
    bool failed;      /* told already */
    struct set *retired;
    struct lb_expr_list *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lb_expr_list *lists;

/* --- sets ------------------------------------------------------------------ */

static void free_set(struct set *set)
{
    if (set == NULL)
        return;
    lb_buffer_free(&set->bytes);
    lb_free(set->table);
    lb_free(set);
}

static struct lb_str *place(const struct set *set, struct lb_str text)
{
    uint32_t mask = set->capacity - 1;
    uint32_t i = (uint32_t)XXH3_64bits(text.ptr, text.len) & mask;

    while (set->table[i].ptr != NULL && !lb_str_equal(set->table[i], text))
        i = (i + 1) & mask;
    return &set->table[i];
}

/* The next line without blanks around it; false at the end. `*at` moves on. */
static bool next_line(struct lb_str bytes, size_t *at, struct lb_str *line)
{
    const char *end;

    if (*at >= bytes.len)
        return false;
    end = memchr(bytes.ptr + *at, '\n', bytes.len - *at);
    line->ptr = bytes.ptr + *at;
    line->len = end != NULL ? (size_t)(end - line->ptr) : bytes.len - *at;
    *at += line->len + 1;
    while (line->len > 0 && strchr(" \t\r", line->ptr[line->len - 1]) != NULL)
        line->len--;
    while (line->len > 0 && strchr(" \t", line->ptr[0]) != NULL)
        *line = (struct lb_str){ line->ptr + 1, line->len - 1 };
    return true;
}

static bool fill(struct set *set)
{
    struct lb_str bytes = lb_buffer_str(&set->bytes);
    struct lb_str line;
    size_t lines = 0;

    for (size_t at = 0; next_line(bytes, &at, &line);)
        lines++;
    for (set->capacity = 16; set->capacity < 2 * (lines + 1);)
        set->capacity *= 2;
    set->table = lb_alloc(set->capacity * sizeof(*set->table));
    if (set->table == NULL)
        return false;
    for (size_t at = 0; next_line(bytes, &at, &line);) {
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        *place(set, line) = line;
        set->count++;
    }
    return true;
}

/* --- files ----------------------------------------------------------------- */

static enum lb_err read_bytes(int fd, struct lb_buffer *bytes)
{
    char chunk[64 * 1024];
    ssize_t count;

    while ((count = read(fd, chunk, sizeof(chunk))) > 0)
        lb_buffer_append(bytes, chunk, (size_t)count);
    if (bytes->failed)
        return LB_LIMIT;
    return count < 0 ? LB_IO : LB_OK;
}

static bool explain(char *reason, const char *path, const char *what)
{
    snprintf(reason, LB_EXPR_LIST_REASON_BYTES, "cannot read the list %.200s: %s", path, what);
    return false;
}

/* `seen` is what was read. */
static bool load(const char *path, struct set *set, struct stat *seen, char *reason)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum lb_err err;

    if (fd < 0)
        return explain(reason, path, strerror(errno));
    lb_buffer_init(&set->bytes, LB_EXPR_LIST_BYTES_MAX);
    err = fstat(fd, seen) == 0 ? LB_OK : LB_IO;
    if (err == LB_OK && S_ISREG(seen->st_mode))
        err = read_bytes(fd, &set->bytes);
    int cause = errno;
    close(fd);
    if (err == LB_OK && !S_ISREG(seen->st_mode))
        return explain(reason, path, "it is no file");
    if (err == LB_LIMIT)
        return explain(reason, path, "it is larger than 16MiB");
    if (err != LB_OK)
        return explain(reason, path, strerror(cause));
    return fill(set) || explain(reason, path, "no memory");
}

static struct set *read_set(const char *path, struct stat *seen, char *reason)
{
    struct set *set = lb_alloc(sizeof(*set));

    if (set == NULL) {
        explain(reason, path, "no memory");
        return NULL;
    }
    if (load(path, set, seen, reason))
        return set;
    free_set(set);
    return NULL;
}

static char *path_beside(struct lb_str path, const char *beside)
{
    const char *slash = path.len > 0 && path.ptr[0] != '/' && beside != NULL ? strrchr(beside, '/') : NULL;
    size_t len = slash != NULL ? (size_t)(slash - beside) + 1 : 0;
    char *joined = lb_alloc(len + path.len + 1);

    if (joined == NULL)
        return NULL;
    if (len > 0)
        memcpy(joined, beside, len);
    memcpy(joined + len, path.ptr, path.len);
    return joined;
}

/* --- lists ----------------------------------------------------------------- */

struct lb_expr_list *lb_expr_list_new(struct lb_str path, const char *beside, char *reason)
{
    struct lb_expr_list *list = lb_alloc(sizeof(*list));
    struct set *set = NULL;

    if (list == NULL) {
        explain(reason, "", "no memory");
        return NULL;
    }
    list->path = path_beside(path, beside);
    if (list->path != NULL)
        set = read_set(list->path, &list->seen, reason);
    else
        explain(reason, "", "no memory");
    if (set == NULL) {
        lb_free(list->path);
        lb_free(list);
        return NULL;
    }
    atomic_store(&list->set, set);
    pthread_mutex_lock(&lock);
    list->next = lists;
    lists = list;
    pthread_mutex_unlock(&lock);
    return list;
}

static void free_retired(struct lb_expr_list *list, int64_t before)
{
    struct set **link = &list->retired;

    while (*link != NULL) {
        struct set *set = *link;

        if (set->retired_ns > before) {
            link = &set->next;
            continue;
        }
        *link = set->next;
        free_set(set);
    }
}

void lb_expr_list_free(struct lb_expr_list *list)
{
    pthread_mutex_lock(&lock);
    for (struct lb_expr_list **link = &lists; *link != NULL; link = &(*link)->next) {
        if (*link != list)
            continue;
        *link = list->next;
        break;
    }
    pthread_mutex_unlock(&lock);
    free_retired(list, INT64_MAX);
    free_set(atomic_load(&list->set));
    lb_free(list->path);
    lb_free(list);
}

bool lb_expr_list_has(const struct lb_expr_list *list, struct lb_str text)
{
    const struct set *set = atomic_load_explicit(&list->set, memory_order_acquire);

    return place(set, text)->ptr != NULL;
}

/* --- changes --------------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void tell_failure(struct lb_expr_list *list, const char *reason)
{
    if (!list->failed)
        LB_WARN(MODULE, "a list stays as it was: %s", reason);
    list->failed = true;
}

static void look(struct lb_expr_list *list, int64_t now)
{
    char reason[LB_EXPR_LIST_REASON_BYTES];
    struct stat seen;
    struct set *before = atomic_load(&list->set);
    struct set *set;

    free_retired(list, now - GRACE);
    if (stat(list->path, &seen) == 0 && is_same(&seen, &list->seen))
        return;
    set = read_set(list->path, &seen, reason);
    if (set == NULL) {
        tell_failure(list, reason);
        return;
    }
    list->seen = seen;
    list->failed = false;
    LB_INFO(MODULE, "a list has changed path=%s values=%u", list->path, set->count);
    before->retired_ns = now;
    before->next = list->retired;
    list->retired = before;
    atomic_store_explicit(&list->set, set, memory_order_release);
}

bool lb_expr_lists_look(void)
{
    bool any;

    pthread_mutex_lock(&lock);
    any = lists != NULL;
    for (struct lb_expr_list *list = lists; list != NULL; list = list->next)
        look(list, lb_clock_monotonic());
    pthread_mutex_unlock(&lock);
    return any;
}
