/* selection.c - which records a person asks for. */
#include "selection.h"

#include "time_argument.h"

#include "lb_clock.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 16 * 1024 * 1024 };

void selection_init(struct selection *selection)
{
    *selection = (struct selection){ .since_ns = INT64_MIN, .until_ns = INT64_MAX };
    lb_arena_init(&selection->arena, ARENA_BYTES);
}

void selection_free(struct selection *selection)
{
    if (selection->where != NULL)
        lb_expr_free(selection->where);
    lb_arena_free(&selection->arena);
}

static int set_time(int64_t *time_ns, const struct command *command, const char *option, const char *text)
{
    if (time_argument(text, lb_clock_now(), time_ns))
        return 1;
    usage_error(command, "%s: \"%s\" is no time; " TIME_ARGUMENT_FORMS, option, text);
    return -1;
}

static int set_level(struct selection *selection, const struct command *command, const char *text)
{
    uint8_t level = lb_level_parse(lb_str_from(text));

    if (level >= LB_LEVEL_COUNT) {
        usage_error(command,
                    "--level: \"%s\" is no level; one of emergency alert critical error warn notice info "
                    "debug trace",
                    text);
        return -1;
    }
    selection->levels = (uint16_t)((1u << (level + 1)) - 1);
    return 1;
}

/* Names between commas, at most SELECTION_SERVICES_MAX. */
static int add_names(struct lb_str *names, size_t *count, const struct command *command, const char *option,
                     const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",");

        if (*count == SELECTION_SERVICES_MAX) {
            usage_error(command, "%s: more than %d", option, SELECTION_SERVICES_MAX);
            return -1;
        }
        if (length > 0)
            names[(*count)++] = (struct lb_str){ text, length };
        text += length + (text[length] == ',');
    }
    return 1;
}

static int set_where(struct selection *selection, const char *text)
{
    struct lb_diag diag = { 0 };

    if (selection->where != NULL)
        lb_expr_free(selection->where);
    selection->where = lb_expr_new(&selection->arena, lb_str_from(text), (struct lb_place){ "--where", 1, 1 }, &diag);
    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    return selection->where != NULL ? 1 : -1;
}

int selection_option(struct selection *selection, const struct command *command, int argc, char **argv, int *index)
{
    static const char *const names[] = { "--since", "--until", "--level", "--service", "--host", "--where" };
    const char *option = argv[*index];
    const char *value = NULL;
    size_t which = 0;

    for (; which < sizeof(names) / sizeof(names[0]); which++) {
        size_t length = strlen(names[which]);

        if (strncmp(option, names[which], length) == 0 && (option[length] == '\0' || option[length] == '=')) {
            value = option[length] == '=' ? option + length + 1 : NULL;
            break;
        }
    }
    if (which == sizeof(names) / sizeof(names[0]))
        return 0;
    if (value == NULL && *index + 1 == argc) {
        usage_error(command, "%s needs a value", names[which]);
        return -1;
    }
    if (value == NULL)
        value = argv[++*index];
    switch (which) {
    case 0: return set_time(&selection->since_ns, command, names[which], value);
    case 1: return set_time(&selection->until_ns, command, names[which], value);
    case 2: return set_level(selection, command, value);
    case 3: return add_names(selection->services, &selection->service_count, command, names[which], value);
    case 4: return add_names(selection->hosts, &selection->host_count, command, names[which], value);
    default: return set_where(selection, value);
    }
}

bool selection_is_time_only(const struct selection *selection)
{
    return selection->levels == 0 && selection->service_count == 0 && selection->host_count == 0 &&
           selection->where == NULL;
}

bool selection_is_all(const struct selection *selection)
{
    return selection_is_time_only(selection) && selection->since_ns == INT64_MIN && selection->until_ns == INT64_MAX;
}

struct lb_archive_query selection_query(const struct selection *selection)
{
    return (struct lb_archive_query){
        .since_ns = selection->since_ns,
        .until_ns = selection->until_ns,
        .levels = selection->levels,
        .services = selection->service_count > 0 ? selection->services : NULL,
        .service_count = selection->service_count,
    };
}

bool selection_has_time(const struct selection *selection, int64_t time_ns)
{
    return time_ns >= selection->since_ns && time_ns < selection->until_ns;
}

static bool is_one_of(struct lb_str name, const struct lb_str *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (lb_str_equal(name, names[i]))
            return true;
    }
    return false;
}

bool selection_has_service(const struct selection *selection, struct lb_str service)
{
    return selection->service_count == 0 || is_one_of(service, selection->services, selection->service_count);
}

bool selection_has_host(const struct selection *selection, struct lb_str host)
{
    return selection->host_count == 0 || is_one_of(host, selection->hosts, selection->host_count);
}

bool selection_match(const struct selection *selection, const struct lb_record *record, struct lb_scratch *scratch)
{
    bool any_time = selection->since_ns == INT64_MIN && selection->until_ns == INT64_MAX;

    scratch->used = 0;
    if (!any_time && ((record->flags & LB_RECORD_NO_TIME) != 0 || !selection_has_time(selection, record->time_ns)))
        return false;
    if (selection->levels != 0 && (record->level >= LB_LEVEL_COUNT || (selection->levels >> record->level & 1) == 0))
        return false;
    if (selection->service_count > 0 && !selection_has_service(selection, lb_value_str(record->service, scratch)))
        return false;
    scratch->used = 0;
    if (selection->host_count > 0 && !selection_has_host(selection, lb_value_str(record->host, scratch)))
        return false;
    scratch->used = 0;
    return selection->where == NULL || lb_expr_match(selection->where, record, scratch);
}
