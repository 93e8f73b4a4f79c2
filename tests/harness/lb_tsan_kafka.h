/*
 * lb_tsan_kafka.h - lets ThreadSanitizer live with librdkafka.
 *
 * librdkafka starts its threads by C11's thrd_create(), which TSan does not
 * know of: the first allocation in such a thread crashes. So that call goes to
 * pthread_create() here. What librdkafka does among its own threads is not
 * compiled for TSan and cannot be judged; only our side is.
 * Include it once in a test program that makes a producer.
 */
#ifndef LB_TSAN_KAFKA_H
#define LB_TSAN_KAFKA_H

#ifdef __SANITIZE_THREAD__

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librdkafka.so.1\ncalled_from_lib:liblz4.so.1\n";
}

struct lb_thread_start {
    thrd_start_t run;
    void *context;
};

static void *lb_thread_run(void *context)
{
    struct lb_thread_start start = *(struct lb_thread_start *)context;

    free(context);
    return (void *)(intptr_t)start.run(start.context);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *context)
{
    struct lb_thread_start *start = malloc(sizeof(*start));

    if (start == NULL)
        return thrd_nomem;
    *start = (struct lb_thread_start){ run, context };
    if (pthread_create(thread, NULL, lb_thread_run, start) == 0)
        return thrd_success;
    free(start);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *got = NULL;

    if (pthread_join(thread, &got) != 0)
        return thrd_error;
    if (result != NULL)
        *result = (int)(intptr_t)got;
    return thrd_success;
}

#endif

#endif
