/*
 * lb_scan.h - finding bytes fast: AVX2 or SSE2/NEON chosen at run time, plain
 * C beneath. Never reads outside [ptr, ptr + len).
 */
#ifndef LB_SCAN_H
#define LB_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Index of the first `"`, `\` or byte below 0x20, or len. `*high` gets bit 7 set if a byte before it was not ASCII. */
size_t lb_scan_string(const char *ptr, size_t len, unsigned char *high);

/*
 * The same for all of [ptr, ptr + len) at once: sets bit i % 64 of marks[i / 64] for each byte i where it would stop,
 * and clears the others, up to the end of the last word. True if some byte is not ASCII.
 */
bool lb_scan_marks(const char *ptr, size_t len, uint64_t *marks);

/*
 * Notes the index of every `\n` in [ptr, ptr + len) in `ends`, at most `max`, rising. Returns how many; when it is
 * `max`, scanning went no further than the last one.
 */
size_t lb_scan_lines(const char *ptr, size_t len, uint32_t *ends, size_t max);

/* Index behind the last `\n`, or 0. */
size_t lb_scan_last_line(const char *ptr, size_t len);

/* Which implementation runs: "avx2", "sse2", "neon" or "plain". */
const char *lb_scan_name(void);

/* For tests: forces one of them; NULL chooses again. False if this machine cannot run it. */
int lb_scan_force(const char *name);

#endif
