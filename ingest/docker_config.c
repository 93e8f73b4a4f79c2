/* docker_config.c - files beside a container's log: config.v2.json, hostconfig.json. */
#include "docker_config.h"

#include "lb_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

bool docker_config_read(const char *log, const char *name, struct lb_buffer *text)
{
    const char *slash = strrchr(log, '/');
    char path[PATH_MAX];

    lb_buffer_reset(text);
    if (slash == NULL || snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - log), log, name) >= PATH_MAX)
        return false;
    return lb_file_read(path, text) == LB_OK && text->len > 0;
}
