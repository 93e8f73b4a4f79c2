/* daemon_lock.c - one logboom per data_dir: an fcntl lock on a file in it. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lb_place place_of_data_dir(const struct lb_config *config)
{
    const struct lb_node *node = config->root != NULL ? lb_node_get(config->root, "data_dir") : NULL;

    return node != NULL ? node->place : (struct lb_place){ config->file, 0, 0 };
}

static bool make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, 0750) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    return mkdir(path, 0750) == 0 || errno == EEXIST;
}

int lock_data_dir(struct lb_config *config, struct lb_diag *diag)
{
    struct lb_place place = place_of_data_dir(config);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT, LB_STR_ARG(config->data_dir));
    if (!make_directories(path)) {
        lb_diag_error(diag, place, "cannot make data_dir \"%s\": %s; choose a directory that this user can write", path,
                      strerror(errno));
        return -1;
    }
    snprintf(path, sizeof(path), LB_STR_FMT "/lock", LB_STR_ARG(config->data_dir));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        lb_diag_error(diag, place, "cannot write to data_dir: %s: %s", path, strerror(errno));
        return -1;
    }
    if (fcntl(fd, F_SETLK, &lock) == 0)
        return fd;
    bool held = errno == EACCES || errno == EAGAIN;
    if (held && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        lb_diag_error(diag, place,
                      "data_dir \"" LB_STR_FMT "\" is in use by process %d; stop it, or give this one a "
                      "data_dir of its own",
                      LB_STR_ARG(config->data_dir), (int)lock.l_pid);
    else
        lb_diag_error(diag, place, "cannot lock %s: %s", path, strerror(errno));
    close(fd);
    return -1;
}
