/*
 * lb_channel.h - a channel towards a receiver by script: a message in, the
 * request out, read member by member.
 */
#ifndef LB_CHANNEL_H
#define LB_CHANNEL_H

#include "lb_conf.h"
#include "lb_json.h"
#include "lb_receiver.h"
#include "lb_rig.h"
#include "lb_test.h"
#include "lb_test_record.h"

struct channel_bench {
    struct rig rig;
    struct receiver receiver;
    struct lb_sink *sink;
    struct channel *channel;
    uint64_t told;
    char dir[64];
    char letters[96];
    char address[64]; /* of the receiver, without a path */
};

#define ALERT_KEYS                                                                                                     \
    "\"event\":\"alert\",\"rule\":\"error_rate\",\"severity\":\"critical\",\"severity_text\":\"P1\",\"value\":0.07,"   \
    "\"threshold\":\"above 5%\",\"over\":\"5m\",\"key\":{\"service\":\"payments\",\"zone\":\"a<b>&c\"},"               \
    "\"count\":120,\"fingerprint\":\"00112233445566778899aabbccddeeff\",\"alert_id\":\"0123456789abcdef\","            \
    "\"started_at\":\"2026-01-01T00:00:00Z\",\"samples\":[\"timeout ``` <!channel> "                                   \
    "@everyone\",\"second\\n\\\"x\\\"\"],"                                                                             \
    "\"runbook\":\"https://wiki.example.org/errors\",\"labels\":{\"team\":\"pay\"}"
#define ALERT(state, sequence)                                                                                         \
    "{\"level\":\"critical\",\"service\":\"payments\",\"message\":\"[P1] error_rate: " state " for payments\","        \
    "\"state\":\"" state "\",\"sequence\":" sequence "," ALERT_KEYS "}"
#define FIRING ALERT("firing", "1")
#define RESOLVED ALERT("resolved", "2")

/* All that log text could try, as JSON. */
#define NASTY                                                                                                          \
    "<!channel> <@U1> &amp; @everyone **b** [x](http://y) ```\\r\\nX-Evil: 1\\r\\n\\r\\n\\\"}]\\u0000\\u202e</b>"

static inline void channel_bench_make(struct channel_bench *bench, const struct lb_sink_type *type,
                                      const char *const *script)
{
    memset(bench, 0, sizeof(*bench));
    /* What a table of thousands of alerts syncs is not the question here. */
    snprintf(bench->dir, sizeof(bench->dir), "%s/channel_test.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(bench->dir));
    rig_open(&bench->rig, bench->dir);
    bench->sink = rig_sink(&bench->rig, type, "people");
    bench->channel = bench->sink->state;
    assert_true(lb_options_defaults(type->module.options, bench->sink->state, &bench->rig.arena));
    snprintf(bench->letters, sizeof(bench->letters), "%s/letters.jsonl", bench->dir);
    bench->sink->options.dead_letter = lb_str_from(bench->letters);
    rig_open_stream(&bench->rig);
    receiver_start(&bench->receiver, script);
    snprintf(bench->address, sizeof(bench->address), "http://127.0.0.1:%u", bench->receiver.port);
    bench->channel->http.url = lb_str_from(bench->receiver.url);
    if (rig_option(type->module.options, "endpoint") != NULL)
        bench->channel->http.url = lb_str_from(bench->address);
    bench->channel->http.retry_first_ns = LB_MILLISECOND;
    bench->channel->http.retry_max_ns = 4 * LB_MILLISECOND;
}

static inline void channel_bench_open(struct channel_bench *bench)
{
    assert_int_equal(bench->sink->type->open(bench->sink, &bench->rig.diag), LB_OK);
}

static inline void channel_bench_close(struct channel_bench *bench)
{
    char command[128];

    bench->sink->type->close(bench->sink);
    receiver_stop(&bench->receiver);
    rig_close(&bench->rig);
    snprintf(command, sizeof(command), "rm -rf %s", bench->dir);
    assert_int_equal(system(command), 0);
}

/* As the delivery code does: where the queue is full of what is long, the same again. */
static inline void channel_tell_record(struct channel_bench *bench, struct lb_record record)
{
    struct rig_batch *batch = rig_batch(&bench->rig, bench->told, 1);

    record.start = 0;
    record.end = 1;
    batch->records[0] = record;
    bench->told++;
    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, bench->told, false);
    int64_t deadline = lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND;
    while (bench->sink->type->write(bench->sink, &batch->batch, &batch->selection, token) != LB_OK)
        assert_true(lb_clock_monotonic() < deadline);
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
}

/* A record, written as JSON; with `alert` one of the alert engine's. */
static inline void channel_tell(struct channel_bench *bench, const char *json, bool alert)
{
    struct lb_record record = lb_test_record(&bench->rig.arena, json);

    record.flags = alert ? LB_RECORD_ALERT : 0;
    channel_tell_record(bench, record);
}

static inline void channel_run_out(struct channel_bench *bench)
{
    bench->sink->type->drain(bench->sink, lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND);
    assert_null(bench->channel->queue.first);
}

/* Steps until the first request has had so many tries. */
static inline void channel_run_tries(struct channel_bench *bench, uint32_t tries)
{
    struct http_queue *queue = &bench->channel->queue;
    int64_t deadline = lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND;

    while (queue->first != NULL && (queue->first->attempt < tries || queue->first->in_flight)) {
        assert_true(lb_clock_monotonic() < deadline);
        http_queue_sleep(queue, http_queue_step(queue, 10));
    }
}

static inline uint64_t channel_mark(struct channel_bench *bench)
{
    lb_dead_letters_flush(bench->sink, lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND);
    return lb_stream_mark(bench->rig.stream, 0);
}

/* The letters written so far; the caller frees. */
static inline char *channel_letters(struct channel_bench *bench)
{
    size_t size = 4 << 20;
    char *text = calloc(1, size);
    FILE *file;

    lb_dead_letters_flush(bench->sink, lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND);
    file = fopen(bench->letters, "re");
    if (file != NULL) {
        size_t len = fread(text, 1, size - 1, file);

        text[len] = '\0';
        fclose(file);
    }
    return text;
}

static inline const char *channel_body(struct channel_bench *bench, unsigned i)
{
    assert_in_range(i, 0, receiver_count(&bench->receiver) - 1);
    return bench->receiver.requests[i].body;
}

static inline const char *channel_head(struct channel_bench *bench, unsigned i)
{
    assert_in_range(i, 0, receiver_count(&bench->receiver) - 1);
    return bench->receiver.requests[i].head;
}

/* The member or element of a JSON text by its path, "a.0.b"; kind NONE: it is missing. */
static inline struct lb_value channel_find(struct lb_str json, const char *path)
{
    struct lb_value value = lb_value_of(json, *json.ptr == '[' ? LB_VALUE_ARRAY : LB_VALUE_OBJECT);

    assert_true(lb_json_valid(json));
    while (*path != '\0' && value.kind != LB_VALUE_NONE) {
        size_t len = strcspn(path, ".");
        struct lb_value inner = { 0 };
        size_t at = 1;

        if (value.kind == LB_VALUE_ARRAY) {
            for (unsigned long n = strtoul(path, NULL, 10) + 1; n > 0; n--) {
                if (lb_json_next_element((struct lb_str){ value.ptr, value.len }, &at, &inner) != LB_OK) {
                    inner = (struct lb_value){ 0 };
                    break;
                }
            }
        } else if (value.kind == LB_VALUE_OBJECT) {
            inner = lb_value_member(value, (struct lb_str){ path, len });
        }
        value = inner;
        path += len + (path[len] == '.');
    }
    return value;
}

/* The same as text, decoded. Overwritten by the next call but one. */
static inline const char *channel_text(const char *json, const char *path)
{
    static char texts[2][128 * 1024];
    static unsigned turn;
    char *text = texts[turn++ % 2];
    struct lb_scratch scratch = { text, sizeof(texts[0]) - 1, 0 };
    struct lb_value value = channel_find(lb_str_from(json), path);
    struct lb_str decoded = lb_value_str(value, &scratch);

    if (value.kind == LB_VALUE_NONE)
        fail_msg("no %s in %s", path, json);
    memmove(text, decoded.ptr, decoded.len);
    text[decoded.len] = '\0';
    return text;
}

/* UTF-16 units of a text. */
static inline size_t channel_units(const char *text)
{
    size_t units = 0;

    for (; *text != '\0'; text++)
        units += ((unsigned char)*text & 0xc0) != 0x80 ? 1 + ((unsigned char)*text >= 0xf0) : 0;
    return units;
}

/* A record with a message of that many bytes of what is hardest to hold: every one has to be escaped or replaced. */
static inline void channel_tell_megabyte(struct channel_bench *bench, bool alert)
{
    static const char pattern[] = "\"<&`\xff\\\x01@\xe6\xbc\xa2*";
    size_t len = 1 << 20;
    char *text = malloc(len);
    struct lb_record record = lb_test_record(&bench->rig.arena, FIRING);

    for (size_t i = 0; i < len; i++)
        text[i] = pattern[i % (sizeof(pattern) - 1)];
    record.flags = alert ? LB_RECORD_ALERT : 0;
    record.message = lb_value_text((struct lb_str){ text, len });
    record.service = record.message;
    channel_tell_record(bench, record);
    free(text);
}

#endif
