/*
 * grep_sets.c - sets of literals.
 *
 * The tricky thing is when to stop multiplying: a row of two sets is a set of
 * their joined texts only while it stays small; after that the left one
 * becomes a clause of its own and the right one goes on alone.
 */
#include "grep_sets.h"

enum { PRODUCT_MAX = 32, TIMES_MAX = 64 };

static struct lb_str empty_item[] = { { "", 0 } };

struct grep_expression grep_nothing(void)
{
    struct grep_set set = { empty_item, 1 };

    return (struct grep_expression){ .is_exact = true, .is_plain = true, .first = set, .last = set };
}

struct grep_expression grep_unknown(void)
{
    struct grep_expression unknown = grep_nothing();

    unknown.is_exact = false;
    return unknown;
}

struct grep_expression grep_text(struct lb_arena *arena, struct lb_str text)
{
    struct grep_expression made = grep_nothing();
    struct lb_str *item = lb_arena_alloc(arena, sizeof(*item));

    if (item == NULL || text.len > GREP_LITERAL_BYTES_MAX)
        return grep_unknown();
    *item = lb_arena_copy(arena, text);
    if (item->ptr == NULL)
        return grep_unknown();
    made.first = made.last = (struct grep_set){ item, 1 };
    return made;
}

static bool says_nothing(struct grep_set set)
{
    for (size_t i = 0; i < set.count; i++) {
        if (set.items[i].len == 0)
            return true;
    }
    return set.count == 0;
}

static size_t shortest(struct grep_set set)
{
    size_t length = SIZE_MAX;

    for (size_t i = 0; i < set.count; i++)
        length = set.items[i].len < length ? set.items[i].len : length;
    return length;
}

static bool has_item(struct grep_set set, struct lb_str text)
{
    for (size_t i = 0; i < set.count; i++) {
        if (lb_str_equal(set.items[i], text))
            return true;
    }
    return false;
}

/* Every text of `a` with every text of `b` behind it. False: too many, or too long. */
static bool multiply(struct lb_arena *arena, struct grep_set a, struct grep_set b, struct grep_set *product)
{
    if (a.count == 1 && a.items[0].len == 0) {
        *product = b;
        return true;
    }
    if (b.count == 1 && b.items[0].len == 0) {
        *product = a;
        return true;
    }
    if (a.count * b.count > PRODUCT_MAX)
        return false;
    *product = (struct grep_set){ lb_arena_alloc(arena, a.count * b.count * sizeof(struct lb_str)), 0 };
    if (product->items == NULL)
        return false;
    for (size_t i = 0; i < a.count * b.count; i++) {
        struct lb_str front = a.items[i / b.count];
        struct lb_str back = b.items[i % b.count];
        char *joined = NULL;

        if (front.len + back.len <= GREP_LITERAL_BYTES_MAX)
            joined = lb_arena_alloc(arena, front.len + back.len);
        if (joined == NULL)
            return false;
        memcpy(joined, front.ptr, front.len);
        memcpy(joined + front.len, back.ptr, back.len);
        product->items[product->count++] = (struct lb_str){ joined, front.len + back.len };
    }
    return true;
}

static struct grep_clause_list *add_clause(struct lb_arena *arena, struct grep_clause_list *list, struct grep_set set)
{
    struct grep_clause_list *clause;

    if (says_nothing(set) || (clause = lb_arena_alloc(arena, sizeof(*clause))) == NULL)
        return list;
    *clause = (struct grep_clause_list){ list, set };
    return clause;
}

static struct grep_clause_list *join_lists(struct lb_arena *arena, struct grep_clause_list *a,
                                           struct grep_clause_list *b)
{
    for (; b != NULL; b = b->following)
        a = add_clause(arena, a, b->set);
    return a;
}

struct grep_expression grep_row(struct lb_arena *arena, struct grep_expression a, struct grep_expression b)
{
    struct grep_expression row = { .is_exact = a.is_exact && b.is_exact, .is_plain = a.is_plain && b.is_plain };
    struct grep_set middle;
    bool joined = multiply(arena, a.last, b.first, &middle);

    row.is_exact = row.is_exact && joined;
    row.first = a.first;
    row.last = b.last;
    row.clauses = join_lists(arena, a.clauses, b.clauses);
    if (row.is_exact) {
        row.first = row.last = middle;
    } else if (!joined) {
        /* What stands at an end of the row is told by `first` or `last`. */
        if (!a.is_exact)
            row.clauses = add_clause(arena, row.clauses, a.last);
        if (!b.is_exact)
            row.clauses = add_clause(arena, row.clauses, b.first);
    } else if (a.is_exact) {
        row.first = middle;
    } else if (b.is_exact) {
        row.last = middle;
    } else {
        row.clauses = add_clause(arena, row.clauses, middle);
    }
    return row;
}

/* Every clause there is, those of its ends too. */
static struct grep_clause_list *all_clauses(struct lb_arena *arena, struct grep_expression a)
{
    struct grep_clause_list *list = add_clause(arena, a.clauses, a.first);

    return a.is_exact ? list : add_clause(arena, list, a.last);
}

static bool is_better(struct grep_set a, struct grep_set b)
{
    size_t a_length = shortest(a);
    size_t b_length = shortest(b);

    return a_length != b_length ? a_length > b_length : a.count < b.count;
}

static bool unite(struct lb_arena *arena, struct grep_set a, struct grep_set b, struct grep_set *both)
{
    if (a.count + b.count > GREP_CLAUSE_LITERALS_MAX)
        return false;
    *both = (struct grep_set){ lb_arena_alloc(arena, (a.count + b.count) * sizeof(struct lb_str)), 0 };
    if (both->items == NULL)
        return false;
    for (size_t i = 0; i < a.count; i++)
        both->items[both->count++] = a.items[i];
    for (size_t i = 0; i < b.count; i++) {
        if (!has_item(*both, b.items[i]))
            both->items[both->count++] = b.items[i];
    }
    return true;
}

static const struct grep_clause_list *best_clause(const struct grep_clause_list *list)
{
    const struct grep_clause_list *best = list;

    for (; list != NULL; list = list->following) {
        if (is_better(list->set, best->set))
            best = list;
    }
    return best;
}

struct grep_expression grep_either(struct lb_arena *arena, struct grep_expression a, struct grep_expression b)
{
    struct grep_expression either = grep_unknown();
    struct grep_set both;

    if (a.is_exact && b.is_exact && unite(arena, a.first, b.first, &both))
        return (struct grep_expression){
            .is_exact = true, .is_plain = a.is_plain && b.is_plain, .first = both, .last = both
        };
    const struct grep_clause_list *of_a = best_clause(all_clauses(arena, a));
    const struct grep_clause_list *of_b = best_clause(all_clauses(arena, b));
    if (of_a != NULL && of_b != NULL && unite(arena, of_a->set, of_b->set, &both))
        either.clauses = add_clause(arena, NULL, both);
    return either;
}

struct grep_expression grep_times(struct lb_arena *arena, struct grep_expression a, uint32_t min, uint32_t max)
{
    struct grep_expression times = grep_nothing();

    if (min == 1 && max == 1)
        return a;
    if (min == 0 && max == 1 && a.is_exact)
        return grep_either(arena, a, grep_nothing());
    if (min == 0)
        return max == 0 ? grep_nothing() : grep_unknown();
    for (uint32_t i = 0; i < min && i < TIMES_MAX; i++)
        times = grep_row(arena, times, a);
    if (min != max || min > TIMES_MAX) {
        /* Something unknown, and the last time stands before whatever follows. */
        times = grep_row(arena, times, grep_unknown());
        times = grep_row(arena, times, a);
    }
    return times;
}

struct grep_expression grep_somewhere(struct lb_arena *arena, struct grep_expression a)
{
    struct grep_expression somewhere = grep_nothing();

    somewhere.is_plain = false;
    somewhere.clauses = all_clauses(arena, a);
    return somewhere;
}

size_t grep_clauses(struct lb_arena *arena, struct grep_expression a, struct lb_archive_clause *clauses, size_t max)
{
    size_t count = 0;

    for (const struct grep_clause_list *list = all_clauses(arena, a); list != NULL; list = list->following) {
        size_t at = count < max ? count++ : max;

        for (; at > 0 && is_better(list->set, (struct grep_set){ (struct lb_str *)(uintptr_t)clauses[at - 1].any,
                                                                 clauses[at - 1].count });
             at--) {
            if (at < max)
                clauses[at] = clauses[at - 1];
        }
        if (at < max)
            clauses[at] = (struct lb_archive_clause){ list->set.items, list->set.count };
    }
    return count;
}
