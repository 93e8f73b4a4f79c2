/*
 * json_nested.c - steps over an object or array inside a value, checking it.
 *
 * A loop, not recursion: how deep a line nests is up to its sender. One bit a
 * level says whether it is an object; there are LB_JSON_DEPTH_MAX levels.
 */
#include "json_reader.h"

#include "lb_limits.h"

/* What may come next. */
enum step {
    STEP_FIRST,   /* an item or the closing bracket */
    STEP_ITEM,    /* an item: there was a comma */
    STEP_BETWEEN, /* a comma or the closing bracket */
};

struct nesting {
    uint64_t objects[LB_JSON_DEPTH_MAX / 64];
    unsigned depth;
    enum step step;
    uint8_t flags; /* enum lb_value_flag of all strings inside */
};

static bool in_object(const struct nesting *self)
{
    unsigned level = self->depth - 1;

    return (self->objects[level / 64] >> (level % 64) & 1) != 0;
}

static const char *enter(struct nesting *self, const char *at, struct json_fault *fault)
{
    uint64_t bit = UINT64_C(1) << (self->depth % 64);

    /* The object that holds the value is a level of its own. */
    if (self->depth >= LB_JSON_DEPTH_MAX - 1)
        return json_refuse(fault, at, "expected less nesting");
    if (*at == '{')
        self->objects[self->depth / 64] |= bit;
    else
        self->objects[self->depth / 64] &= ~bit;
    self->depth++;
    self->step = STEP_FIRST;
    return at + 1;
}

/* Reads one item: a scalar, or the opening bracket of one that nests. */
static const char *read_item(struct nesting *self, const char *at, const char *end, struct json_fault *fault)
{
    struct lb_value item;

    if (in_object(self)) {
        if (*at != '"')
            return json_refuse(fault, at, "expected a quoted key");
        at = json_read_string(at + 1, end, &item, fault);
        if (at == NULL)
            return NULL;
        self->flags |= item.flags;
        at = json_skip_blanks(at, end);
        if (at == end || *at != ':')
            return json_refuse(fault, at, "expected a colon behind the key");
        at = json_skip_blanks(at + 1, end);
    }
    if (at < end && (*at == '{' || *at == '['))
        return enter(self, at, fault);
    self->step = STEP_BETWEEN;
    at = json_read_value(at, end, &item, fault);
    if (at != NULL)
        self->flags |= item.flags;
    return at;
}

static const char *step(struct nesting *self, const char *at, const char *end, struct json_fault *fault)
{
    if (self->step != STEP_ITEM && *at == (in_object(self) ? '}' : ']')) {
        self->depth--;
        self->step = STEP_BETWEEN;
        return at + 1;
    }
    if (self->step == STEP_BETWEEN) {
        if (*at != ',')
            return json_refuse(fault, at, "expected a comma or a closing bracket");
        self->step = STEP_ITEM;
        return at + 1;
    }
    return read_item(self, at, end, fault);
}

const char *json_read_nested(const char *at, const char *end, struct lb_value *value, struct json_fault *fault)
{
    struct nesting nesting = { .depth = 0 };
    const char *start = at;

    at = enter(&nesting, at, fault);
    while (at != NULL && nesting.depth > 0) {
        at = json_skip_blanks(at, end);
        if (at == end)
            return json_refuse(fault, at, "expected a closing bracket");
        at = step(&nesting, at, end, fault);
    }
    if (at != NULL) {
        uint8_t kind = *start == '{' ? LB_VALUE_OBJECT : LB_VALUE_ARRAY;

        *value = (struct lb_value){ start, (uint32_t)(at - start), kind, nesting.flags };
    }
    return at;
}
