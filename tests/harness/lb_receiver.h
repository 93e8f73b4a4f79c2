/*
 * lb_receiver.h - an HTTP receiver on loopback that answers by a script.
 *
 * One thread per connection. The n-th request that comes in gets the n-th
 * answer, raw bytes; behind the end of the script everything gets 200.
 */
#ifndef LB_RECEIVER_H
#define LB_RECEIVER_H

#include "lb_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVER_REQUESTS = 64, RECEIVER_CONNECTIONS = 64, RECEIVER_BYTES = 256 * 1024 };

#define ANSWER(status, more) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n" more "\r\n"
#define ANSWER_NEVER ""     /* keeps the connection open and says nothing */
#define RECEIVER_SECONDS 60 /* for whatever comes of itself, however slow the machine is */

struct receiver_request {
    char *head;
    char *body;
};

struct receiver {
    int listener;
    uint16_t port;
    char url[64];
    const char *const *script; /* NULL at the end */
    unsigned hold;             /* answers nothing before so many requests are there */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct receiver_request requests[RECEIVER_REQUESTS];
    unsigned count;
    pthread_t connections[RECEIVER_CONNECTIONS];
    int sockets[RECEIVER_CONNECTIONS];
    unsigned connection_count;
};

struct receiver_connection {
    struct receiver *receiver;
    int fd;
};

static inline void receiver_send(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        text += sent;
        len -= (size_t)sent;
    }
}

/* An answer that breaks off within its head ends with the connection. */
static inline bool receiver_breaks_off(const char *answer)
{
    return *answer != '\0' && strstr(answer, "\r\n\r\n") == NULL;
}

/* Notes a whole request and answers it. False: no more of this connection. */
static inline bool receiver_answer(struct receiver *self, int fd, const char *head, const char *body)
{
    const char *answer = ANSWER("200 OK", "");

    pthread_mutex_lock(&self->lock);
    unsigned n = self->count;
    assert_true(n < RECEIVER_REQUESTS);
    self->requests[n] = (struct receiver_request){ strdup(head), strdup(body) };
    self->count++;
    pthread_cond_broadcast(&self->changed);
    while (self->count < self->hold)
        pthread_cond_wait(&self->changed, &self->lock);
    for (unsigned i = 0; self->script != NULL && self->script[i] != NULL; i++) {
        if (i == n)
            answer = self->script[i];
    }
    pthread_mutex_unlock(&self->lock);
    receiver_send(fd, answer, strlen(answer));
    return strstr(answer, "Connection: close") == NULL && !receiver_breaks_off(answer);
}

static inline void *receiver_serve(void *context)
{
    struct receiver_connection connection = *(struct receiver_connection *)context;
    char *bytes = calloc(1, RECEIVER_BYTES);
    size_t len = 0;
    ssize_t got;

    free(context);
    while ((got = recv(connection.fd, bytes + len, RECEIVER_BYTES - 1 - len, 0)) > 0) {
        len += (size_t)got;
        bytes[len] = '\0';
        char *end = strstr(bytes, "\r\n\r\n");
        char *length = strcasestr(bytes, "content-length:");
        if (end == NULL || length == NULL)
            continue;
        size_t body = strtoul(length + 15, NULL, 10);
        if (len < (size_t)(end + 4 - bytes) + body)
            continue;
        *end = '\0';
        if (!receiver_answer(connection.receiver, connection.fd, bytes, end + 4))
            break;
        len = 0;
    }
    shutdown(connection.fd, SHUT_RDWR);
    free(bytes);
    return NULL;
}

static inline void *receiver_accept(void *context)
{
    struct receiver *self = context;
    int fd;

    while ((fd = accept(self->listener, NULL, NULL)) >= 0) {
        struct receiver_connection *connection = malloc(sizeof(*connection));

        assert_true(self->connection_count < RECEIVER_CONNECTIONS);
        *connection = (struct receiver_connection){ self, fd };
        self->sockets[self->connection_count] = fd;
        pthread_create(&self->connections[self->connection_count++], NULL, receiver_serve, connection);
    }
    return NULL;
}

/* A socket on a free loopback port. Where nobody listens, connections are refused for as long as it is open. */
static inline int receiver_bind(uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* The same, and it listens; nobody accepts. */
static inline int receiver_listen(uint16_t *port)
{
    int fd = receiver_bind(port);

    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static inline void receiver_start(struct receiver *self, const char *const *script)
{
    *self = (struct receiver){ .script = script };
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->listener = receiver_listen(&self->port);
    snprintf(self->url, sizeof(self->url), "http://127.0.0.1:%u/in", self->port);
    pthread_create(&self->thread, NULL, receiver_accept, self);
}

static inline unsigned receiver_count(struct receiver *self)
{
    pthread_mutex_lock(&self->lock);
    unsigned count = self->count;
    pthread_mutex_unlock(&self->lock);
    return count;
}

static inline void receiver_stop(struct receiver *self)
{
    shutdown(self->listener, SHUT_RDWR);
    pthread_join(self->thread, NULL);
    close(self->listener);
    for (unsigned i = 0; i < self->connection_count; i++) {
        shutdown(self->sockets[i], SHUT_RDWR);
        pthread_join(self->connections[i], NULL);
        close(self->sockets[i]);
    }
    for (unsigned i = 0; i < self->count; i++) {
        free(self->requests[i].head);
        free(self->requests[i].body);
    }
}

#endif
