/*
 * load.c - makes the three loads of `make bench`, and sends one over TCP.
 *
 *   load docker N      N lines of Docker's json-file, a JSON logger inside (396 bytes each)
 *   load syslog N      N RFC 5424 messages with structured data, one a line (164 bytes)
 *   load access N      N lines of an access log in combined format (173 bytes)
 *   load send FILE HOST PORT    writes FILE to a TCP connection and waits until the peer has read it all
 *   load datagrams N HOST PORT PORTS RATE   sends N syslog messages by UDP, from PORTS ports in turn, RATE in a second
 *
 * The same N gives the same bytes. Times advance by 1 ms a line from 2026-03-01.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { START = 1772323200, PORTS_MAX = 1024, BURST = 32 };

static uint64_t state = 88172645463325252u;

static uint32_t random_below(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % bound;
}

static const char *const services[] = { "payments", "auth", "search", "checkout", "mailer" };
static const char *const levels[] = { "info", "info", "info", "info", "debug", "warn", "info", "error" };
static const char *const texts[] = {
    "request handled without trouble in the usual way",
    "cache miss for the profile of this user, asking the data base",
    "upstream answered late, the retry succeeded on the second try",
    "order accepted and handed to the warehouse for packing today",
    "login refused: wrong password given three times from one address",
};

static struct tm time_of(long line)
{
    time_t second = START + line / 1000;
    struct tm utc;

    gmtime_r(&second, &utc);
    return utc;
}

static void docker_line(long line)
{
    struct tm utc = time_of(line);
    char date[64];

    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    printf("{\"log\":\"{\\\"time\\\":\\\"%s.%03ldZ\\\",\\\"level\\\":\\\"%s\\\",\\\"service\\\":\\\"%s\\\",\\\"msg\\\":"
           "\\\"%s\\\","
           "\\\"trace_id\\\":\\\"%08x%08x\\\",\\\"request_id\\\":\\\"%08x-%04x-v1\\\",\\\"user\\\":%u,\\\"route\\\":"
           "\\\"/api/v1/items/%u\\\",\\\"status\\\":%u,"
           "\\\"duration_ms\\\":%u.%u,\\\"retry\\\":false}\\n\",\"stream\":\"stdout\",\"time\":\"%s.%03ld123456Z\"}\n",
           date, line % 1000, levels[random_below(8)], services[random_below(5)], texts[random_below(5)],
           random_below(UINT32_MAX), random_below(UINT32_MAX), random_below(UINT32_MAX), random_below(65536),
           random_below(100000), random_below(10000), random_below(20) == 0 ? 500 : 200, random_below(900),
           random_below(10), date, line % 1000);
}

static void syslog_line(long line)
{
    struct tm utc = time_of(line);
    char date[64];

    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    printf("<%u>1 %s.%03ld000Z host%02u.example.org %s %u ID%u [meta@32473 seq=\"%ld\" zone=\"eu\"] %s\n",
           8 * (1 + random_below(16)) + 3 + random_below(5), date, line % 1000, random_below(40),
           services[random_below(5)], 1000 + random_below(9000), random_below(100), line, texts[random_below(5)]);
}

static void access_line(long line)
{
    static const char *const methods[] = { "GET", "GET", "GET", "POST" };
    struct tm utc = time_of(line);
    char date[64];

    strftime(date, sizeof(date), "%d/%b/%Y:%H:%M:%S +0000", &utc);
    printf("10.%u.%u.%u - - [%s] \"%s /shop/item/%u?page=%u HTTP/1.1\" %u %u \"https://shop.example.org/list\" "
           "\"Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0\"\n",
           random_below(256), random_below(256), random_below(256), date, methods[random_below(4)],
           random_below(100000), random_below(20), random_below(20) == 0 ? 500 : 200, random_below(100000));
}

static int generate(void (*line_of)(long line), long count)
{
    static char buffer[1 << 20];

    setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    for (long line = 0; line < count; line++)
        line_of(line);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror("load: connect");
        return -1;
    }
    return fd;
}

static int send_file(const char *file, const char *host, const char *port)
{
    static char buffer[1 << 18];
    int in = open(file, O_RDONLY);
    int out = connect_to(host, port);
    ssize_t len;

    if (in < 0 || out < 0)
        return 1;
    while ((len = read(in, buffer, sizeof(buffer))) > 0) {
        for (ssize_t done = 0, wrote; done < len; done += wrote) {
            wrote = write(out, buffer + done, (size_t)(len - done));
            if (wrote <= 0)
                return 1;
        }
    }
    shutdown(out, SHUT_WR);
    while (read(out, buffer, sizeof(buffer)) > 0)
        continue;
    return len == 0 ? 0 : 1;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* So many at once, to one socket. */
static int send_burst(int fd, long count)
{
    static char text[] = "<34>1 2026-03-01T10:00:00.123000Z host01.example.org payments 4242 ID7 [meta@32473 seq=\"1\" "
                         "zone=\"eu\"] request handled without trouble in the usual way";
    static struct iovec vector = { text, sizeof(text) - 1 };
    struct mmsghdr headers[BURST] = { 0 };

    for (long i = 0; i < count; i++)
        headers[i].msg_hdr = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1 };
    for (long done = 0, sent; done < count; done += sent) {
        sent = sendmmsg(fd, headers + done, (unsigned)(count - done), 0);
        if (sent <= 0 && errno != EINTR)
            return 1;
        if (sent < 0)
            sent = 0;
    }
    return 0;
}

static int send_datagrams(long count, char **to, long ports, long rate)
{
    int fds[PORTS_MAX];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(to[1])) };

    if (ports < 1 || ports > PORTS_MAX || rate < 1 || inet_pton(AF_INET, to[0], &address.sin_addr) != 1)
        return 2;
    for (long i = 0; i < ports; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
        if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&address, sizeof(address)) != 0)
            return 1;
    }
    int64_t begin = now_ns();
    for (long sent = 0, turn = 0; sent < count; sent += BURST, turn++) {
        int64_t ahead = begin + sent * INT64_C(1000000000) / rate - now_ns();

        if (ahead > 0)
            nanosleep(&(struct timespec){ .tv_sec = ahead / 1000000000, .tv_nsec = ahead % 1000000000 }, NULL);
        if (send_burst(fds[turn % ports], count - sent < BURST ? count - sent : BURST) != 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "send") == 0)
        return send_file(argv[2], argv[3], argv[4]);
    if (argc == 3 && strcmp(argv[1], "docker") == 0)
        return generate(docker_line, atol(argv[2]));
    if (argc == 3 && strcmp(argv[1], "syslog") == 0)
        return generate(syslog_line, atol(argv[2]));
    if (argc == 3 && strcmp(argv[1], "access") == 0)
        return generate(access_line, atol(argv[2]));
    if (argc == 7 && strcmp(argv[1], "datagrams") == 0)
        return send_datagrams(atol(argv[2]), argv + 3, atol(argv[5]), atol(argv[6]));
    fprintf(stderr, "load docker|syslog|access N, load send FILE HOST PORT, load datagrams N HOST PORT PORTS RATE\n");
    return 2;
}
