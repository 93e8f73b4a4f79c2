/* command_audit.h - what a command did by itself, noted in the audit log of its configuration's data_dir. */
#ifndef COMMAND_AUDIT_H
#define COMMAND_AUDIT_H

#include "lb_conf.h"

/*
 * `what` is for whom it was done, `code` how the command ends. Where data_dir is not there nothing ran, and nothing is
 * noted; where it cannot be written, that is said on stderr.
 */
void command_audit(const struct lb_config *config, const char *action, const char *what, int code);

#endif
