/* command_audit.c - what a command did by itself, noted in the audit log; see command_audit.h. */
#include "command_audit.h"

#include "lb_audit.h"
#include "lb_buffer.h"
#include "lb_clock.h"
#include "lb_json.h"
#include "lb_time.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_members(struct lb_buffer *out, const char *action, const char *what, int code)
{
    const struct passwd *user = getpwuid(getuid());
    char time[LB_TIME_TEXT_SIZE];

    lb_buffer_print(out, "\"time\":\"%.*s\",\"action\":\"%s\",\"who\":{\"via\":\"command\",\"user\":\"",
                    (int)lb_time_write(lb_clock_now(), time), time, action);
    if (user != NULL)
        lb_json_escape(out, lb_str_from(user->pw_name));
    else
        lb_buffer_print(out, "uid %lu", (unsigned long)getuid());
    lb_buffer_append_str(out, LB_STR("\"},\"details\":{\"what\":\""));
    lb_json_escape(out, lb_str_from(what));
    lb_buffer_print(out, "\",\"exit\":%d}", code);
}

void command_audit(const struct lb_config *config, const char *action, const char *what, int code)
{
    char path[PATH_MAX];
    struct lb_buffer members;

    if (access(config->data_dir.ptr, F_OK) != 0)
        return;
    snprintf(path, sizeof(path), LB_STR_FMT "/" LB_AUDIT_NAME, LB_STR_ARG(config->data_dir));
    lb_buffer_init(&members, LB_AUDIT_MEMBERS_MAX);
    write_members(&members, action, what, code);
    enum lb_err err = members.failed ? LB_LIMIT : lb_audit_append(path, lb_buffer_str(&members));
    if (err != LB_OK)
        fprintf(stderr, "logboom: this is not in the audit log: %s: %s\n", path,
                err == LB_IO ? strerror(errno) : "it is too long");
    lb_buffer_free(&members);
}
