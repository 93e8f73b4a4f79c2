/*
 * selection.h - which records a person asks for: --since, --until, --level,
 * --service, --host, --where. Blocks are left out by the index, records one by one.
 */
#ifndef SELECTION_H
#define SELECTION_H

#include "command.h"
#include "lb_archive.h"
#include "lb_arena.h"
#include "lb_expr.h"
#include "lb_record.h"

enum { SELECTION_SERVICES_MAX = 64, SELECTION_HOSTS_MAX = SELECTION_SERVICES_MAX };

struct selection {
    struct lb_arena arena;
    int64_t since_ns; /* [since, until) */
    int64_t until_ns;
    uint16_t levels; /* bit n: level n counts; 0: any, and records without one */
    struct lb_str services[SELECTION_SERVICES_MAX];
    size_t service_count;
    struct lb_str hosts[SELECTION_HOSTS_MAX];
    size_t host_count;
    struct lb_expr *where;
};

#define SELECTION_USAGE "[--since TIME] [--until TIME] [--level LEVEL] [--service NAME] [--host NAME] [--where EXPR]"
#define SELECTION_HELP                                                                                                 \
    "  --since TIME, --until TIME   records of [since, until): \"2026-01-31 12:30\" (in your zone), 12:30, today, "    \
    "2h,\n"                                                                                                            \
    "                               RFC 3339\n"                                                                        \
    "  --level LEVEL                of this level and worse: warn is warn, error, critical …\n"                      \
    "  --service NAME[,NAME…]       of these services\n"                                                             \
    "  --host NAME[,NAME…]          of these hosts\n"                                                                \
    "  --where EXPR                 'status >= 500 and path startswith \"/api\"', see docs/expressions.md\n"

void selection_init(struct selection *selection);
void selection_free(struct selection *selection);

/* Whether argv[*index] is an option of a selection; `*index` moves to its value. -1: wrong, and said so. */
int selection_option(struct selection *selection, const struct command *command, int argc, char **argv, int *index);

/* Every record is asked for. */
bool selection_is_all(const struct selection *selection);

/* Only times are asked for. */
bool selection_is_time_only(const struct selection *selection);

/* What the index needs to know; it borrows from `selection`. */
struct lb_archive_query selection_query(const struct selection *selection);

bool selection_has_time(const struct selection *selection, int64_t time_ns);
bool selection_has_service(const struct selection *selection, struct lb_str service);
bool selection_has_host(const struct selection *selection, struct lb_str host);

/* `scratch` is reset. */
bool selection_match(const struct selection *selection, const struct lb_record *record, struct lb_scratch *scratch);

#endif
