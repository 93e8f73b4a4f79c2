/*
 * internal_lines.c - lines of logboom's own log, thinned out and kept until
 * the loop takes them.
 *
 * The tricky thing is where this runs: on any thread that logs, under any of
 * its locks. So it takes a lock of its own that nobody holds for long, copies,
 * and writes eight bytes to a descriptor; it neither allocates nor logs.
 */
#include "internal_lines.h"

#include "lb_clock.h"

#include <string.h>
#include <unistd.h>

enum { NEIGHBOURS = 8 }; /* places where a sentence may stand */

void internal_lines_open(struct internal_lines *self, struct lb_metric *held_back, int wake_fd)
{
    memset(self, 0, sizeof(*self));
    pthread_mutex_init(&self->lock, NULL);
    self->held_back = held_back;
    self->wake_fd = wake_fd;
}

void internal_lines_close(struct internal_lines *self)
{
    pthread_mutex_destroy(&self->lock);
}

/* --- one sentence ------------------------------------------------------------------ */

/* The name in `sink=NAME` and its like, empty without one: two sinks that fail are two stories. */
static struct lb_str name_in(struct lb_str text)
{
    static const char *const keys[] = { " sink=", " source=", " rule=" };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t len = strlen(keys[i]);
        const char *found = memmem(text.ptr, text.len, keys[i], len);

        if (found != NULL) {
            struct lb_str name = { found + len, 0 };
            while (name.ptr + name.len < text.ptr + text.len && name.ptr[name.len] != ' ')
                name.len++;
            return name;
        }
    }
    return (struct lb_str){ text.ptr, 0 };
}

/* FNV-1a; never 0. */
static uint64_t hash_of(uint64_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

static bool is_idle(const struct internal_site *site, int64_t now)
{
    return site->hash == 0 || now - site->next_ns > INTERNAL_QUIET;
}

/* Its place, or a free one; NULL where all around are busy. */
static struct internal_site *find_site(struct internal_lines *self, uint64_t hash, int64_t now)
{
    struct internal_site *idle = NULL;

    for (uint64_t i = 0; i < NEIGHBOURS; i++) {
        struct internal_site *site = &self->sites[(hash / 2 + i) % INTERNAL_SITES];

        if (site->hash == hash)
            return site;
        if (idle == NULL && is_idle(site, now))
            idle = site;
    }
    if (idle != NULL)
        *idle = (struct internal_site){ .hash = hash };
    return idle;
}

static bool passes(struct internal_site *site, int64_t now)
{
    if (now < site->next_ns)
        return false;
    if (site->gap_ns == 0 || now - site->next_ns > INTERNAL_QUIET)
        site->gap_ns = INTERNAL_GAP_FIRST;
    else if (site->gap_ns < INTERNAL_GAP_MAX / 2)
        site->gap_ns *= 2;
    else
        site->gap_ns = INTERNAL_GAP_MAX;
    site->next_ns = now + site->gap_ns;
    return true;
}

/* --- all of them ------------------------------------------------------------------------ */

static bool has_room(struct internal_lines *self, int64_t now)
{
    if (self->second != now / LB_SECOND) {
        self->second = now / LB_SECOND;
        self->in_second = 0;
    }
    return self->count < INTERNAL_LINES_MAX && self->in_second < INTERNAL_SECOND_MAX;
}

static void keep(struct internal_lines *self, const struct lb_log_line *line, uint32_t held_back)
{
    struct internal_line *kept = &self->lines[(self->first + self->count++) % INTERNAL_LINES_MAX];
    size_t module = strlen(line->module);

    self->in_second++;
    kept->time_ns = line->time_ns;
    kept->level = (uint8_t)line->level;
    kept->held_back = held_back;
    kept->len = line->text.len < INTERNAL_TEXT_BYTES ? line->text.len : INTERNAL_TEXT_BYTES;
    memcpy(kept->text, line->text.ptr, kept->len);
    module = module < INTERNAL_MODULE_BYTES ? module : INTERNAL_MODULE_BYTES - 1;
    memcpy(kept->module, line->module, module);
    kept->module[module] = '\0';
}

static bool put(struct internal_lines *self, const struct lb_log_line *line)
{
    struct lb_str name = name_in(line->text);
    uint64_t hash = (UINT64_C(0xcbf29ce484222325) ^ (uintptr_t)line->site) * UINT64_C(0x9e3779b97f4a7c15);
    int64_t now = lb_clock_monotonic();
    struct internal_site *site = find_site(self, hash_of(hash, name.ptr, name.len), now);

    if (site == NULL || !has_room(self, now) || !passes(site, now)) {
        if (site != NULL)
            site->held_back++;
        lb_metric_add(self->held_back, 1);
        return false;
    }
    keep(self, line, site->held_back);
    site->held_back = 0;
    return true;
}

void internal_lines_hear(void *context, const struct lb_log_line *line)
{
    struct internal_lines *self = context;
    uint64_t one = 1;

    pthread_mutex_lock(&self->lock);
    if (put(self, line) && self->wake_fd >= 0)
        (void)!write(self->wake_fd, &one, sizeof(one)); /* a count that cannot be added to is there already */
    pthread_mutex_unlock(&self->lock);
}

bool internal_lines_take(struct internal_lines *self, struct internal_line *line)
{
    pthread_mutex_lock(&self->lock);
    bool found = self->count > 0;
    if (found) {
        *line = self->lines[self->first];
        self->first = (self->first + 1) % INTERNAL_LINES_MAX;
        self->count--;
    }
    pthread_mutex_unlock(&self->lock);
    return found;
}

void internal_lines_move(struct internal_lines *self, struct internal_lines *from)
{
    uint64_t one = 1;

    pthread_mutex_lock(&self->lock);
    memcpy(self->sites, from->sites, sizeof(self->sites));
    for (; from->count > 0; from->count--) {
        if (self->count < INTERNAL_LINES_MAX)
            self->lines[(self->first + self->count++) % INTERNAL_LINES_MAX] = from->lines[from->first];
        from->first = (from->first + 1) % INTERNAL_LINES_MAX;
    }
    if (self->count > 0 && self->wake_fd >= 0)
        (void)!write(self->wake_fd, &one, sizeof(one));
    pthread_mutex_unlock(&self->lock);
}
