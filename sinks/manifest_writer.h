/*
 * manifest_writer.h - MANIFEST.jsonl in the constant directory of an archive:
 * a line for each file that was sealed or deleted, each with the SHA-256 of
 * the line before it (`prev`; zeros in the first).
 *
 * Nothing is kept between two calls: each locks the file, drops what a crash
 * left half-written at its end, and goes on from the last line. So any number
 * of sinks, threads and processes may share one.
 */
#ifndef LB_MANIFEST_WRITER_H
#define LB_MANIFEST_WRITER_H

#include "lb_archive.h"
#include "lb_buffer.h"

enum { MANIFEST_HEX_SIZE = 65 };

/* The beginning of a line: time, event and path. Fields may follow; manifest_append() adds `prev` and the end. */
void manifest_begin(struct lb_buffer *line, const char *event, const char *path);
void manifest_hex(const unsigned char *digest, char *text);

/* Durable on true; otherwise errno says why, and the file is as it was. `root` is a directory; empty: here. */
bool manifest_append(const char *root, struct lb_str line);

/* Drops a half-written end. True where there is nothing to mend. */
bool manifest_mend(const char *root);

/* Calls `visit` for each line that tells of a file, in their order. Lines that cannot be read are passed over. */
void manifest_each(const char *root, void (*visit)(void *context, struct lb_str path, bool sealed), void *context);

#endif
