/*
 * listen_unix.c - sockets in the file system.
 *
 * A socket's file stays behind when its process is killed. Whether one is stale is asked by connecting to it: a socket
 * that nobody has refuses. One that was made here is removed at the end, if it is still the same file.
 */
#include "listen_address.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 1024, MODE_MAX = 0777, MODE_DIGITS_MAX = 4 };

bool listen_unix_mode(struct lb_str text, mode_t *mode)
{
    *mode = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return false;
        *mode = *mode * 8 + (mode_t)(text.ptr[i] - '0');
    }
    return text.len > 0 && text.len <= MODE_DIGITS_MAX && *mode <= MODE_MAX;
}

bool listen_unix_read(struct listen_address *address, struct lb_str path, struct lb_place place, struct lb_diag *diag)
{
    if (path.len < 2 || path.ptr[0] != '/' || path.len >= LISTEN_PATH_BYTES) {
        lb_diag_error(diag, place,
                      "cannot listen on '" LB_STR_FMT "': expected an absolute path of at most %d bytes, as in "
                      "unix:///run/logboom/log",
                      LB_STR_ARG(address->text), LISTEN_PATH_BYTES - 1);
        return false;
    }
    address->local_path = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(address->local_path.sun_path, path.ptr, path.len);
    address->local = (struct addrinfo){ .ai_family = AF_UNIX,
                                        .ai_socktype = address->type,
                                        .ai_addrlen = sizeof(address->local_path),
                                        .ai_addr = (struct sockaddr *)&address->local_path };
    address->found = &address->local;
    return true;
}

/* True if nobody has the socket at that path any more. */
static bool is_stale(const struct listen_address *address)
{
    int fd = socket(AF_UNIX, address->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused;

    if (fd < 0)
        return false;
    refused = connect(fd, address->local.ai_addr, address->local.ai_addrlen) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static bool make_way(const struct listen_address *address)
{
    const char *path = address->local_path.sun_path;
    struct stat status;

    if (lstat(path, &status) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(status.st_mode)) {
        errno = EEXIST;
        return false;
    }
    if (is_stale(address))
        return unlink(path) == 0;
    errno = EADDRINUSE;
    return false;
}

int listen_unix_bind(struct listen_address *address, mode_t mode)
{
    const char *path = address->local_path.sun_path;
    int fd = -1;
    struct stat status;
    int error;

    if (!make_way(address))
        return -1;
    fd = socket(AF_UNIX, address->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, address->local.ai_addr, address->local.ai_addrlen) == 0) {
        /* Nobody can connect before it listens, and a datagram before the right mode came from one with more rights. */
        if (chmod(path, mode) == 0 && lstat(path, &status) == 0 &&
            (address->type == SOCK_DGRAM || listen(fd, BACKLOG) == 0)) {
            memcpy(address->bound.path, path, sizeof(address->bound.path));
            address->bound.device = status.st_dev;
            address->bound.inode = status.st_ino;
            return fd;
        }
        error = errno;
        (void)unlink(path);
    } else {
        error = errno;
    }
    close(fd);
    errno = error;
    return -1;
}

void listen_unix_remove(const struct listen_path *path)
{
    struct stat status;

    if (path->path[0] != '\0' && lstat(path->path, &status) == 0 && status.st_dev == path->device &&
        status.st_ino == path->inode)
        (void)unlink(path->path);
}
