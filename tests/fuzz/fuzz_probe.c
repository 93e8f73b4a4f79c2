/* fuzz_probe.c - where a value is, in the first line, and the body of a stranger behind it. */
#include "ingest/probe.h"

#include "lb_json.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* In place of a source: the record is only written, never pushed. */
static void report(const struct probe_check *check, struct lb_str body)
{
    struct reporter reporter = { 0 };

    lb_buffer_init(&reporter.line, 2 * PROBE_BODY_BYTES_MAX);
    lb_buffer_append_char(&reporter.line, '{');
    reporter.first = true;
    probe_body_report(&reporter, check, body);
    lb_buffer_append_char(&reporter.line, '}');
    assert(!reporter.line.failed);
    assert(lb_json_valid(lb_buffer_str(&reporter.line)));
    lb_buffer_free(&reporter.line);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const unsigned char *newline = memchr(data, '\n', size);

    if (newline == NULL)
        return 0;
    size_t len = (size_t)(newline - data);
    char *where = malloc(len + 1); /* the configuration ends its texts with a NUL */
    char *body = malloc(size - len);

    assert(where != NULL && body != NULL);
    memcpy(where, data, len);
    where[len] = '\0';
    memcpy(body, newline + 1, size - len - 1);
    struct lb_pair pair = { LB_STR("value"), { where, strlen(where) } };
    struct probe_check check = { .json = { &pair, 1 }, .prometheus = { &pair, 1 } };
    report(&check, (struct lb_str){ body, size - len - 1 });
    check.json.count = 0;
    report(&check, (struct lb_str){ body, size - len - 1 });
    free(where);
    free(body);
    return 0;
}
