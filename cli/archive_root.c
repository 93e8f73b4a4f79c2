/* archive_root.c - where the archive of a configuration is. */
#include "archive_root.h"

#include "lb_conf.h"
#include "lb_module.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The directory above the first changing part of a path template. */
static bool constant_root(struct lb_str template, char *directory)
{
    size_t end = 0;

    for (size_t i = 0; i < template.len && template.ptr[i] != '{' && template.ptr[i] != '%'; i++) {
        if (template.ptr[i] == '/')
            end = i > 0 ? i : 1;
    }
    if (end == 0 || end >= PATH_MAX)
        return false;
    memcpy(directory, template.ptr, end);
    directory[end] = '\0';
    return true;
}

static bool is_archive(const struct lb_sink *sink)
{
    return strcmp(sink->type->module.name, "archive") == 0;
}

bool archive_root(const char *file, char *directory)
{
    struct lb_diag diag = { 0 };
    struct lb_config *config = lb_config_load(file, &diag);
    bool found = false;

    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    if (config == NULL)
        return false;
    for (uint32_t i = 0; i < config->sink_count && !found; i++) {
        const struct lb_node *path =
            is_archive(&config->sinks[i]) ? lb_node_get(config->sinks[i].section.node, "path") : NULL;
        found = path != NULL && constant_root(path->text, directory);
    }
    if (!found)
        fprintf(stderr, "logboom: %s: it has no archive; name its directory instead\n", file);
    lb_config_free(config);
    return found;
}
