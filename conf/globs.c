/*
 * globs.c - a search over pairs of places in two patterns.
 *
 * Both patterns are walked at once: from a pair of places one step reads one
 * character that both accept, or leaves a wildcard. There are at most
 * 512 x 512 pairs and each is visited once, so hostile patterns cost no more
 * than that. The characters on the way to the end are an example.
 */
#include "globs.h"

#include "lb_alloc.h"

#include <stdint.h>

enum element_kind { ELEMENT_CHAR, ELEMENT_ANY, ELEMENT_SET, ELEMENT_STAR, ELEMENT_DEEP };

/* STAR: any number of characters but "/"; DEEP: any number of any. */
struct element {
    enum element_kind kind;
    char c;
    bool negated;
    struct lb_str set;
};

struct glob {
    struct element elements[LB_GLOB_BYTES];
    uint32_t count;
};

static bool in_set(const struct element *self, char c)
{
    bool found = false;

    for (size_t i = 0; i < self->set.len && !found; i++) {
        if (i + 2 < self->set.len && self->set.ptr[i + 1] == '-') {
            found = c >= self->set.ptr[i] && c <= self->set.ptr[i + 2];
            i += 2;
        } else {
            found = c == self->set.ptr[i];
        }
    }
    return found != self->negated;
}

/* Whether one character can be `c`. */
static bool accepts(const struct element *self, char c)
{
    switch (self->kind) {
    case ELEMENT_CHAR: return c == self->c;
    case ELEMENT_SET: return c != '/' && in_set(self, c);
    case ELEMENT_DEEP: return true;
    default: return c != '/';
    }
}

static void add(struct glob *self, struct element element)
{
    self->elements[self->count++] = element;
}

/* `[a-z]` at the front of `text`; returns its length, 0 if it is never closed. */
static size_t read_set(struct glob *self, struct lb_str text)
{
    size_t start = text.len > 1 && (text.ptr[1] == '!' || text.ptr[1] == '^') ? 2 : 1;
    const char *close = text.len > start + 1 ? memchr(text.ptr + start + 1, ']', text.len - start - 1) : NULL;

    if (close == NULL)
        return 0;
    add(self, (struct element){ .kind = ELEMENT_SET,
                                .negated = start == 2,
                                .set = { text.ptr + start, (size_t)(close - text.ptr) - start } });
    return (size_t)(close - text.ptr) + 1;
}

/* `{name}`: as two elements, so that it is never empty. */
static size_t read_field(struct glob *self, struct lb_str text)
{
    const char *close = memchr(text.ptr, '}', text.len);

    if (close == NULL)
        return 0;
    add(self, (struct element){ .kind = ELEMENT_ANY });
    add(self, (struct element){ .kind = ELEMENT_STAR });
    return (size_t)(close - text.ptr) + 1;
}

/* Adds what stands at the front of `text` and returns its length. */
static size_t read_element(struct glob *self, struct lb_str text)
{
    size_t used = 0;

    switch (text.ptr[0]) {
    case '*':
        used = text.len > 1 && text.ptr[1] == '*' ? 2 : 1;
        add(self, (struct element){ .kind = used == 2 ? ELEMENT_DEEP : ELEMENT_STAR });
        /* A component of two stars also stands for none at all: its slash is a part of it. */
        if (used == 2 && text.len > 2 && text.ptr[2] == '/')
            used = 3;
        return used;
    case '?': add(self, (struct element){ .kind = ELEMENT_ANY }); return 1;
    case '[': used = read_set(self, text); break;
    case '{': used = read_field(self, text); break;
    default: break;
    }
    if (used == 0) {
        add(self, (struct element){ .kind = ELEMENT_CHAR, .c = text.ptr[0] });
        used = 1;
    }
    return used;
}

static bool compile(struct glob *self, struct lb_str text)
{
    self->count = 0;
    while (text.len > 0) {
        size_t used;

        if (self->count + 2 > LB_GLOB_BYTES)
            return false;
        used = read_element(self, text);
        text = (struct lb_str){ text.ptr + used, text.len - used };
    }
    return true;
}

/* --- the search ----------------------------------------------------------- */

struct step {
    uint32_t from; /* the pair before; itself: the start */
    char c;        /* the character that was read; 0: a wildcard was left */
    bool seen;
};

struct search {
    struct glob a;
    struct glob b;
    struct step *steps; /* of each pair */
    uint32_t *queue;
    uint32_t head;
    uint32_t tail;
};

static bool repeats(const struct element *element)
{
    return element->kind == ELEMENT_STAR || element->kind == ELEMENT_DEEP;
}

static uint32_t pair(const struct search *self, uint32_t i, uint32_t j)
{
    return i * (self->b.count + 1) + j;
}

static void visit(struct search *self, uint32_t to, uint32_t from, char c)
{
    if (self->steps[to].seen)
        return;
    self->steps[to] = (struct step){ from, c, true };
    self->queue[self->tail++] = to;
}

/* A character that both elements accept, as plain as can be; 0: none. */
static char common(const struct element *a, const struct element *b)
{
    static const char preferred[] = "x1a0";

    if (a->kind == ELEMENT_CHAR)
        return accepts(b, a->c) ? a->c : '\0';
    if (b->kind == ELEMENT_CHAR)
        return accepts(a, b->c) ? b->c : '\0';
    for (const char *c = preferred; *c != '\0'; c++) {
        if (accepts(a, *c) && accepts(b, *c))
            return *c;
    }
    for (char c = ' '; c < 127; c++) {
        if (accepts(a, c) && accepts(b, c))
            return c;
    }
    return '\0';
}

static void expand(struct search *self, uint32_t at)
{
    uint32_t i = at / (self->b.count + 1);
    uint32_t j = at % (self->b.count + 1);
    const struct element *a = i < self->a.count ? &self->a.elements[i] : NULL;
    const struct element *b = j < self->b.count ? &self->b.elements[j] : NULL;

    if (a != NULL && repeats(a))
        visit(self, pair(self, i + 1, j), at, '\0');
    if (b != NULL && repeats(b))
        visit(self, pair(self, i, j + 1), at, '\0');
    if (a == NULL || b == NULL)
        return;
    char c = common(a, b);
    if (c != '\0')
        visit(self, pair(self, repeats(a) ? i : i + 1, repeats(b) ? j : j + 1), at, c);
}

/* Backwards from the end to the start. */
static bool write_example(const struct search *self, uint32_t end, char *example)
{
    size_t len = 0;

    for (uint32_t at = end; self->steps[at].from != at; at = self->steps[at].from)
        len += self->steps[at].c != '\0';
    if (len >= LB_GLOB_BYTES)
        return false;
    example[len] = '\0';
    for (uint32_t at = end; self->steps[at].from != at; at = self->steps[at].from) {
        if (self->steps[at].c != '\0')
            example[--len] = self->steps[at].c;
    }
    return true;
}

static bool run(struct search *self, char *example)
{
    uint32_t end = pair(self, self->a.count, self->b.count);

    self->steps = lb_alloc((end + 1) * sizeof(struct step));
    self->queue = lb_alloc((end + 1) * sizeof(uint32_t));
    if (self->steps == NULL || self->queue == NULL)
        return false;
    visit(self, 0, 0, '\0');
    while (self->head < self->tail && !self->steps[end].seen)
        expand(self, self->queue[self->head++]);
    return self->steps[end].seen && write_example(self, end, example);
}

bool lb_globs_meet(struct lb_str a, struct lb_str b, char *example)
{
    struct search *search = lb_alloc(sizeof(*search));
    bool meet = search != NULL && compile(&search->a, a) && compile(&search->b, b) && run(search, example);

    if (search != NULL) {
        lb_free(search->steps);
        lb_free(search->queue);
    }
    lb_free(search);
    return meet;
}

bool lb_glob_of_template(struct lb_str text, char *glob)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        bool pair_follows = i + 1 < text.len && text.ptr[i + 1] == text.ptr[i];

        if (len + 4 > LB_GLOB_BYTES)
            return false;
        if (text.ptr[i] == '%' && i + 1 < text.len && !pair_follows) {
            glob[len++] = '?';
            glob[len++] = '*';
            i++;
        } else if (text.ptr[i] == '{' && !pair_follows) {
            const char *close = memchr(text.ptr + i, '}', text.len - i);

            glob[len++] = '?';
            glob[len++] = '*';
            i = close != NULL ? (size_t)(close - text.ptr) : text.len;
        } else if (strchr("*?[", text.ptr[i]) != NULL) {
            glob[len++] = '?';
        } else {
            i += (text.ptr[i] == '{' || text.ptr[i] == '%') && pair_follows ? 1 : 0;
            glob[len++] = text.ptr[i];
        }
    }
    glob[len] = '\0';
    return true;
}
