/*
 * daemon_alerts.c - the alert engine of a daemon, with memory of its own.
 *
 * It is there when there are rules, and also without them for as long as somebody may wait for the end of an alert.
 */
#include "daemon.h"
#include "daemon_api.h"

#include "lb_markers.h"
#include "lb_mutes.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { ALERT_BYTES_LEAST = 4 * 1024 * 1024 };

/* An earlier run may have told somebody that an alert fires; they are to hear its end, though there is no rule now. */
static bool has_told(const char *journal)
{
    return access(journal, F_OK) == 0;
}

/* Memory of their own, so that records which nobody takes leave room for word of it. */
static bool make_alert_share(struct lb_daemon *daemon)
{
    size_t bytes = lb_pool_max(daemon->pool) / 4;

    if (daemon->alert_pool == NULL)
        daemon->alert_pool = lb_pool_new(bytes > ALERT_BYTES_LEAST ? bytes : ALERT_BYTES_LEAST);
    if (daemon->alert_pool != NULL && daemon->alert_share == NULL)
        daemon->alert_share = lb_share_new(daemon->alert_pool, lb_pool_max(daemon->alert_pool));
    return daemon->alert_share != NULL;
}

bool make_alerts(struct lb_daemon *daemon, const struct lb_config *config)
{
    char journal[PATH_MAX];

    snprintf(journal, sizeof(journal), LB_STR_FMT "/alerts", LB_STR_ARG(config->data_dir));
    if (daemon->alerts != NULL ||
        (config->alerting.rule_count == 0 && !has_told(journal) && !lb_alerting_watches(&config->alerting)))
        return true;
    if (!make_alert_share(daemon))
        return false;
    struct lb_alert_engine *engine = lb_alert_engine_new(&config->alerting, config->sink_count, daemon->streams,
                                                         daemon->alert_share, flow_emit_alert, daemon);
    struct lb_alert_outside outside = outside_of(daemon);
    char path[PATH_MAX];

    if (engine != NULL)
        lb_alert_engine_ask(engine, &outside);
    snprintf(path, sizeof(path), LB_STR_FMT "/alerts.state", LB_STR_ARG(config->data_dir));
    if (engine == NULL || !lb_alert_engine_remember(engine, path) || !lb_alert_engine_keep(engine, journal)) {
        lb_alert_engine_free(engine);
        return false;
    }
    lb_alert_engine_mute(engine, daemon->mutes);
    lb_alert_engine_markers(engine, daemon->markers);
    pthread_mutex_lock(&daemon->lock);
    daemon->alerts = engine;
    pthread_mutex_unlock(&daemon->lock);
    return true;
}
