/*
 * fresh.h - what a running logboom still holds in memory gets written before it is read.
 *
 * A file `.logboom` in the root of an archive says `control PATH`: the socket of the daemon that writes there, which
 * answers POST /api/v1/flush when everything is in the files.
 */
#ifndef FRESH_H
#define FRESH_H

#include <stdbool.h>

/* Looks for `.logboom` in `path` and the directories above it. False: nobody to ask, or no answer in time. */
bool fresh_flush(const char *path, int timeout_ms);

#endif
