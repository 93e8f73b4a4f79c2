/*
 * alert_snapshot.c - runners → msgpack.
 *
 * Arrays with a fixed order of members; a change of the order is a new
 * version. Samples, slots and registers are one binary each, as they lie in
 * memory (little-endian, as on every machine that logboom is built for).
 */
#include "alert_snapshot_parts.h"

#include "alert_distinct.h"
#include "lb_expr.h"

#include <msgpack.h>
#include <xxhash.h>

/* --- meaning ----------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, struct lb_str text)
{
    return XXH3_64bits_withSeed(text.ptr, text.len, hash + text.len);
}

static uint64_t mix_number(uint64_t hash, double number)
{
    return mix(hash, (struct lb_str){ (const char *)&number, sizeof(number) });
}

/* What one function measures. */
static uint64_t mix_measure(uint64_t hash, const struct lb_alert_rule *rule)
{
    hash = mix_number(hash, rule->function);

    hash = mix_number(hash, rule->quantile);
    hash = mix_number(hash, (double)rule->over_ns);
    hash = mix(hash, rule->field);
    hash = mix(hash, rule->where != NULL ? lb_expr_text(rule->where) : LB_STR(""));
    hash = mix(hash, rule->inner != NULL ? lb_expr_text(rule->inner) : LB_STR(""));
    return rule->detector != NULL || rule->probe != LB_PROBE_NONE ? mix(hash, rule->value_text) : hash;
}

uint64_t lb_alert_rule_meaning(const struct lb_alert_rule *rule)
{
    uint64_t hash = mix_measure(0, rule);

    if (rule->falling)
        hash = mix_number(hash, 1 + (rule->zone != NULL ? rule->deadline_s : 0));
    for (uint32_t i = 0; i < rule->part_count; i++)
        hash = mix_measure(hash, &rule->parts[i]);
    for (size_t i = 0; i < rule->by.count; i++)
        hash = mix(hash, rule->by.items[i]);
    if (rule->detector == NULL)
        return hash;
    hash = mix(hash, lb_str_from(rule->detector->name));
    hash = mix(hash, rule->second != NULL ? lb_expr_text(rule->second) : LB_STR(""));
    return mix(hash, rule->detector_text);
}

/* --- writing ----------------------------------------------------------------- */

static int append_packed(void *context, const char *bytes, size_t len)
{
    struct lb_buffer *out = context;

    lb_buffer_append(out, bytes, len);
    return out->failed ? -1 : 0;
}

static void pack_bytes(msgpack_packer *packer, const void *bytes, size_t len)
{
    msgpack_pack_bin(packer, len);
    msgpack_pack_bin_body(packer, bytes, len);
}

static void pack_bins(msgpack_packer *packer, const struct lb_alert_bins *bins)
{
    msgpack_pack_int32(packer, bins->first);
    pack_bytes(packer, bins->counts, bins->size * sizeof(*bins->counts));
}

static void pack_detail(msgpack_packer *packer, const struct lb_alert_detail *detail)
{
    msgpack_pack_array(packer, DETAIL_MEMBERS);
    msgpack_pack_uint64(packer, detail->count);
    msgpack_pack_double(packer, detail->least);
    msgpack_pack_double(packer, detail->most);
    msgpack_pack_double(packer, detail->mean);
    msgpack_pack_double(packer, detail->square);
    msgpack_pack_double(packer, detail->last);
    msgpack_pack_int64(packer, detail->last_ns);
    msgpack_pack_uint32(packer, detail->run);
    msgpack_pack_uint8(packer, detail->broken);
    msgpack_pack_array(packer, detail->sketch.total > 0 ? SKETCH_MEMBERS : 0);
    if (detail->sketch.total > 0) {
        pack_bins(packer, &detail->sketch.positive);
        pack_bins(packer, &detail->sketch.negative);
        msgpack_pack_uint64(packer, detail->sketch.zeros);
        msgpack_pack_uint64(packer, detail->sketch.total);
    }
    pack_bytes(packer, detail->distinct.registers, detail->distinct.registers != NULL ? LB_ALERT_REGISTERS : 0);
}

/* In order of time, whatever their place in the ring. */
static void pack_samples(msgpack_packer *packer, const struct lb_alert_window *window)
{
    size_t first = window->capacity - window->start < window->count ? window->capacity - window->start : window->count;
    size_t size = sizeof(*window->samples);

    msgpack_pack_bin(packer, window->count * size);
    if (window->count == 0)
        return;
    msgpack_pack_bin_body(packer, window->samples + window->start, first * size);
    msgpack_pack_bin_body(packer, window->samples, (window->count - first) * size);
}

static void pack_slots(msgpack_packer *packer, const struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    uint32_t slots = window->slotted ? shape->slot_ring : 0;
    uint32_t details = window->slotted ? window->detail_count : 0;

    pack_bytes(packer, window->slots, slots * sizeof(*window->slots));
    msgpack_pack_array(packer, details);
    for (uint32_t i = 0; i < details; i++)
        pack_detail(packer, &window->details[i]);
}

static void pack_window(msgpack_packer *packer, const struct lb_alert_window *window,
                        const struct lb_alert_shape *shape)
{
    pack_bytes(packer, &window->cursor, sizeof(window->cursor));
    msgpack_pack_int64(packer, window->dropped);
    msgpack_pack_int64(packer, window->slot_newest);
    pack_samples(packer, window);
    pack_slots(packer, window, shape);
}

static void pack_parts(msgpack_packer *packer, const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    msgpack_pack_array(packer, key->part_count);
    for (uint32_t i = 0; i < key->part_count; i++) {
        msgpack_pack_array(packer, WINDOW_MEMBERS);
        pack_window(packer, &key->parts[i].window, &runner->part_shapes[i]);
    }
}

static void pack_absence(msgpack_packer *packer, const struct lb_alert_key *key)
{
    const struct lb_alert_daily *deadline = &key->deadline;

    msgpack_pack_array(packer, ABSENCE_MEMBERS);
    msgpack_pack_uint32(packer, key->held_back);
    msgpack_pack_int64(packer, deadline->next);
    msgpack_pack_int64(packer, deadline->first);
    msgpack_pack_int64(packer, deadline->ended);
    msgpack_pack_uint8(packer, (uint8_t)(deadline->met | deadline->known << 1 | deadline->is_absent << 2));
    msgpack_pack_uint32(packer, key->base);
    msgpack_pack_int64(packer, key->base_ns);
}

static void pack_key(msgpack_packer *packer, const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{

    msgpack_pack_array(packer, KEY_MEMBERS);
    pack_bytes(packer, key->text, key->length);
    msgpack_pack_uint64(packer, key->hash);
    msgpack_pack_uint8(packer, (uint8_t)key->list);
    msgpack_pack_uint64(packer, key->stream);
    msgpack_pack_int64(packer, key->newest);
    msgpack_pack_int64(packer, key->arrival);
    msgpack_pack_int64(packer, key->first);
    msgpack_pack_uint8(packer, key->mask);
    msgpack_pack_int64(packer, key->judged_until);
    msgpack_pack_double(packer, key->peak);
    msgpack_pack_uint64(packer, key->id);
    msgpack_pack_uint8(packer, key->summarised);
    pack_bytes(packer, &key->state, sizeof(key->state));
    pack_window(packer, &key->window, &runner->shape);
    pack_bytes(packer, key->texts, key->texts != NULL ? sizeof(*key->texts) : 0);
    pack_parts(packer, runner, key);
    pack_absence(packer, key);
    pack_bytes(packer, key->reason, key->reason != NULL ? sizeof(*key->reason) : 0);
}

/* What the detector knows, as one binary; too much for the buffer fails that, and so the whole. */
static void pack_detector(msgpack_packer *packer, const struct lb_alert_runner *runner, size_t bytes_max)
{
    struct lb_buffer bytes;

    lb_buffer_init(&bytes, bytes_max);
    if (runner->detector.state != NULL)
        runner->rule->detector->write(&runner->detector, &bytes);
    if (bytes.failed)
        lb_buffer_reset(&bytes);
    pack_bytes(packer, bytes.ptr, bytes.len);
    lb_buffer_free(&bytes);
}

void lb_alert_snapshot_write(struct lb_buffer *out, const struct lb_alert_runner *runner)
{
    struct lb_str name = runner->rule->name;
    size_t start = out->len;
    struct lb_snapshot_head head = { 0 };
    msgpack_packer packer;

    lb_buffer_append(out, (const char *)&head, sizeof(head));
    msgpack_packer_init(&packer, out, append_packed);
    msgpack_pack_array(&packer, RULE_MEMBERS);
    msgpack_pack_uint8(&packer, VERSION);
    pack_bytes(&packer, name.ptr, name.len);
    msgpack_pack_uint64(&packer, lb_alert_rule_meaning(runner->rule));
    msgpack_pack_array(&packer, runner->keys.count);
    for (int list = 0; list < LB_ALERT_LISTS; list++)
        for (const struct lb_alert_key *key = runner->keys.lists[list].head; key != NULL; key = key->next)
            pack_key(&packer, runner, key);
    pack_detector(&packer, runner, out->bytes_max);
    if (out->failed)
        return;
    head.length = out->len - start - sizeof(head);
    head.checksum = XXH3_64bits(out->ptr + start + sizeof(head), head.length);
    memcpy(out->ptr + start, &head, sizeof(head));
}
