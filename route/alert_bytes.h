/*
 * alert_bytes.h - what detectors know, as plain bytes: members one behind the
 * other as they lie in memory (little-endian, as on every machine that logboom
 * is built for). The snapshot that holds them has a checksum; still no count
 * that is read is trusted.
 */
#ifndef LB_ALERT_BYTES_H
#define LB_ALERT_BYTES_H

#include "lb_buffer.h"

static inline void lb_alert_bytes_put(struct lb_buffer *out, const void *from, size_t size)
{
    lb_buffer_append(out, (const char *)from, size);
}

static inline void lb_alert_bytes_put_count(struct lb_buffer *out, uint32_t count)
{
    lb_alert_bytes_put(out, &count, sizeof(count));
}

/* From the front of `*bytes`, which moves behind it. False: there are not so many. */
static inline bool lb_alert_bytes_take(struct lb_str *bytes, void *to, size_t size)
{
    if (bytes->len < size)
        return false;
    if (size > 0)
        memcpy(to, bytes->ptr, size);
    *bytes = (struct lb_str){ bytes->ptr + size, bytes->len - size };
    return true;
}

/* A count of at most `max`. */
static inline bool lb_alert_bytes_take_count(struct lb_str *bytes, uint32_t *count, uint32_t max)
{
    return lb_alert_bytes_take(bytes, count, sizeof(*count)) && *count <= max;
}

/* True if this number is next, such as a version or a size. */
static inline bool lb_alert_bytes_expect(struct lb_str *bytes, uint32_t expected)
{
    uint32_t found;

    return lb_alert_bytes_take(bytes, &found, sizeof(found)) && found == expected;
}

#endif
