/* docker_config.h - what Docker itself wrote about a container, in the directory of its log. */
#ifndef DOCKER_CONFIG_H
#define DOCKER_CONFIG_H

#include "lb_buffer.h"

enum { DOCKER_CONFIG_BYTES_MAX = 4 * 1024 * 1024 };

/* Puts the file `name` beside `log` (paths) into `text`, in place of what it had. False: there is none to be read. */
bool docker_config_read(const char *log, const char *name, struct lb_buffer *text);

#endif
