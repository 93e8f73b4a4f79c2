/*
 * bench_udp.c - how fast the syslog source takes datagrams in, with 1, 2 and 4 sockets for one address.
 *
 * The sockets are filled from 64 ports before anybody reads, so the senders cost nothing of the time that is measured:
 * from the start of the threads until the last datagram has been pushed, with somebody behind the queue who gives each
 * batch back. Best of ROUNDS. Prints key=value; ends with 1 when a datagram is lost, or allocations grow with their
 * number.
 */
#include "lb_alloc.h"
#include "lb_ledger.h"
#include "lb_level.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include "ingest/syslog_sockets.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern const struct lb_source_type lb_source_syslog;

enum { ROUNDS = 15, FLOWS = 64, PER_FLOW = 400, DATAGRAMS = FLOWS * PER_FLOW, BUFFER = 128 * 1024 * 1024 };

static const char message[] = "<34>1 2026-03-01T10:00:00.123000Z host01.example.org payments 4242 ID7 "
                              "[meta@32473 seq=\"1\" zone=\"eu\"] request handled without trouble in the usual way";

struct bench {
    struct lb_streams *streams;
    struct lb_pool *pool;
    struct lb_queue queue;
    struct lb_source source;
    struct syslog_source state;
    struct lb_str address;
    uint32_t received;
    int64_t cpu_ns; /* of all threads, until the last one was there */
    long allocated;
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Behind the queue: takes until all have come. */
static void *take(void *context)
{
    struct bench *self = context;

    while (self->received < DATAGRAMS) {
        struct lb_batch *batch = lb_queue_pop(&self->queue);

        self->received += batch->event_count;
        lb_batch_unref(batch);
    }
    return NULL;
}

static int fill(int listening)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);

    if (getsockname(listening, (struct sockaddr *)&address, &size) != 0)
        return -1;
    for (int flow = 0; flow < FLOWS; flow++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) != 0)
            return -1;
        for (int i = 0; i < PER_FLOW; i++)
            (void)send(fd, message, sizeof(message) - 1, 0);
        close(fd);
    }
    return 0;
}

static void stop_on_loop(void *context)
{
    lb_source_syslog.stop(context);
}

/* Nanoseconds for all of them; 0: something failed, which was told. */
static int64_t one_round(struct bench *self, uint64_t sockets)
{
    struct lb_diag diag = { 0 };
    pthread_t taker;

    self->received = 0;
    self->state = (struct syslog_source){ .listen = { &self->address, 1 },
                                          .max_connections = 1,
                                          .socket_mode = LB_STR("666"),
                                          .receive_buffer = BUFFER,
                                          .udp_sockets = sockets };
    self->source.loop = lb_loop_new("sockets");
    if (lb_source_syslog.open(&self->source, &diag) != LB_OK || fill(self->state.sockets->fd) != 0 ||
        pthread_create(&taker, NULL, take, self) != 0) {
        fprintf(stderr, "bench_udp: cannot begin\n");
        return 0;
    }
    self->allocated = lb_alloc_count;
    int64_t start = now_ns(CLOCK_MONOTONIC);
    self->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (lb_loop_start(self->source.loop) != LB_OK)
        return 0;
    alarm(30); /* lost ones never come: a smaller buffer than asked, see its warning */
    pthread_join(taker, NULL);
    alarm(0);
    int64_t took = now_ns(CLOCK_MONOTONIC) - start;
    self->cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - self->cpu_ns;
    self->allocated = lb_alloc_count - self->allocated;
    lb_loop_post(self->source.loop, stop_on_loop, &self->source);
    lb_loop_stop(self->source.loop);
    lb_source_syslog.close(&self->source);
    lb_loop_free(self->source.loop);
    return took;
}

static bool lay(struct bench *self, const char *directory)
{
    static struct lb_ledger *ledger;
    struct lb_str name = LB_STR("sink");
    struct lb_strs consumers = { &name, 1 };
    char path[64];

    snprintf(path, sizeof(path), "%s/ledger", directory);
    if (lb_ledger_open(&ledger, path) != LB_OK)
        return false;
    self->streams = lb_streams_new(ledger, &consumers);
    self->pool = lb_pool_new(LB_POOL_BYTES);
    self->address = LB_STR("udp://127.0.0.1:0");
    lb_queue_init(&self->queue);
    self->source = (struct lb_source){ .type = &lb_source_syslog,
                                       .section = { LB_STR("bench"), NULL },
                                       .state = &self->state,
                                       .options = { .max_line = LB_LINE_BYTES },
                                       .share = lb_share_new(self->pool, LB_POOL_BYTES),
                                       .queue = &self->queue,
                                       .streams = self->streams };
    return true;
}

static int measure(struct bench *self, uint64_t sockets)
{
    int64_t best = INT64_MAX;
    int64_t cpu = INT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t took = one_round(self, sockets);

        if (took == 0)
            return 1;
        best = took < best ? took : best;
        cpu = self->cpu_ns < cpu ? self->cpu_ns : cpu;
    }
    printf("udp_sockets_%d_datagrams_per_second=%lld udp_sockets_%d_cpu_ns=%lld udp_sockets_%d_allocations=%ld\n",
           (int)sockets, (long long)DATAGRAMS * 1000000000 / best, (int)sockets, (long long)cpu / DATAGRAMS,
           (int)sockets, self->allocated);
    return self->allocated > DATAGRAMS / 100;
}

int main(void)
{
    static struct bench bench;
    char directory[] = "/tmp/lb_bench_XXXXXX";
    char command[64];
    int failed;

    lb_log_level = LB_LEVEL_WARN;
    if (mkdtemp(directory) == NULL || !lay(&bench, directory))
        return 1;
    failed = measure(&bench, 1) | measure(&bench, 2) | measure(&bench, 4);
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command) != 0 || failed;
}
