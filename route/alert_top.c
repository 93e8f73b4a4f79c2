/* alert_top.c - 64 counters; hashes stand together, so looking through them is a few cache lines. */
#include "alert_top.h"

static void set_text(struct lb_alert_top_entry *entry, struct lb_str text)
{
    size_t len = text.len;

    if (len > LB_ALERT_TOP_BYTES) {
        len = LB_ALERT_TOP_BYTES;
        while (len > LB_ALERT_TOP_BYTES - 3 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
            len--;
    }
    entry->length = (uint8_t)len;
    if (len > 0)
        memcpy(entry->text, text.ptr, len);
}

static uint32_t least_of(const struct lb_alert_top *top)
{
    uint32_t least = 0;

    for (uint32_t i = 1; i < top->count; i++)
        if (top->entries[i].count < top->entries[least].count)
            least = i;
    return least;
}

void lb_alert_top_add(struct lb_alert_top *top, uint64_t hash, struct lb_str text)
{
    uint32_t i = 0;
    uint64_t before = 0;

    top->total++;
    while (i < top->count && top->hashes[i] != hash)
        i++;
    if (i < top->count) {
        top->entries[i].count++;
        return;
    }
    if (top->count < LB_ALERT_TOP) {
        top->count++;
    } else {
        i = least_of(top);
        before = top->entries[i].count;
    }
    top->hashes[i] = hash;
    top->entries[i].count = before + 1;
    top->entries[i].error = before;
    set_text(&top->entries[i], text);
}

uint32_t lb_alert_top_list(const struct lb_alert_top *top, const struct lb_alert_top_entry **list, uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < top->count && max > 0; i++) {
        const struct lb_alert_top_entry *entry = &top->entries[i];
        uint32_t at = count < max ? count++ : max;

        for (; at > 0 && lb_alert_top_surely(list[at - 1]) < lb_alert_top_surely(entry); at--)
            if (at < max)
                list[at] = list[at - 1];
        if (at < max)
            list[at] = entry;
    }
    return count;
}
