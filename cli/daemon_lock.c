/*
 * daemon_lock.c - one logboom per data_dir: an fcntl lock on a file in it, which also tells whether this is the
 * data_dir that it was: a copy has another inode, or a later time of change, which no program can set. "place" in the
 * ledger is "INODE CHANGED".
 */
#include "daemon.h"

#include "lb_directories.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/*
 * The lock file too must outlast a power failure: were it lost, the next start would make another one and take data_dir
 * for a copy.
 */
static bool sync_lock(int fd, const char *path)
{
    return fsync(fd) == 0 && lb_directories_sync(path);
}

int lock_data_dir(struct lb_config *config, struct lb_diag *diag)
{
    struct lb_place place = place_of_data_dir(config);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT "/lock", LB_STR_ARG(config->data_dir));
    if (!lb_directories_make(path, 0750)) {
        lb_diag_error(diag, place,
                      "cannot make data_dir \"" LB_STR_FMT "\": %s; choose a directory that this user can write",
                      LB_STR_ARG(config->data_dir), strerror(errno));
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        lb_diag_error(diag, place, "cannot write to data_dir: %s: %s", path, strerror(errno));
        return -1;
    }
    if (fcntl(fd, F_SETLK, &lock) == 0) {
        if (sync_lock(fd, path))
            return fd;
        lb_diag_error(diag, place, "cannot sync %s: %s; see the kernel's log", path, strerror(errno));
        close(fd);
        return -1;
    }
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

/* --- is it the one that it was ---------------------------------------------- */

enum { PLACE_BYTES = 64 };

static struct lb_str place_of_file(int fd, char text[PLACE_BYTES])
{
    struct stat status;
    int len = 0;

    if (fstat(fd, &status) == 0)
        len = snprintf(text, PLACE_BYTES, "%" PRIu64 " %" PRId64 ".%09ld", (uint64_t)status.st_ino,
                       (int64_t)status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    return (struct lb_str){ text, (size_t)len };
}

bool data_dir_moved(struct lb_ledger *ledger, int lock_fd)
{
    char text[PLACE_BYTES];
    struct lb_str here = place_of_file(lock_fd, text);
    struct lb_buffer noted;

    lb_buffer_init(&noted, LB_CONF_BYTES_MAX);
    bool moved = here.len > 0 && lb_ledger_get(ledger, LB_STR("place"), &noted) == LB_OK &&
                 !lb_str_equal(lb_buffer_str(&noted), here);
    lb_buffer_free(&noted);
    if (moved)
        LB_INFO("daemon", "data_dir was copied or moved since the last run; files are known by path and content");
    return moved;
}

void note_data_dir(struct lb_ledger *ledger, int lock_fd)
{
    char text[PLACE_BYTES];
    struct lb_str here = place_of_file(lock_fd, text);
    struct lb_ledger_txn txn;
    struct lb_buffer noted;

    lb_buffer_init(&noted, LB_CONF_BYTES_MAX);
    lb_ledger_txn_init(&txn);
    if (lb_ledger_get(ledger, LB_STR("place"), &noted) != LB_OK || !lb_str_equal(lb_buffer_str(&noted), here)) {
        lb_ledger_put(&txn, LB_STR("place"), here);
        if (lb_ledger_commit(ledger, &txn) != LB_OK)
            LB_WARN("daemon", "cannot note where data_dir is; the next start takes it for moved, which does no harm");
    }
    lb_ledger_txn_free(&txn);
    lb_buffer_free(&noted);
}
