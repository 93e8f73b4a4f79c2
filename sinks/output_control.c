/*
 * output_control.c - `.logboom` in the constant directory of an archive tells
 * its readers which socket to ask for what is not written yet.
 *
 * It is a convenience: where it cannot be written, readers see what is in the
 * files, which is at most `flush` old.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_MODE = 0644 };

static bool says(int directory, const char *text, size_t len)
{
    char old[PATH_MAX + 64];
    int fd = openat(directory, ".logboom", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    ssize_t got = read(fd, old, sizeof(old));
    close(fd);
    return got == (ssize_t)len && memcmp(old, text, len) == 0;
}

/* By rename, so that no reader meets a half. */
static void replace(const struct output *self, int directory, const char *text, size_t len)
{
    char prefix[32];
    char temp[48];

    output_temp_prefix(self, prefix, sizeof(prefix));
    snprintf(temp, sizeof(temp), "%scontrol", prefix);
    int fd = openat(directory, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

    if (fd < 0)
        return;
    bool ok = write(fd, text, len) == (ssize_t)len;
    close(fd);
    if (!ok || renameat(directory, temp, directory, ".logboom") != 0)
        unlinkat(directory, temp, 0);
}

void output_note_control(const struct output *self)
{
    char data_dir[PATH_MAX];
    char real[PATH_MAX];
    char text[PATH_MAX + 64];
    char path[PATH_MAX];
    struct output_place root;
    struct lb_str given = self->sink->data_dir;
    size_t root_len = self->pattern.root_len;

    if (root_len <= 1 || root_len + sizeof(".logboom") > sizeof(path) || given.len >= sizeof(data_dir))
        return; /* not in "/", and not wherever logboom was started */
    snprintf(path, sizeof(path), "%.*s.logboom", (int)root_len, self->pattern.text);
    memcpy(data_dir, given.ptr, given.len);
    data_dir[given.len] = '\0';
    if (realpath(data_dir, real) == NULL || !output_place_open(self, path, true, &root))
        return;
    size_t len = (size_t)snprintf(text, sizeof(text), "control %s/" LB_CONTROL_SOCKET "\n", real);

    if (!says(root.directory, text, len))
        replace(self, root.directory, text, len);
    output_place_close(&root);
}
