/* fuzz_outgoing.c - what a stranger's text becomes in a mail and in JSON that people write; and any such JSON. */
#include "sinks/body_template.h"
#include "sinks/channel_text.h"
#include "sinks/mail_text.h"

#include "lb_json.h"

#include <assert.h>
#include <stdlib.h>

enum { UNITS = 300, MAIL_LINE = 76, BUFFER_BYTES = 4 << 20, SCRATCH_BYTES = 64 * 1024 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Printable ASCII in short lines that end with CRLF; in a header each further line begins with a blank. */
static void check_lines(struct lb_str text, bool header)
{
    size_t line = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '\r') {
            assert(i + 1 < text.len && text.ptr[++i] == '\n');
            assert(!header || (i + 1 < text.len && text.ptr[i + 1] == ' '));
            line = 0;
            continue;
        }
        assert(c >= ' ' && c <= '~');
        assert(++line <= MAIL_LINE);
    }
}

static void check_mail(struct lb_str text, struct lb_buffer *words, struct lb_buffer *out)
{
    lb_buffer_reset(words);
    lb_buffer_reset(out);
    channel_clean(words, text, UNITS, CHANNEL_LINE);
    mail_header_text(out, lb_buffer_str(words));
    check_lines(lb_buffer_str(out), true);
    lb_buffer_reset(words);
    lb_buffer_reset(out);
    channel_clean(words, text, UNITS, CHANNEL_LINES);
    mail_quoted_printable(out, lb_buffer_str(words));
    check_lines(lb_buffer_str(out), false);
    struct lb_str address = mail_address(text);
    assert(address.len == 0 || mail_domain(address).len > 0);
}

/* The text is the template, and the value of a field in it. */
static void check_template(struct lb_str text, struct lb_buffer *words, struct lb_buffer *out)
{
    static char scratch_bytes[SCRATCH_BYTES];
    struct lb_scratch scratch = { scratch_bytes, sizeof(scratch_bytes), 0 };
    struct lb_field field = { lb_value_of(LB_STR("f"), LB_VALUE_CLEAN), lb_value_text(text) };
    struct lb_record record = { .fields = &field, .field_count = 1, .field_capacity = 1 };
    const struct channel_message message = { .id = "id" };
    const struct body_values values = { &message, &record, text, LB_STR("{}") };
    struct lb_diag diag = { 0 };
    struct lb_arena arena;

    record.message = lb_value_text(text);
    lb_arena_init(&arena, BUFFER_BYTES);
    struct body_template *template = body_template_new(&arena, text, (struct lb_place){ 0 }, &diag);
    if (template != NULL) {
        lb_buffer_reset(out);
        body_template_write(template, &values, &scratch, words, out);
        assert(out->failed || lb_json_valid(lb_buffer_str(out)));
    }
    lb_diag_free(&diag);
    lb_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct lb_buffer words;
    struct lb_buffer out;

    /* Exactly as long as it is, so that the sanitizer sees a byte that is read behind it. */
    char *copy = malloc(size > 0 ? size : 1);

    assert(copy != NULL);
    memcpy(copy, data, size);
    lb_buffer_init(&words, BUFFER_BYTES);
    lb_buffer_init(&out, BUFFER_BYTES);
    check_mail((struct lb_str){ copy, size }, &words, &out);
    check_template((struct lb_str){ copy, size }, &words, &out);
    lb_buffer_free(&words);
    lb_buffer_free(&out);
    free(copy);
    return 0;
}
