/* alert_engine_view.c - the engine for who steps it without its thread: what it knows, and where its memory stands. */
#include "alert_engine_parts.h"

void lb_alert_engine_applied(struct lb_alert_engine *engine, const struct lb_batch *batch)
{
    if (engine->memory != NULL)
        lb_alert_memory_applied(engine->memory, batch, NULL);
}

void lb_alert_engine_view(struct lb_alert_engine *engine,
                          void (*visit)(void *context, const struct lb_alert_view *view), void *context)
{
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++) {
        const struct lb_alert_runner *runner = &engine->runners[i];

        for (int list = 0; list < LB_ALERT_LISTS; list++) {
            for (const struct lb_alert_key *key = runner->keys.lists[list].head; key != NULL; key = key->next)
                visit(context, &(struct lb_alert_view){ runner->rule, lb_alert_key_text(key), key->judged, key->value,
                                                        key->totals.count, key->state.severity });
        }
    }
}
