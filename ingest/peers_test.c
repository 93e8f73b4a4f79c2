/* peers_test.c - when a peer is silent, on a real socket and a loop that the test turns. */
#include "lb_source_ground.h"

#include "lb_limits.h"
#include "source_relp.c"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <time.h>

static struct ground ground;

static int connect_to(int listening)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static void stand_still_and_turn(int64_t ns)
{
    struct timespec while_it_stands = { 0, ns };

    assert_int_equal(nanosleep(&while_it_stands, NULL), 0);
    ground_turn(&ground);
}

/* What comes while the whole process stands still is no silence. */
static void a_silent_peer_is_closed_when_all_it_sent_is_read(void **state)
{
    enum { IDLE = 50 * LB_MILLISECOND };
    static const char frames[] = "1 open 14 relp_version=0\n2 syslog 8 <13>late\n";
    struct lb_str address = LB_STR("tcp://127.0.0.1:0");
    struct relp_source source = {
        .peers = { .listen = { &address, 1 }, .max_connections = 10, .message_max = 1 << 20, .idle_timeout_ns = IDLE }
    };
    char answers[4096];
    ssize_t got;
    int fd;

    (void)state;
    ground_lay(&ground, &lb_source_relp, &source, LB_POOL_BYTES);
    assert_int_equal(lb_source_relp.open(&ground.source, &ground.diag), LB_OK);
    fd = connect_to(source.peers.listeners.first->fd);
    stand_still_and_turn(0);
    assert_int_equal(source.peers.count, 1);
    assert_int_equal(send(fd, frames, sizeof(frames) - 1, MSG_NOSIGNAL), sizeof(frames) - 1);
    do
        stand_still_and_turn(2 * IDLE);
    while ((got = recv(fd, answers, sizeof(answers), MSG_DONTWAIT)) > 0 || (got < 0 && errno == EAGAIN));
    assert_int_equal(got, 0);
    assert_string_equal(ground.text, "<13>late\n");
    assert_int_equal(source.peers.count, 0);
    close(fd);
    lb_source_relp.stop(&ground.source);
    ground_turn(&ground);
    lb_source_relp.close(&ground.source);
    ground_clear(&ground);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_peer_is_closed_when_all_it_sent_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
