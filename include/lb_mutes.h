/*
 * lb_mutes.h - silences that people set, and the maintenance windows of the
 * configuration: what holds notices of alerts back.
 *
 * A silence says which alerts by an expression over their events, from when
 * and until when, by whom and why. It holds once it is on disk, and is kept to
 * be seen for some days after it has ended. Any thread; who asks whether an
 * alert is held back is the alert engine (route/alert_mute.h).
 */
#ifndef LB_MUTES_H
#define LB_MUTES_H

#include "lb_alert.h"
#include "lb_buffer.h"
#include "lb_clock.h"
#include "lb_diag.h"
#include "lb_record.h"

enum {
    LB_SILENCE_ID_SIZE = 17, /* 16 hexadecimal digits */
    LB_SILENCE_WHERE_BYTES = 4096,
    LB_SILENCE_COMMENT_BYTES = 1024,
    LB_SILENCE_AUTHOR_BYTES = 128,
};

#define LB_SILENCE_KEPT_NS (INT64_C(5) * 86400 * LB_SECOND) /* to be seen, after it has ended */

struct lb_mutes;

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
