/*
 * bench_parsers.c - nanoseconds of CPU per record for each parser that needs no settings, over lines as they are
 * written: the best of five rounds over 200,000 of them, arena reset as a worker does it. Prints key=value.
 */
#include "lb_batch.h"
#include "lb_level.h"
#include "lb_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5, LINES = 200000, PER_BATCH = 500, ARENA_BYTES = 16 * 1024 * 1024 };

static const struct {
    const char *parser;
    const char *line;
} cases[] = {
    { "json", "{\"time\":\"2026-03-01T10:00:00.123Z\",\"level\":\"info\",\"msg\":\"request "
              "served\",\"path\":\"/api/v1/items/7\","
              "\"status\":200,\"duration_ms\":12.5,\"user\":{\"id\":7}}" },
    { "logfmt",
      "time=2026-03-01T10:00:00.123Z level=info msg=\"request served\" path=/api/v1/items/7 status=200 took=12.5ms" },
    { "ltsv", "time:2026-03-01T10:00:00.123Z\tlevel:info\tmessage:request served\tpath:/api/v1/items/7\tstatus:200" },
    { "nginx",
      "192.0.2.17 - - [01/Mar/2026:10:00:00 +0000] \"GET /api/v1/items/7?page=2 HTTP/1.1\" 200 5316 "
      "\"https://www.example.org/shop\" \"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\"" },
    { "haproxy",
      "192.0.2.17:51940 [01/Mar/2026:10:00:00.123] web~ app/node1 0/0/1/48/49 200 3313 - - ---- 3/2/0/0/0 0/0 "
      "\"GET /api/v1/items/7 HTTP/1.1\"" },
    { "postgres",
      "2026-03-01 10:00:00.123 UTC [42] user=shop,db=shop,app=web,client=192.0.2.17 LOG:  duration: 12.480 ms  "
      "statement: SELECT id, name FROM items WHERE id = 7" },
    { "klog",
      "I20260301 10:00:00.123456   28133 controller.go:170] \"Pod updated\" pod=\"shop/web-7\" status=\"Ready\"" },
    { "redis", "1:M 01 Mar 2026 10:00:00.123 * Background saving terminated with success" },
    { "text", "2026-03-01 10:00:00,123 [http-nio-8080-exec-7] INFO  com.example.shop.Items - served item 7 in 12 ms" },
    { "cri", "2026-03-01T10:00:00.123456789Z stdout F {\"level\":\"info\",\"msg\":\"request served\",\"status\":200}" },
};

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Returns the nanoseconds, or 0 when a line was refused. */
static int64_t one_round(const struct lb_parser *parser, const char *line, struct lb_batch *batch)
{
    struct lb_parse_context context = { .batch = batch };
    struct lb_str text = lb_str_from(line);
    int64_t start = cpu_ns();

    for (int i = 0; i < LINES; i++) {
        struct lb_record record = { .message = lb_value_text(text),
                                    .level = LB_LEVEL_NONE,
                                    .flags = LB_RECORD_NO_TIME };

        if (i % PER_BATCH == 0)
            lb_arena_reset(&batch->arena, ARENA_BYTES);
        if (parser->type->parse(parser->state, &record, &context) != LB_OK)
            return 0;
    }
    return cpu_ns() - start;
}

int main(void)
{
    static struct lb_batch batch;

    lb_arena_init(&batch.arena, ARENA_BYTES);
    batch.arrival_ns = INT64_C(1772359200) * LB_SECOND;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lb_parser *parser = lb_parser_builtin(lb_str_from(cases[i].parser));
        int64_t best = INT64_MAX;

        for (int round = 0; round < ROUNDS; round++) {
            int64_t ns = one_round(parser, cases[i].line, &batch);

            best = ns < best ? ns : best;
        }
        if (best == 0) {
            fprintf(stderr, "%s refused its line\n", cases[i].parser);
            return 1;
        }
        printf("parser_%s_ns=%lld\n", cases[i].parser, (long long)(best / LINES));
    }
    lb_arena_free(&batch.arena);
    return 0;
}
