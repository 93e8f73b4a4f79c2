#include "lb_test.h"

#include "lb_conf.h"
#include "lb_json.h"
#include "lb_metrics.h"
#include "lb_receiver.h"
#include "lb_rig.h"
#include "lb_test_record.h"
#include "lb_tsan_kafka.h"

#include "sink_kafka.c"

#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <sys/stat.h>

/* librdkafka's mock cluster, in a handle of its own so that it outlives the sink's producer. */
enum { PARTITIONS = 3, GOT_MAX = 4096, NO_VALUE = 999999 };

struct got {
    char topic[64];
    char key[64];
    char id[LB_RECORD_ID_SIZE + 1];
    char header[64]; /* `level` */
    int32_t partition;
    int64_t timestamp;
    unsigned long number; /* the record's message */
    bool letter;          /* the value is a dead letter of it */
};

struct bench {
    struct rig rig;
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct lb_sink *sink;
    struct sink_kafka *self;
    struct lb_str broker;
    uint64_t pushed;
    struct got *got;
    unsigned got_count;
};

static char dir[64];
static char letters[96];

static void be_quiet(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle, (void)level, (void)facility, (void)text;
}

static rd_kafka_t *make_handle(rd_kafka_type_t type, const char *const *settings)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char error[256];

    for (; settings != NULL && *settings != NULL; settings += 2)
        assert_int_equal(rd_kafka_conf_set(conf, settings[0], settings[1], error, sizeof(error)), RD_KAFKA_CONF_OK);
    rd_kafka_conf_set_log_cb(conf, be_quiet);
    rd_kafka_t *handle = rd_kafka_new(type, conf, error, sizeof(error));
    assert_non_null(handle);
    return handle;
}

/* A sink towards `broker`, or towards a cluster of its own with NULL; set further options, then open_bus(). */
static void make_bench(struct bench *bench, const char *broker)
{
    memset(bench, 0, sizeof(*bench));
    snprintf(dir, sizeof(dir), "/tmp/sink_kafka_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    rig_open(&bench->rig, dir);
    bench->sink = rig_sink(&bench->rig, &lb_sink_kafka, "bus");
    bench->self = bench->sink->state;
    assert_true(lb_options_defaults(options, bench->self, &bench->rig.arena));
    rig_template(&bench->rig, bench->sink, "topic", "logs.{service}");
    rig_template(&bench->rig, bench->sink, "key", "{service}");
    snprintf(letters, sizeof(letters), "%s/letters.jsonl", dir);
    bench->sink->options.dead_letter = lb_str_from(letters);
    rig_open_stream(&bench->rig);
    if (broker == NULL) {
        bench->handle = make_handle(RD_KAFKA_PRODUCER, NULL);
        bench->cluster = rd_kafka_mock_cluster_new(bench->handle, 2);
        static const char *const topics[] = { "logs.auth", "logs.billing", "logs.cart", "fixed" };
        for (size_t i = 0; i < 4; i++)
            rd_kafka_mock_topic_create(bench->cluster, topics[i], PARTITIONS, 2);
        broker = rd_kafka_mock_cluster_bootstraps(bench->cluster);
    }
    bench->broker = lb_arena_copy(&bench->rig.arena, lb_str_from(broker));
    /* Bootstraps are a list already; the sink joins lists by commas too. */
    bench->self->settings.brokers = (struct lb_strs){ &bench->broker, 1 };
    bench->got = calloc(GOT_MAX, sizeof(*bench->got));
}

static void open_bus(struct bench *bench)
{
    bool done = kafka_producer_make(bench->sink, &bench->rig.diag);

    if (!done)
        fail_msg("%s", bench->rig.diag.entries[0].text);
    lb_buffer_init(&bench->self->value, 1 << 20);
    lb_buffer_init(&bench->self->key_text, LB_SCRATCH_BYTES);
    lb_buffer_init(&bench->self->text, LB_SCRATCH_BYTES);
    lb_buffer_init(&bench->self->event_words, LB_SCRATCH_BYTES);
    bench->self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    bench->self->formatter = (struct lb_formatter){ .format = (enum lb_format)bench->self->format,
                                                    .scratch = &bench->self->scratch,
                                                    .time.second = INT64_MIN };
    bench->self->json = (struct lb_formatter){ .scratch = &bench->self->scratch, .time.second = INT64_MIN };
    lb_buffer_init(&bench->self->record, 1 << 20);
}

static void close_bench(struct bench *bench)
{
    char command[128];

    if (bench->self->producer != NULL)
        close_sink(bench->sink);
    if (bench->cluster != NULL) {
        rd_kafka_mock_cluster_destroy(bench->cluster);
        rd_kafka_destroy(bench->handle);
    }
    rig_close(&bench->rig);
    free(bench->got);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static enum lb_err try_push(struct bench *bench, struct rig_batch *batch, struct lb_token *token)
{
    return write_batch(bench->sink, &batch->batch, &batch->selection, token);
}

/* As the delivery code does with a sink that takes everything. */
static void push(struct bench *bench, uint32_t count)
{
    struct rig_batch *batch = rig_batch(&bench->rig, bench->pushed, count);
    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, bench->pushed += count, false);

    assert_int_equal(try_push(bench, batch, token), LB_OK);
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
}

static void drain_within(struct bench *bench, int64_t time_ns)
{
    drain(bench->sink, lb_clock_monotonic() + time_ns);
}

static uint64_t mark(struct bench *bench)
{
    lb_dead_letters_flush(bench->sink, lb_clock_monotonic() + 60 * LB_SECOND);
    return lb_stream_mark(bench->rig.stream, 0);
}

/* Dead letters; the last one's text is in `last_letter`. */
static char last_letter[8192];

static unsigned letter_count(void)
{
    unsigned count = 0;
    FILE *file = fopen(letters, "re");

    last_letter[0] = '\0';
    while (file != NULL && fgets(last_letter, sizeof(last_letter), file) != NULL)
        count++;
    if (file != NULL)
        fclose(file);
    return count;
}

/* --- what arrived -------------------------------------------------------------------- */

static void note(struct bench *bench, const rd_kafka_message_t *message)
{
    struct got *got = &bench->got[bench->got_count++];
    rd_kafka_headers_t *headers = NULL;
    const void *value = "";
    size_t len = 0;
    rd_kafka_timestamp_type_t type;

    assert_true(bench->got_count < GOT_MAX);
    snprintf(got->topic, sizeof(got->topic), "%s", rd_kafka_topic_name(message->rkt));
    snprintf(got->key, sizeof(got->key), "%.*s", (int)message->key_len,
             message->key != NULL ? (char *)message->key : "");
    got->partition = message->partition;
    got->timestamp = rd_kafka_message_timestamp(message, &type);
    assert_int_equal(type, RD_KAFKA_TIMESTAMP_CREATE_TIME);
    assert_int_equal(rd_kafka_message_headers(message, &headers), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_header_get_last(headers, "logboom-id", &value, &len), RD_KAFKA_RESP_ERR_NO_ERROR);
    snprintf(got->id, sizeof(got->id), "%.*s", (int)len, (const char *)value);
    if (rd_kafka_header_get_last(headers, "level", &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(got->header, sizeof(got->header), "%.*s", (int)len, (const char *)value);

    struct lb_str text = { message->payload, message->len };
    got->number = NO_VALUE;
    got->letter = false;
    if (text.ptr == NULL)
        return;
    got->letter = memmem(text.ptr, text.len, "\"kind\":\"", 8) != NULL;
    assert_true(lb_json_valid(text));
    const char *at = memmem(text.ptr, text.len, "\"message\":\"", 11);
    assert_non_null(at);
    got->number = strtoul(at + 11, NULL, 10);
}

/* Records of which at least one message has come. */
static unsigned different(const struct bench *bench)
{
    static bool seen[GOT_MAX];
    unsigned count = 0;

    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < bench->got_count; i++) {
        if (bench->got[i].number < GOT_MAX && !seen[bench->got[i].number]) {
            seen[bench->got[i].number] = true;
            count++;
        }
    }
    return count;
}

/*
 * Reads messages of all topics until `count` came. With `records`: until they are of as many records, and no more came
 * for a while.
 */
static void read_topics(struct bench *bench, unsigned count, unsigned records)
{
    static const char *const topics[] = { "logs.auth", "logs.billing", "logs.cart", "fixed" };
    const char *const settings[] = { "bootstrap.servers", bench->broker.ptr,    "group.id", "test", "auto.offset.reset",
                                     "earliest",          "enable.auto.commit", "false",    NULL };
    rd_kafka_t *consumer = make_handle(RD_KAFKA_CONSUMER, settings);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    unsigned silent = 0;

    for (size_t i = 0; i < 4; i++) {
        for (int32_t partition = 0; partition < PARTITIONS; partition++)
            rd_kafka_topic_partition_list_add(list, topics[i], partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    assert_int_equal(rd_kafka_assign(consumer, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    bench->got_count = 0;
    while ((bench->got_count < count || (records > 0 && (silent < 20 || different(bench) < records))) &&
           lb_clock_monotonic() < deadline) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);

        silent = message == NULL ? silent + 1 : 0;
        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            note(bench, message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

static void consume(struct bench *bench, unsigned count)
{
    read_topics(bench, count, 0);
    assert_int_equal(bench->got_count, count);
}

static void consume_at_least(struct bench *bench, unsigned count)
{
    read_topics(bench, count, count);
    assert_true(bench->got_count >= count);
}

static const char *service_of(unsigned long n)
{
    static const char *const services[] = { "auth", "billing", "cart" };

    return services[n * UINT64_C(2654435761) % 1000003 % 3];
}

/* Every record once, each service in one partition and in order. */
static void expect_all_in_order(struct bench *bench, unsigned count)
{
    unsigned long last[3] = { 0 };
    unsigned seen = 0;

    consume(bench, count);
    for (unsigned i = 0; i < count; i++) {
        const struct got *got = &bench->got[i];
        unsigned service = got->key[0] == 'a' ? 0 : got->key[0] == 'b' ? 1 : 2;

        assert_string_equal(got->key, service_of(got->number));
        assert_true(last[service] < got->number + 1);
        last[service] = got->number + 1;
        seen++;
    }
    assert_int_equal(seen, count);
}

/* After a fatal error: every record, each of one id, and first arrivals in order of their service. */
static void expect_all_once_or_more(struct bench *bench, unsigned count)
{
    static bool seen[GOT_MAX];
    long last[3] = { -1, -1, -1 };
    unsigned found = 0;
    char id[LB_RECORD_ID_SIZE + 1];

    memset(seen, 0, sizeof(seen));
    consume_at_least(bench, count);
    for (unsigned i = 0; i < bench->got_count; i++) {
        const struct got *got = &bench->got[i];
        unsigned service = got->key[0] == 'a' ? 0 : got->key[0] == 'b' ? 1 : 2;

        snprintf(id, sizeof(id), "%016llx-%lx", (unsigned long long)bench->rig.stream->id, got->number);
        assert_string_equal(got->id, id);
        if (seen[got->number])
            continue;
        seen[got->number] = true;
        found++;
        assert_true(last[service] < (long)got->number);
        last[service] = (long)got->number;
    }
    assert_int_equal(found, count);
}

/* --- tests ------------------------------------------------------------------------------- */

static void reports_complete_tokens(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    open_bus(&bench);
    push(&bench, 60);
    push(&bench, 60);
    assert_int_equal(mark(&bench), 0);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 120);
    assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 0);
    expect_all_in_order(&bench, 120);
    close_bench(&bench);
}

static void topic_key_headers_and_time_follow_the_record(void **state)
{
    struct bench bench;
    char id[LB_RECORD_ID_SIZE + 1];

    (void)state;
    make_bench(&bench, NULL);
    struct lb_template_pair pair = { LB_STR("level"), NULL };
    pair.value = lb_template_new(&bench.rig.arena, LB_STR("<{level}>"), (struct lb_place){ 0 }, &bench.rig.diag);
    bench.self->headers = (struct lb_template_pairs){ &pair, 1 };
    open_bus(&bench);
    push(&bench, 30);
    drain_within(&bench, 60 * LB_SECOND);
    consume(&bench, 30);
    for (unsigned i = 0; i < 30; i++) {
        const struct got *got = &bench.got[i];

        assert_string_equal(got->topic + strlen("logs."), service_of(got->number));
        assert_string_equal(got->key, service_of(got->number));
        assert_string_equal(got->header, "<info>");
        assert_int_equal(got->timestamp, RIG_TIME / LB_MILLISECOND);
        snprintf(id, sizeof(id), "%016llx-%lx", (unsigned long long)bench.rig.stream->id, got->number);
        assert_string_equal(got->id, id);
    }
    close_bench(&bench);
}

static void without_a_key_there_is_none(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    bench.self->key = NULL;
    rig_template(&bench.rig, bench.sink, "topic", "fixed");
    open_bus(&bench);
    push(&bench, 5);
    drain_within(&bench, 60 * LB_SECOND);
    consume(&bench, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(bench.got[i].topic, "fixed");
        assert_string_equal(bench.got[i].key, "");
    }
    close_bench(&bench);
}

static void order_is_kept_over_errors_of_the_broker(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    rd_kafka_mock_push_request_errors(bench.cluster, 0 /* Produce */, 6, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR__TRANSPORT,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    open_bus(&bench);
    for (int i = 0; i < 20; i++)
        push(&bench, 30);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 600);
    expect_all_in_order(&bench, 600);
    close_bench(&bench);
}

static void a_refused_message_set_is_sent_again_in_parts(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    rig_template(&bench.rig, bench.sink, "key", "one key, one message set");
    rig_template(&bench.rig, bench.sink, "topic", "fixed");
    rd_kafka_mock_push_request_errors(bench.cluster, 0 /* Produce */, 3, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    open_bus(&bench);
    push(&bench, 60);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 60);
    assert_int_equal(letter_count(), 0);
    consume(&bench, 60);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(bench.got[i].number, i);
    close_bench(&bench);
}

static void a_message_that_is_refused_alone_becomes_a_letter(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    rig_template(&bench.rig, bench.sink, "topic", "fixed");
    rd_kafka_mock_push_request_errors(bench.cluster, 0 /* Produce */, 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    bench.self->format = LB_FORMAT_LOGFMT;
    open_bus(&bench);
    push(&bench, 1);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 1);
    assert_int_equal(letter_count(), 1);
    assert_non_null(strstr(last_letter, "\"kind\":\"MSG_SIZE_TOO_LARGE\""));
    assert_non_null(strstr(last_letter, "\"attempts\":2,\"record\":{\"timestamp\":\"2026-01-01T"));
    assert_true(lb_json_valid((struct lb_str){ last_letter, strlen(last_letter) - 1 }));
    bench.self->format = LB_FORMAT_JSON;
    bench.self->formatter.format = LB_FORMAT_JSON;
    push(&bench, 3);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 4);
    assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 0);
    assert_int_equal(letter_count(), 1);
    consume(&bench, 3);
    close_bench(&bench);
}

/* Steps as the delivery code does, until `count` letters are there or nothing is out any more. */
static void step_until(struct bench *bench, unsigned count, uint64_t end)
{
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    while (mark(bench) < end || letter_count() < count) {
        assert_true(lb_clock_monotonic() < deadline);
        tick(bench->sink, lb_clock_monotonic());
        usleep(5000);
    }
}

static void a_forbidden_topic_waits_and_others_go_on(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    open_bus(&bench);
    push(&bench, 30);
    drain_within(&bench, 60 * LB_SECOND);
    rd_kafka_mock_topic_set_error(bench.cluster, "logs.auth", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    rd_kafka_mock_push_request_errors(bench.cluster, 0 /* Produce */, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    push(&bench, 30);
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    while (bench.self->topics.stuck == 0 && lb_clock_monotonic() < deadline)
        tick(bench.sink, lb_clock_monotonic());
    assert_int_equal(bench.self->topics.stuck, 1);
    assert_true(bench.self->failing);
    push(&bench, 30);
    assert_int_equal(letter_count(), 0);
    rd_kafka_mock_topic_set_error(bench.cluster, "logs.auth", RD_KAFKA_RESP_ERR_NO_ERROR);
    step_until(&bench, 0, 90);
    assert_int_equal(letter_count(), 0);
    assert_false(bench.self->failing);
    expect_all_in_order(&bench, 90);
    close_bench(&bench);
}

/* An alert of the engine's. */
static void push_alert(struct bench *bench, const char *json)
{
    struct rig_batch *batch = rig_batch(&bench->rig, bench->pushed, 1);
    struct lb_record record = lb_test_record(&bench->rig.arena, json);

    record.flags = LB_RECORD_ALERT;
    record.end = 1;
    batch->records[0] = record;
    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, ++bench->pushed, false);
    assert_int_equal(try_push(bench, batch, token), LB_OK);
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
}

#define ALERT_RECORD(state, number) "{\"state\":\"" state "\",\"fingerprint\":\"f00d\",\"message\":\"" number "\"}"

static void the_state_of_an_alert_waits_for_its_topic_and_ends_without_a_value(void **state)
{
    struct bench bench;
    unsigned long events[4];
    unsigned long states[4];
    unsigned event_count = 0;
    unsigned state_count = 0;

    (void)state;
    make_bench(&bench, NULL);
    rig_template(&bench.rig, bench.sink, "topic", "fixed");
    bench.self->state_topic = LB_STR("logs.cart");
    open_bus(&bench);
    struct kafka_topic *topic = kafka_topics_find(&bench.self->topics, bench.self->producer, LB_STR("logs.cart"));
    kafka_topic_stuck(&bench.self->topics, topic, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, lb_clock_monotonic());
    push_alert(&bench, ALERT_RECORD("firing", "1"));
    push_alert(&bench, ALERT_RECORD("resolved", "2"));
    push_alert(&bench, ALERT_RECORD("digest", "3"));
    assert_int_equal(bench.self->topics.waiting, 2);
    assert_int_equal(mark(&bench), 0);
    step_until(&bench, 0, 3);
    read_topics(&bench, 5, 3);
    assert_int_equal(bench.got_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        if (strcmp(bench.got[i].topic, "fixed") == 0)
            events[event_count++] = bench.got[i].number;
        else
            states[state_count++] = bench.got[i].number;
        assert_true(strcmp(bench.got[i].topic, "fixed") == 0 || strcmp(bench.got[i].key, "f00d") == 0);
    }
    assert_int_equal(event_count, 3);
    assert_int_equal(events[0] + events[1] + events[2], 6);
    assert_int_equal(state_count, 2);
    assert_int_equal(states[0], 1);
    assert_int_equal(states[1], NO_VALUE);
    close_bench(&bench);
}

static void a_topic_that_stays_missing_becomes_letters(void **state)
{
    struct bench bench;
    struct lb_pair pairs[] = { { LB_STR("topic.metadata.propagation.max.ms"), LB_STR("500") } };

    (void)state;
    make_bench(&bench, NULL);
    bench.self->settings.others = (struct lb_pairs){ pairs, 1 };
    bench.self->topic_timeout_ns = 2 * LB_SECOND;
    rd_kafka_mock_topic_set_error(bench.cluster, "logs.cart", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    open_bus(&bench);
    push(&bench, 30);
    unsigned expected = 0;
    for (unsigned n = 0; n < 30; n++)
        expected += strcmp(service_of(n), "cart") == 0;
    step_until(&bench, expected, 30);
    assert_int_equal(letter_count(), expected);
    assert_non_null(strstr(last_letter, "\"reason\":\"topic logs.cart: "));
    consume(&bench, 30 - expected);

    /* It comes: that is noticed without a record, and what is new gets there. */
    rd_kafka_mock_topic_set_error(bench.cluster, "logs.cart", RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    while (bench.self->topics.stuck > 0 && lb_clock_monotonic() < deadline) {
        tick(bench.sink, lb_clock_monotonic());
        usleep(5000);
    }
    assert_int_equal(bench.self->topics.stuck, 0);
    assert_false(bench.self->failing);
    push(&bench, 30);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 60);
    assert_int_equal(letter_count(), expected);
    close_bench(&bench);
}

static void what_is_too_large_for_kafka_is_refused_alone(void **state)
{
    struct bench bench;
    struct lb_pair limit = { LB_STR("message.max.bytes"), LB_STR("1000") };
    static char padding[2000];

    (void)state;
    make_bench(&bench, NULL);
    memset(padding, 'x', sizeof(padding) - 1);
    bench.self->settings.others = (struct lb_pairs){ &limit, 1 };
    open_bus(&bench);
    push(&bench, 3);
    bench.rig.padding = padding;
    push(&bench, 2);
    bench.rig.padding = NULL;
    push(&bench, 3);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 8);
    assert_int_equal(letter_count(), 2);
    assert_non_null(strstr(last_letter, "\"kind\":\"MSG_SIZE_TOO_LARGE\""));
    consume(&bench, 6);
    close_bench(&bench);
}

/* --- letters to a topic -------------------------------------------------------------------- */

/* The next `count` message sets are too large. */
static void refuse_sets(struct bench *bench, size_t count)
{
    static const rd_kafka_resp_err_t codes[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    };

    assert_true(count <= sizeof(codes) / sizeof(codes[0]));
    rd_kafka_mock_push_request_errors_array(bench->cluster, 0 /* Produce */, count, codes);
}

static void make_letter_bench(struct bench *bench)
{
    make_bench(bench, NULL);
    bench->sink->options.dead_letter_topic = LB_STR("fixed");
    rig_template(&bench->rig, bench->sink, "topic", "logs.auth");
}

static uint64_t noted(struct bench *bench)
{
    struct lb_dead_letter_state now;

    lb_dead_letter_state(bench->sink, &now);
    return now.count;
}

/* The letter is the record's, by key and id, and only when it is acknowledged the record is safe. */
static void a_letter_goes_to_its_topic(void **state)
{
    static const int formats[] = { LB_FORMAT_JSON, LB_FORMAT_LOGFMT };
    char id[LB_RECORD_ID_SIZE + 1];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct bench bench;

        make_letter_bench(&bench);
        bench.self->format = formats[i];
        open_bus(&bench);
        refuse_sets(&bench, 2);
        push(&bench, 1);
        while (bench.self->letter_bytes == 0)
            tick(bench.sink, lb_clock_monotonic());
        assert_int_equal(mark(&bench), 0);
        assert_int_equal(noted(&bench), 0);
        drain_within(&bench, 60 * LB_SECOND);
        assert_int_equal(mark(&bench), 1);
        assert_int_equal(noted(&bench), 1);
        assert_int_equal(bench.self->letter_bytes, 0);
        assert_int_equal(letter_count(), 0);
        consume(&bench, 1);
        assert_true(bench.got[0].letter);
        assert_string_equal(bench.got[0].topic, "fixed");
        assert_string_equal(bench.got[0].key, service_of(0));
        assert_int_equal(bench.got[0].number, 0);
        snprintf(id, sizeof(id), "%016llx-%x", (unsigned long long)bench.rig.stream->id, 0);
        assert_string_equal(bench.got[0].id, id);
        assert_true(bench.got[0].timestamp > RIG_TIME / LB_MILLISECOND);
        assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 0);
        close_bench(&bench);
    }
}

static void a_letter_that_its_topic_refuses_is_in_the_file(void **state)
{
    struct bench bench;

    (void)state;
    make_letter_bench(&bench);
    open_bus(&bench);
    refuse_sets(&bench, 4); /* twice the record, twice the letter */
    push(&bench, 1);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 1);
    assert_int_equal(letter_count(), 1);
    assert_int_equal(noted(&bench), 1);
    assert_int_equal(bench.self->letter_bytes, 0);
    assert_true(lb_json_valid((struct lb_str){ last_letter, strlen(last_letter) - 1 }));
    assert_non_null(strstr(last_letter, "\"reason\":\"topic logs.auth: "));
    assert_non_null(strstr(last_letter, "\"attempts\":2,\"record\":{\"timestamp\":\"2026-01-01T"));
    assert_null(strstr(last_letter + 2, "{\"timestamp\":\"2026-01-01T00:00:00Z\",\"sink\""));
    push(&bench, 2);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 3);
    consume(&bench, 2);
    close_bench(&bench);
}

/* librdkafka itself does not take such a message. */
static void what_is_too_large_for_both_is_in_the_file(void **state)
{
    struct bench bench;
    struct lb_pair limit = { LB_STR("message.max.bytes"), LB_STR("1000") };
    static char padding[2000];

    (void)state;
    make_letter_bench(&bench);
    memset(padding, 'x', sizeof(padding) - 1);
    bench.self->settings.others = (struct lb_pairs){ &limit, 1 };
    open_bus(&bench);
    bench.rig.padding = padding;
    push(&bench, 2);
    bench.rig.padding = NULL;
    push(&bench, 3);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 5);
    assert_int_equal(letter_count(), 2);
    assert_false(bench.self->failing);
    consume(&bench, 3);
    close_bench(&bench);
}

static void tick_until_fine(struct bench *bench)
{
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    while (bench->self->topics.stuck > 0 || bench->self->failing) {
        assert_true(lb_clock_monotonic() < deadline);
        tick(bench->sink, lb_clock_monotonic());
        usleep(5000);
    }
}

static void a_missing_topic_of_letters_is_told_and_noticed_when_it_is_mended(void **state)
{
    struct bench bench;
    struct lb_pair soon = { LB_STR("topic.metadata.propagation.max.ms"), LB_STR("500") };

    (void)state;
    make_letter_bench(&bench);
    bench.self->settings.others = (struct lb_pairs){ &soon, 1 };
    rd_kafka_mock_topic_set_error(bench.cluster, "fixed", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    open_bus(&bench);
    push(&bench, 1);
    drain_within(&bench, 60 * LB_SECOND);
    refuse_sets(&bench, 2);
    push(&bench, 1);
    step_until(&bench, 1, 2);
    assert_true(bench.self->failing);
    assert_int_equal(bench.self->topics.stuck, 1);
    rd_kafka_mock_topic_set_error(bench.cluster, "fixed", RD_KAFKA_RESP_ERR_NO_ERROR);
    tick_until_fine(&bench);
    refuse_sets(&bench, 2);
    push(&bench, 1);
    step_until(&bench, 1, 3);
    assert_int_equal(letter_count(), 1);
    consume(&bench, 2);
    close_bench(&bench);
}

/* Whether the topic is there again only the brokers can say. */
static void a_topic_is_not_taken_for_mended_while_nobody_answers(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    open_bus(&bench);
    push(&bench, 5);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 5);
    struct kafka_topic *topic = kafka_topics_find(&bench.self->topics, bench.self->producer, LB_STR("logs.cart"));
    kafka_topic_trouble(bench.sink, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, lb_clock_monotonic());
    rd_kafka_mock_broker_set_down(bench.cluster, 1);
    rd_kafka_mock_broker_set_down(bench.cluster, 2);
    topic->retry_at = 0;
    tick(bench.sink, lb_clock_monotonic());
    assert_int_equal(bench.self->topics.stuck, 1);
    assert_true(bench.self->failing);
    assert_true(topic->retry_at > 0); /* asked again later, not at each tick */
    rd_kafka_mock_broker_set_up(bench.cluster, 1);
    rd_kafka_mock_broker_set_up(bench.cluster, 2);
    tick_until_fine(&bench);
    close_bench(&bench);
}

/* Neither topic nor file takes it: its record waits until one of them does. */
static void a_letter_that_nobody_takes_waits(void **state)
{
    struct bench bench;
    struct lb_pair soon = { LB_STR("topic.metadata.propagation.max.ms"), LB_STR("500") };
    struct lb_dead_letter_state now;

    (void)state;
    make_letter_bench(&bench);
    assert_int_equal(mkdir(letters, 0700), 0);
    bench.self->settings.others = (struct lb_pairs){ &soon, 1 };
    rd_kafka_mock_topic_set_error(bench.cluster, "fixed", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    open_bus(&bench);
    refuse_sets(&bench, 2);
    push(&bench, 1);
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;
    do {
        assert_true(lb_clock_monotonic() < deadline);
        tick(bench.sink, lb_clock_monotonic());
        usleep(5000);
        lb_dead_letter_state(bench.sink, &now);
    } while (now.ok);
    assert_int_equal(lb_stream_mark(bench.rig.stream, 0), 0);
    assert_int_equal(rmdir(letters), 0);
    step_until(&bench, 1, 1);
    assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 0);
    close_bench(&bench);
}

static void the_topics_are_bounded(void **state)
{
    struct kafka_topics *topics = calloc(1, sizeof(*topics));
    rd_kafka_t *producer = make_handle(RD_KAFKA_PRODUCER, NULL);
    char name[400];

    (void)state;
    for (int i = 0; i < KAFKA_TOPICS_MAX; i++) {
        int len = snprintf(name, sizeof(name), "logs.%d", i);

        assert_non_null(kafka_topics_find(topics, producer, (struct lb_str){ name, (size_t)len }));
    }
    struct kafka_topic *first = kafka_topics_find(topics, producer, LB_STR("logs.0"));
    assert_string_equal(rd_kafka_topic_name(first->handle), "logs.0");
    assert_ptr_equal(kafka_topics_find(topics, producer, LB_STR("logs.0")), first);
    assert_null(kafka_topics_find(topics, producer, LB_STR("logs.one-more")));
    assert_null(kafka_topics_find(topics, producer, LB_STR("")));
    assert_int_equal(topics->count, KAFKA_TOPICS_MAX);
    kafka_topics_free(topics);
    memset(name, 'n', sizeof(name));
    first = kafka_topics_find(topics, producer, (struct lb_str){ name, sizeof(name) });
    assert_int_equal(strlen(rd_kafka_topic_name(first->handle)), KAFKA_TOPIC_BYTES_MAX);
    kafka_topics_free(topics);
    rd_kafka_destroy(producer);
    free(topics);
}

static void what_waits_stays_in_the_order_of_the_records(void **state)
{
    static const uint64_t came[] = { 5, 6, 9, 1, 7, 2, 10, 8 };
    struct kafka_topics *topics = calloc(1, sizeof(*topics));
    struct kafka_topic *topic = &topics->slots[3];
    uint64_t last = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(came) / sizeof(came[0]); i++) {
        struct kafka_message *message = kafka_message_new(topics);

        message->topic = topic;
        message->sequence = came[i];
        assert_true(kafka_message_copy(message, LB_STR("k"), LB_STR("value"), NULL));
        kafka_topic_wait(topics, message);
    }
    assert_int_equal(topics->waiting, 8);
    while (topic->first != NULL) {
        struct kafka_message *message = kafka_topic_take(topics, topic);

        assert_true(message->sequence > last);
        last = message->sequence;
        assert_string_equal(message->bytes, "kvalue");
        kafka_message_free(topics, message);
    }
    assert_int_equal(topics->bytes, 0);
    assert_null(topic->last);
    kafka_topics_free(topics);
    free(topics);
}

static void a_full_queue_goes_on_where_it_stopped(void **state)
{
    struct bench bench;
    unsigned again = 0;

    (void)state;
    make_bench(&bench, NULL);
    rd_kafka_mock_broker_set_down(bench.cluster, 1);
    rd_kafka_mock_broker_set_down(bench.cluster, 2);
    bench.self->settings.queue_bytes = 50 * 512; /* as many as 50 messages */
    open_bus(&bench);
    push(&bench, 40);
    struct rig_batch *batch = rig_batch(&bench.rig, 40, 60);
    struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 100, false);
    int64_t before = lb_clock_monotonic();
    assert_int_equal(try_push(&bench, batch, token), LB_AGAIN);
    assert_in_range(lb_clock_monotonic() - before, LB_SECOND - 1, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 0);
    rd_kafka_mock_broker_set_up(bench.cluster, 1);
    rd_kafka_mock_broker_set_up(bench.cluster, 2);
    while (try_push(&bench, batch, token) != LB_OK)
        assert_true(++again < 30);
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 100);
    assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 0);
    expect_all_in_order(&bench, 100);
    close_bench(&bench);
}

/* As the delivery code does with a sink that does not take everything at once. */
static void push_until_taken(struct bench *bench, uint32_t count)
{
    struct rig_batch *batch = rig_batch(&bench->rig, bench->pushed, count);
    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, bench->pushed += count, false);
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    while (try_push(bench, batch, token) != LB_OK) {
        assert_true(lb_clock_monotonic() < deadline);
        tick(bench->sink, lb_clock_monotonic());
        usleep(10000);
    }
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
}

static void after_a_fatal_error_a_new_producer_sends_it_all(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    rd_kafka_mock_broker_set_rtt(bench.cluster, -1, 100); /* so that records are on their way at any moment */
    open_bus(&bench);
    for (int round = 0; round < 3; round++) {
        push_until_taken(&bench, 60);
        tick(bench.sink, lb_clock_monotonic());
        push_until_taken(&bench, 40);
        rd_kafka_test_fatal_error(bench.self->producer, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test");
        struct rig_batch *batch = rig_batch(&bench.rig, bench.pushed, 1);
        assert_int_equal(try_push(&bench, batch, NULL), LB_AGAIN);
        lb_batch_unref(&batch->batch);
        assert_true(bench.self->failing);
    }
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 300);
    assert_false(bench.self->failing);
    assert_int_equal(bench.self->topics.waiting, 0);
    expect_all_once_or_more(&bench, 300);
    close_bench(&bench);
}

/* Refused until it is told otherwise, and the records come before anybody can be asked: no answer is too early. */
static void without_the_right_to_write_it_goes_on_trying(void **state)
{
    enum { INIT_PRODUCER_ID = 22, REFUSALS = 100 };
    rd_kafka_resp_err_t refusals[REFUSALS];
    struct bench bench;
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    (void)state;
    make_bench(&bench, NULL);
    for (unsigned i = 0; i < REFUSALS; i++)
        refusals[i] = RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    rd_kafka_mock_push_request_errors_array(bench.cluster, INIT_PRODUCER_ID, REFUSALS, refusals);
    rd_kafka_mock_broker_set_down(bench.cluster, 1);
    rd_kafka_mock_broker_set_down(bench.cluster, 2);
    open_bus(&bench);
    push(&bench, 5);
    rd_kafka_mock_broker_set_up(bench.cluster, 1);
    rd_kafka_mock_broker_set_up(bench.cluster, 2);
    /* Two producers in a row end. */
    while (bench.self->renew_pause < 2 * LB_SECOND) {
        assert_true(lb_clock_monotonic() < deadline);
        drain_within(&bench, 50 * LB_MILLISECOND);
    }
    assert_true(bench.self->failing);
    assert_int_equal(mark(&bench), 0);
    rd_kafka_mock_clear_request_errors(bench.cluster, INIT_PRODUCER_ID);
    push_until_taken(&bench, 5);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 10);
    assert_false(bench.self->failing);
    expect_all_in_order(&bench, 10);
    close_bench(&bench);
}

static void a_new_leader_is_followed(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    open_bus(&bench);
    for (int i = 0; i < 10; i++) {
        push(&bench, 30);
        for (int32_t partition = 0; partition < PARTITIONS; partition++)
            rd_kafka_mock_partition_set_leader(bench.cluster, "logs.auth", partition, i % 2 + 1);
        tick(bench.sink, lb_clock_monotonic());
    }
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 300);
    expect_all_in_order(&bench, 300);
    close_bench(&bench);
}

static void a_shutdown_ends_in_time_whatever_the_broker_does(void **state)
{
    uint16_t ports[2];
    int silent = receiver_listen(&ports[0]); /* takes connections and never answers */
    int nobody = receiver_bind(&ports[1]);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct bench bench;
        char broker[64];

        snprintf(broker, sizeof(broker), "127.0.0.1:%u", ports[i % 2]);
        make_bench(&bench, i == 2 ? NULL : broker);
        if (i == 2)
            rd_kafka_mock_broker_set_rtt(bench.cluster, -1, 5000);
        open_bus(&bench);
        push(&bench, 50);
        int64_t before = lb_clock_monotonic();
        drain_within(&bench, 300 * LB_MILLISECOND);
        assert_in_range(lb_clock_monotonic() - before, 290 * LB_MILLISECOND, 60 * LB_SECOND);
        before = lb_clock_monotonic();
        close_sink(bench.sink);
        assert_true(lb_clock_monotonic() - before < 60 * LB_SECOND);
        assert_int_equal(mark(&bench), 0);
        assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 1);
        bench.self->producer = NULL;
        close_bench(&bench);
    }
    close(silent);
    close(nobody);
}

static void brokers_that_come_back_are_noticed_without_records(void **state)
{
    struct bench bench;
    int64_t deadline = lb_clock_monotonic() + 60 * LB_SECOND;

    (void)state;
    make_bench(&bench, NULL);
    open_bus(&bench);
    push(&bench, 5);
    drain_within(&bench, 60 * LB_SECOND);
    assert_int_equal(mark(&bench), 5);
    rd_kafka_mock_broker_set_down(bench.cluster, 1);
    rd_kafka_mock_broker_set_down(bench.cluster, 2);
    while (!bench.self->failing && lb_clock_monotonic() < deadline)
        rd_kafka_poll(bench.self->producer, 50);
    assert_true(bench.self->failing);
    rd_kafka_mock_broker_set_up(bench.cluster, 1);
    rd_kafka_mock_broker_set_up(bench.cluster, 2);
    while (bench.self->failing && lb_clock_monotonic() < deadline) {
        bench.self->probe_at = 0;
        tick(bench.sink, lb_clock_monotonic());
        rd_kafka_poll(bench.self->producer, 50);
    }
    assert_false(bench.self->failing);
    close_bench(&bench);
}

static void a_message_is_never_from_the_future(void **state)
{
    static const struct {
        int64_t event, arrival, expected_ms;
    } cases[] = {
        { 1000 * LB_SECOND, 1001 * LB_SECOND, 1000000 },
        { 1002 * LB_SECOND, 1001 * LB_SECOND, 1001000 },
        { -5 * LB_SECOND, 1001 * LB_SECOND, 1001000 },
        { INT64_MAX, 1001 * LB_SECOND, 1001000 },
        { 1000 * LB_SECOND, 0, 1000000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lb_batch batch = { .arrival_ns = cases[i].arrival };
        const struct lb_record record = { .time_ns = cases[i].event };

        assert_int_equal(timestamp_ms(&batch, &record), cases[i].expected_ms);
    }
}

static void the_delivery_code_delivers_through_it(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    open_bus(&bench);
    assert_int_equal(lb_delivery_start(bench.sink, bench.rig.streams, LB_SECOND), LB_OK);
    for (uint64_t i = 0; i < 20; i++)
        rig_push(&bench.rig, i * 50, 50);
    assert_true(lb_delivery_stop(bench.sink->delivery, lb_clock_monotonic() + 60 * LB_SECOND));
    assert_int_equal(mark(&bench), 1000);
    expect_all_in_order(&bench, 1000);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_complete_tokens),
        cmocka_unit_test(topic_key_headers_and_time_follow_the_record),
        cmocka_unit_test(without_a_key_there_is_none),
        cmocka_unit_test(order_is_kept_over_errors_of_the_broker),
        cmocka_unit_test(a_refused_message_set_is_sent_again_in_parts),
        cmocka_unit_test(a_message_that_is_refused_alone_becomes_a_letter),
        cmocka_unit_test(a_forbidden_topic_waits_and_others_go_on),
        cmocka_unit_test(the_state_of_an_alert_waits_for_its_topic_and_ends_without_a_value),
        cmocka_unit_test(a_topic_that_stays_missing_becomes_letters),
        cmocka_unit_test(what_waits_stays_in_the_order_of_the_records),
        cmocka_unit_test(a_new_leader_is_followed),
        cmocka_unit_test(what_is_too_large_for_kafka_is_refused_alone),
        cmocka_unit_test(a_letter_goes_to_its_topic),
        cmocka_unit_test(a_letter_that_its_topic_refuses_is_in_the_file),
        cmocka_unit_test(what_is_too_large_for_both_is_in_the_file),
        cmocka_unit_test(a_missing_topic_of_letters_is_told_and_noticed_when_it_is_mended),
        cmocka_unit_test(a_topic_is_not_taken_for_mended_while_nobody_answers),
        cmocka_unit_test(a_letter_that_nobody_takes_waits),
        cmocka_unit_test(the_topics_are_bounded),
        cmocka_unit_test(a_full_queue_goes_on_where_it_stopped),
        cmocka_unit_test(after_a_fatal_error_a_new_producer_sends_it_all),
        cmocka_unit_test(without_the_right_to_write_it_goes_on_trying),
        cmocka_unit_test(a_shutdown_ends_in_time_whatever_the_broker_does),
        cmocka_unit_test(brokers_that_come_back_are_noticed_without_records),
        cmocka_unit_test(a_message_is_never_from_the_future),
        cmocka_unit_test(the_delivery_code_delivers_through_it),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_kafka", tests, NULL, NULL);
}
