/*
 * alert_packed.h - numbers and byte strings in a row, for what the notifier
 * keeps on disk.
 *
 * Little-endian, as they lie in memory, each string behind its length. A
 * reader never leaves what it was given: once something is missing it is
 * `bad` and gives zeros. What is read is still to be judged by who knows what
 * it means.
 */
#ifndef LB_ALERT_PACKED_H
#define LB_ALERT_PACKED_H

#include "lb_buffer.h"

struct lb_alert_bytes {
    const char *ptr;
    size_t left;
    bool bad;
};

static inline void lb_alert_put_number(struct lb_buffer *out, uint64_t number)
{
    lb_buffer_append(out, (const char *)&number, sizeof(number));
}

static inline void lb_alert_put_double(struct lb_buffer *out, double number)
{
    lb_buffer_append(out, (const char *)&number, sizeof(number));
}

static inline void lb_alert_put_text(struct lb_buffer *out, struct lb_str text)
{
    uint32_t length = (uint32_t)text.len;

    lb_buffer_append(out, (const char *)&length, sizeof(length));
    lb_buffer_append_str(out, text);
}

static inline void lb_alert_take(struct lb_alert_bytes *bytes, void *to, size_t size)
{
    if (bytes->bad || bytes->left < size) {
        bytes->bad = true;
        memset(to, 0, size);
        return;
    }
    memcpy(to, bytes->ptr, size);
    bytes->ptr += size;
    bytes->left -= size;
}

static inline uint64_t lb_alert_take_number(struct lb_alert_bytes *bytes)
{
    uint64_t number;

    lb_alert_take(bytes, &number, sizeof(number));
    return number;
}

static inline double lb_alert_take_double(struct lb_alert_bytes *bytes)
{
    double number;

    lb_alert_take(bytes, &number, sizeof(number));
    return number;
}

/* A slice of what is read. */
static inline struct lb_str lb_alert_take_text(struct lb_alert_bytes *bytes)
{
    uint32_t length;
    struct lb_str text;

    lb_alert_take(bytes, &length, sizeof(length));
    if (bytes->bad || bytes->left < length) {
        bytes->bad = true;
        return LB_STR("");
    }
    text = (struct lb_str){ bytes->ptr, length };
    bytes->ptr += length;
    bytes->left -= length;
    return text;
}

#endif
