/* proof_golden.c - all notices of a test against those of a file, line by line; or that file made anew. */
#include "proof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { GOLDEN_BYTES_MAX = 64 * 1024 * 1024 };

static void write_notices(const struct proof_run *run, struct lb_buffer *out)
{
    for (uint32_t i = 0; i < run->notice_count; i++) {
        lb_buffer_append_str(out, run->notices[i].json);
        lb_buffer_append_char(out, '\n');
    }
}

static bool read_golden(const char *path, struct lb_buffer *out)
{
    FILE *file = fopen(path, "re");
    char block[4096];
    size_t len;

    if (file == NULL)
        return false;
    while ((len = fread(block, 1, sizeof(block), file)) > 0)
        lb_buffer_append(out, block, len);
    bool ok = ferror(file) == 0 && !out->failed;
    fclose(file);
    return ok;
}

static bool put_golden(const char *path, struct lb_str text)
{
    FILE *file = fopen(path, "we");

    if (file == NULL)
        return false;
    bool ok = fwrite(text.ptr, 1, text.len, file) == text.len;
    return fclose(file) == 0 && ok;
}

static struct lb_str line_of(struct lb_str *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct lb_str line = { rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };
    size_t used = line.len + (end != NULL);

    *rest = (struct lb_str){ rest->ptr + used, rest->len - used };
    return line;
}

static void compare_golden(struct proof_run *run, struct lb_str golden, struct lb_str told)
{
    for (unsigned number = 1; golden.len > 0 || told.len > 0; number++) {
        struct lb_str wanted = line_of(&golden);
        struct lb_str found = line_of(&told);

        if (lb_str_equal(wanted, found))
            continue;
        proof_fail(run, "golden    line %u of %s differs", number, run->proof->golden.ptr);
        proof_fail(run, "  expected  " LB_STR_FMT, LB_STR_ARG(wanted.len > 0 ? wanted : LB_STR("nothing")));
        proof_fail(run, "  told      " LB_STR_FMT, LB_STR_ARG(found.len > 0 ? found : LB_STR("nothing")));
        return;
    }
}

void proof_judge_golden(struct proof_run *run, bool write_it)
{
    const char *path = run->proof->golden.ptr;
    struct lb_buffer golden;
    struct lb_buffer told;

    lb_buffer_init(&golden, GOLDEN_BYTES_MAX);
    lb_buffer_init(&told, GOLDEN_BYTES_MAX);
    write_notices(run, &told);
    if (write_it && !put_golden(path, lb_buffer_str(&told)))
        proof_fail(run, "golden    cannot write %s: %s", path, strerror(errno));
    else if (!write_it && !read_golden(path, &golden))
        proof_fail(run, "golden    cannot read %s: %s; --write-golden makes it", path, strerror(errno));
    else if (!write_it)
        compare_golden(run, lb_buffer_str(&golden), lb_buffer_str(&told));
    lb_buffer_free(&golden);
    lb_buffer_free(&told);
}
