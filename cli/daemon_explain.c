/* daemon_explain.c - /api/v1/alerts/explain and /pending: what a rule knows of a key, and what may come to fire. */
#include "daemon_api.h"

#include <event2/keyvalq_struct.h>
#include <string.h>

enum { PAIRS_MAX = 16 };

/* `key.client_ip=10.0.0.1` in the address. */
static struct lb_pairs read_key(const struct api_request *request, struct lb_pair *pairs)
{
    struct lb_pairs key = { pairs, 0 };
    const struct evkeyval *each;

    if (request->query == NULL)
        return key;
    for (each = request->query->tqh_first; each != NULL; each = each->next.tqe_next)
        if (strncmp(each->key, "key.", 4) == 0 && key.count < PAIRS_MAX)
            pairs[key.count++] = (struct lb_pair){ lb_str_from(each->key + 4), lb_str_from(each->value) };
    return key;
}

int api_explain(struct api_request *request)
{
    struct lb_pair pairs[PAIRS_MAX];
    struct lb_alert_question question = { .rule = api_query(request, "rule"), .key = read_key(request, pairs) };
    bool known = false;

    if (request->method != EVHTTP_REQ_GET && request->method != EVHTTP_REQ_HEAD)
        return api_fault(request, HTTP_BADMETHOD, "expected GET");
    if (!api_read_time(api_query(request, "at"), LB_TIME_NONE, &question.at))
        return api_fault(request, HTTP_BADREQUEST, "at: expected a time such as 2026-12-27T08:00:00Z");
    pthread_mutex_lock(&request->daemon->lock);
    if (request->daemon->alerts != NULL)
        known = lb_alert_engine_explain(request->daemon->alerts, &question, request->out);
    pthread_mutex_unlock(&request->daemon->lock);
    if (known)
        return HTTP_OK;
    return api_fault(request, HTTP_NOTFOUND, "there is no rule \"%s\" in alerting.rules", question.rule.ptr);
}

int api_pending(struct api_request *request)
{
    if (request->method != EVHTTP_REQ_GET && request->method != EVHTTP_REQ_HEAD)
        return api_fault(request, HTTP_BADMETHOD, "expected GET");
    pthread_mutex_lock(&request->daemon->lock);
    if (request->daemon->alerts != NULL)
        lb_alert_engine_write_pending(request->daemon->alerts, request->out);
    else
        lb_buffer_append_str(request->out, LB_STR("[]"));
    pthread_mutex_unlock(&request->daemon->lock);
    return HTTP_OK;
}
