/*
 * lb_markers.h - what people did to a system, beside what it said: "deployed
 * 2.3", "moved the database". An alert of that service soon after shows it.
 *
 * The newest LB_MARKERS_MAX are kept, in the order of their times, in one file
 * that is replaced at each change. Any thread; `change_lock` lets one change
 * happen at a time, `lock` guards what is found and is never held while a disk
 * is written to.
 */
#ifndef LB_MARKERS_H
#define LB_MARKERS_H

#include "lb_buffer.h"
#include "lb_clock.h"
#include "lb_err.h"

enum { LB_MARKERS_MAX = 1000, LB_MARKER_TEXT_BYTES = 512, LB_MARKER_NAME_BYTES = 128 };

#define LB_MARKER_NEAR_NS (3600 * LB_SECOND) /* so soon after a marker an alert shows it */

struct lb_marker {
    int64_t time;
    struct lb_str text;
    struct lb_str service; /* empty: of all */
    struct lb_str author;
};

struct lb_markers;

/* With those of the file `path`; what cannot be read is left out and told in the log. NULL: no memory. */
struct lb_markers *lb_markers_open(const char *path);
void lb_markers_free(struct lb_markers *markers);

/*
 * It is kept, and on disk. LB_LIMIT: a text is too long, or empty, or the marker older than all of a full list; LB_IO:
 * it cannot be kept (errno), nothing changed.
 */
enum lb_err lb_markers_add(struct lb_markers *markers, const struct lb_marker *marker) LB_MUST_USE;

/*
 * For who writes an alert event: the text of the newest marker of the service (or of all services) in [at - near, at],
 * copied to `text`. Returns its length; 0: there is none.
 */
size_t lb_markers_newest(struct lb_markers *markers, struct lb_str service, int64_t at, int64_t near,
                         char text[LB_MARKER_TEXT_BYTES]);

/* Those in [since, until) as a JSON array, the oldest first; `service` empty: of any. */
void lb_markers_write(struct lb_markers *markers, int64_t since, int64_t until, struct lb_str service,
                      struct lb_buffer *out);

#endif
