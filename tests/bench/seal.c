/*
 * seal.c - seals the live archives that are named: for measurements, and for tests that want sealed files at once.
 *
 *   seal [-b BYTES] FILE…      raw bytes of a block; 1 MiB unless given
 */
#include "lb_archive.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int seal(const char *path, uint32_t block)
{
    char temp[4096];
    struct lb_seal_options options = { .level = 9, .block = block, .temp = temp, .mode = 0440 };
    struct lb_seal_result result;
    lb_archive_reason reason = NULL;

    snprintf(temp, sizeof(temp), "%s.sealing", path);
    enum lb_err err = lb_archive_seal(path, &options, &result, &reason);
    if (err != LB_OK) {
        fprintf(stderr, "seal: %s: %s: %s\n", path, lb_err_name(err), reason != NULL ? reason : strerror(errno));
        return 1;
    }
    printf("%s raw=%" PRIu64 " packed=%" PRIu64 " index=%" PRIu64 " lines=%" PRIu64 " damaged=%" PRIu32 " sha256=",
           path, result.raw_bytes, result.packed_bytes, result.index_bytes, result.lines, result.damaged);
    for (size_t i = 0; i < sizeof(result.sha256); i++)
        printf("%02x", result.sha256[i]);
    putchar('\n');
    return 0;
}

int main(int argc, char **argv)
{
    uint32_t block = 0;
    int code = 0;
    int i = 1;

    if (argc > 2 && strcmp(argv[1], "-b") == 0) {
        block = (uint32_t)strtoul(argv[2], NULL, 10);
        i = 3;
    }
    for (; i < argc; i++)
        code |= seal(argv[i], block);
    return code;
}
