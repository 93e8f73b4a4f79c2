/*
 * alert_mute.c - silences and windows: what holds an alert back now, and how
 * silences come and go.
 *
 * A change is written to the disk first, from the list as it will be, and only
 * then taken over under the lock: what holds is always what a restart finds.
 * The tricky thing is time: silences begin and windows end without anybody's
 * doing, so the version also counts those edges; `edge` is the next of them.
 */
#include "alert_mute.h"

#include "silence.h"

#include "calendar.h"
#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_generation.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_time.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define MODULE "route.alert"

struct lb_mutes {
    char *path;
    pthread_mutex_t change_lock; /* one change at a time; taken before `lock` */
    pthread_mutex_t lock;        /* guards the rest, against readers */
    struct silence_list list;
    const struct lb_alerting *alerting; /* whose windows hold; NULL: none */
    uint64_t version;
    int64_t edge; /* when something begins or ends next */
};

/* --- edges of time ------------------------------------------------------------------ */

static void earlier(int64_t *edge, int64_t time, int64_t now)
{
    if (time > now && time < *edge)
        *edge = time;
}

static void find_edge(struct lb_mutes *self, int64_t now)
{
    struct lb_span span;

    self->edge = INT64_MAX;
    for (size_t i = 0; i < self->list.count; i++) {
        earlier(&self->edge, self->list.items[i]->from, now);
        earlier(&self->edge, self->list.items[i]->until, now);
    }
    for (uint32_t i = 0; self->alerting != NULL && i < self->alerting->maintenance_count; i++) {
        const struct lb_calendar *calendar = self->alerting->maintenance[i].calendar;

        if (lb_calendar_find(calendar, now, &span))
            earlier(&self->edge, span.until, now);
        else if (lb_calendar_next(calendar, now, &span))
            earlier(&self->edge, span.from, now);
    }
}

static void changed(struct lb_mutes *self, int64_t now)
{
    self->version++;
    find_edge(self, now);
}

uint64_t lb_mutes_version(struct lb_mutes *mutes)
{
    int64_t now = lb_clock_now();

    pthread_mutex_lock(&mutes->lock);
    if (now >= mutes->edge)
        changed(mutes, now);
    uint64_t version = mutes->version;
    pthread_mutex_unlock(&mutes->lock);
    return version;
}

/* --- making and freeing --------------------------------------------------------------- */

struct lb_mutes *lb_mutes_open(const char *path, struct lb_diag *diag)
{
    struct lb_mutes *self = lb_alloc(sizeof(*self));
    size_t size = strlen(path) + 1;

    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->change_lock, NULL);
    pthread_mutex_init(&self->lock, NULL);
    self->path = lb_alloc(size);
    if (self->path == NULL) {
        lb_mutes_free(self);
        return NULL;
    }
    memcpy(self->path, path, size);
    if (silences_load(path, &self->list, lb_clock_now(), diag) != LB_OK) {
        lb_mutes_free(self);
        return NULL;
    }
    changed(self, lb_clock_now());
    return self;
}

void lb_mutes_free(struct lb_mutes *mutes)
{
    if (mutes == NULL)
        return;
    for (size_t i = 0; i < mutes->list.count; i++)
        silence_free(mutes->list.items[i]);
    lb_free((void *)mutes->list.items);
    if (mutes->alerting != NULL)
        lb_generation_unref(mutes->alerting->generation);
    pthread_mutex_destroy(&mutes->change_lock);
    pthread_mutex_destroy(&mutes->lock);
    lb_free(mutes->path);
    lb_free(mutes);
}

void lb_mutes_configure(struct lb_mutes *mutes, const struct lb_alerting *alerting)
{
    const struct lb_alerting *before;

    lb_generation_ref(alerting->generation);
    pthread_mutex_lock(&mutes->lock);
    before = mutes->alerting;
    mutes->alerting = alerting;
    changed(mutes, lb_clock_now());
    pthread_mutex_unlock(&mutes->lock);
    if (before != NULL)
        lb_generation_unref(before->generation);
}

/* --- finding --------------------------------------------------------------------------- */

static bool matches(const struct lb_expr *expr, const struct lb_record *event, struct lb_scratch *scratch)
{
    scratch->used = 0;
    return lb_expr_match(expr, event, scratch);
}

static void take(struct lb_mute *found, enum lb_mute_kind kind, int64_t until, struct lb_str name)
{
    if (found->kind != LB_MUTE_NONE && found->until >= until)
        return;
    found->kind = kind;
    found->until = until;
    snprintf(found->name, sizeof(found->name), LB_STR_FMT, LB_STR_ARG(name));
}

struct lb_mute lb_mutes_find(struct lb_mutes *mutes, const struct lb_record *event, int64_t now,
                             struct lb_scratch *scratch)
{
    struct lb_mute found = { .kind = LB_MUTE_NONE, .until = LB_TIME_NONE };
    struct lb_span span;

    pthread_mutex_lock(&mutes->lock);
    for (size_t i = 0; i < mutes->list.count; i++) {
        const struct silence *silence = mutes->list.items[i];

        if (now >= silence->from && now < silence->until && silence->expr != NULL &&
            matches(silence->expr, event, scratch))
            take(&found, LB_MUTE_SILENCE, silence->until, lb_str_from(silence->id));
    }
    for (uint32_t i = 0;
         found.kind != LB_MUTE_SILENCE && mutes->alerting != NULL && i < mutes->alerting->maintenance_count; i++) {
        const struct lb_maintenance *window = &mutes->alerting->maintenance[i];

        if (lb_calendar_find(window->calendar, now, &span) &&
            (window->where == NULL || matches(window->where, event, scratch)))
            take(&found, LB_MUTE_MAINTENANCE, span.until, window->name);
    }
    pthread_mutex_unlock(&mutes->lock);
    return found;
}

/* --- changing --------------------------------------------------------------------------- */

static size_t find_id(const struct silence_list *list, struct lb_str id)
{
    size_t i = 0;

    while (i < list->count && !lb_str_is(id, list->items[i]->id))
        i++;
    return i;
}

static bool make_id(const struct silence_list *list, char *id)
{
    uint64_t number;

    do {
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return false;
        snprintf(id, LB_SILENCE_ID_SIZE, "%016llx", (unsigned long long)number);
    } while (find_id(list, lb_str_from(id)) < list->count);
    return true;
}

/* The list as it will be: without what ended long ago, and `with` at `index` (or behind the others). */
static bool next_list(const struct lb_mutes *self, size_t index, struct silence *with, int64_t now,
                      struct silence_list *next)
{
    next->items = lb_alloc((self->list.count + 2) * 2 * sizeof(struct silence *));
    next->count = 0;
    for (size_t i = 0; next->items != NULL && i < self->list.count; i++) {
        struct silence *each = self->list.items[i];

        if (i == index)
            next->items[next->count++] = with;
        else if (each->until > now - LB_SILENCE_KEPT_NS)
            next->items[next->count++] = each;
    }
    if (next->items != NULL && index >= self->list.count)
        next->items[next->count++] = with;
    return next->items != NULL;
}

/* Too many: those that ended first give way. */
static void make_room(struct silence_list *list, int64_t now)
{
    while (list->count > LB_SILENCES_MAX) {
        size_t first = list->count;

        for (size_t i = 0; i < list->count; i++)
            if (silence_is_over(list->items[i], now) &&
                (first == list->count || list->items[i]->until < list->items[first]->until))
                first = i;
        if (first == list->count)
            return;
        memmove((void *)&list->items[first], (void *)&list->items[first + 1],
                (list->count - first - 1) * sizeof(struct silence *));
        list->count--;
    }
}

static bool has(const struct silence_list *list, const struct silence *silence)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == silence)
            return true;
    return false;
}

/* `with` is on disk and holds, or nothing has changed and it is freed. Under change_lock. */
static enum lb_err put(struct lb_mutes *self, size_t index, struct silence *with, int64_t now)
{
    struct silence_list next;
    struct silence_list before;

    if (!next_list(self, index, with, now, &next)) {
        silence_free(with);
        return LB_NOMEM;
    }
    make_room(&next, now);
    bool room = next.count <= LB_SILENCES_MAX;
    if (!room || !silences_save(self->path, &next)) {
        int cause = errno;

        silence_free(with);
        lb_free((void *)next.items);
        errno = cause;
        return room ? LB_IO : LB_LIMIT;
    }
    pthread_mutex_lock(&self->lock);
    before = self->list;
    self->list = next;
    changed(self, now);
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < before.count; i++)
        if (!has(&next, before.items[i]))
            silence_free(before.items[i]);
    lb_free((void *)before.items);
    return LB_OK;
}

static bool wrong(struct lb_diag *diag, const char *what, const char *advice)
{
    lb_diag_error(diag, (struct lb_place){ 0 }, "%s: %s", what, advice);
    return false;
}

static bool check(const struct silence *wanted, int64_t now, struct lb_diag *diag)
{
    if (wanted->where.len == 0)
        return wrong(diag, "where", "missing; expected an expression over alerts, such as service == \"db\"");
    if (wanted->where.len > LB_SILENCE_WHERE_BYTES)
        return wrong(diag, "where", "longer than 4096 bytes");
    if (wanted->until == LB_TIME_NONE)
        return wrong(diag, "until", "missing; a silence must have an end");
    if (wanted->until <= now || wanted->until <= wanted->from)
        return wrong(diag, "until", "expected a time to come, and after `from`");
    if (wanted->comment.len == 0)
        return wrong(diag, "comment", "missing; say why, for those who wonder later");
    if (wanted->comment.len > LB_SILENCE_COMMENT_BYTES)
        return wrong(diag, "comment", "longer than 1024 bytes");
    return wanted->author.len <= LB_SILENCE_AUTHOR_BYTES || wrong(diag, "author", "longer than 128 bytes");
}

/* What was there, changed by what is wanted. */
static void merge(struct silence *into, const struct lb_silence *wanted)
{
    if (wanted->where.len > 0)
        into->where = wanted->where;
    if (wanted->from != LB_TIME_NONE)
        into->from = wanted->from;
    if (wanted->until != LB_TIME_NONE)
        into->until = wanted->until;
    if (wanted->author.len > 0)
        into->author = wanted->author;
    if (wanted->comment.len > 0)
        into->comment = wanted->comment;
}

static enum lb_err set(struct lb_mutes *self, const struct lb_silence *silence, int64_t now, char *id,
                       struct lb_diag *diag)
{
    struct silence wanted = { .from = now,
                              .until = LB_TIME_NONE,
                              .created = now,
                              .updated = LB_TIME_NONE,
                              .ended = LB_TIME_NONE,
                              .ended_by = LB_STR("") };
    size_t index = self->list.count;

    wanted.where = wanted.author = wanted.comment = LB_STR("");
    if (silence->id.len > 0) {
        index = find_id(&self->list, silence->id);
        if (index == self->list.count || silence_is_over(self->list.items[index], now))
            return LB_END;
        wanted = *self->list.items[index];
        wanted.updated = now;
    } else if (!make_id(&self->list, wanted.id)) {
        return LB_IO;
    }
    merge(&wanted, silence);
    if (!check(&wanted, now, diag))
        return LB_BAD_INPUT;
    struct silence *made = silence_new(&wanted, diag);

    if (made == NULL)
        return LB_BAD_INPUT;
    if (lb_expr_constant(made->expr) == LB_EXPR_NEVER) {
        silence_free(made);
        wrong(diag, "where", "it is never true, so nothing would be silenced");
        return LB_BAD_INPUT;
    }
    memcpy(id, made->id, LB_SILENCE_ID_SIZE);
    return put(self, index, made, now);
}

enum lb_err lb_mutes_set(struct lb_mutes *mutes, const struct lb_silence *silence, int64_t now,
                         char id[LB_SILENCE_ID_SIZE], struct lb_diag *diag)
{
    pthread_mutex_lock(&mutes->change_lock);
    enum lb_err err = set(mutes, silence, now, id, diag);
    pthread_mutex_unlock(&mutes->change_lock);
    return err;
}

static enum lb_err end(struct lb_mutes *self, struct lb_str id, struct lb_str by, int64_t now)
{
    size_t index = find_id(&self->list, id);
    struct lb_diag diag = { 0 };

    if (index == self->list.count || silence_is_over(self->list.items[index], now))
        return LB_END;
    struct silence wanted = *self->list.items[index];

    wanted.until = wanted.ended = now;
    if (wanted.from > now)
        wanted.from = now;
    wanted.ended_by = by;
    struct silence *made = silence_new(&wanted, &diag);

    lb_diag_free(&diag);
    return made != NULL ? put(self, index, made, now) : LB_NOMEM;
}

enum lb_err lb_mutes_end(struct lb_mutes *mutes, struct lb_str id, struct lb_str by, int64_t now)
{
    pthread_mutex_lock(&mutes->change_lock);
    enum lb_err err = end(mutes, id, by, now);
    pthread_mutex_unlock(&mutes->change_lock);
    return err;
}

/* --- showing ------------------------------------------------------------------------------ */

bool lb_mutes_write_one(struct lb_mutes *mutes, struct lb_str id, int64_t now, struct lb_buffer *out)
{
    pthread_mutex_lock(&mutes->lock);
    size_t index = find_id(&mutes->list, id);
    bool found = index < mutes->list.count;

    if (found)
        silence_write(mutes->list.items[index], now, out);
    pthread_mutex_unlock(&mutes->lock);
    return found;
}

void lb_mutes_write(struct lb_mutes *mutes, int64_t now, bool ended, struct lb_buffer *out)
{
    bool any = false;

    lb_buffer_append_char(out, '[');
    pthread_mutex_lock(&mutes->lock);
    for (size_t i = 0; i < mutes->list.count; i++) {
        const struct silence *silence = mutes->list.items[i];

        if (silence_is_over(silence, now) && (!ended || silence->until <= now - LB_SILENCE_KEPT_NS))
            continue;
        if (any)
            lb_buffer_append_char(out, ',');
        silence_write(silence, now, out);
        any = true;
    }
    pthread_mutex_unlock(&mutes->lock);
    lb_buffer_append_char(out, ']');
}

static void write_window(const struct lb_maintenance *window, int64_t now, struct lb_buffer *out)
{
    char from[LB_TIME_TEXT_SIZE];
    char until[LB_TIME_TEXT_SIZE];
    struct lb_span span;
    bool active = lb_calendar_find(window->calendar, now, &span);
    bool comes = active || lb_calendar_next(window->calendar, now, &span);

    lb_buffer_append_str(out, LB_STR("{\"name\":\""));
    lb_json_escape(out, window->name);
    lb_buffer_print(out, "\",\"state\":\"%s\",\"where\":\"", active ? "active" : comes ? "pending" : "ended");
    if (window->where != NULL)
        lb_json_escape(out, lb_expr_text(window->where));
    lb_buffer_append_char(out, '"');
    if (comes)
        lb_buffer_print(out, ",\"from\":\"%.*s\",\"until\":\"%.*s\"", (int)lb_time_write(span.from, from), from,
                        (int)lb_time_write(span.until, until), until);
    lb_buffer_append_char(out, '}');
}

void lb_mutes_write_windows(struct lb_mutes *mutes, int64_t now, struct lb_buffer *out)
{
    lb_buffer_append_char(out, '[');
    pthread_mutex_lock(&mutes->lock);
    for (uint32_t i = 0; mutes->alerting != NULL && i < mutes->alerting->maintenance_count; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        write_window(&mutes->alerting->maintenance[i], now, out);
    }
    pthread_mutex_unlock(&mutes->lock);
    lb_buffer_append_char(out, ']');
}
