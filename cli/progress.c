/* progress.c - how far long work is. */
#include "progress.h"

#include "lb_clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 28 };

const char *size_text(uint64_t bytes, char *text)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= 1024;
    if (unit == 0)
        snprintf(text, SIZE_TEXT_SIZE, "%" PRIu64 " B", bytes);
    else
        snprintf(text, SIZE_TEXT_SIZE, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

/* Not lb_clock_monotonic(): work on a clock that is set takes real time too. */
static int64_t monotonic(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * LB_SECOND + now.tv_nsec;
}

void progress_start(struct progress *progress, const char *what, uint64_t total)
{
    *progress = (struct progress){
        .what = what, .total = total, .begun_ns = monotonic(), .enabled = isatty(STDERR_FILENO) == 1
    };
}

static void draw(struct progress *progress, int64_t now)
{
    double seconds = (double)(now - progress->begun_ns) / 1e9;
    double rate = (double)progress->done / seconds;
    char done[SIZE_TEXT_SIZE];
    char per_second[SIZE_TEXT_SIZE];
    char bar[BAR + 1];

    size_text(progress->done, done);
    size_text((uint64_t)rate, per_second);
    if (progress->total == 0) {
        fprintf(stderr, "\r\033[K%s  %s  %s/s", progress->what, done, per_second);
        return;
    }
    double share = progress->done < progress->total ? (double)progress->done / (double)progress->total : 1;
    int left = (int)((double)progress->total * (1 - share) / (rate > 1 ? rate : 1));

    for (int i = 0; i < BAR; i++)
        bar[i] = i < (int)(share * BAR) ? '#' : '.';
    bar[BAR] = '\0';
    fprintf(stderr, "\r\033[K%s  [%s] %3.0f %%  %s  %s/s  %d:%02d left", progress->what, bar, share * 100, done,
            per_second, left / 60, left % 60);
}

void progress_add(struct progress *progress, uint64_t bytes)
{
    progress->done += bytes;
    if (!progress->enabled)
        return;
    int64_t now = monotonic();
    if (now - progress->begun_ns < 500 * LB_MILLISECOND || now - progress->drawn_ns < 100 * LB_MILLISECOND)
        return;
    progress->drawn_ns = now;
    progress->shown = true;
    draw(progress, now);
    fflush(stderr);
}

void progress_hide(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
