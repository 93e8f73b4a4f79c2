/* fuzz_http_answer.c - dates, waits and answers record by record, as a stranger may write them. */
#include "sinks/http_answer.h"

#include "lb_clock.h"

#include <assert.h>
#include <stdlib.h>

enum { RECORDS_MAX = 64 };

#define NOW (INT64_C(1767225600) * LB_SECOND)
#define WAIT_MAX (3600 * LB_SECOND)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_items(struct lb_str text, uint32_t count)
{
    struct http_item_answer answers[RECORDS_MAX];

    if (!http_items_read(text, answers, count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        assert(answers[i].status >= 100 && answers[i].status < 600);
        if (answers[i].error.ptr != NULL)
            assert(answers[i].error.ptr >= text.ptr &&
                   answers[i].error.ptr + answers[i].error.len <= text.ptr + text.len);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size == 0)
        return 0;

    /* Exactly as long as it is, so that the sanitizer sees a byte that is read behind it. */
    char *copy = malloc(size);

    assert(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    struct lb_str text = { copy, size - 1 };
    struct lb_str none = { NULL, 0 };
    int64_t wait = http_retry_after(text, none, NOW, WAIT_MAX);
    assert(wait >= 0 && wait <= WAIT_MAX);
    wait = http_retry_after(text, text, NOW, WAIT_MAX);
    assert(wait >= 0 && wait <= WAIT_MAX);
    check_items(text, data[0] % RECORDS_MAX + 1);
    free(copy);
    return 0;
}
