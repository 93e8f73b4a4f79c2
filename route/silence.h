/*
 * silence.h - one silence, and the file of them all.
 *
 * A silence is made once and never changed: a change makes another in its
 * place. So readers need no more than that the list stands still. The file has
 * a head line with its version, then one line of JSON for each.
 */
#ifndef LB_SILENCE_H
#define LB_SILENCE_H

#include "alert_mute.h"

struct silence {
    struct lb_arena arena; /* of all below */
    char id[LB_SILENCE_ID_SIZE];
    struct lb_str where;
    struct lb_expr *expr; /* NULL: it cannot be read by this version; it matches nothing */
    int64_t from;
    int64_t until;
    int64_t created;
    int64_t updated; /* LB_TIME_NONE: never */
    int64_t ended;   /* by somebody; LB_TIME_NONE: not */
    struct lb_str author;
    struct lb_str comment;
    struct lb_str ended_by;
};

struct silence_list {
    struct silence **items; /* in the order they were made */
    size_t count;
};

/* A copy of what `from` says, compiled. NULL with an error: what is wrong, or no memory. */
struct silence *silence_new(const struct silence *from, struct lb_diag *diag);
void silence_free(struct silence *silence);

static inline bool silence_is_over(const struct silence *silence, int64_t now)
{
    return silence->until <= now;
}

/* As a JSON object; with `state` (pending, active, ended) unless `now` is LB_TIME_NONE. */
void silence_write(const struct silence *silence, int64_t now, struct lb_buffer *out);

/* On false errno says why. */
bool silences_save(const char *path, const struct silence_list *list);

/* LB_BAD_CONF: of a newer version (`diag`); LB_IO, LB_NOMEM (`diag`). What is damaged is left out. */
enum lb_err silences_load(const char *path, struct silence_list *list, int64_t now, struct lb_diag *diag);

/* Room for one more. */
bool silences_reserve(struct silence_list *list);

#endif
