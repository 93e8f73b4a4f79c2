/*
 * lb_file.h - small files that are read and replaced as a whole.
 *
 * Whoever looks at the name finds what was there before or what is there now,
 * also after a power failure: when lb_file_replace() has returned true it is
 * the new content for good. The bytes lie beside it in `PATH.new` until then.
 */
#ifndef LB_FILE_H
#define LB_FILE_H

#include "lb_buffer.h"
#include "lb_err.h"

/* False: errno says why, and the file is as it was (or, where only the directory could not be synced, maybe new). */
bool lb_file_replace(const char *path, struct lb_str bytes);

/* The whole file behind what `out` has. LB_END: there is none; LB_LIMIT: more than `out` takes, less 64 KiB; LB_IO. */
enum lb_err lb_file_read(const char *path, struct lb_buffer *out) LB_MUST_USE;

#endif
