/* fresh.c - asks the daemon that writes an archive to write what it holds. */
#include "fresh.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The socket that `.logboom` in `directory` names. */
static bool read_control(const char *directory, char *path, size_t size)
{
    char name[PATH_MAX + 16];
    char line[PATH_MAX];
    bool found = false;

    snprintf(name, sizeof(name), "%s/.logboom", directory);
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, "control ", 8) == 0;
    }
    fclose(file);
    if (found)
        snprintf(path, size, "%s", line + 8);
    return found;
}

static bool find_control(const char *path, char *socket_path, size_t size)
{
    char directory[PATH_MAX];

    if (realpath(path, directory) == NULL)
        return false;
    while (!read_control(directory, socket_path, size)) {
        char *slash = strrchr(directory, '/');

        if (slash == NULL || slash == directory)
            return false;
        *slash = '\0';
    }
    return true;
}

static bool ask(int fd, int timeout_ms)
{
    static const char request[] =
        "POST /api/v1/flush HTTP/1.1\r\nHost: logboom\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char answer[64];
    struct pollfd ready = { .fd = fd, .events = POLLIN };

    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1 ||
        poll(&ready, 1, timeout_ms) != 1)
        return false;
    ssize_t got = recv(fd, answer, sizeof(answer) - 1, 0);
    return got >= 12 && memcmp(answer + 8, " 2", 2) == 0;
}

bool fresh_flush(const char *path, int timeout_ms)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char socket_path[PATH_MAX];
    struct stat status;

    if (!find_control(path, socket_path, sizeof(socket_path)) || strlen(socket_path) >= sizeof(address.sun_path))
        return false;
    /* A file that says where to connect may come from anybody: only a socket is spoken to. */
    if (lstat(socket_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool flushed = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && ask(fd, timeout_ms);
    close(fd);
    return flushed;
}
