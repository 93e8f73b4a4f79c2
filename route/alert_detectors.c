/* alert_detectors.c - finds a detector by name, and words for what it found. The list is alert_detectors.def. */
#include "alert_detector.h"

#include <stdarg.h>
#include <stdio.h>

#define LB_ALERT_DETECTOR(name) extern const struct lb_alert_detector_type lb_alert_detector_##name;
#include "alert_detectors.def"
#undef LB_ALERT_DETECTOR

static const struct lb_alert_detector_type *const types[] = {
#define LB_ALERT_DETECTOR(name) &lb_alert_detector_##name,
#include "alert_detectors.def"
#undef LB_ALERT_DETECTOR
    NULL,
};

const struct lb_alert_detector_type *const *lb_alert_detector_types(void)
{
    return types;
}

const struct lb_alert_detector_type *lb_alert_detector_find(struct lb_str name)
{
    for (size_t i = 0; types[i] != NULL; i++)
        if (lb_str_is(name, types[i]->name))
            return types[i];
    return NULL;
}

int64_t lb_alert_detector_time(const struct lb_alert_detector *detector, uint64_t stream, int64_t newest,
                               int64_t arrival)
{
    int64_t time;

    if (!lb_alert_clocks_time(detector->clocks, stream, detector->now, &time))
        time = newest + (detector->now - arrival);
    return time > newest ? time : newest;
}

/* --- words ----------------------------------------------------------------- */

void lb_alert_words_add(struct lb_alert_words *words, const char *fmt, ...)
{
    size_t room = sizeof(words->bytes) - words->len;
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(words->bytes + words->len, room, fmt, args);
    va_end(args);
    if (len > 0)
        words->len += (size_t)len < room ? (size_t)len : room - 1;
}

void lb_alert_words_quote(struct lb_alert_words *words, struct lb_str text, size_t bytes_max)
{
    bool cut = text.len > bytes_max;

    if (cut) {
        text.len = bytes_max;
        while (text.len > bytes_max - 3 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    lb_alert_words_add(words, "\"" LB_STR_FMT "%s\"", LB_STR_ARG(text), cut ? "..." : "");
}
