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

#include "lb_mutes.h"
#include "lb_record.h"

enum lb_mute_kind { LB_MUTE_NONE, LB_MUTE_SILENCE, LB_MUTE_MAINTENANCE };

enum { LB_MUTE_NAME_BYTES = 64 };

struct lb_mute {
    enum lb_mute_kind kind;
    int64_t until;                 /* LB_TIME_NONE: no end is known */
    char name[LB_MUTE_NAME_BYTES]; /* a silence's id, a window's name; ends with NUL */
};

/* What mutes the alert that `event` is about, at `now` (the engine's clock); silences first, then what lasts longest.
 */
struct lb_mute lb_mutes_find(struct lb_mutes *mutes, const struct lb_record *event, int64_t now,
                             struct lb_scratch *scratch);

/*
 * Counts up whenever a silence was set, changed or ended, or began or ended by lb_clock, as windows do: what was found
 * before may not hold any more. Cheap.
 */
uint64_t lb_mutes_version(struct lb_mutes *mutes);

#endif
