/* rules.c - the rules of a configuration. */
#include "rules.h"

#include <stdio.h>

const char *const rules_severity_names[] = { "info", "low", "medium", "high", "critical", NULL };

struct lb_config *rules_load(const char *file)
{
    struct lb_diag diag = { 0 };
    struct lb_config *config = lb_config_load(file, &diag);

    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    if (config == NULL || config->alerting.rule_count > 0)
        return config;
    fprintf(stderr, "logboom: %s has no alert rules\n", file);
    lb_config_free(config);
    return NULL;
}

int rules_find(const struct lb_config *config, const char *name)
{
    const char *names[LB_RULES_MAX + 1] = { NULL };
    const char *nearest;

    for (uint32_t i = 0; i < config->alerting.rule_count && i < LB_RULES_MAX; i++) {
        names[i] = config->alerting.rules[i].name.ptr;
        if (lb_str_is(config->alerting.rules[i].name, name))
            return (int)i;
    }
    nearest = lb_nearest(lb_str_from(name), names);
    fprintf(stderr, "logboom: %s has no rule \"%s\"%s%s%s\n", config->file, name,
            nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
    return -1;
}

const char *rules_span(int64_t duration_ns, char *text)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    int64_t left = (duration_ns + LB_SECOND / 2) / LB_SECOND;
    size_t len = 0;
    int shown = 0;

    /* Two units tell enough. */
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && shown < 2; i++) {
        if (left >= units[i].seconds) {
            len += (size_t)snprintf(text + len, RULES_SPAN_SIZE - len, "%lld%c", (long long)(left / units[i].seconds),
                                    units[i].letter);
            shown++;
        } else if (shown > 0) {
            shown++;
        }
        left %= units[i].seconds;
    }
    if (len == 0)
        snprintf(text, RULES_SPAN_SIZE, "0s");
    return text;
}
