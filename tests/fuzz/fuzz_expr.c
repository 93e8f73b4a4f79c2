/* fuzz_expr.c - any text as an expression: compiles or says why, within its place; then runs on one record. */
#include "lb_diag.h"
#include "lb_expr.h"
#include "lb_record.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct lb_diag *diag, size_t size)
{
    assert(diag->errors == 1);
    assert(diag->entries[0].place.line == 7);
    assert(diag->entries[0].place.column >= 3 && diag->entries[0].place.column <= 3 + size);
}

static void run(struct lb_expr *expr)
{
    char memory[128];
    struct lb_scratch scratch = { memory, sizeof(memory), 0 };
    struct lb_field fields[] = {
        { lb_value_of(LB_STR("status"), LB_VALUE_CLEAN), lb_value_of(LB_STR("500"), LB_VALUE_NUMBER) },
        { lb_value_of(LB_STR("http"), LB_VALUE_CLEAN), lb_value_of(LB_STR("{\"a\":{\"b\":1}}"), LB_VALUE_OBJECT) },
        { lb_value_of(LB_STR("a"), LB_VALUE_CLEAN), lb_value_of(LB_STR("x\\ny\\u00e9"), LB_VALUE_ESCAPED) },
    };
    const struct lb_record record = { .level = LB_LEVEL_ERROR,
                                      .service = lb_value_text(LB_STR("payments")),
                                      .message = lb_value_text(LB_STR("GET /a \xff\xc3\xb6 500 in 12ms")),
                                      .fields = fields,
                                      .field_count = 3,
                                      .field_capacity = 3 };
    bool matches = lb_expr_match(expr, &record, &scratch);
    enum lb_expr_constant constant = lb_expr_constant(expr);

    assert(scratch.used == 0);
    assert(constant == LB_EXPR_VARIES || (constant == LB_EXPR_ALWAYS) == matches);
    for (size_t i = 0; i < lb_expr_fields(expr).count; i++)
        assert(lb_expr_fields(expr).items[i].len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_arena arena;
    struct lb_diag diag = { 0 };
    struct lb_str text = { (const char *)data, size };

    lb_arena_init(&arena, 1 << 20);
    struct lb_expr *expr = lb_expr_new(&arena, text, (struct lb_place){ "fuzz", 7, 3 }, &diag);
    if (expr == NULL) {
        check_error(&diag, size);
    } else {
        assert(diag.errors == 0);
        run(expr);
        lb_expr_free(expr);
    }
    lb_diag_free(&diag);
    lb_arena_free(&arena);
    return 0;
}
