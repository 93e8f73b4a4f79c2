/* passed_sockets.c - the sockets of LISTEN_FDS, by address or by name. */
#include "lb_sockets.h"

#include "lb_log.h"

#include "listen_address.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define MODULE "sockets"

enum { PASSED_MAX = 64, BACKLOG = 1024 };

static struct {
    int fd;
    char *name;     /* lives as long as the process */
    unsigned taken; /* how often */
} passed[PASSED_MAX];

static int passed_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards `taken` */

static void receive(void)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(0, &names);

    if (count < 0) /* as many names as descriptors, or none count */
        count = sd_listen_fds(0);
    for (int i = 0; i < count; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        char *name = names != NULL ? names[i] : NULL;

        if (i >= PASSED_MAX || !sd_is_socket(fd, AF_UNSPEC, 0, -1)) {
            LB_WARN(MODULE, "a descriptor that was passed is no socket, or one too many fd=%d name=%s", fd,
                    name != NULL ? name : "");
            close(fd);
            free(name); /* libsystemd's */
            continue;
        }
        passed[passed_count].fd = fd;
        passed[passed_count].name = name;
        passed_count++;
    }
    free((void *)names);
    (void)sd_listen_fds(1); /* not for children */
}

void lb_sockets_receive(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, receive);
}

static bool has_name(int i, struct lb_str name, int type)
{
    return passed[i].name != NULL && lb_str_is(name, passed[i].name) && sd_is_socket(passed[i].fd, AF_UNSPEC, type, -1);
}

/* The one of that address that was taken the least; -1: none has it. */
static int find_address(const struct addrinfo *address)
{
    int found = -1;

    for (int i = 0; i < passed_count; i++) {
        if (listen_address_is(passed[i].fd, address) && (found < 0 || passed[i].taken < passed[found].taken))
            found = i;
    }
    return found;
}

/* Several may have one name, and all are taken again after a reload: in turns. -1: none has it. */
static int find_name(struct lb_str name, int type)
{
    int found = -1;

    for (int i = 0; i < passed_count; i++) {
        if (has_name(i, name, type) && (found < 0 || passed[i].taken < passed[found].taken))
            found = i;
    }
    return found;
}

static int copy_of(int i, const struct addrinfo *address)
{
    int fd = fcntl(passed[i].fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0) {
        LB_ERROR(MODULE, "cannot use a socket that was passed name=%s errno=%d", passed[i].name, errno);
        return -1;
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (address->ai_socktype == SOCK_STREAM && sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 0) > 0)
        (void)listen(fd, BACKLOG);
    passed[i].taken++;
    return fd;
}

int lb_sockets_take(const struct addrinfo *address, struct lb_str name)
{
    int fd = -1;

    lb_sockets_receive();
    pthread_mutex_lock(&lock);
    int found = find_address(address);
    if (found < 0)
        found = find_name(name, address->ai_socktype);
    if (found >= 0)
        fd = copy_of(found, address);
    pthread_mutex_unlock(&lock);
    return fd;
}

int lb_sockets_take_another(const struct addrinfo *address)
{
    int fd = -1;

    lb_sockets_receive();
    pthread_mutex_lock(&lock);
    int found = find_address(address);
    if (found >= 0 && passed[found].taken == 0)
        fd = copy_of(found, address);
    pthread_mutex_unlock(&lock);
    return fd;
}

void lb_sockets_tell_unused(void)
{
    lb_sockets_receive();
    for (int i = 0; i < passed_count; i++) {
        if (passed[i].taken == 0)
            LB_WARN(MODULE,
                    "a socket that was passed is not used: no source listens on its address, or has its name name=%s",
                    passed[i].name != NULL ? passed[i].name : "");
    }
}
