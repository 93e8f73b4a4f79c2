/*
 * lb_crc32c.h - the Castagnoli checksum (RFC 3720 appendix B.4).
 */
#ifndef LB_CRC32C_H
#define LB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `len` bytes that follow those of which `crc` is the sum; 0 to start. */
uint32_t lb_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
