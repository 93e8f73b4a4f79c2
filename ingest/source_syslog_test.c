/*
 * The syslog source on real sockets of loopback, with the real pool, queue and loop: what is sent arrives, whole, in
 * order and with its peer; what is held is bounded.
 */
#include "lb_test.h"

#include "framing.c"
#include "source_syslog.c"
#include "listen_address.c"
#include "syslog_tcp.c"
#include "syslog_sockets.c"
#include "syslog_udp.c"

#include "lb_alloc.h"
#include "lb_ledger.h"

__attribute__((weak)) struct lb_place lb_section_place(const struct lb_section *section, const char *option)
{
    (void)section, (void)option;
    return (struct lb_place){ "test.yaml", 3, 9 };
}

enum { TEXT_BYTES = 1 << 20, TEST_SECONDS = 60 };

/* All that a source stands on, and what has come out of it. */
struct ground {
    char directory[32];
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_pool *pool;
    struct lb_share *share;
    struct lb_queue queue;
    struct lb_loop *loop;
    struct lb_source source;
    struct syslog_source state;
    struct lb_str address;
    struct lb_diag diag;
    enum lb_err opened;
    uint32_t received; /* messages taken from the queue */
};

static struct ground ground;

static void lay_ground(const char *address, size_t pool_bytes, size_t max_line)
{
    struct lb_str name = LB_STR("sink");
    struct lb_strs consumers = { &name, 1 };
    char path[64];

    memset(&ground, 0, sizeof(ground));
    alarm(TEST_SECONDS); /* a message that never comes must not hang the run */
    strcpy(ground.directory, "/tmp/lb_syslog_XXXXXX");
    assert_non_null(mkdtemp(ground.directory));
    snprintf(path, sizeof(path), "%s/ledger", ground.directory);
    assert_int_equal(lb_ledger_open(&ground.ledger, path), LB_OK);
    ground.streams = lb_streams_new(ground.ledger, &consumers);
    ground.pool = lb_pool_new(pool_bytes);
    ground.share = lb_share_new(ground.pool, pool_bytes);
    lb_queue_init(&ground.queue);
    ground.loop = lb_loop_new("sockets");
    ground.address = lb_str_from(address);
    ground.state.listen = (struct lb_strs){ &ground.address, 1 };
    ground.state.max_connections = 100;
    ground.state.socket_mode = LB_STR("666");
    ground.state.receive_buffer = 128 * 1024;
    ground.source = (struct lb_source){ .type = &lb_source_syslog,
                                        .section = { LB_STR("hosts"), NULL },
                                        .state = &ground.state,
                                        .options = { .max_line = max_line },
                                        .loop = ground.loop,
                                        .share = ground.share,
                                        .queue = &ground.queue,
                                        .streams = ground.streams };
}

static void open_source(const char *address, size_t pool_bytes, size_t max_line)
{
    lay_ground(address, pool_bytes, max_line);
    ground.opened = lb_source_syslog.open(&ground.source, &ground.diag);
    if (ground.opened != LB_OK)
        fail_msg("%s", ground.diag.entries[0].text);
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
}

static void stop_on_loop(void *context)
{
    lb_source_syslog.stop(context);
}

static void close_source(void)
{
    char command[64];
    struct lb_batch *batch;

    lb_loop_post(ground.loop, stop_on_loop, &ground.source);
    lb_loop_stop(ground.loop);
    lb_queue_close(&ground.queue);
    while ((batch = lb_queue_pop(&ground.queue)) != NULL)
        lb_batch_unref(batch);
    lb_source_syslog.close(&ground.source);
    assert_int_equal(lb_pool_used(ground.pool), 0);
    lb_loop_free(ground.loop);
    lb_queue_free(&ground.queue);
    lb_share_free(ground.share);
    lb_pool_free(ground.pool);
    lb_streams_free(ground.streams);
    lb_ledger_close(ground.ledger);
    lb_diag_free(&ground.diag);
    snprintf(command, sizeof(command), "rm -r %s", ground.directory);
    assert_int_equal(system(command), 0);
    alarm(0);
}

/* The address that a socket got for port 0. */
static struct sockaddr_storage bound_address(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return address;
}

static int connect_to(int listening, int type)
{
    struct sockaddr_storage address = bound_address(listening);
    int fd = socket(address.ss_family, type, 0);
    socklen_t size = address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static void send_all(int fd, const char *ptr, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, ptr, len, MSG_NOSIGNAL);

        assert_true(sent > 0);
        ptr += sent;
        len -= (size_t)sent;
    }
}

static void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* The next `count` messages as "message|message|"; `*host` is that of the last. */
static void expect_messages(uint32_t count, const char *expected, char *host)
{
    static char out[TEXT_BYTES];
    size_t len = 0;

    for (uint32_t got = 0; got < count;) {
        struct lb_batch *batch = lb_queue_pop(&ground.queue);

        assert_int_equal(batch->position, ground.received);
        assert_int_equal(batch->position_end, batch->position + batch->event_count);
        assert_int_equal(lb_envelope_syslog.open(batch), LB_OK);
        for (uint32_t i = 0; i < batch->record_count; i++) {
            const struct lb_record *record = &batch->records[i];
            struct lb_value from = record->host.kind != LB_VALUE_NONE ? record->host : batch->stream->host;

            memcpy(out + len, record->message.ptr, record->message.len);
            len += record->message.len;
            len += (size_t)sprintf(out + len, "%s|", (record->flags & LB_RECORD_TRUNCATED) != 0 ? "~" : "");
            if (host != NULL)
                snprintf(host, PEER_HOST_BYTES, "%.*s", (int)from.len, from.ptr);
        }
        got += batch->record_count;
        ground.received += batch->record_count;
        lb_batch_unref(batch);
    }
    assert_string_equal(out, expected);
}

/* Takes whole batches until `count` messages have come; returns their bytes. */
static size_t take_messages(uint32_t count)
{
    size_t bytes = 0;

    for (uint32_t got = 0; got < count;) {
        struct lb_batch *batch = lb_queue_pop(&ground.queue);

        for (uint32_t i = 0; i < batch->event_count; i++)
            bytes += lb_batch_event(batch, i)->length;
        got += batch->event_count;
        assert_true(got <= count);
        lb_batch_unref(batch);
    }
    return bytes;
}

/* --- UDP ----------------------------------------------------------------------- */

static void datagrams_arrive_trimmed_with_their_peer(void **state)
{
    char host[PEER_HOST_BYTES];
    int fd;

    (void)state;
    open_source("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    fd = connect_to(ground.state.sockets->fd, SOCK_DGRAM);
    send_text(fd, "<13>one\n");
    send_text(fd, "\n");
    send_all(fd, "<13>two\r\n\0", 10);
    send_text(fd, "<13>inner\nline");
    expect_messages(3, "one|two|inner\nline|", host);
    assert_string_equal(host, "127.0.0.1");
    close(fd);
    close_source();
}

static void ipv4_through_an_ipv6_socket_is_written_as_ipv4(void **state)
{
    char host[PEER_HOST_BYTES];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_storage bound;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    (void)state;
    open_source("udp://:0", LB_POOL_BYTES, LB_LINE_BYTES);
    bound = bound_address(ground.state.sockets->fd);
    address.sin_port = htons(peer_port_of(&bound));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    send_text(fd, "<13>x: hello");
    expect_messages(1, "hello|", host);
    assert_string_equal(host, "127.0.0.1");
    close(fd);
    close_source();
}

static void the_longest_datagrams_arrive_whole_among_short_ones(void **state)
{
    static char text[65507];
    size_t bytes = 0;
    int fd;

    (void)state;
    open_source("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    fd = connect_to(ground.state.sockets->fd, SOCK_DGRAM);
    memset(text, 'x', sizeof(text));
    for (int round = 0; round < 50; round++) {
        size_t sizes[] = { 100, sizeof(text), 2048, 2049, 1, 30000 };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            send_all(fd, text, sizes[i]);
            bytes += sizes[i];
        }
        /* The kernel's buffer is small: wait for each round. */
        bytes -= take_messages(sizeof(sizes) / sizeof(sizes[0]));
    }
    assert_int_equal(bytes, 0);
    close(fd);
    close_source();
}

static void what_the_kernel_drops_is_counted(void **state)
{
    int64_t sent = 20000;
    int fd;

    (void)state;
    lay_ground("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    int64_t dropped = ground.state.metrics.dropped->value;
    int64_t received = ground.state.metrics.messages->value;
    fd = connect_to(ground.state.sockets->fd, SOCK_DGRAM);
    for (int64_t i = 0; i < sent; i++)
        send_text(fd, "<13>while nobody reads");
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    /* The count comes with the next datagram that finds room; more may be dropped before that one is read. */
    while (ground.state.metrics.messages->value - received + ground.state.metrics.dropped->value - dropped < sent) {
        send_text(fd, "<13>once more");
        sent++;
        lb_batch_unref(lb_queue_pop(&ground.queue));
    }
    assert_true(ground.state.metrics.dropped->value > dropped);
    close(fd);
    close_source();
}

/* --- several sockets for one address ----------------------------------------------- */

enum { FLOW_COUNT = 40, FLOW_MESSAGES = 500 };

static uint32_t count_sockets(const struct syslog_source *source)
{
    uint32_t count = 0;

    for (const struct syslog_socket *socket = source->sockets; socket != NULL; socket = socket->next)
        count++;
    return count;
}

/* Of each of FLOW_COUNT sockets, from its own port: "FLOW:NUMBER". */
static void send_flows(int listening, uint32_t first, uint32_t count)
{
    char text[32];
    int fds[FLOW_COUNT];

    for (uint32_t flow = 0; flow < FLOW_COUNT; flow++)
        fds[flow] = connect_to(listening, SOCK_DGRAM);
    for (uint32_t i = first; i < first + count; i++)
        for (uint32_t flow = 0; flow < FLOW_COUNT; flow++) {
            snprintf(text, sizeof(text), "<13>x: %u:%u", flow, i);
            send_text(fds[flow], text);
        }
    for (uint32_t flow = 0; flow < FLOW_COUNT; flow++)
        close(fds[flow]);
}

/* Notes the messages of whole batches in `seen` until `wanted` are there; returns over how many streams they came. */
static uint32_t see_flows(uint8_t seen[FLOW_COUNT][FLOW_MESSAGES], uint32_t wanted)
{
    const void *streams[SYSLOG_UDP_SOCKETS_MAX] = { NULL };
    uint32_t stream_count = 0;

    for (uint32_t got = 0; got < wanted;) {
        struct lb_batch *batch = lb_queue_pop(&ground.queue);
        uint32_t which = 0;

        while (which < stream_count && streams[which] != batch->stream)
            which++;
        if (which == stream_count && stream_count < SYSLOG_UDP_SOCKETS_MAX)
            streams[stream_count++] = batch->stream;
        assert_int_equal(lb_envelope_syslog.open(batch), LB_OK);
        for (uint32_t i = 0; i < batch->record_count; i++) {
            char text[32];
            unsigned flow;
            unsigned number;

            snprintf(text, sizeof(text), "%.*s", (int)batch->records[i].message.len, batch->records[i].message.ptr);
            assert_int_equal(sscanf(text, "%u:%u", &flow, &number), 2);
            assert_true(flow < FLOW_COUNT && number < FLOW_MESSAGES);
            seen[flow][number]++;
        }
        got += batch->record_count;
        lb_batch_unref(batch);
    }
    return stream_count;
}

static void expect_each_once(uint8_t seen[FLOW_COUNT][FLOW_MESSAGES])
{
    for (uint32_t flow = 0; flow < FLOW_COUNT; flow++)
        for (uint32_t i = 0; i < FLOW_MESSAGES; i++)
            if (seen[flow][i] != 1)
                fail_msg("message %u of flow %u came %u times", i, flow, seen[flow][i]);
}

static void receive_over_several_sockets(const char *address)
{
    uint8_t seen[FLOW_COUNT][FLOW_MESSAGES] = { { 0 } };

    lay_ground(address, LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.udp_sockets = 4;
    ground.state.receive_buffer = 4 * 1024 * 1024; /* nothing is dropped */
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    assert_int_equal(count_sockets(&ground.state), 4);
    int64_t received = ground.state.metrics.messages->value;
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    uint32_t streams = 0;
    for (uint32_t i = 0; i < FLOW_MESSAGES; i += 20) {
        send_flows(ground.state.sockets->fd, i, 20);
        uint32_t of_round = see_flows(seen, FLOW_COUNT * 20);
        streams = of_round > streams ? of_round : streams;
    }
    expect_each_once(seen);
    assert_int_equal(ground.state.metrics.messages->value - received, FLOW_COUNT * FLOW_MESSAGES);
    assert_true(streams > 1); /* that 40 senders fall to one of four sockets, 25 times, does not happen */
    close_source();
}

static void datagrams_of_many_senders_arrive_once_over_several_sockets(void **state)
{
    (void)state;
    receive_over_several_sockets("udp://127.0.0.1:0");
    receive_over_several_sockets("udp://:0"); /* IPv4 and IPv6 */
}

static void sockets_without_credit_wait_each_and_lose_nothing(void **state)
{
    static uint8_t seen[FLOW_COUNT][FLOW_MESSAGES];

    (void)state;
    lay_ground("udp://127.0.0.1:0", 300 * 1024, LB_LINE_BYTES); /* one large slab */
    ground.state.udp_sockets = 4;
    ground.state.net.rate = (struct rate_settings){ 1000 * 1000, LB_SECOND, 1000 * 1000 };
    ground.state.receive_buffer = 4 * 1024 * 1024;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    for (uint32_t i = 0; i < FLOW_MESSAGES; i += 20) {
        send_flows(ground.state.sockets->fd, i, 20);
        see_flows(seen, FLOW_COUNT * 20);
    }
    expect_each_once(seen);
    close_source();
}

static void drops_are_counted_over_all_sockets(void **state)
{
    enum { SENT = 30000 };
    int fds[FLOW_COUNT];
    int64_t sent = 0;

    (void)state;
    lay_ground("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.udp_sockets = 3;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    int64_t dropped = ground.state.metrics.dropped->value;
    int64_t received = ground.state.metrics.messages->value;
    for (uint32_t flow = 0; flow < FLOW_COUNT; flow++)
        fds[flow] = connect_to(ground.state.sockets->fd, SOCK_DGRAM);
    for (; sent < SENT; sent++)
        send_text(fds[sent % FLOW_COUNT], "<13>while nobody reads");
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    /* A socket's count comes with the next datagram that finds room in it, so each gets more until all is told. */
    while (ground.state.metrics.messages->value - received + ground.state.metrics.dropped->value - dropped < sent) {
        struct lb_batch *batch;

        for (uint32_t flow = 0; flow < FLOW_COUNT; flow++, sent++)
            send_text(fds[flow], "<13>once more");
        batch = lb_queue_pop(&ground.queue);
        lb_batch_unref(batch);
        while (lb_queue_depth(&ground.queue) > 0)
            lb_batch_unref(lb_queue_pop(&ground.queue));
    }
    assert_true(ground.state.metrics.dropped->value - dropped >= 3); /* one of each at least */
    for (uint32_t flow = 0; flow < FLOW_COUNT; flow++)
        close(fds[flow]);
    close_source();
}

static void drops_that_no_datagram_tells_of_are_counted_at_the_end(void **state)
{
    (void)state;
    lay_ground("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.udp_sockets = 2;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    int64_t dropped = ground.state.metrics.dropped->value;
    send_flows(ground.state.sockets->fd, 0, FLOW_MESSAGES); /* far more than the buffers hold */
    lb_source_syslog.stop(&ground.source);
    assert_true(ground.state.metrics.dropped->value > dropped);
    close_source();
}

/* At whichever allocation memory runs out. */
static void without_memory_it_does_not_open_or_works_all_the_same(void **state)
{
    bool failed = true;

    (void)state;
    for (long n = 1; failed; n++) {
        lay_ground("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
        ground.state.udp_sockets = 3;
        ground.state.receive_buffer = 4 * 1024 * 1024;
        lb_alloc_fail_at = n;
        enum lb_err err = lb_source_syslog.open(&ground.source, &ground.diag);
        failed = lb_alloc_fail_at == 0;
        lb_alloc_fail_at = 0;
        if (err == LB_OK) {
            uint8_t seen[FLOW_COUNT][FLOW_MESSAGES] = { { 0 } };

            send_flows(ground.state.sockets->fd, 0, 2);
            assert_int_equal(lb_loop_start(ground.loop), LB_OK);
            see_flows(seen, FLOW_COUNT * 2);
        }
        close_source();
    }
}

/* A source of the same address as that of the ground, and beside it. The address stays `text`'s. */
static struct lb_source another_source(struct syslog_source *state, char text[64], struct lb_str *address,
                                       uint64_t sockets)
{
    struct sockaddr_storage bound = bound_address(ground.state.sockets->fd);
    struct lb_source source = ground.source;

    snprintf(text, 64, "udp://127.0.0.1:%u", peer_port_of(&bound));
    *address = lb_str_from(text);
    *state = (struct syslog_source){ .listen = { address, 1 },
                                     .max_connections = 1,
                                     .socket_mode = LB_STR("666"),
                                     .receive_buffer = 4 * 1024 * 1024,
                                     .udp_sockets = sockets };
    source.state = state;
    return source;
}

/* All is sent while nobody reads, so what a socket that goes holds is what is looked at. */
static void a_change_of_their_number_loses_nothing_that_waits(void **state)
{
    static const uint64_t numbers[][2] = { { 2, 1 }, { 4, 1 }, { 1, 4 }, { 3, 2 }, { 2, 2 } };

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint8_t seen[FLOW_COUNT][FLOW_MESSAGES] = { { 0 } };
        struct syslog_source next_state;
        struct lb_str address;
        char text[64];

        lay_ground("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
        ground.state.udp_sockets = numbers[i][0];
        ground.state.receive_buffer = 4 * 1024 * 1024;
        assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
        send_flows(ground.state.sockets->fd, 0, 80); /* more than one turn reads */
        ground.source.replaced = true;
        lb_source_syslog.stop(&ground.source);
        struct lb_source next = another_source(&next_state, text, &address, numbers[i][1]);
        next.before = &ground.source;
        next.replaced = false;
        assert_int_equal(lb_source_syslog.open(&next, &ground.diag), LB_OK);
        lb_source_syslog.close(&ground.source);
        send_flows(next_state.sockets->fd, 80, 20);
        assert_int_equal(lb_loop_start(ground.loop), LB_OK);
        see_flows(seen, FLOW_COUNT * 100);
        for (uint32_t flow = 0; flow < FLOW_COUNT; flow++)
            for (uint32_t n = 0; n < 100; n++)
                assert_int_equal(seen[flow][n], 1);
        lb_loop_flush(ground.loop);
        assert_int_equal(count_sockets(&next_state), numbers[i][1]);
        next.before = NULL;
        ground.source = next;
        close_source();
    }
}

static void what_came_to_sockets_of_a_change_that_is_taken_back_arrives(void **state)
{
    static uint8_t seen[FLOW_COUNT][FLOW_MESSAGES];
    struct syslog_source next_state;
    struct lb_str address;
    char text[64];

    (void)state;
    lay_ground("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.udp_sockets = 2;
    ground.state.receive_buffer = 4 * 1024 * 1024;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    ground.source.replaced = true;
    lb_source_syslog.stop(&ground.source);
    struct lb_source next = another_source(&next_state, text, &address, 6);
    next.before = &ground.source;
    assert_int_equal(lb_source_syslog.open(&next, &ground.diag), LB_OK);
    send_flows(next_state.sockets->fd, 0, FLOW_MESSAGES / 20);
    next.replaced = true;
    lb_source_syslog.stop(&next);
    ground.source.before = &next;
    lb_source_syslog.resume(&ground.source);
    lb_source_syslog.close(&next);
    ground.source.before = NULL;
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    see_flows(seen, FLOW_COUNT * (FLOW_MESSAGES / 20));
    for (uint32_t flow = 0; flow < FLOW_COUNT; flow++)
        for (uint32_t n = 0; n < FLOW_MESSAGES / 20; n++)
            assert_int_equal(seen[flow][n], 1);
    lb_loop_flush(ground.loop);
    assert_int_equal(count_sockets(&ground.state), 2);
    ground.source.replaced = false;
    close_source();
}

static void a_port_that_another_has_is_refused_whatever_the_number(void **state)
{
    struct syslog_source other;
    struct lb_str address;
    char text[64];

    (void)state;
    lay_ground("udp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.udp_sockets = 2;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    struct lb_source second = another_source(&other, text, &address, 2);
    assert_int_equal(lb_source_syslog.open(&second, &ground.diag), LB_BAD_CONF);
    assert_non_null(strstr(ground.diag.entries[0].text, "Address already in use"));
    lb_source_syslog.close(&second);
    close_source();
}

/* --- TCP ----------------------------------------------------------------------- */

static void both_framings_arrive_whatever_the_segments(void **state)
{
    static const char *const streams[] = { "9 <13>a: b\n14 <13>x y z\nlast", "<13>a: b\r\n\n<13>x y z\nlast" };
    static const char *const expected[] = { "b|x y z\nlast|", "b|x y z|last|" };
    static const uint32_t counts[] = { 2, 3 };

    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (size_t chunk = 1; chunk < 40; chunk += 12) {
            char host[PEER_HOST_BYTES];
            size_t len = strlen(streams[i]);
            int fd;

            open_source("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
            fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
            for (size_t at = 0; at < len; at += chunk)
                send_all(fd, streams[i] + at, len - at < chunk ? len - at : chunk);
            close(fd);
            expect_messages(counts[i], expected[i], host);
            assert_string_equal(host, "127.0.0.1");
            close_source();
        }
}

static void a_message_does_not_wait_for_the_next_one(void **state)
{
    int fd;

    (void)state;
    open_source("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    send_text(fd, "<13>one\n<13>unfin");
    expect_messages(1, "one|", NULL);
    send_text(fd, "ished\n");
    expect_messages(1, "unfinished|", NULL);
    close(fd);
    close_source();
}

static void long_lines_arrive_whole_or_cut_at_max_line(void **state)
{
    enum { LONG = 700 * 1024 };
    static char text[LONG + 8];
    size_t lengths[] = { 20 * 1024, 300 * 1024, 500 * 1024, LONG };
    int fd;

    (void)state;
    memset(text, 'x', sizeof(text));
    open_source("tcp://127.0.0.1:0", LB_POOL_BYTES, 500 * 1024);
    fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    for (size_t i = 0; i < 4; i++) {
        text[lengths[i]] = '\n';
        send_all(fd, text, lengths[i] + 1);
        text[lengths[i]] = 'x';
        assert_int_equal(take_messages(1), lengths[i] < 500 * 1024 ? lengths[i] : 500 * 1024);
    }
    send_text(fd, "<13>after\n");
    assert_int_equal(take_messages(1), 9);
    close(fd);
    close_source();
}

static void a_flood_of_the_shortest_lines_arrives_whole(void **state)
{
    enum { LINES = 300000 };
    char *text = malloc(2 * LINES);
    int fd;

    (void)state;
    for (size_t i = 0; i < LINES; i++)
        memcpy(text + 2 * i, "x\n", 2);
    open_source("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    send_all(fd, text, 2 * LINES);
    assert_int_equal(take_messages(LINES), LINES);
    close(fd);
    free(text);
    close_source();
}

struct sender {
    int fd;
    uint32_t count;
};

static void *send_lines(void *context)
{
    const struct sender *sender = context;
    char line[200];

    for (uint32_t i = 0; i < sender->count; i++) {
        int len = snprintf(line, sizeof(line), "<13>host app: %0150u\n", i);

        send_all(sender->fd, line, (size_t)len);
    }
    return NULL;
}

static void a_source_without_credit_waits_and_loses_nothing(void **state)
{
    enum { LINES = 30000, SENDERS = 3 };
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    struct lb_batch *held = NULL;
    uint32_t got = 0;

    (void)state;
    open_source("tcp://127.0.0.1:0", 512 * 1024, LB_LINE_BYTES);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ connect_to(ground.state.listeners.first->fd, SOCK_STREAM), LINES };
        assert_int_equal(pthread_create(&threads[i], NULL, send_lines, &senders[i]), 0);
    }
    /* Each batch comes back when the next is there, so the pool runs dry again and again. */
    while (got < SENDERS * LINES) {
        bool last;

        if (held != NULL && lb_queue_depth(&ground.queue) == 0) {
            lb_batch_unref(held);
            held = NULL;
        }
        struct lb_batch *batch = lb_queue_pop(&ground.queue);
        got += batch->event_count;
        last = got == SENDERS * LINES;
        if (held != NULL)
            lb_batch_unref(held);
        held = last ? NULL : batch;
        if (last)
            lb_batch_unref(batch);
        assert_true(lb_pool_used(ground.pool) <= 1024 * 1024);
    }
    for (int i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        close(senders[i].fd);
    }
    assert_int_equal(got, SENDERS * LINES);
    close_source();
}

static void quiet_connections_hold_nothing_of_the_pool(void **state)
{
    enum { COUNT = 90 };
    int fds[COUNT];

    (void)state;
    open_source("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
        send_text(fds[i], "<13>whole\n<13>and a part");
    }
    assert_int_equal(take_messages(COUNT), COUNT * 9);
    /* The last slab goes back after the message is pushed; wait for it. */
    while (lb_pool_used(ground.pool) > 0)
        usleep(1000);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    assert_int_equal(take_messages(COUNT), COUNT * 14);
    close_source();
}

static void connections_past_the_limit_are_refused_and_counted(void **state)
{
    char byte;
    int first;
    int second;

    (void)state;
    lay_ground("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.max_connections = 1;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    int64_t refused = ground.state.metrics.refused->value;
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    first = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    send_text(first, "<13>one\n");
    assert_int_equal(take_messages(1), 7);
    second = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    assert_int_equal(recv(second, &byte, 1, 0), 0);
    assert_int_equal(ground.state.metrics.refused->value - refused, 1);
    close(first);
    close(second);
    close_source();
}

static void a_peer_that_breaks_the_framing_is_closed_after_its_good_messages(void **state)
{
    char byte;
    int fd;

    (void)state;
    open_source("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    send_text(fd, "7 <13>onegarbage");
    expect_messages(1, "one|", NULL);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    close_source();
}

/* The test turns the loop, so that at each turn it knows what there is. */
static void stand_still_and_turn(int64_t ns)
{
    struct timespec while_it_stands = { 0, ns };

    assert_int_equal(nanosleep(&while_it_stands, NULL), 0);
    event_base_loop(lb_loop_base(ground.loop), EVLOOP_NONBLOCK);
}

static void an_idle_connection_is_closed_when_all_it_sent_is_read(void **state)
{
    enum { IDLE = 50 * LB_MILLISECOND };
    ssize_t got;
    char byte;
    int fd;

    (void)state;
    lay_ground("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.idle_timeout_ns = IDLE;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    stand_still_and_turn(0);
    assert_int_equal(ground.state.connection_count, 1);
    send_text(fd, "<13>unfinished");
    do
        stand_still_and_turn(2 * IDLE);
    while ((got = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN);
    assert_int_equal(got, 0);
    expect_messages(1, "unfinished|", NULL);
    close(fd);
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    close_source();
}

/* libevent tells of the time alone when a signal has broken off its wait: as SIGCONT does. */
static void a_handshake_is_not_late_when_all_of_it_is_there(void **state)
{
    char byte;
    int fd;

    (void)state;
    lay_ground("tcp://127.0.0.1:0", LB_POOL_BYTES, LB_LINE_BYTES);
    ground.state.handshake_timeout_ns = 10 * LB_SECOND;
    ground.state.proxy_protocol = true;
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
    fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    stand_still_and_turn(0);
    send_text(fd, "PROXY TCP4 192.0.2.7 ");
    on_deadline(-1, EV_TIMEOUT, ground.state.connections);
    assert_int_equal(ground.state.connection_count, 1);
    send_text(fd, "192.0.2.1 4711 514\r\n<13>late\n");
    stand_still_and_turn(0);
    expect_messages(1, "late|", NULL);
    close(fd);
    while (ground.state.connection_count > 0)
        stand_still_and_turn(0);
    fd = connect_to(ground.state.listeners.first->fd, SOCK_STREAM);
    stand_still_and_turn(0);
    send_text(fd, "PROXY ");
    on_deadline(-1, EV_TIMEOUT, ground.state.connections);
    send_text(fd, "TCP4 ");
    on_deadline(-1, EV_TIMEOUT, ground.state.connections);
    assert_int_equal(ground.state.connection_count, 0);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    assert_int_equal(lb_loop_start(ground.loop), LB_OK);
    close_source();
}

/* --- open ------------------------------------------------------------------------ */

static void tells_what_is_wrong_with_an_address(void **state)
{
    static const char *const cases[][2] = {
        { "http://0.0.0.0:6514", "expected udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT" },
        { "0.0.0.0:514", "expected udp://HOST:PORT" },
        { "udp://0.0.0.0", "no host and port" },
        { "udp://::1:514", "in brackets" },
        { "tcp://127.0.0.1:", "no host and port" },
        { "tcp://127.0.0.1:nothing", "expected an address or name" },
        { "tcp://192.0.2.1:5514", "this host has no such address" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lay_ground(cases[i][0], LB_POOL_BYTES, LB_LINE_BYTES);
        assert_int_not_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_OK);
        assert_int_equal(ground.diag.errors, 1);
        if (strstr(ground.diag.entries[0].text, cases[i][1]) == NULL ||
            strstr(ground.diag.entries[0].text, cases[i][0]) == NULL)
            fail_msg("expected \"%s\" of %s in \"%s\"", cases[i][1], cases[i][0], ground.diag.entries[0].text);
        close_source();
    }
}

static void tells_that_a_port_is_taken(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_storage bound;
    char text[64];
    int taken = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(taken, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(taken, 1), 0);
    bound = bound_address(taken);
    snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", peer_port_of(&bound));
    lay_ground(text, LB_POOL_BYTES, LB_LINE_BYTES);
    assert_int_equal(lb_source_syslog.check(&ground.source, &ground.diag), LB_OK);
    assert_int_equal(lb_source_syslog.open(&ground.source, &ground.diag), LB_BAD_CONF);
    assert_non_null(strstr(ground.diag.entries[0].text, text));
    assert_non_null(strstr(ground.diag.entries[0].text, "Address already in use; another process has it"));
    close(taken);
    close_source();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_arrive_trimmed_with_their_peer),
        cmocka_unit_test(ipv4_through_an_ipv6_socket_is_written_as_ipv4),
        cmocka_unit_test(the_longest_datagrams_arrive_whole_among_short_ones),
        cmocka_unit_test(what_the_kernel_drops_is_counted),
        cmocka_unit_test(datagrams_of_many_senders_arrive_once_over_several_sockets),
        cmocka_unit_test(sockets_without_credit_wait_each_and_lose_nothing),
        cmocka_unit_test(drops_are_counted_over_all_sockets),
        cmocka_unit_test(drops_that_no_datagram_tells_of_are_counted_at_the_end),
        cmocka_unit_test(without_memory_it_does_not_open_or_works_all_the_same),
        cmocka_unit_test(a_change_of_their_number_loses_nothing_that_waits),
        cmocka_unit_test(what_came_to_sockets_of_a_change_that_is_taken_back_arrives),
        cmocka_unit_test(a_port_that_another_has_is_refused_whatever_the_number),
        cmocka_unit_test(both_framings_arrive_whatever_the_segments),
        cmocka_unit_test(a_message_does_not_wait_for_the_next_one),
        cmocka_unit_test(long_lines_arrive_whole_or_cut_at_max_line),
        cmocka_unit_test(a_flood_of_the_shortest_lines_arrives_whole),
        cmocka_unit_test(a_source_without_credit_waits_and_loses_nothing),
        cmocka_unit_test(quiet_connections_hold_nothing_of_the_pool),
        cmocka_unit_test(connections_past_the_limit_are_refused_and_counted),
        cmocka_unit_test(a_peer_that_breaks_the_framing_is_closed_after_its_good_messages),
        cmocka_unit_test(an_idle_connection_is_closed_when_all_it_sent_is_read),
        cmocka_unit_test(a_handshake_is_not_late_when_all_of_it_is_there),
        cmocka_unit_test(tells_what_is_wrong_with_an_address),
        cmocka_unit_test(tells_that_a_port_is_taken),
    };

    lb_log_level = LB_LEVEL_CRITICAL;
    return cmocka_run_group_tests_name("ingest/source_syslog", tests, NULL, NULL);
}
