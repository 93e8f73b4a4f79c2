/* archive_bytes.h - numbers in files: little-endian, at any address. */
#ifndef ARCHIVE_BYTES_H
#define ARCHIVE_BYTES_H

#include "lb_alloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static inline void put_u64(unsigned char *at, uint64_t value)
{
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint32_t get_u32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t get_u64(const unsigned char *at)
{
    return get_u32(at) | (uint64_t)get_u32(at + 4) << 32;
}

/* Room for `wanted` bytes; what is there stays. */
static inline bool grow_bytes(void **buffer, size_t *size, size_t wanted)
{
    if (wanted <= *size)
        return true;
    size_t larger = wanted > *size * 2 ? wanted : *size * 2;
    void *grown = lb_realloc(*buffer, larger);
    if (grown == NULL)
        return false;
    *buffer = grown;
    *size = larger;
    return true;
}

/* All of `len` bytes, or false: errno says why; 0 when the file ends before. */
bool archive_read_at(int fd, void *bytes, size_t len, uint64_t offset);
bool archive_write_at(int fd, const void *bytes, size_t len, uint64_t offset);

#endif
