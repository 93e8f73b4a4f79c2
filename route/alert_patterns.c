/*
 * alert_patterns.c - Drain, on books of hashes.
 *
 * The tree is flat: a leaf is found by the hash of the way to it (group, token
 * count, first token). Tokens are kept as hashes, for a pattern is compared
 * and never written out. The patterns of a leaf are a chain with the one seen
 * last in front. Only the clusters are remembered over a restart; leaves,
 * nodes and groups are made of them anew.
 */
#include "alert_patterns.h"

#include "alert_bytes.h"

#include <xxhash.h>

#define LIKE 0.4

enum { VERSION = 1, NONE = 0 };

/* Links are places in the book of clusters + 1. */
struct cluster {
    uint64_t group;
    uint64_t node;
    uint64_t leaf;
    uint64_t wild;  /* bit n: token n may be anything */
    uint32_t next;  /* of its leaf */
    uint32_t older; /* of its group */
    uint32_t newer;
    uint32_t count;
    uint32_t tokens[LB_ALERT_PATTERN_TOKENS];
};

struct leaf {
    uint32_t first;
    uint32_t count;
};

struct node {
    uint64_t leaves;
};

struct group {
    uint32_t oldest;
    uint32_t newest;
    uint64_t count;
};

/* A message that is looked for. */
struct sought {
    uint64_t group;
    uint64_t node;
    uint64_t leaf;
    uint32_t count;
    uint32_t tokens[LB_ALERT_PATTERN_TOKENS];
};

static struct cluster *at(const struct lb_alert_patterns *patterns, uint32_t link)
{
    return lb_alert_book_at(&patterns->clusters, link - 1);
}

static uint32_t link_of(const struct lb_alert_patterns *patterns, const struct cluster *cluster)
{
    return lb_alert_book_place(&patterns->clusters, cluster) + 1;
}

/* --- leaves ---------------------------------------------------------------- */

/* The link that points to it, in the leaf or in the one before. */
static uint32_t *link_to(const struct lb_alert_patterns *patterns, struct leaf *leaf, uint32_t link)
{
    uint32_t *from = &leaf->first;

    while (*from != link)
        from = &at(patterns, *from)->next;
    return from;
}

static void leave_leaf(struct lb_alert_patterns *patterns, const struct cluster *cluster)
{
    struct leaf *leaf = lb_alert_book_find(&patterns->leaves, cluster->leaf);
    struct node *node = lb_alert_book_find(&patterns->nodes, cluster->node);

    *link_to(patterns, leaf, link_of(patterns, cluster)) = cluster->next;
    if (--leaf->count > 0)
        return;
    lb_alert_book_remove(&patterns->leaves, leaf);
    if (--node->leaves == 0)
        lb_alert_book_remove(&patterns->nodes, node);
}

static bool enter_leaf(struct lb_alert_patterns *patterns, struct cluster *cluster)
{
    bool fresh;
    struct node *node = lb_alert_book_take(&patterns->nodes, cluster->node, &fresh);
    struct leaf *leaf = node != NULL ? lb_alert_book_take(&patterns->leaves, cluster->leaf, &fresh) : NULL;

    if (leaf == NULL) {
        if (node != NULL && node->leaves == 0)
            lb_alert_book_remove(&patterns->nodes, node);
        return false;
    }
    node->leaves += fresh;
    cluster->next = leaf->first;
    leaf->first = link_of(patterns, cluster);
    leaf->count++;
    return true;
}

/* --- groups ---------------------------------------------------------------- */

static void unlink_group(struct lb_alert_patterns *patterns, struct group *group, const struct cluster *cluster)
{
    if (cluster->older != NONE)
        at(patterns, cluster->older)->newer = cluster->newer;
    else
        group->oldest = cluster->newer;
    if (cluster->newer != NONE)
        at(patterns, cluster->newer)->older = cluster->older;
    else
        group->newest = cluster->older;
}

static void link_group(struct lb_alert_patterns *patterns, struct group *group, struct cluster *cluster)
{
    uint32_t link = link_of(patterns, cluster);

    cluster->older = group->newest;
    cluster->newer = NONE;
    if (group->newest != NONE)
        at(patterns, group->newest)->newer = link;
    else
        group->oldest = link;
    group->newest = link;
}

static void leave_group(struct lb_alert_patterns *patterns, const struct cluster *cluster)
{
    struct group *group = lb_alert_book_find(&patterns->groups, cluster->group);

    unlink_group(patterns, group, cluster);
    if (--group->count == 0)
        lb_alert_book_remove(&patterns->groups, group);
}

static bool enter_group(struct lb_alert_patterns *patterns, struct cluster *cluster)
{
    bool fresh;
    struct group *group = lb_alert_book_take(&patterns->groups, cluster->group, &fresh);

    if (group == NULL)
        return false;
    link_group(patterns, group, cluster);
    group->count++;
    return true;
}

/* --- clusters -------------------------------------------------------------- */

static void dropped(void *context, void *entry)
{
    struct lb_alert_patterns *patterns = context;

    leave_leaf(patterns, entry);
    leave_group(patterns, entry);
}

static void drop(struct lb_alert_patterns *patterns, uint32_t link)
{
    struct cluster *cluster = at(patterns, link);

    dropped(patterns, cluster);
    lb_alert_book_remove(&patterns->clusters, cluster);
    patterns->clusters.forgotten++;
}

/* Its place among the others; without memory it is gone. */
static bool enter(struct lb_alert_patterns *patterns, struct cluster *cluster)
{
    if (enter_leaf(patterns, cluster)) {
        if (enter_group(patterns, cluster))
            return true;
        leave_leaf(patterns, cluster);
    }
    lb_alert_book_remove(&patterns->clusters, cluster);
    return false;
}

/* Before another is made: of too many in one leaf, or in one group, the one that was not seen for the longest time. */
static void make_room(struct lb_alert_patterns *patterns, const struct sought *sought)
{
    const struct leaf *leaf = lb_alert_book_find(&patterns->leaves, sought->leaf);
    const struct group *group;

    if (leaf != NULL && leaf->count >= LB_ALERT_PATTERNS_ALIKE) {
        uint32_t last = leaf->first;

        while (at(patterns, last)->next != NONE)
            last = at(patterns, last)->next;
        drop(patterns, last);
    }
    group = lb_alert_book_find(&patterns->groups, sought->group);
    if (group != NULL && group->count >= LB_ALERT_PATTERNS_GROUP)
        drop(patterns, group->oldest);
}

static bool make(struct lb_alert_patterns *patterns, const struct sought *sought, uint64_t id, bool *fresh)
{
    struct cluster *cluster;

    make_room(patterns, sought);
    cluster = lb_alert_book_take(&patterns->clusters, id, fresh);
    if (cluster == NULL || !*fresh)
        return cluster != NULL;
    cluster->group = sought->group;
    cluster->node = sought->node;
    cluster->leaf = sought->leaf;
    cluster->count = sought->count;
    memcpy(cluster->tokens, sought->tokens, sought->count * sizeof(*sought->tokens));
    return enter(patterns, cluster);
}

/* --- finding --------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t number)
{
    return XXH3_64bits_withSeed(&number, sizeof(number), hash);
}

/* The tokens of the masked message, and the leaf where it belongs. */
static bool seek(const struct lb_alert_patterns *patterns, uint64_t group, struct lb_str masked, struct sought *sought)
{
    const struct node *node;
    bool varies = masked.len > 0 && memchr(masked.ptr, '<', masked.len) == masked.ptr;

    *sought = (struct sought){ .group = group };
    while (masked.len > 0 && sought->count < LB_ALERT_PATTERN_TOKENS) {
        const char *blank = memchr(masked.ptr, ' ', masked.len);
        size_t len = blank != NULL ? (size_t)(blank - masked.ptr) : masked.len;

        sought->tokens[sought->count++] = (uint32_t)XXH3_64bits(masked.ptr, len);
        len += blank != NULL;
        masked = (struct lb_str){ masked.ptr + len, masked.len - len };
    }
    sought->node = mix(group, sought->count);
    sought->leaf = mix(sought->node, varies ? UINT64_MAX : sought->tokens[0]);
    /* Too many begin differently: the first word is a parameter too. */
    node = lb_alert_book_find(&patterns->nodes, sought->node);
    if (node != NULL && node->leaves >= LB_ALERT_PATTERNS_ALIKE &&
        lb_alert_book_find(&patterns->leaves, sought->leaf) == NULL)
        sought->leaf = mix(sought->node, UINT64_MAX);
    return sought->count > 0;
}

/* How many tokens are the same; those that may be anything do not count. */
static uint32_t same_tokens(const struct cluster *cluster, const struct sought *sought)
{
    uint32_t same = 0;

    for (uint32_t i = 0; i < cluster->count; i++)
        same += (cluster->wild >> i & 1) == 0 && cluster->tokens[i] == sought->tokens[i];
    return same;
}

/* The most similar one of the leaf: of several the more general one, then the one seen last. */
static struct cluster *best_of(const struct lb_alert_patterns *patterns, const struct sought *sought)
{
    const struct leaf *leaf = lb_alert_book_find(&patterns->leaves, sought->leaf);
    struct cluster *best = NULL;
    uint32_t most = 0;

    for (uint32_t link = leaf != NULL ? leaf->first : NONE; link != NONE; link = at(patterns, link)->next) {
        struct cluster *cluster = at(patterns, link);
        uint32_t same = same_tokens(cluster, sought);

        if (same < LIKE * sought->count || same < most)
            continue;
        if (best != NULL && same == most && __builtin_popcountll(cluster->wild) <= __builtin_popcountll(best->wild))
            continue;
        best = cluster;
        most = same;
    }
    return best;
}

/* It is of this pattern: which takes anything where they differ, and was seen last. */
static uint64_t join(struct lb_alert_patterns *patterns, struct cluster *cluster, const struct sought *sought)
{
    uint64_t id = lb_alert_book_hash(&patterns->clusters, cluster);
    uint32_t link = link_of(patterns, cluster);
    struct leaf *leaf = lb_alert_book_find(&patterns->leaves, cluster->leaf);
    struct group *group = lb_alert_book_find(&patterns->groups, cluster->group);
    bool fresh;

    for (uint32_t i = 0; i < cluster->count; i++)
        if (cluster->tokens[i] != sought->tokens[i])
            cluster->wild |= UINT64_C(1) << i;
    *link_to(patterns, leaf, link) = cluster->next;
    cluster->next = leaf->first;
    leaf->first = link;
    unlink_group(patterns, group, cluster);
    link_group(patterns, group, cluster);
    (void)lb_alert_book_take(&patterns->clusters, id, &fresh);
    return id;
}

bool lb_alert_patterns_see(struct lb_alert_patterns *patterns, uint64_t group, struct lb_str message,
                           struct lb_alert_pattern *pattern)
{
    struct sought sought;
    struct cluster *cluster;

    pattern->length = lb_alert_mask(message, pattern->text, sizeof(pattern->text));
    pattern->fresh = false;
    if (!seek(patterns, group, (struct lb_str){ pattern->text, pattern->length }, &sought))
        return false;
    cluster = best_of(patterns, &sought);
    if (cluster != NULL) {
        pattern->id = join(patterns, cluster, &sought);
        return true;
    }
    pattern->id = XXH3_64bits_withSeed(pattern->text, pattern->length, group);
    return make(patterns, &sought, pattern->id, &pattern->fresh);
}

/* --- making, freeing, over a restart --------------------------------------- */

void lb_alert_patterns_init(struct lb_alert_patterns *patterns)
{
    lb_alert_book_init(&patterns->clusters, sizeof(struct cluster), LB_ALERT_PATTERNS_MAX);
    patterns->clusters.dropped = dropped;
    patterns->clusters.context = patterns;
    /* Each of these has a pattern at least, so they never let one go. One more, while a pattern is made. */
    lb_alert_book_init(&patterns->leaves, sizeof(struct leaf), LB_ALERT_PATTERNS_MAX + 1);
    lb_alert_book_init(&patterns->nodes, sizeof(struct node), LB_ALERT_PATTERNS_MAX + 1);
    lb_alert_book_init(&patterns->groups, sizeof(struct group), LB_ALERT_PATTERNS_MAX + 1);
}

void lb_alert_patterns_free(struct lb_alert_patterns *patterns)
{
    lb_alert_book_free(&patterns->clusters);
    lb_alert_book_free(&patterns->leaves);
    lb_alert_book_free(&patterns->nodes);
    lb_alert_book_free(&patterns->groups);
}

uint64_t lb_alert_patterns_forgotten(const struct lb_alert_patterns *patterns)
{
    return patterns->clusters.forgotten;
}

void lb_alert_patterns_write(const struct lb_alert_patterns *patterns, struct lb_buffer *out)
{
    lb_alert_bytes_put_count(out, VERSION);
    lb_alert_book_write(&patterns->clusters, out);
}

/* Read into a book of its own first: what is read there has no place in a leaf yet. */
static bool adopt(struct lb_alert_patterns *patterns, const struct lb_alert_book *read)
{
    for (uint32_t place = lb_alert_book_next(read, LB_ALERT_BOOK_END); place != LB_ALERT_BOOK_END;
         place = lb_alert_book_next(read, place)) {
        const struct cluster *from = lb_alert_book_at(read, place);
        struct cluster *cluster;
        bool fresh;

        if (from->count == 0 || from->count > LB_ALERT_PATTERN_TOKENS)
            return false;
        cluster = lb_alert_book_take(&patterns->clusters, lb_alert_book_hash(read, from), &fresh);
        if (cluster == NULL || !fresh)
            return false;
        *cluster = *from;
        cluster->next = cluster->older = cluster->newer = NONE;
        if (!enter(patterns, cluster))
            return false;
    }
    return true;
}

bool lb_alert_patterns_restore(struct lb_alert_patterns *patterns, struct lb_str *bytes)
{
    struct lb_alert_book read;
    bool ok;

    if (!lb_alert_bytes_expect(bytes, VERSION))
        return false;
    lb_alert_book_init(&read, sizeof(struct cluster), LB_ALERT_PATTERNS_MAX);
    ok = lb_alert_book_restore(&read, bytes) && adopt(patterns, &read);
    lb_alert_book_free(&read);
    return ok;
}
