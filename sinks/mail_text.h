/*
 * mail_text.h - text as mail has it: RFC 5322, 2045 and 2047.
 *
 * What goes in was cleaned (channel_clean()); what comes out is ASCII in
 * lines of at most 76 bytes that end with CRLF, so that nothing of a log line
 * can become a header, a command, or the end of the message.
 */
#ifndef MAIL_TEXT_H
#define MAIL_TEXT_H

#include "lb_buffer.h"

#include <stdint.h>

/* Appends the value of a header: as it is where that is plain ASCII, else as encoded words, folded. */
void mail_header_text(struct lb_buffer *out, struct lb_str text);

/* Appends lines as quoted-printable; line feeds become CRLF, and it ends with one. */
void mail_quoted_printable(struct lb_buffer *out, struct lb_str text);

/* Appends a date: "Thu, 01 Jan 2026 00:00:00 +0000". */
void mail_date(struct lb_buffer *out, int64_t time_ns);

/*
 * The address in "logs@example.org" or "Log Boom <logs@example.org>"; empty: it is none. Only what needs no quoting
 * and no encoding is taken.
 */
struct lb_str mail_address(struct lb_str text);

/* What is behind its @. */
struct lb_str mail_domain(struct lb_str address);

#endif
