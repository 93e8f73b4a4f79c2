/*
 * daemon_control.c - data_dir/control: a Unix socket on which readers of
 * archives ask for what is still in memory (POST /api/v1/flush), and people
 * what the HTTP server would answer.
 *
 * Who may connect is a matter of the socket's mode and data_dir's; no token is
 * asked for, and the system says which user it is. It has a loop of its own,
 * as an answer waits for the sinks. Where the path is too long for a socket
 * there is none.
 */
#include "daemon.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"
#include "lb_loop.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BODY_BYTES_MAX = 64 * 1024, BACKLOG = 16, TIMEOUT_SECONDS = 10 };

#define FLUSH_WITHIN (2 * LB_SECOND)

struct control {
    struct lb_daemon *daemon;
    struct lb_loop *loop;
    struct evhttp *http;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

bool flush_sinks(struct lb_daemon *daemon)
{
    int64_t deadline = lb_clock_monotonic() + FLUSH_WITHIN;
    bool all = true;

    pthread_mutex_lock(&daemon->parts_lock);
    pthread_mutex_lock(&daemon->lock);
    struct generation *generation = daemon->current;
    uint32_t count = daemon->sinks_open;
    lb_generation_ref(&generation->base);
    pthread_mutex_unlock(&daemon->lock);
    for (uint32_t i = 0; i < count; i++) {
        struct lb_delivery *delivery = generation->sinks[i].sink->delivery;

        all = delivery != NULL && lb_delivery_flush(delivery, deadline) && all;
    }
    lb_generation_unref(&generation->base);
    pthread_mutex_unlock(&daemon->parts_lock);
    return all;
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct control *self = context;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;

    if (path == NULL || strcmp(path, "/api/v1/flush") != 0)
        http_answer_socket(self->daemon, request);
    else if (flush_sinks(self->daemon))
        evhttp_send_reply(request, HTTP_NOCONTENT, NULL, NULL);
    else
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
}

/* A listening socket, or -1. What stands there is of a run that ended: the lock on data_dir is ours. */
static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    unlink(path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && chmod(path, 0660) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static bool serve(struct control *self)
{
    int fd = listen_at(self->path);

    if (fd < 0)
        return false;
    self->loop = lb_loop_new("control");
    if (self->loop != NULL)
        self->http = evhttp_new(lb_loop_base(self->loop));
    if (self->http == NULL || evhttp_accept_socket(self->http, fd) != 0) {
        close(fd);
        return false;
    }
    evhttp_set_allowed_methods(self->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    evhttp_set_max_body_size(self->http, BODY_BYTES_MAX);
    evhttp_set_timeout(self->http, TIMEOUT_SECONDS);
    evhttp_set_gencb(self->http, on_request, self);
    return lb_loop_start(self->loop) == LB_OK;
}

struct control *control_start(struct lb_daemon *daemon)
{
    struct control *self = lb_alloc(sizeof(*self));
    struct lb_str directory = daemon->current->config->data_dir;

    if (self == NULL)
        return NULL;
    self->daemon = daemon;
    int len = snprintf(self->path, sizeof(self->path), LB_STR_FMT "/" LB_CONTROL_SOCKET, LB_STR_ARG(directory));
    errno = ENAMETOOLONG;
    if ((size_t)len < sizeof(self->path) && serve(self))
        return self;
    LB_WARN("daemon",
            "no control socket in data_dir, readers of archives wait for `flush` data_dir=" LB_STR_FMT " reason=%s",
            LB_STR_ARG(directory), strerror(errno));
    control_stop(self);
    return NULL;
}

void control_stop(struct control *self)
{
    if (self->loop != NULL)
        lb_loop_stop(self->loop);
    if (self->http != NULL)
        evhttp_free(self->http);
    if (self->loop != NULL)
        lb_loop_free(self->loop);
    unlink(self->path);
    lb_free(self);
}
