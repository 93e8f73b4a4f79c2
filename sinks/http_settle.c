/*
 * http_settle.c - what an answer, or none, means for the records of a request.
 *
 * The tricky thing is an answer that is about single records: what it took
 * leaves the request, what it refused becomes dead letters, and the rest
 * stays under an id of its own. What dead letters do not take stays too.
 */
#include "http_settle.h"

#include "http_answer.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <stdio.h>

enum {
    KIND_BYTES = 16,
    ANSWER_BYTES = 48,
    ERROR_BYTES_SHOWN = 80,
    REFUSED_MAX = 5, /* requests in a row: then it is not about single records any more, and health fails */
};

#define LETTER_PAUSE LB_SECOND /* where dead letters cannot be kept, before the request is tried again */

void http_settle_show(struct http_queue *queue)
{
    lb_metric_set(queue->circuit, queue->pace.open ? 1 : 0);
    lb_metric_set(queue->limit, http_pace_allowed(&queue->pace));
}

/* The receiver answers: what waited for its own time need not wait longer when it had failed before. */
static void note_success(struct http_queue *queue, const struct http_request *request)
{
    int64_t now = lb_clock_monotonic();
    bool closed = http_pace_success(&queue->pace, request->started, now);

    for (struct http_request *each = queue->first; closed && each != NULL; each = each->next)
        each->not_before = 0;
    http_settle_show(queue);
}

static void postpone(struct http_queue *queue, struct http_request *request, const struct http_verdict *verdict)
{
    int64_t now = lb_clock_monotonic();

    request->not_before = now + verdict->wait;
    if (!verdict->alone)
        http_pace_failure(&queue->pace, request->started, now, request->not_before);
    http_settle_show(queue);
    lb_delivery_problem(queue->sink, "%s; try %u, the next in %.1f s%s", verdict->reason, request->attempt,
                        (double)verdict->wait / (double)LB_SECOND,
                        queue->pace.open ? "; circuit open, one request at a time" : "");
}

/* A request that stands for no record (a repeat of what fires, say) holds no token. */
static void let_go(struct http_queue *queue, const struct http_request *request, uint32_t i, long status)
{
    const struct http_item *item = &request->items[i];
    char answer[ANSWER_BYTES];

    if (item->token == NULL)
        return;
    if (queue->protocol != NULL) /* which has a request for each recipient */
        snprintf(answer, sizeof(answer), "SMTP %ld recipient %u", status, request->lane);
    else
        snprintf(answer, sizeof(answer), "HTTP %ld", status);
    if (item->alert)
        lb_delivery_told(queue->sink, item->id, answer, request->attempt);
    lb_token_done(item->token, LB_DELIVERED, NULL);
}

/* False: letters cannot be kept now. */
static bool bury(struct http_queue *queue, const struct http_request *request, uint32_t i, long status,
                 const char *reason)
{
    const struct http_item *item = &request->items[i];
    char kind[KIND_BYTES];

    if (item->token == NULL)
        return true;
    struct lb_letter letter = { .id = lb_str_from(item->id),
                                .record = http_request_record(request, i),
                                .kind = kind,
                                .reason = reason,
                                .attempts = request->attempt,
                                .alert = item->alert };

    snprintf(kind, sizeof(kind), "http_%ld", status);
    return lb_delivery_dead_letter(queue->sink, &letter, item->token) == LB_OK;
}

/* One record by its own status. True: it leaves the request. */
static bool settle_item(struct http_queue *queue, const struct http_request *request, uint32_t i,
                        const struct http_item_answer *answer, const char *reason)
{
    char text[HTTP_REASON_BYTES];

    if (reason != NULL) /* a judge may have refused what the status alone would accept */
        return bury(queue, request, i, answer->status, reason);
    switch (http_policy_action(&queue->policy, answer->status)) {
    case HTTP_ACCEPT:
        lb_delivery_count(queue->sink, 1, request->items[i].length);
        let_go(queue, request, i, answer->status);
        return true;
    case HTTP_RETRY: return false;
    default: break;
    }
    snprintf(text, sizeof(text), "the receiver answered %ld for this record %.*s", answer->status,
             answer->error.len < ERROR_BYTES_SHOWN ? (int)answer->error.len : ERROR_BYTES_SHOWN,
             answer->error.len > 0 ? answer->error.ptr : "");
    return bury(queue, request, i, answer->status, text);
}

/*
 * Each record by its answer; with `reason` all were refused for it. What is left is tried again after `wait`. Without
 * memory nothing is settled, and the whole request is tried again.
 */
static uint32_t settle_each(struct http_queue *queue, struct http_request *request,
                            const struct http_item_answer *answers, const struct http_verdict *verdict,
                            const char *reason)
{
    const struct http_item_answer all = { .status = verdict->status };
    bool *keep = lb_alloc(request->count);
    uint32_t left = 0;

    if (keep == NULL) {
        request->not_before = lb_clock_monotonic() + LETTER_PAUSE;
        return request->count;
    }
    for (uint32_t i = 0; i < request->count; i++) {
        keep[i] = !settle_item(queue, request, i, answers != NULL ? &answers[i] : &all, reason);
        left += keep[i];
    }
    if (left == 0)
        http_queue_remove(queue, request);
    else
        http_request_keep(request, keep);
    lb_free(keep);
    return left;
}

static void tell_gone(struct http_queue *queue)
{
    lb_delivery_problem(queue->sink,
                        "the endpoint is gone, as its last answer said: nothing is sent there any more, all "
                        "goes to the dead letters; correct the address, then reload");
}

static void refuse(struct http_queue *queue, struct http_request *request, const struct http_verdict *verdict)
{
    char reason[HTTP_REASON_BYTES];

    memcpy(reason, verdict->reason, sizeof(reason));
    note_success(queue, request);
    if (settle_each(queue, request, NULL, verdict, reason) > 0)
        request->not_before = lb_clock_monotonic() + LETTER_PAUSE;
    queue->refused++;
    if (queue->gone)
        tell_gone(queue);
    else if (queue->refused < REFUSED_MAX)
        lb_delivery_fine(queue->sink); /* it answers, whatever was wrong before */
    else
        lb_delivery_problem(queue->sink, "%s; nothing else for some time, all goes to the dead letters", reason);
}

void http_settle_gone(struct http_queue *queue)
{
    enum { GONE = 410 };
    struct http_verdict verdict = { .action = HTTP_REFUSE, .status = GONE };
    struct http_request *next;

    snprintf(verdict.reason, sizeof(verdict.reason), "not sent: the endpoint is gone");
    for (struct http_request *request = queue->first; request != NULL; request = next) {
        next = request->next;
        if (request->in_flight)
            continue;
        if (request->not_before > lb_clock_monotonic() && request->attempt > 0)
            return; /* dead letters are not taken now */
        refuse(queue, request, &verdict);
    }
}

/* Halves find the record that is at fault, or the size that the receiver takes. */
static void split(struct http_queue *queue, struct http_request *request, const struct http_verdict *verdict)
{
    struct http_request *upper;

    if (request->count < 2) {
        refuse(queue, request, verdict);
        return;
    }
    note_success(queue, request);
    upper = http_request_split(request);
    if (upper == NULL)
        request->not_before = lb_clock_monotonic() + LETTER_PAUSE;
    else
        http_queue_insert(queue, request, upper);
}

static void accept_all(struct http_queue *queue, struct http_request *request, long status)
{
    note_success(queue, request);
    queue->refused = 0;
    lb_delivery_fine(queue->sink);
    lb_delivery_count(queue->sink, request->count, request->body.len);
    for (uint32_t i = 0; i < request->count; i++)
        let_go(queue, request, i, status);
    http_queue_remove(queue, request);
}

/* An answer to several records may tell of each. False: it does not, or there is no memory to look. */
static bool accept_some(struct http_queue *queue, struct http_request *request, struct http_verdict *verdict)
{
    uint32_t count = request->count;
    int64_t started = request->started;
    struct http_item_answer *answers = NULL;

    if (count > 1 && verdict->answer.len > 0)
        answers = lb_alloc(count * sizeof(*answers));
    if (answers == NULL || !http_items_read(verdict->answer, answers, count)) {
        lb_free(answers);
        return false;
    }
    uint32_t left = settle_each(queue, request, answers, verdict, NULL);
    lb_free(answers);
    if (left == 0) {
        http_pace_success(&queue->pace, started, lb_clock_monotonic());
        http_settle_show(queue);
        queue->refused = 0;
        lb_delivery_fine(queue->sink);
        return true;
    }
    snprintf(verdict->reason, sizeof(verdict->reason), "the receiver did not take %u of %u records", left, count);
    postpone(queue, request, verdict);
    return true;
}

void http_settle(struct http_queue *queue, struct http_request *request, struct http_verdict *verdict)
{
    switch (verdict->action) {
    case HTTP_ACCEPT:
        if (!accept_some(queue, request, verdict))
            accept_all(queue, request, verdict->status);
        break;
    case HTTP_RETRY: postpone(queue, request, verdict); break;
    case HTTP_SPLIT: split(queue, request, verdict); break;
    case HTTP_REFUSE: refuse(queue, request, verdict); break;
    }
}
