/*
 * bench_docker.c - docker's lines with JSON inside, from bytes to archive lines.
 *
 * Makes its own input (64 MB, or as many as the first argument says), cuts it
 * into batches of 256 KiB as the tailer would, and runs the envelope, the
 * parser chain and the JSON format over each. Prints key=value: nanoseconds
 * of CPU per record for each step (the best of five rounds), and for all.
 */
#include "lb_format.h"
#include "lb_limits.h"
#include "lb_parser.h"
#include "lb_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5, ARENA_BYTES = 16 * 1024 * 1024 };

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* About 400 bytes: what a service writes about a request, as docker wraps it. */
static size_t write_line(char *out, size_t room, unsigned n, uint64_t *random)
{
    static const char *const levels[] = { "info", "info", "info", "debug", "warn", "error" };
    static const char *const services[] = { "payments", "auth", "checkout", "search", "mail" };
    static const char *const words[] = { "request served", "cache miss for key user:profile",
                                         "connection to the upstream was reset, retrying",
                                         "query took longer than the configured threshold of 250 ms" };
    unsigned ms = n / 10;
    int len = snprintf(out, room,
                       "{\"log\":\"{\\\"time\\\":\\\"2026-03-01T10:%02u:%02u.%03uZ\\\",\\\"level\\\":\\\"%s\\\","
                       "\\\"service\\\":\\\"%s\\\",\\\"msg\\\":\\\"%s\\\",\\\"request_id\\\":\\\"%016llx\\\","
                       "\\\"method\\\":\\\"GET\\\",\\\"path\\\":\\\"/api/v1/items/%u\\\",\\\"status\\\":%u,"
                       "\\\"duration_ms\\\":%u.%u,\\\"user\\\":{\\\"id\\\":%u,\\\"name\\\":\\\"u%u\\\"}}\\n\","
                       "\"stream\":\"stdout\",\"time\":\"2026-03-01T10:%02u:%02u.%09uZ\"}",
                       ms / 60000 % 60, ms / 1000 % 60, ms % 1000, levels[next(random) % 6], services[next(random) % 5],
                       words[next(random) % 4], (unsigned long long)next(random), (unsigned)next(random) % 100000,
                       next(random) % 10 == 0 ? 500 : 200, (unsigned)next(random) % 1000, (unsigned)next(random) % 10,
                       (unsigned)next(random) % 9999, (unsigned)next(random) % 9999, ms / 60000 % 60, ms / 1000 % 60,
                       ms % 1000 * 1000000 + (unsigned)next(random) % 1000000);

    return (size_t)len;
}

struct input {
    char *bytes;
    size_t len;
};

static struct input make_input(size_t size)
{
    enum { LINE_MAX = 1024 };
    struct input input = { malloc(size + LINE_MAX), 0 };
    uint64_t random = UINT64_C(20260301);

    for (unsigned n = 0; input.bytes != NULL && input.len < size; n++) {
        input.len += write_line(input.bytes + input.len, LINE_MAX, n, &random);
        input.bytes[input.len++] = '\n';
    }
    return input;
}

/* Fills the slab as ingest does; returns the bytes taken. */
static size_t fill(struct lb_batch *batch, const char *bytes, size_t len)
{
    size_t taken = 0;

    batch->length = batch->event_count = 0;
    while (taken < len) {
        const char *end = memchr(bytes + taken, '\n', len - taken);
        size_t line = end != NULL ? (size_t)(end - (bytes + taken)) + 1 : len - taken;

        if (lb_batch_room(batch, 1) < line)
            break;
        memcpy(batch->bytes + batch->length, bytes + taken, line);
        lb_batch_note(batch, batch->length, line - 1);
        batch->length += (uint32_t)line;
        taken += line;
    }
    batch->position_end = batch->position + taken;
    return taken;
}

struct times {
    int64_t envelope;
    int64_t parser;
    int64_t format;
    uint64_t records;
    uint64_t written;
};

static void run_batch(struct lb_batch *batch, struct lb_scratch *scratch, struct lb_buffer *out, struct times *times)
{
    struct lb_parser_chain chain = { .automatic = true };
    struct lb_parse_context context = { .batch = batch, .scratch = scratch };
    struct lb_formatter formatter = { .format = LB_FORMAT_JSON, .scratch = scratch };
    int64_t start = cpu_ns();

    if (lb_envelope_docker.open(batch) != LB_OK)
        abort();
    int64_t opened = cpu_ns();
    for (uint32_t i = 0; i < batch->record_count; i++)
        lb_parser_chain_apply(&chain, &batch->records[i], &context);
    int64_t parsed = cpu_ns();
    lb_buffer_reset(out);
    for (uint32_t i = 0; i < batch->record_count; i++)
        lb_format_write(&formatter, batch, &batch->records[i], out);
    times->format += cpu_ns() - parsed;
    times->parser += parsed - opened;
    times->envelope += opened - start;
    times->records += batch->record_count;
    times->written += out->len;
}

static struct times run(const struct input *input, struct lb_batch *batch, struct lb_buffer *out)
{
    static char room[LB_SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct times times = { 0 };

    batch->position = 0;
    for (size_t at = 0; at < input->len;) {
        size_t taken = fill(batch, input->bytes + at, input->len - at);

        run_batch(batch, &scratch, out, &times);
        lb_arena_reset(&batch->arena, ARENA_BYTES);
        batch->position += taken;
        at += taken;
    }
    return times;
}

int main(int argc, char **argv)
{
    size_t megabytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    struct input input = make_input(megabytes * 1000000);
    struct lb_batch batch = { .bytes = aligned_alloc(64, LB_SLAB_LARGE), .capacity = LB_SLAB_LARGE };
    struct lb_buffer out;
    struct times best = { 0 };

    if (input.bytes == NULL || batch.bytes == NULL)
        return 2;
    lb_arena_init(&batch.arena, ARENA_BYTES);
    lb_buffer_init(&out, ARENA_BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        struct times times = run(&input, &batch, &out);
        int64_t all = times.envelope + times.parser + times.format;

        if (best.records == 0 || all < best.envelope + best.parser + best.format)
            best = times;
    }
    int64_t all = best.envelope + best.parser + best.format;
    double records = (double)best.records;
    printf("scan=%s records=%llu line_bytes=%.0f out_bytes=%.0f\n", lb_scan_name(), (unsigned long long)best.records,
           (double)input.len / records, (double)best.written / records);
    printf("envelope_ns=%.1f parser_ns=%.1f format_ns=%.1f all_ns=%.1f gb_per_s=%.2f\n",
           (double)best.envelope / records, (double)best.parser / records, (double)best.format / records,
           (double)all / records, (double)input.len / (double)all);
    lb_arena_free(&batch.arena);
    lb_buffer_free(&out);
    free(batch.bytes);
    free(input.bytes);
    return 0;
}
