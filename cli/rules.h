/* rules.h - the rules of a configuration, for commands that work on them without a daemon. */
#ifndef RULES_H
#define RULES_H

#include "lb_conf.h"

extern const char *const rules_severity_names[]; /* "info" … "critical", NULL */

/* A configuration that has rules; NULL: its faults were told. */
struct lb_config *rules_load(const char *file);

/* The index of a rule, or -1 after it was said which are there. */
int rules_find(const struct lb_config *config, const char *name);

/* "1m30s": two units at most, to the second; `text` has room for RULES_SPAN_SIZE bytes. */
enum { RULES_SPAN_SIZE = 32 };
const char *rules_span(int64_t duration_ns, char *text);

#endif
