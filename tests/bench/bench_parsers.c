/*
 * bench_parsers.c - nanoseconds of CPU per record for each parser, by name and through `auto`, and lines per second of
 * multi-line rules: the best of five rounds over 50,000 lines as they are written, arena reset as a worker does it.
 * Prints key=value. Ends with 1 when a line is refused, or when anything is allocated after the first round.
 */
#include "lb_alloc.h"
#include "lb_batch.h"
#include "lb_conf.h"
#include "lb_level.h"
#include "lb_multiline.h"
#include "lb_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, LINES = 50000, PER_BATCH = 500, ARENA_BYTES = 16 * 1024 * 1024, STATE_BYTES = 4096 };

struct load {
    const char *name;
    const char *line;
    const char *option, *value; /* one that it cannot do without; NULL: none */
    bool not_automatic;         /* auto does not look for it */
};

static const struct load loads[] = {
    { "json",
      "{\"time\":\"2026-03-01T10:00:00.123Z\",\"level\":\"info\",\"msg\":\"request "
      "served\",\"path\":\"/api/v1/items/7\","
      "\"status\":200,\"duration_ms\":12.5,\"user\":{\"id\":7}}",
      NULL, NULL, false },
    { "logfmt",
      "time=2026-03-01T10:00:00.123Z level=info msg=\"request served\" path=/api/v1/items/7 status=200 took=12.5ms",
      NULL, NULL, false },
    { "ltsv", "time:2026-03-01T10:00:00.123Z\tlevel:info\tmessage:request served\tpath:/api/v1/items/7\tstatus:200",
      NULL, NULL, false },
    { "nginx",
      "192.0.2.17 - - [01/Mar/2026:10:00:00 +0000] \"GET /api/v1/items/7?page=2 HTTP/1.1\" 200 5316 "
      "\"https://www.example.org/shop\" \"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\"",
      NULL, NULL, false },
    { "apache",
      "[Sun Mar 01 10:00:00.123456 2026] [proxy:error] [pid 17962:tid 1401] [client 192.0.2.17:60444] AH00135: no "
      "answer",
      NULL, NULL, false },
    { "haproxy",
      "192.0.2.17:51940 [01/Mar/2026:10:00:00.123] web~ app/node1 0/0/1/48/49 200 3313 - - ---- 3/2/0/0/0 0/0 "
      "\"GET /api/v1/items/7 HTTP/1.1\"",
      NULL, NULL, false },
    { "postgres",
      "2026-03-01 10:00:00.123 UTC [42] user=shop,db=shop,app=web,client=192.0.2.17 LOG:  duration: 12.480 ms  "
      "statement: SELECT id, name FROM items WHERE id = 7",
      NULL, NULL, false },
    { "mysql",
      "# Time: 2026-03-01T10:00:00.123456Z\n# User@Host: shop[shop] @ web1 [192.0.2.17]  Id: 42\n"
      "# Query_time: 0.012480  Lock_time: 0.000010 Rows_sent: 1  Rows_examined: 7\nSET timestamp=1772359200;\n"
      "SELECT id, name FROM items WHERE id = 7;",
      NULL, NULL, false },
    { "klog",
      "I20260301 10:00:00.123456   28133 controller.go:170] \"Pod updated\" pod=\"shop/web-7\" status=\"Ready\"", NULL,
      NULL, false },
    { "redis", "1:M 01 Mar 2026 10:00:00.123 * Background saving terminated with success", NULL, NULL, false },
    { "text", "2026-03-01 10:00:00,123 [http-nio-8080-exec-7] INFO  com.example.shop.Items - served item 7 in 12 ms",
      NULL, NULL, false },
    { "java", "2026-03-01 10:00:00,123 [http-nio-8080-exec-7] INFO  com.example.shop.Items - served item 7 in 12 ms",
      NULL, NULL, true },
    { "python", "2026-03-01 10:00:00,123 - shop.items - INFO - served item 7 in 12 ms", NULL, NULL, true },
    { "logcat", "2026-03-01 10:00:00.123  1766  1790 W Configuration: updating locales from [] to [en_US]", NULL, NULL,
      false },
    { "sssd", "(2026-03-01 10:00:00): [be[example.org]] [sysdb_add_user] (0x0040): group exists already", NULL, NULL,
      false },
    { "auditd",
      "type=SYSCALL msg=audit(1772359200.123:4711): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=4242 "
      "auid=1000 uid=0 comm=\"ls\" exe=\"/usr/bin/ls\"",
      NULL, NULL, false },
    { "cef", "CEF:0|Acme|Firewall|1.0|100|Port scan|8|src=192.0.2.17 spt=51940 dst=198.51.100.7 msg=many ports", NULL,
      NULL, false },
    { "leef", "LEEF:2.0|Acme|Firewall|1.0|100|^|src=192.0.2.17^srcPort=51940^dst=198.51.100.7^msg=many ports", NULL,
      NULL, false },
    { "syslog", "<34>1 2026-03-01T10:00:00.123Z web1 sshd 4242 - - Accepted publickey for al from 192.0.2.17", NULL,
      NULL, false },
    { "cri", "2026-03-01T10:00:00.123456789Z stdout F {\"level\":\"info\",\"msg\":\"request served\",\"status\":200}",
      NULL, NULL, false },
    { "csv", "2026-03-01T10:00:00.123Z,info,\"request, served\",/api/v1/items/7,200", "delimiter", ",", true },
    { "tsv", "2026-03-01T10:00:00.123Z\tinfo\trequest served\t/api/v1/items/7\t200", "columns", "time", true },
    { "key_value", "level: info; msg: request served; path: /api/v1/items/7; status: 200", "separator", ": ", true },
    { "regex", "192.0.2.17 GET /api/v1/items/7 200 12.5", "pattern",
      "^(?<client_ip>\\S+) (?<method>[A-Z]+) (?<path>\\S+) (?<status>\\d+) (?<took>[\\d.]+)$", true },
    { "grok", "192.0.2.17 GET /api/v1/items/7 200 12.5", "pattern",
      "^%{IP:client_ip} %{WORD:method} %{NOTSPACE:path} %{INT:status:int} %{NUMBER:took:float}$", true },
};

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Options are set where the parser's table says that they are; the others get what they fall back to. */
static void set_options(const struct lb_option *options, char *state, const struct load *load)
{
    static struct lb_str text;

    text = lb_str_from(load->value);
    for (const struct lb_option *option = options; option->name != NULL; option++) {
        void *member = state + option->offset;
        bool named = strcmp(option->name, load->option) == 0;

        if (option->kind == LB_OPTION_GROUP)
            set_options(option->group, state, load);
        else if (option->kind == LB_OPTION_COUNT && option->fallback != NULL)
            *(uint64_t *)member = strtoull(option->fallback, NULL, 10);
        else if (option->kind == LB_OPTION_STRINGS && named)
            *(struct lb_strs *)member = (struct lb_strs){ &text, 1 };
        else if (option->kind == LB_OPTION_STRING && (named || option->fallback != NULL))
            *(struct lb_str *)member = named ? text : lb_str_from(option->fallback);
    }
}

/* One without settings by its name, otherwise opened with its option in `own`. */
static const struct lb_parser *parser_of(const struct load *load, struct lb_parser *own)
{
    static char state[STATE_BYTES] __attribute__((aligned(16)));
    static struct lb_node empty_map = { .kind = LB_NODE_MAP };
    struct lb_diag diag = { 0 };

    if (load->option == NULL)
        return lb_parser_builtin(lb_str_from(load->name));
    *own = (struct lb_parser){ .type = lb_parser_find(lb_str_from(load->name)),
                               .section = { lb_str_from(load->name), &empty_map },
                               .state = state };
    memset(state, 0, sizeof(state));
    set_options(own->type->module.options, state, load);
    return own->type->open(own, &diag) == LB_OK ? own : NULL;
}

/* Returns the nanoseconds, or 0 when a line was refused. */
static int64_t one_round(const struct lb_parser_chain *chain, const char *line, struct lb_batch *batch)
{
    static char room[4096];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_parse_context context = { .batch = batch, .scratch = &scratch };
    struct lb_str text = lb_str_from(line);
    int64_t start = cpu_ns();

    for (int i = 0; i < LINES; i++) {
        struct lb_record record = { .message = lb_value_text(text),
                                    .level = LB_LEVEL_NONE,
                                    .flags = LB_RECORD_NO_TIME };

        if (i % PER_BATCH == 0)
            lb_arena_reset(&batch->arena, ARENA_BYTES);
        lb_parser_chain_apply(chain, &record, &context);
        if (context.taken == NULL)
            return 0;
    }
    return cpu_ns() - start;
}

static int measure(const char *kind, const struct load *load, const struct lb_parser_chain *chain,
                   struct lb_batch *batch)
{
    int64_t best = INT64_MAX;
    long allocated = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t ns = one_round(chain, load->line, batch);

        best = ns < best ? ns : best;
        if (round == 0) /* the arena has grown, and a thread has its room for matches */
            allocated = lb_alloc_count;
    }
    allocated = lb_alloc_count - allocated;
    if (best == 0 || allocated != 0) {
        fprintf(stderr, "%s %s: %s\n", kind, load->name, best == 0 ? "refused its line" : "allocated in the loop");
        return 1;
    }
    printf("%s_%s_ns=%lld %s_%s_allocations=%ld\n", kind, load->name, (long long)(best / LINES), kind, load->name,
           allocated);
    return 0;
}

/* Stack traces among lines of a logger, by their look. */
static int measure_multiline(void)
{
    static const char *const lines[] = { "2026-03-01 10:00:00,123 INFO  shop.Items - served item 7",
                                         "2026-03-01 10:00:00,124 ERROR shop.Cart - it broke",
                                         "java.lang.IllegalStateException: no price",
                                         "\tat shop.Cart.price(Cart.java:12)",
                                         "\tat shop.Main.main(Main.java:3)",
                                         "Caused by: java.io.IOException: closed",
                                         "\t... 2 more" };
    static struct lb_config config;
    struct lb_node word = { .kind = LB_NODE_SCALAR, .text = LB_STR("auto") };
    struct lb_multiline_state state = { 0 };
    struct lb_diag diag = { 0 };
    struct lb_multiline *rule = NULL;
    uint64_t events = 0;
    long allocated;
    int64_t ns;

    if (!lb_multiline_read(&config, &word, "bench", &rule, &diag))
        return 1;
    allocated = lb_alloc_count;
    ns = cpu_ns();
    for (int i = 0; i < LINES * ROUNDS; i++)
        events += !lb_multiline_joins(rule, &state, lb_str_from(lines[(size_t)i % (sizeof(lines) / sizeof(lines[0]))]));
    ns = cpu_ns() - ns;
    allocated = lb_alloc_count - allocated;
    lb_multiline_free(rule);
    printf("multiline_auto_lines_per_second=%lld multiline_auto_events=%llu multiline_auto_allocations=%ld\n",
           (long long)(INT64_C(1000000000) * LINES * ROUNDS / (ns > 0 ? ns : 1)), (unsigned long long)events,
           allocated);
    return allocated != 0;
}

/* False: some parser has no row here. */
static bool every_parser_has_a_load(void)
{
    bool all = true;

    for (const struct lb_parser_type *const *type = lb_parser_types(); *type != NULL; type++) {
        size_t i = 0;

        while (i < sizeof(loads) / sizeof(loads[0]) && strcmp(loads[i].name, (*type)->module.name) != 0)
            i++;
        if (i == sizeof(loads) / sizeof(loads[0])) {
            fprintf(stderr, "%s: there is no line for it here\n", (*type)->module.name);
            all = false;
        }
    }
    return all;
}

int main(void)
{
    static struct lb_batch batch;
    static const struct lb_parser_chain automatic = { .automatic = true };
    int failed = !every_parser_has_a_load();

    lb_arena_init(&batch.arena, ARENA_BYTES);
    batch.arrival_ns = INT64_C(1772359200) * LB_SECOND;
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        struct lb_parser own;
        const struct lb_parser *parser = parser_of(&loads[i], &own);
        struct lb_parser_chain chain = { .parsers = &parser, .count = 1 };

        if (parser == NULL) {
            fprintf(stderr, "%s: cannot be opened\n", loads[i].name);
            return 1;
        }
        failed |= measure("parser", &loads[i], &chain, &batch);
        if (!loads[i].not_automatic)
            failed |= measure("auto", &loads[i], &automatic, &batch);
        if (parser == &own)
            own.type->close(&own);
    }
    failed |= measure_multiline();
    lb_arena_free(&batch.arena);
    return failed;
}
