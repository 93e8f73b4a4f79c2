/*
 * bench_archive.c - sealing: how fast, how large, how much of it is index.
 *
 *   bench_archive [SIZE [DIR]]      64MiB unless given; DIR keeps the archives, for other measurements
 *
 * Sixteen services write JSON lines by templates, with ids of flows that go
 * over several lines, addresses from skewed pools and errors in bursts. Each
 * service's live archive is sealed. Sizes are held against what level 9 makes
 * of the same lines in independent pieces of 1 MiB.
 */
#include "lb_archive.h"
#include "lb_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

enum { SERVICES = 16, TEMPLATES = 6, FLOWS = 64, FRAME = 768 * 1024, PIECE = 1024 * 1024, LINE_MAX_BYTES = 2048 };

/* %u a flow's UUID, %h hex, %b a block's number, %i an address, %n a number, %w a noun, %v a verb, %c a class. */
static const struct {
    const char *name;
    const char *templates[TEMPLATES];
} services[SERVICES] = {
    { "gateway",
      { "GET /api/v2/orders/%n from %i took %n ms\",\"status\":200,\"request_id\":\"%u", "upstream %w %v after %n ms",
        "POST /api/v2/%w from %i took %n ms\",\"status\":201,\"request_id\":\"%u",
        "rate limit of %i reached: %n requests", "connection from %i:%n %v\",\"request_id\":\"%u",
        "TLS handshake with %i failed: %w %v" } },
    { "orders",
      { "order %n %v by user %n\",\"flow\":\"%u", "payment of %n cents %v for order %n\",\"flow\":\"%u",
        "inventory %w %v in warehouse %n", "order %n: %w not found", "retrying %w %v in %n ms\",\"flow\":\"%u",
        "java.lang.IllegalStateException: %w %v\\n\\tat com.shop.orders.%c.%v(%c.java:%n)\\n\\tat "
        "com.shop.core.%c.run(%c.java:%n)" } },
    { "storage",
      { "Received block %b of size %n from /%i", "PacketResponder %n for block %b %v", "Verification %v for %b",
        "Deleting block %b file /data/current/%b", "Served block %b to /%i", "%b: replica %w %v on node %n" } },
    { "scheduler",
      { "task %h assigned to worker-%n", "task %h %v in %n ms", "queue %w has %n entries",
        "worker-%n %v: heartbeat %n ms ago", "task %h: attempt %n failed with exit code %n",
        "compacting %w: %n segments" } },
    { "auth",
      { "user%n logged in from %i\",\"session\":\"%h%h", "Failed password for user%n from %i port %n ssh2",
        "session %v for user%n\",\"session\":\"%h%h", "token of user%n expires in %n s",
        "account user%n %v after %n attempts", "certificate of %w %v: serial %h" } },
    { "database",
      { "duration: %n.%n ms  statement: SELECT * FROM %w WHERE id = %n", "checkpoint complete: wrote %n buffers",
        "deadlock detected between processes %n and %n", "connection authorized: user=app database=%w host=%i",
        "automatic vacuum of table \\\"shop.%w\\\": removed %n pages", "slow query (%n ms) on %w: lock %v" } },
    { "search",
      { "query %h matched %n documents in %n ms", "shard %n of index %w %v", "merge of %n segments %v in %n ms",
        "cluster health %v: %n nodes", "circuit breaker for %w %v at %n bytes", "document %u %v in %w" } },
    { "mail",
      { "%h: to=<user%n@example.net>, relay=mx%n.example.net[%i]:25, delay=%n, status=sent",
        "%h: from=<user%n@example.org>, size=%n, nrcpt=1", "%h: removed", "connect from unknown[%i]",
        "%h: deferred: connection to mx%n.example.net %v", "warning: %i: address %v" } },
    { "cache",
      { "evicted %n keys from %w", "hit ratio of %w is %n percent", "replica %i %v at offset %n",
        "key session:%u expired", "snapshot %v in %n ms", "memory above limit: %n bytes" } },
    { "billing",
      { "invoice %u %v for customer %n", "charge of %n cents %v\",\"provider_id\":\"ch_%h%h", "webhook %w %v",
        "exchange rate of %w is %n", "customer %n: %w %v", "reconciliation of %n records %v" } },
    { "video",
      { "transcode %u: %n of %n frames", "segment %n of %u %v", "bitrate of %u changed to %n", "GPU %n temperature %n",
        "player %i %v stream %u", "origin %w %v with %n ms latency" } },
    { "kernel",
      { "eth%n: link %v, %n Mbps", "Out of memory: killed process %n (%w)", "ext4 on /dev/sd%n: %w %v",
        "audit: type=%n op=%v res=success", "usb %n-%n: new device number %n", "TCP: request from %i %v" } },
    { "ci",
      { "build %n of %w %v", "step %n: compiling %c.c", "test %c.%v passed in %n ms",
        "test %c.%v FAILED: expected %n, got %n", "artifact %h%h%h%h uploaded", "runner %n %v" } },
    { "iot",
      { "device %h reported %n degrees", "device %h battery at %n percent", "firmware %n.%n %v on %h", "gateway %n %v",
        "message from %h %v: crc %n", "device %h %v for %n s" } },
    { "proxy",
      { "%i - - \\\"GET /static/%h.js HTTP/1.1\\\" 200 %n", "%i - - \\\"GET /product/%n HTTP/1.1\\\" 200 %n",
        "%i - - \\\"POST /cart HTTP/1.1\\\" 302 %n", "%i - - \\\"GET /search?q=%w+%w HTTP/1.1\\\" 200 %n",
        "%i - - \\\"GET /%w.php HTTP/1.1\\\" 404 %n", "upstream timed out (110: %w %v) while reading from %i" } },
    { "chat",
      { "message %u %v in room %n", "user%n joined room %n from %i", "push to device %h %v", "room %n has %n members",
        "typing indicator of user%n dropped", "websocket %h %v: code %n" } },
};
static const char *const nouns[] = { "session",   "replica",  "cursor",   "lease",    "partition", "snapshot",
                                     "catalog",   "customer", "shipment", "voucher",  "endpoint",  "certificate",
                                     "inventory", "document", "listener", "consumer", "manifest",  "transaction" };
static const char *const verbs[] = { "accepted", "rejected", "closed",    "opened",     "flushed", "expired",
                                     "timeout",  "refused",  "scheduled", "terminated", "updated", "replicated" };
static const char *const levels[] = { "info", "debug", "warn", "error" };

/* --- random numbers and words ----------------------------------------------------- */

static uint64_t seed = UINT64_C(0x2545F4914F6CDD1D);

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint32_t below(uint32_t count)
{
    return (uint32_t)((next() >> 32) * count >> 32);
}

/* Small ones are more frequent. */
static uint32_t skewed(uint32_t count)
{
    return below(below(below(count) + 1) + 1);
}

struct stream {
    uint64_t flows[FLOWS][2]; /* ids that several lines share */
    int64_t time_ns;
    uint32_t errors_left; /* of a burst */
    uint64_t lines;
};

static const uint64_t *flow(struct stream *stream)
{
    uint64_t *ids = stream->flows[below(FLOWS)];

    if (below(5) == 0) {
        ids[0] = next();
        ids[1] = next();
    }
    return ids;
}

static size_t put_class(char *out)
{
    static const char *const parts[] = { "Order", "Payment", "Block", "Session", "Retry", "Http", "Cache", "Shard" };
    static const char *const kinds[] = { "Handler", "Service", "Manager", "Worker", "Controller", "Listener" };

    return (size_t)sprintf(out, "%s%s", parts[skewed(8)], kinds[skewed(6)]);
}

static size_t put_placeholder(struct stream *stream, char kind, char *out)
{
    const uint64_t *ids = flow(stream);

    switch (kind) {
    case 'u':
        return (size_t)sprintf(out, "%08x-%04x-4%03x-a%03x-%012" PRIx64, (unsigned)(ids[0] >> 32),
                               (unsigned)(ids[0] >> 16) & 0xffff, (unsigned)ids[0] & 0xfff, (unsigned)(ids[1] >> 52),
                               ids[1] & UINT64_C(0xffffffffffff));
    case 'h': return (size_t)sprintf(out, "%016" PRIx64, ids[0]);
    case 'b': return (size_t)sprintf(out, "blk_%" PRIu64, ids[1] >> 2);
    case 'i': {
        uint32_t host = skewed(5000);
        return (size_t)sprintf(out, "10.%u.%u.%u", host % 7, host / 7 % 256, host * 31 % 251);
    }
    case 'n': return (size_t)sprintf(out, "%u", skewed(below(4) == 0 ? 1000000 : 3000));
    case 'w': return (size_t)sprintf(out, "%s", nouns[skewed(sizeof(nouns) / sizeof(nouns[0]))]);
    case 'v': return (size_t)sprintf(out, "%s", verbs[skewed(sizeof(verbs) / sizeof(verbs[0]))]);
    default: return put_class(out);
    }
}

static const char *level_of(struct stream *stream, uint32_t template)
{
    if (stream->errors_left > 0 && template >= TEMPLATES / 2) {
        stream->errors_left--;
        return levels[3];
    }
    if (below(20000) == 0)
        stream->errors_left = below(300);
    return below(100) < 5 ? levels[2] : levels[below(8) == 0];
}

static size_t put_line(struct stream *stream, uint32_t service, char *out)
{
    uint32_t template = skewed(TEMPLATES);
    const char *at = services[service].templates[template];
    char time[LB_TIME_TEXT_SIZE];
    size_t len;

    stream->time_ns += (int64_t)below(40) * 1000000 + 1000000;
    time[lb_time_write(stream->time_ns, time)] = '\0';
    len = (size_t)sprintf(
        out, "{\"timestamp\":\"%s\",\"level\":\"%s\",\"service\":\"%s\",\"host\":\"node-%u\",\"message\":\"", time,
        level_of(stream, template), services[service].name, skewed(12));
    for (; *at != '\0'; at++) {
        if (*at == '%')
            len += put_placeholder(stream, *++at, out + len);
        else
            out[len++] = *at;
    }
    len += below(4) == 0 ? (size_t)sprintf(out + len, "\",\"trace_id\":\"%016" PRIx64 "\"}\n", flow(stream)[1])
                         : (size_t)sprintf(out + len, "\"}\n");
    stream->lines++;
    return len;
}

/* --- archives ---------------------------------------------------------------------- */

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_archive: %s: %s\n", what, strerror(errno));
    exit(1);
}

struct sizes {
    uint64_t raw, live, sealed, index, reference;
    double seconds;
};

/* A live archive of about `bytes` raw bytes; counts what pieces of 1 MiB take at level 9. */
static void make_live(const char *path, uint32_t service, uint64_t bytes, struct sizes *sizes)
{
    struct stream stream = { .time_ns = INT64_C(1767225600000000000) };
    char *text = malloc(FRAME + LINE_MAX_BYTES);
    char *packed = malloc(ZSTD_compressBound(PIECE));
    char *piece = malloc(PIECE);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    FILE *file = fopen(path, "w");
    size_t waiting = 0;

    if (file == NULL)
        fail(path);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    while (sizes->raw < bytes) {
        size_t len = 0;

        while (len < FRAME)
            len += put_line(&stream, service, text + len);
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
        size_t size = ZSTD_compress2(context, packed, ZSTD_compressBound(PIECE), text, len);
        if (fwrite(packed, 1, size, file) != size)
            fail(path);
        sizes->raw += len;
        sizes->live += size;
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 9);
        for (size_t at = 0; at < len;) {
            size_t part = len - at < PIECE - waiting ? len - at : PIECE - waiting;

            memcpy(piece + waiting, text + at, part);
            waiting += part;
            at += part;
            if (waiting == PIECE || (sizes->raw >= bytes && at == len)) {
                sizes->reference += ZSTD_compress2(context, packed, ZSTD_compressBound(PIECE), piece, waiting);
                waiting = 0;
            }
        }
    }
    if (fclose(file) != 0)
        fail(path);
    ZSTD_freeCCtx(context);
    free(text);
    free(packed);
    free(piece);
}

static void seal(const char *path, const char *temp, struct sizes *sizes)
{
    struct lb_seal_options options = { .level = 9, .temp = temp, .mode = 0440 };
    struct lb_seal_result result;
    lb_archive_reason reason = NULL;
    double before = cpu_seconds();

    if (lb_archive_seal(path, &options, &result, &reason) != LB_OK)
        fail(reason != NULL ? reason : path);
    sizes->seconds = cpu_seconds() - before;
    sizes->sealed = result.packed_bytes;
    sizes->index = result.index_bytes;
}

static void print(const char *name, const struct sizes *sizes)
{
    double data = (double)(sizes->sealed - sizes->index);

    printf("bench=seal service=%s raw_mb=%.1f live_mb=%.2f sealed_mb=%.2f ratio=%.2f index_percent=%.2f "
           "data_vs_zstd9_percent=%.2f sealed_vs_zstd9_percent=%.2f mb_per_cpu_s=%.1f\n",
           name, (double)sizes->raw / 1e6, (double)sizes->live / 1e6, (double)sizes->sealed / 1e6,
           (double)sizes->raw / (double)sizes->sealed, 100 * (double)sizes->index / (double)sizes->sealed,
           100 * (data / (double)sizes->reference - 1), 100 * ((double)sizes->sealed / (double)sizes->reference - 1),
           (double)sizes->raw / 1e6 / sizes->seconds);
    fflush(stdout);
}

static uint64_t size_argument(const char *text)
{
    char *end;
    double number = strtod(text, &end);

    return (uint64_t)(number * (*end == 'G' ? 1 << 30 : *end == 'M' ? 1 << 20 : *end == 'K' ? 1 << 10 : 1));
}

static void bench_service(const char *dir, uint32_t service, uint64_t bytes, struct sizes *total)
{
    struct sizes sizes = { 0 };
    char path[512];
    char temp[512];

    snprintf(path, sizeof(path), "%s/%s", dir, services[service].name);
    mkdir(path, 0755);
    snprintf(temp, sizeof(temp), "%s/%s/.sealing", dir, services[service].name);
    snprintf(path, sizeof(path), "%s/%s/2026-01-01.jsonl.zst", dir, services[service].name);
    unlink(path);
    make_live(path, service, bytes, &sizes);
    seal(path, temp, &sizes);
    print(services[service].name, &sizes);
    total->raw += sizes.raw;
    total->live += sizes.live;
    total->sealed += sizes.sealed;
    total->index += sizes.index;
    total->reference += sizes.reference;
    total->seconds += sizes.seconds;
}

int main(int argc, char **argv)
{
    uint64_t bytes = size_argument(argc > 1 ? argv[1] : "64MiB");
    char made[] = "/tmp/bench_archive.XXXXXX";
    const char *dir = argc > 2 ? argv[2] : mkdtemp(made);
    struct sizes total = { 0 };
    char command[64];

    if (dir == NULL || (mkdir(dir, 0755) != 0 && errno != EEXIST))
        fail("the directory for the archives");
    for (uint32_t i = 0; i < SERVICES; i++)
        bench_service(dir, i, bytes / SERVICES, &total);
    print("all", &total);
    if (argc > 2)
        return 0;
    snprintf(command, sizeof(command), "rm -rf %s", made);
    return system(command) == 0 ? 0 : 1;
}
