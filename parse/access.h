/*
 * access.h - access logs as web servers write them: the common and combined
 * formats, with a virtual host or forwarded addresses in front, and what
 * nginx and its ingress append.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include "fill.h"
#include "zoned.h"

/*
 * Fields: client_ip, forwarded_for, vhost, ident, user, method, path, protocol, status, bytes, referrer, user_agent;
 * of an ingress request_bytes, duration_ms, upstream_*, request_id; anything behind them is `extra`. The message
 * becomes the request line.
 */
enum lb_err access_read(struct fill *fill, const struct zoned *zone);

/* "10/Oct/2000:13:55:36 -0700", or any usual form. */
bool access_time(const struct zoned *zone, struct lb_str text, int64_t now_ns, int64_t *time_ns);

#endif
