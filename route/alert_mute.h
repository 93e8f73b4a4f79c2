/*
 * alert_mute.h - whether people want to hear of an alert now: silences, which
 * somebody has set for a time, and maintenance windows of the configuration.
 *
 * A mute holds notices back; it never changes what an alert is. The notifier
 * asks for each notice, and again when time passes: who was told that an alert
 * fires is told once that it was muted, and once how it stands when the mute is
 * over (or that it ended meanwhile).
 *
 * lb_mutes_find() is called on the engine's thread; silences come and go on
 * others (API, control socket). `lock` guards what is found and is never held
 * while a disk is written to; `change_lock` lets one change happen at a time.
 */
#ifndef LB_ALERT_MUTE_H
#define LB_ALERT_MUTE_H

#include "lb_alert.h"
#include "lb_buffer.h"
#include "lb_diag.h"
#include "lb_record.h"

enum lb_mute_kind { LB_MUTE_NONE, LB_MUTE_SILENCE, LB_MUTE_MAINTENANCE };

enum {
    LB_MUTE_NAME_BYTES = 64,
    LB_SILENCE_ID_SIZE = 17, /* 16 hexadecimal digits */
    LB_SILENCE_WHERE_BYTES = 4096,
    LB_SILENCE_COMMENT_BYTES = 1024,
    LB_SILENCE_AUTHOR_BYTES = 128,
};

#define LB_SILENCE_KEPT_NS (INT64_C(5) * 86400 * LB_SECOND) /* to be seen, after it has ended */

struct lb_mute {
    enum lb_mute_kind kind;
    int64_t until;                 /* LB_TIME_NONE: no end is known */
    char name[LB_MUTE_NAME_BYTES]; /* a silence's id, a window's name; ends with NUL */
};

struct lb_mutes;

/* --- who asks ------------------------------------------------------------------- */

/* What mutes the alert that `event` is about, at `now` (the engine's clock); silences first, then what lasts longest.
 */
struct lb_mute lb_mutes_find(struct lb_mutes *mutes, const struct lb_record *event, int64_t now,
                             struct lb_scratch *scratch);

/*
 * Counts up whenever a silence was set, changed or ended, or began or ended by lb_clock, as windows do: what was found
 * before may not hold any more. Cheap.
 */
uint64_t lb_mutes_version(struct lb_mutes *mutes);

/* --- who has them ------------------------------------------------------------------ */

/*
 * With the silences of the file `path`, which need not be there. NULL with an error: a file of a newer version, no
 * memory, or one that cannot be read. A damaged silence is left out and told in the log; the file is kept beside.
 */
struct lb_mutes *lb_mutes_open(const char *path, struct lb_diag *diag);
void lb_mutes_free(struct lb_mutes *mutes);

/* From here on these maintenance windows hold; keeps the generation alive. Any thread. */
void lb_mutes_configure(struct lb_mutes *mutes, const struct lb_alerting *alerting);

/* --- who sets them: any thread ------------------------------------------------------- */

struct lb_silence {
    struct lb_str id;    /* empty: a new one; otherwise the one that is changed, where the rest may be left out */
    struct lb_str where; /* over alert events */
    int64_t from;        /* LB_TIME_NONE: now, or as it is */
    int64_t until;       /* LB_TIME_NONE: as it is */
    struct lb_str author;
    struct lb_str comment;
};

/*
 * It holds, and is on disk. LB_BAD_INPUT: `diag` says what is wrong, with the column where the expression is; LB_END:
 * no such silence, or it has ended; LB_LIMIT: there are too many; LB_IO: it cannot be kept (errno), nothing changed.
 */
enum lb_err lb_mutes_set(struct lb_mutes *mutes, const struct lb_silence *silence, int64_t now,
                         char id[LB_SILENCE_ID_SIZE], struct lb_diag *diag) LB_MUST_USE;

/* It has ended, by whom. LB_END: no such silence, or it has ended before. LB_IO as above. */
enum lb_err lb_mutes_end(struct lb_mutes *mutes, struct lb_str id, struct lb_str by, int64_t now) LB_MUST_USE;

/* One silence as a JSON object. False: there is none. */
bool lb_mutes_write_one(struct lb_mutes *mutes, struct lb_str id, int64_t now, struct lb_buffer *out);

/* All as a JSON array, those that ended too if `ended`; and the windows, with the next or present span of each. */
void lb_mutes_write(struct lb_mutes *mutes, int64_t now, bool ended, struct lb_buffer *out);
void lb_mutes_write_windows(struct lb_mutes *mutes, int64_t now, struct lb_buffer *out);

/*
 * Which elements of the JSON array `alerts` (lb_alert_engine_write) the expression matches, as a JSON array; their
 * number is returned. -1: the expression is wrong and `diag` says why.
 */
int lb_mutes_preview(struct lb_str where, struct lb_str alerts, struct lb_buffer *out, struct lb_diag *diag);

/* An alert of that JSON as the record that its events would be, as far as expressions ask. False: it is none. */
bool lb_alert_record_read(struct lb_str json, struct lb_arena *arena, struct lb_record *record);

#endif
