/* alert_samples.c - what is kept of records to show it: their newest texts, and why a detector spoke. */
#include "alert_runner.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <string.h>

/* Cut to what is kept, not within a character. */
static size_t shown_length(struct lb_str text, size_t bytes_max)
{
    size_t len = bytes_max;

    if (text.len <= len)
        return text.len;
    while (len > bytes_max - 3 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

/* The newest, by the time of the events; of those that are told one by one the last that came. */
void lb_runner_take_reason(struct lb_alert_key *key, const struct lb_alert_input *input, bool each)
{
    struct lb_alert_reason *reason = key->reason;

    if (input->reason.len == 0)
        return;
    if (reason == NULL)
        reason = key->reason = lb_alloc(sizeof(*reason));
    if (reason == NULL || (!each && reason->length > 0 && input->time_ns < reason->time_ns))
        return;
    reason->time_ns = input->time_ns;
    reason->length = (uint8_t)shown_length(input->reason, LB_ALERT_REASON_BYTES);
    memcpy(reason->bytes, input->reason.ptr, reason->length);
}

/* Five to begin with, then one a second at most: what a busy key says need not be copied every time. */
void lb_runner_take_text(struct lb_alert_key *key, const struct lb_alert_input *input, bool each,
                         struct lb_scratch *scratch)
{
    struct lb_alert_texts *texts = key->texts;
    struct lb_str text;

    if (input->message == NULL ||
        (!each && texts != NULL && texts->count == LB_ALERT_TEXTS && input->time_ns < texts->newest + LB_SECOND))
        return;
    if (texts == NULL)
        texts = key->texts = lb_alloc(sizeof(*texts));
    if (texts == NULL)
        return;
    text = lb_value_str(*input->message, scratch);
    text.len = shown_length(text, LB_ALERT_TEXT_BYTES);
    memcpy(texts->bytes[texts->next], text.ptr, text.len);
    texts->lengths[texts->next] = (uint8_t)text.len;
    texts->times[texts->next] = input->time_ns;
    texts->newest = input->time_ns;
    texts->next = (uint8_t)((texts->next + 1) % LB_ALERT_TEXTS);
    texts->count += texts->count < LB_ALERT_TEXTS;
}

/* From half of the threshold on: then what its records have in common may soon be asked. */
static bool is_close(const struct lb_alert_runner *runner, const struct lb_alert_key *key, double from)
{
    bool counts = runner->rule->function == LB_ALERT_COUNT || runner->rule->function == LB_ALERT_CONSECUTIVE;

    return key->state.severity != LB_ALERT_QUIET || key->value + counts >= from;
}

void lb_runner_take_tops(struct lb_alert_runner *runner, struct lb_alert_key *key, const struct lb_alert_input *input)
{
    double from;

    if (input->record == NULL || !lb_alert_tops_from(runner->rule, &from))
        return;
    if (!is_close(runner, key, from)) {
        if (key->tops != NULL)
            lb_alert_keys_drop_tops(&runner->keys, key);
        return;
    }
    if (key->tops == NULL) {
        key->tops = runner->keys.tops < LB_TOPS_KEYS ? lb_alloc(sizeof(*key->tops)) : NULL;
        runner->keys.tops += key->tops != NULL;
    }
    if (key->tops != NULL)
        lb_alert_tops_add(key->tops, runner->rule, input->record, runner->scratch);
}
