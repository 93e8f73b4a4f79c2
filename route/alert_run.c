/*
 * alert_run.c - the program of a rule, with the fields of an alert in its arguments.
 *
 * No shell reads them: a field fills (part of) one argument and nothing else.
 * What log lines can say must not become an option either, so a program is not
 * run where a field would put a dash in front of an argument.
 */
#include "alert_notifier_parts.h"

#include "alert_conf.h"
#include "alert_text.h"
#include "lb_log.h"

#include <stdio.h>

#define MODULE "route.alert"

enum { ARGUMENTS_BYTES = 16 * 1024, ARGUMENTS_MAX = 32 };

/* --- the configuration ---------------------------------------------------- */

static bool is_field(const struct lb_alert_rule *rule, struct lb_str name)
{
    if (lb_str_is(name, "rule") || lb_str_is(name, "severity") || lb_str_is(name, "value") ||
        lb_str_is(name, "alert_id"))
        return true;
    for (size_t i = 0; i < rule->by.count; i++)
        if (lb_str_equal(name, rule->by.items[i]))
            return true;
    return false;
}

static bool check_argument(const struct lb_alert_rule *rule, struct lb_str text, struct lb_place place,
                           struct lb_diag *diag)
{
    const char *end = text.ptr + text.len;
    const char *open = memchr(text.ptr, '{', text.len);

    for (; open != NULL; open = memchr(open + 1, '{', (size_t)(end - open - 1))) {
        const char *close = memchr(open, '}', (size_t)(end - open));
        size_t len = close != NULL ? (size_t)(close - open) - 1 : 0;

        if (close != NULL && is_field(rule, (struct lb_str){ open + 1, len }))
            continue;
        lb_diag_error(diag, place,
                      "\"run\": unknown %.*s; expected {rule}, {severity}, {value}, {alert_id} or a field of \"by\"",
                      (int)(close != NULL ? len + 2 : 1), open);
        return false;
    }
    return true;
}

bool lb_alert_run_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag)
{
    const struct lb_node *run = lb_node_get(node, "run");
    struct lb_str program = rule->run.count > 0 ? rule->run.items[0] : LB_STR("");

    if (run == NULL)
        return true;
    if (program.len == 0 || program.ptr[0] != '/' || memchr(program.ptr, '{', program.len) != NULL ||
        rule->run.count > ARGUMENTS_MAX) {
        lb_diag_error(diag, run->place,
                      "\"run\": expected a list of a program and its arguments, at most %d: the program by its whole "
                      "path, without fields, such as run: [/opt/playbooks/restart.sh, '{service}']",
                      ARGUMENTS_MAX);
        return false;
    }
    for (size_t i = 1; i < rule->run.count; i++)
        if (!check_argument(rule, rule->run.items[i], run->place, diag))
            return false;
    return true;
}

/* --- an alert ------------------------------------------------------------- */

static void put_field(struct lb_buffer *out, const struct lb_incident *incident, struct lb_str name)
{
    const struct lb_alert_rule *rule = incident->rule;
    struct lb_str value;
    size_t at = 0;

    for (size_t i = 0; lb_alert_key_next(rule, lb_incident_key(incident), i, &at, &value); i++) {
        if (!lb_str_equal(rule->by.items[i], name))
            continue;
        for (size_t n = 0; n < value.len; n++) /* an argument ends at a NUL */
            lb_buffer_append_char(out, value.ptr[n] != '\0' ? value.ptr[n] : '?');
        return;
    }
    if (lb_str_is(name, "rule"))
        lb_buffer_append_str(out, rule->name);
    else if (lb_str_is(name, "severity"))
        lb_buffer_append_str(out, lb_str_from(lb_severity_names[incident->severity]));
    else if (lb_str_is(name, "value"))
        lb_buffer_print(out, "%.15g", incident->value);
    else if (lb_str_is(name, "alert_id"))
        lb_buffer_print(out, "%016llx", (unsigned long long)incident->id);
}

/* One argument with a NUL behind it. False: a field would make an option of it. */
static bool put_argument(struct lb_buffer *out, const struct lb_incident *incident, struct lb_str text)
{
    size_t begin = out->len;
    size_t i = 0;

    while (i < text.len) {
        const char *close = text.ptr[i] == '{' ? memchr(text.ptr + i, '}', text.len - i) : NULL;

        if (close == NULL) {
            lb_buffer_append_char(out, text.ptr[i++]);
            continue;
        }
        put_field(out, incident, (struct lb_str){ text.ptr + i + 1, (size_t)(close - text.ptr) - i - 1 });
        i = (size_t)(close - text.ptr) + 1;
    }
    bool option = out->len > begin && out->ptr[begin] == '-' && text.ptr[0] != '-';
    lb_buffer_append_char(out, '\0');
    return !option;
}

void lb_notifier_run(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    const struct lb_alert_rule *rule = incident->rule;
    struct lb_alert_run run = { .rule = rule, .severity = incident->severity };
    struct lb_buffer arguments;
    struct lb_buffer key;
    bool ok = true;

    if (!incident->run_due || incident->held || incident->late || incident->severity == LB_ALERT_QUIET)
        return;
    incident->run_due = false;
    if (rule == NULL || rule->run.count == 0 || self->outside == NULL || self->outside->run == NULL)
        return;
    lb_buffer_init(&arguments, ARGUMENTS_BYTES);
    lb_buffer_init(&key, ARGUMENTS_BYTES);
    for (size_t i = 0; i < rule->run.count; i++)
        ok = put_argument(&arguments, incident, rule->run.items[i]) && ok;
    lb_alert_key_write(&key, rule, lb_incident_key(incident));
    snprintf(run.alert_id, sizeof(run.alert_id), "%016llx", (unsigned long long)incident->id);
    run.refused = !ok                              ? "a field would make an option of an argument"
                  : arguments.failed || key.failed ? "its arguments are too long"
                                                   : NULL;
    run.arguments = lb_buffer_str(&arguments);
    run.key = lb_buffer_str(&key);
    self->outside->run(self->outside->context, &run);
    lb_buffer_free(&arguments);
    lb_buffer_free(&key);
}
