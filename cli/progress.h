/*
 * progress.h - how far long work is: a bar on stderr, with rate and time left.
 *
 * Only where stderr is a terminal, and only after half a second. What writes
 * to that terminal meanwhile calls progress_hide() first. One thread.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "verify" */
    uint64_t total;   /* bytes; 0: not known */
    uint64_t done;
    int64_t begun_ns;
    int64_t drawn_ns;
    bool enabled;
    bool shown;
};

void progress_start(struct progress *progress, const char *what, uint64_t total);
void progress_add(struct progress *progress, uint64_t bytes);
void progress_hide(struct progress *progress); /* until the next time it is drawn */

/* "1.5 MiB"; `text` has room for SIZE_TEXT_SIZE bytes. */
enum { SIZE_TEXT_SIZE = 32 };
const char *size_text(uint64_t bytes, char *text);

#endif
