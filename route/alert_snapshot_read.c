/*
 * alert_snapshot_read.c - msgpack → runners.
 *
 * Nothing read is trusted: every count is held against the shape of the rule's
 * own windows before it is used.
 */
#include "alert_snapshot_parts.h"

#include "alert_distinct.h"
#include "alert_parts.h"
#include "lb_alloc.h"

#include <msgpack.h>
#include <xxhash.h>

/* The members of an array, taken one by one; `bad` once one is not what was expected. */
struct reader {
    const msgpack_object *next;
    uint32_t left;
    bool bad;
};

static struct reader open_array(const msgpack_object *object, uint32_t members)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != members)
        return (struct reader){ .bad = true };
    return (struct reader){ object->via.array.ptr, members, false };
}

static const msgpack_object *take(struct reader *reader)
{
    static const msgpack_object nothing = { .type = MSGPACK_OBJECT_NIL };

    if (reader->bad || reader->left == 0) {
        reader->bad = true;
        return &nothing;
    }
    reader->left--;
    return reader->next++;
}

static uint64_t take_unsigned(struct reader *reader)
{
    const msgpack_object *object = take(reader);

    reader->bad = reader->bad || object->type != MSGPACK_OBJECT_POSITIVE_INTEGER;
    return reader->bad ? 0 : object->via.u64;
}

static int64_t take_signed(struct reader *reader)
{
    const msgpack_object *object = take(reader);

    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX)
        return (int64_t)object->via.u64;
    reader->bad = reader->bad || object->type != MSGPACK_OBJECT_NEGATIVE_INTEGER;
    return reader->bad ? 0 : object->via.i64;
}

static double take_number(struct reader *reader)
{
    const msgpack_object *object = take(reader);

    reader->bad = reader->bad || (object->type != MSGPACK_OBJECT_FLOAT64 && object->type != MSGPACK_OBJECT_FLOAT32);
    return reader->bad ? 0 : object->via.f64;
}

static struct lb_str take_bytes(struct reader *reader)
{
    const msgpack_object *object = take(reader);

    reader->bad = reader->bad || object->type != MSGPACK_OBJECT_BIN;
    return reader->bad ? LB_STR("") : (struct lb_str){ object->via.bin.ptr, object->via.bin.size };
}

/* Bytes of exactly that size. */
static void take_struct(struct reader *reader, void *to, size_t size)
{
    struct lb_str bytes = take_bytes(reader);

    reader->bad = reader->bad || bytes.len != size;
    if (!reader->bad)
        memcpy(to, bytes.ptr, size);
}

enum { BINS_MAX = 4096, BIN_FAR = 1 << 16 };

static void take_bins(struct reader *reader, struct lb_alert_bins *bins)
{
    int64_t first = take_signed(reader);
    struct lb_str bytes = take_bytes(reader);
    size_t size = bytes.len / sizeof(*bins->counts);

    reader->bad =
        reader->bad || bytes.len % sizeof(*bins->counts) != 0 || size > BINS_MAX || first < -BIN_FAR || first > BIN_FAR;
    if (reader->bad || size == 0)
        return;
    bins->counts = lb_alloc(bytes.len);
    reader->bad = bins->counts == NULL;
    if (reader->bad)
        return;
    memcpy(bins->counts, bytes.ptr, bytes.len);
    bins->first = (int32_t)first;
    bins->size = (uint32_t)size;
}

static void take_sketch(struct reader *reader, struct lb_alert_sketch *sketch)
{
    const msgpack_object *object = take(reader);
    struct reader members;

    if (object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == 0)
        return;
    members = open_array(object, SKETCH_MEMBERS);
    take_bins(&members, &sketch->positive);
    take_bins(&members, &sketch->negative);
    sketch->zeros = take_unsigned(&members);
    sketch->total = take_unsigned(&members);
    reader->bad = reader->bad || members.bad;
}

static void take_detail(struct reader *reader, struct lb_alert_detail *detail)
{
    struct reader members = open_array(take(reader), DETAIL_MEMBERS);
    struct lb_str registers;

    detail->count = take_unsigned(&members);
    detail->least = take_number(&members);
    detail->most = take_number(&members);
    detail->mean = take_number(&members);
    detail->square = take_number(&members);
    detail->last = take_number(&members);
    detail->last_ns = take_signed(&members);
    detail->run = (uint32_t)take_unsigned(&members);
    detail->broken = take_unsigned(&members) != 0;
    take_sketch(&members, &detail->sketch);
    registers = take_bytes(&members);
    if (!members.bad && registers.len == LB_ALERT_REGISTERS)
        members.bad = !lb_alert_distinct_load(&detail->distinct, (const uint8_t *)registers.ptr);
    else
        members.bad = members.bad || registers.len != 0;
    reader->bad = reader->bad || members.bad;
}

static void take_samples(struct reader *reader, struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    struct lb_str bytes = take_bytes(reader);
    size_t size = sizeof(*window->samples);
    uint32_t capacity = 8;

    reader->bad = reader->bad || bytes.len % size != 0 || bytes.len / size > shape->exact;
    if (reader->bad || bytes.len == 0)
        return;
    while (capacity < bytes.len / size)
        capacity *= 2;
    window->samples = lb_alloc(capacity * size);
    reader->bad = window->samples == NULL;
    if (reader->bad)
        return;
    memcpy(window->samples, bytes.ptr, bytes.len);
    window->capacity = capacity;
    window->count = (uint32_t)(bytes.len / size);
}

static void take_details(struct reader *reader, struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    const msgpack_object *object = take(reader);
    bool needed = window->slotted && lb_alert_needs_detail(shape->measure.function);
    struct reader members = open_array(object, needed ? shape->slot_ring : 0);

    reader->bad = reader->bad || members.bad;
    if (reader->bad || !needed)
        return;
    window->details = lb_alloc(shape->slot_ring * sizeof(*window->details));
    reader->bad = window->details == NULL;
    if (reader->bad)
        return;
    window->detail_count = shape->slot_ring;
    for (uint32_t i = 0; i < window->detail_count; i++)
        take_detail(&members, &window->details[i]);
    reader->bad = members.bad;
}

static void take_slots(struct reader *reader, struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    struct lb_str bytes = take_bytes(reader);
    size_t size = shape->slot_ring * sizeof(*window->slots);

    reader->bad = reader->bad || (bytes.len != 0 && bytes.len != size);
    window->slotted = !reader->bad && bytes.len > 0;
    if (window->slotted) {
        window->slots = lb_alloc(size);
        reader->bad = window->slots == NULL;
        if (!reader->bad)
            memcpy(window->slots, bytes.ptr, size);
    }
    take_details(reader, window, shape);
}

/* What is read must hold together, or it could lead a window out of its memory. */
static bool is_sound(const struct lb_alert_window *window)
{
    const struct lb_alert_cursor *cursor = &window->cursor;

    if (cursor->before > cursor->until || cursor->until > window->count)
        return false;
    return !window->slotted || (cursor->high - cursor->low <= LB_ALERT_SLOTS_MAX && cursor->high >= cursor->low);
}

static void take_window(struct reader *reader, struct lb_alert_window *window, const struct lb_alert_shape *shape)
{
    take_struct(reader, &window->cursor, sizeof(window->cursor));
    window->dropped = take_signed(reader);
    window->slot_newest = take_signed(reader);
    take_samples(reader, window, shape);
    take_slots(reader, window, shape);
    reader->bad = reader->bad || !is_sound(window) || window->cursor.whole != shape->delayed;
}

static bool state_is_sound(const struct lb_alert_state *state)
{
    return state->severity >= LB_ALERT_QUIET && state->severity < LB_SEVERITY_COUNT &&
           state->highest >= LB_ALERT_QUIET && state->highest < LB_SEVERITY_COUNT;
}

static void take_texts(struct reader *reader, struct lb_alert_key *key)
{
    struct lb_str bytes = take_bytes(reader);

    if (reader->bad || bytes.len == 0)
        return;
    key->texts = lb_alloc(sizeof(*key->texts));
    reader->bad = key->texts == NULL || bytes.len != sizeof(*key->texts);
    if (reader->bad)
        return;
    memcpy(key->texts, bytes.ptr, bytes.len);
    reader->bad = key->texts->count > LB_ALERT_TEXTS || key->texts->next >= LB_ALERT_TEXTS;
    for (int i = 0; i < LB_ALERT_TEXTS; i++)
        reader->bad = reader->bad || key->texts->lengths[i] > LB_ALERT_TEXT_BYTES;
}

static void take_parts(struct reader *reader, const struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    struct reader parts = open_array(take(reader), runner->rule->part_count);

    reader->bad = reader->bad || parts.bad;
    if (reader->bad || parts.left == 0)
        return;
    key->parts = lb_alloc(parts.left * sizeof(*key->parts));
    reader->bad = key->parts == NULL;
    if (reader->bad)
        return;
    key->part_count = parts.left;
    for (uint32_t i = 0; i < key->part_count; i++) {
        struct reader window = open_array(take(&parts), WINDOW_MEMBERS);

        take_window(&window, &key->parts[i].window, &runner->part_shapes[i]);
        /* They are walked in step. */
        reader->bad = reader->bad || window.bad || key->parts[i].window.cursor.end != key->window.cursor.end;
    }
}

static void take_reason(struct reader *reader, struct lb_alert_key *key)
{
    struct lb_str bytes = take_bytes(reader);

    if (reader->bad || bytes.len == 0)
        return;
    key->reason = lb_alloc(sizeof(*key->reason));
    reader->bad = key->reason == NULL || bytes.len != sizeof(*key->reason);
    if (reader->bad)
        return;
    memcpy(key->reason, bytes.ptr, bytes.len);
    reader->bad = key->reason->length > LB_ALERT_REASON_BYTES;
}

static void take_absence(struct reader *reader, struct lb_alert_key *key)
{
    struct reader members = open_array(take(reader), ABSENCE_MEMBERS);
    uint64_t flags;

    key->held_back = (uint32_t)take_unsigned(&members);
    key->deadline.next = take_signed(&members);
    key->deadline.first = take_signed(&members);
    key->deadline.ended = take_signed(&members);
    flags = take_unsigned(&members);
    key->deadline.met = (flags & 1) != 0;
    key->deadline.known = (flags & 2) != 0;
    key->deadline.is_absent = (flags & 4) != 0;
    key->base = (uint32_t)take_unsigned(&members);
    key->base_ns = take_signed(&members);
    reader->bad = reader->bad || members.bad;
}

/* The members behind text, hash and list into a key without any memory. */
static void take_members(struct reader *reader, const struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    key->stream = take_unsigned(reader);
    key->newest = take_signed(reader);
    key->arrival = take_signed(reader);
    key->first = take_signed(reader);
    key->mask = (uint8_t)take_unsigned(reader);
    key->judged_until = take_signed(reader);
    key->peak = take_number(reader);
    key->id = take_unsigned(reader);
    key->summarised = take_unsigned(reader) != 0;
    take_struct(reader, &key->state, sizeof(key->state));
    key->wake = INT64_MIN;
    take_window(reader, &key->window, &runner->shape);
    take_texts(reader, key);
    take_parts(reader, runner, key);
    take_absence(reader, key);
    take_reason(reader, key);
    reader->bad = reader->bad || !state_is_sound(&key->state);
}

static void free_memory(struct lb_alert_key *key)
{
    lb_alert_window_free(&key->window);
    for (uint32_t i = 0; i < key->part_count; i++)
        lb_alert_window_free(&key->parts[i].window);
    lb_free(key->parts);
    lb_free(key->texts);
    key->parts = NULL;
    key->part_count = 0;
    lb_free(key->reason);
    key->texts = NULL;
    key->reason = NULL;
}

/* Everything but its place among the others. */
static void adopt(struct lb_alert_runner *runner, struct lb_alert_key *key, struct lb_alert_key *read)
{
    struct lb_alert_key place = *key;

    free_memory(key);
    *key = *read;
    key->previous = place.previous;
    key->next = place.next;
    key->list = place.list;
    key->pinned = place.pinned;
    key->bytes = place.bytes; /* it is looked at anew when it is used */
    key->hash = place.hash;
    key->length = place.length;
    memcpy(key->text, place.text, sizeof(key->text));
    /* Its time goes on from where it stood: what happened meanwhile has yet to be read. */
    key->arrival = runner->now;
    key->totals = key->window.cursor.totals;
    key->value = lb_alert_window_value(&key->window, &runner->shape);
    if (key->parts != NULL) {
        struct lb_alert_segment now = lb_alert_parts_now(runner, key);

        key->totals = now.totals;
        key->value = now.value;
    }
    (void)lb_alert_judge(runner->rule, key->totals.count, key->value, &key->judged);
}

static bool read_key(struct lb_alert_runner *runner, const msgpack_object *object)
{
    struct reader reader = open_array(object, KEY_MEMBERS);
    struct lb_str text = take_bytes(&reader);
    uint64_t hash = take_unsigned(&reader);
    uint64_t list = take_unsigned(&reader);
    struct lb_alert_key read = { 0 };
    struct lb_alert_key *key;

    take_members(&reader, runner, &read);
    if (reader.bad || list >= LB_ALERT_LISTS || text.len > LB_KEY_BYTES_MAX) {
        free_memory(&read);
        return false;
    }
    key = lb_alert_keys_find(&runner->keys, text, hash);
    if (key == NULL)
        key = lb_alert_keys_add(&runner->keys, text, hash);
    if (key == NULL) { /* The rule keeps fewer keys than before. */
        free_memory(&read);
        return true;
    }
    adopt(runner, key, &read);
    lb_alert_keys_move(&runner->keys, key, (enum lb_alert_list)list);
    return true;
}

static bool read_rule(const msgpack_object *object, struct lb_alert_runner *(*find)(void *context, struct lb_str rule),
                      void *context)
{
    struct reader reader = open_array(object, RULE_MEMBERS);
    uint64_t version = take_unsigned(&reader);
    struct lb_str name = take_bytes(&reader);
    uint64_t meaning = take_unsigned(&reader);
    const msgpack_object *keys = take(&reader);
    struct lb_alert_runner *runner;

    if (reader.bad || version != VERSION || keys->type != MSGPACK_OBJECT_ARRAY)
        return false;
    runner = find(context, name);
    if (runner == NULL || lb_alert_rule_meaning(runner->rule) != meaning)
        return true;
    for (uint32_t i = 0; i < keys->via.array.size; i++)
        if (!read_key(runner, &keys->via.array.ptr[i]))
            return false;
    lb_alert_runner_restore(runner, take_bytes(&reader));
    return !reader.bad;
}

enum lb_err lb_alert_snapshot_read(struct lb_str *bytes,
                                   struct lb_alert_runner *(*find)(void *context, struct lb_str rule), void *context)
{
    struct lb_snapshot_head head;
    msgpack_unpacked unpacked;
    bool ok = false;

    if (bytes->len == 0)
        return LB_END;
    if (bytes->len < sizeof(head))
        return LB_BAD_INPUT;
    memcpy(&head, bytes->ptr, sizeof(head));
    struct lb_str packed = { bytes->ptr + sizeof(head), bytes->len - sizeof(head) };
    if (head.length > packed.len || XXH3_64bits(packed.ptr, head.length) != head.checksum)
        return LB_BAD_INPUT;
    *bytes = (struct lb_str){ packed.ptr + head.length, packed.len - head.length };
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, packed.ptr, head.length, NULL) == MSGPACK_UNPACK_SUCCESS)
        ok = read_rule(&unpacked.data, find, context);
    msgpack_unpacked_destroy(&unpacked);
    return ok ? LB_OK : LB_BAD_INPUT;
}
