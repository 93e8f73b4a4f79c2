/*
 * crc32c.c - CRC32C by the processor's instruction (SSE4.2), chosen at run
 * time, or by a table of 256 entries made at the first use.
 */
#include "lb_crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];
static uint32_t (*implementation)(uint32_t crc, const unsigned char *bytes, size_t len);
static pthread_once_t chosen = PTHREAD_ONCE_INIT;

static uint32_t by_table(uint32_t crc, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
    return crc;
}

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
        table[i] = crc;
    }
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *bytes, size_t len)
{
    uint64_t wide = crc;
    uint64_t word;

    for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; len--)
        crc = __builtin_ia32_crc32qi(crc, *bytes++);
    return crc;
}
#endif

static void choose(void)
{
    fill_table();
    implementation = by_table;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        implementation = by_instruction;
#endif
}

uint32_t lb_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    pthread_once(&chosen, choose);
    return ~implementation(~crc, bytes, len);
}
