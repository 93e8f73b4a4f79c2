/*
 * fuzz_format.c - records of any fields: members of JSON text, changed ones,
 * and slices of the same text that are none. JSON that comes out is valid and
 * has each leading key once.
 */
#include "lb_format.h"
#include "lb_json.h"
#include "lb_limits.h"

#include <assert.h>
#include <stdlib.h>

enum { FIELDS = 16, ROOM = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One byte of the input decides what happens to each field. */
static void change(struct lb_field *field, uint8_t how, struct lb_str text)
{
    switch (how % 8) {
    case 0: field->value.kind = LB_VALUE_NONE; break;
    case 1: field->value = lb_value_text((struct lb_str){ text.ptr, text.len < 20 ? text.len : 20 }); break;
    case 2: field->key = lb_value_text((struct lb_str){ text.ptr + text.len / 2, text.len - text.len / 2 }); break;
    case 3: field->key = lb_value_of(LB_STR("message"), LB_VALUE_CLEAN); break;
    default: break;
    }
}

static void count_keys(struct lb_str line)
{
    static const char *const names[] = { "timestamp", "level", "service", "host", "message", "facility" };
    unsigned counts[6] = { 0 };
    struct lb_field member;
    size_t at = 1;

    while (lb_json_next_member(line, &at, &member) == LB_OK) {
        char room[ROOM];
        struct lb_scratch scratch = { room, sizeof(room), 0 };
        struct lb_str key = lb_value_str(member.key, &scratch);

        for (int i = 0; i < 6; i++)
            counts[i] += lb_str_is(key, names[i]);
    }
    assert(counts[0] == 1 && counts[1] == 1 && counts[2] == 1 && counts[4] == 1 && counts[5] == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char room[LB_SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_field fields[FIELDS];
    struct lb_json_object object = { .fields = fields, .field_max = FIELDS };
    uint8_t hows[FIELDS] = { 0 };
    struct lb_buffer out;

    if (size < FIELDS)
        return 0;
    memcpy(hows, data, FIELDS);
    char *exact = malloc(size - FIELDS + 1);
    memcpy(exact, data + FIELDS, size - FIELDS);
    struct lb_str text = { exact, size - FIELDS };
    if (lb_json_read_object(text, &object) == LB_OK) {
        struct lb_record record = { .fields = fields,
                                    .field_count = (uint16_t)object.field_count,
                                    .message = lb_value_text(text),
                                    .service = lb_value_of(LB_STR("s"), LB_VALUE_CLEAN),
                                    .level = (uint8_t)(hows[0] % LB_LEVEL_COUNT),
                                    .facility = (uint8_t)(hows[1] % 24 + 1),
                                    .rest = object.rest };

        for (uint32_t i = 0; i < object.field_count; i++)
            change(&fields[i], hows[i], text);
        lb_buffer_init(&out, 1 << 24);
        for (int i = 0; i < 4; i++) {
            struct lb_formatter formatter = { .format = (enum lb_format)i, .scratch = &scratch };

            lb_buffer_reset(&out);
            lb_format_write(&formatter, NULL, &record, &out);
            assert(!out.failed);
            if (i != LB_FORMAT_JSON)
                continue;
            assert(lb_json_valid(lb_buffer_str(&out)) && lb_utf8_valid(lb_buffer_str(&out)) == out.len);
            count_keys(lb_buffer_str(&out));
        }
        lb_buffer_free(&out);
    }
    free(exact);
    return 0;
}
