/*
 * yaml.c - libyaml's events → the tree.
 *
 * All scalars are text; what type a value has is said by the option table
 * that reads it. libyaml marks places in characters, not bytes: `offset` and
 * `character` are a pair that walks along with the events, so that looking at
 * the source behind a value costs no second pass. An alias shares the nodes
 * of its anchor but counts in full, which is what stops a billion laughs.
 */
#include "yaml.h"

#include "lb_alloc.h"
#include "variables.h"

#include <stdlib.h>

struct anchor {
    struct lb_str name;
    struct lb_node node;
    uint32_t size;   /* nodes */
    unsigned height; /* levels beneath it */
    bool complete;
};

struct builder {
    struct lb_yaml *yaml;
    struct lb_yaml_source source;
    yaml_parser_t parser;
    size_t offset; /* byte `offset` of the text is character `character` */
    size_t character;
    struct lb_node *stack; /* children of the collections that are open; copied to the arena when one is complete */
    size_t used;
    size_t capacity;
    struct anchor *anchors;
    uint32_t anchor_count;
    unsigned depth;
    unsigned deepest; /* reached since the innermost open anchor */
};

static bool read_node(struct builder *self, const yaml_event_t *event, const struct lb_node *key, struct lb_node *node);

static struct lb_place place_of(const struct builder *self, yaml_mark_t mark)
{
    return (struct lb_place){ self->source.file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1 };
}

static const char *source_at(struct builder *self, yaml_mark_t mark)
{
    return self->source.text.ptr + lb_yaml_seek(self->source.text, &self->offset, &self->character, mark.index);
}

static bool refuse(const struct builder *self, struct lb_place place, const char *text)
{
    lb_diag_error(self->yaml->diag, place, "%s", text);
    return false;
}

static bool next_event(struct builder *self, yaml_event_t *event)
{
    if (yaml_parser_parse(&self->parser, event))
        return true;
    lb_yaml_explain(&self->source, &self->parser, self->yaml->diag);
    return false;
}

static bool count_nodes(struct builder *self, uint32_t count, struct lb_place place)
{
    if (count > LB_CONF_NODES_MAX - self->yaml->node_count) {
        lb_diag_error(self->yaml->diag, place, "too large: more than %d values; an alias counts as what it stands for",
                      LB_CONF_NODES_MAX);
        return false;
    }
    self->yaml->node_count += count;
    return true;
}

static bool push(struct builder *self, const struct lb_node *node)
{
    struct lb_node *grown = lb_grown(self->stack, self->used, &self->capacity, sizeof(*grown));

    if (grown == NULL)
        return refuse(self, node->place, "out of memory");
    self->stack = grown;
    self->stack[self->used++] = *node;
    return true;
}

/* Every `step`-th node of the stack from `start` on, copied to the arena; NULL when it is full. */
static struct lb_node *collect(struct builder *self, size_t start, size_t step)
{
    size_t count = (self->used - start + step - 1) / step;
    struct lb_node *nodes = lb_arena_alloc(self->yaml->arena, (count + 1) * sizeof(*nodes));

    for (size_t i = 0; nodes != NULL && i < count; i++)
        nodes[i] = self->stack[start + i * step];
    return nodes;
}

/* --- scalars -------------------------------------------------------------- */

/*
 * Of a block: the line behind the indicator, at the indentation of the first line that is not empty. Empty lines
 * before that one are a part of the text, so the text begins above them.
 */
static struct lb_place block_begin(struct builder *self, const yaml_event_t *event)
{
    struct lb_place place = place_of(self, event->start_mark);
    const char *ptr = source_at(self, event->start_mark);
    size_t indent;

    do {
        ptr += strcspn(ptr, "\n");
        if (*ptr == '\0')
            return place;
        ptr++;
        indent = strspn(ptr, " ");
    } while (ptr[indent] == '\n' || ptr[indent] == '\r');
    place.line++;
    place.column = (uint32_t)indent + 1;
    return place;
}

static struct lb_place scalar_begin(struct builder *self, const yaml_event_t *event)
{
    struct lb_place place = place_of(self, event->start_mark);

    /* `&name text`: libyaml's mark is that of the anchor. */
    if (event->data.scalar.anchor != NULL) {
        const char *ptr = source_at(self, event->start_mark);
        size_t len = strcspn(ptr, " \t\r\n");

        place.column += (uint32_t)(len + strspn(ptr + len, " \t"));
    }
    switch (event->data.scalar.style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE: place.column++; return place;
    case YAML_LITERAL_SCALAR_STYLE:
    case YAML_FOLDED_SCALAR_STYLE: return block_begin(self, event);
    default: return place;
    }
}

/* A quote or bracket was opened in the text that ` #` cut off, and not closed. */
static bool left_open(struct lb_str text)
{
    int quotes = 0;
    int brackets = 0;

    for (size_t i = 0; i < text.len; i++) {
        quotes += text.ptr[i] == '"';
        brackets += (text.ptr[i] == '(' || text.ptr[i] == '[') - (text.ptr[i] == ')' || text.ptr[i] == ']');
    }
    return quotes % 2 != 0 || brackets > 0;
}

/* `path: a #b`: YAML takes `#b` for a comment. What looks meant as text is told. */
static void note_comment(struct builder *self, const yaml_event_t *event, struct lb_node *node)
{
    const char *ptr = source_at(self, event->end_mark);
    size_t spaces = strspn(ptr, " \t");
    struct lb_place place = place_of(self, event->end_mark);

    if (spaces == 0 || ptr[spaces] != '#')
        return;
    node->cut = true;
    place.column += (uint32_t)spaces;
    if (left_open(node->text))
        lb_diag_error(self->yaml->diag, place, "the value ends here, \" #\" begins a comment; quote the value");
    else if (node->text.len > 0 && spaces == 1 && strchr(" \t\r\n#!", ptr[spaces + 1]) == NULL)
        lb_diag_warn(self->yaml->diag, place, "\" #\" begins a comment; quote the value if it is a part of it");
}

static bool check_scalar(struct builder *self, const yaml_event_t *event, const struct lb_node *node)
{
    yaml_scalar_style_t style = event->data.scalar.style;

    if (memchr(node->text.ptr, '\0', node->text.len) != NULL)
        return refuse(self, node->place, "a NUL character cannot be part of a value");
    if ((style == YAML_FOLDED_SCALAR_STYLE || style == YAML_LITERAL_SCALAR_STYLE) && node->text.len == 0) {
        char indicator = style == YAML_FOLDED_SCALAR_STYLE ? '>' : '|';

        lb_diag_error(self->yaml->diag, node->place, "\"%c\" begins a block of text, and none follows; quote the value",
                      indicator);
    }
    return true;
}

static bool read_scalar(struct builder *self, const yaml_event_t *event, struct lb_node *node)
{
    struct lb_str bytes = { (const char *)event->data.scalar.value, event->data.scalar.length };

    node->kind = LB_NODE_SCALAR;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->begin = scalar_begin(self, event);
    node->text = lb_arena_copy(self->yaml->arena, bytes);
    if (node->text.ptr == NULL)
        return refuse(self, node->place, "the configuration is too large");
    return check_scalar(self, event, node);
}

static bool read_value(struct builder *self, const yaml_event_t *event, struct lb_node *node)
{
    if (!read_scalar(self, event, node))
        return false;
    if (!node->quoted)
        note_comment(self, event, node);
    /* A variable that is not set is told, and reading goes on with the text as it is: all faults in one run. */
    (void)lb_variables_expand(self->yaml->arena, node, self->yaml->diag);
    return true;
}

/* --- collections ---------------------------------------------------------- */

static bool read_list(struct builder *self, struct lb_node *node)
{
    size_t start = self->used;
    yaml_event_t event;

    while (next_event(self, &event)) {
        struct lb_node item = { 0 };
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        bool ok = end || (read_node(self, &event, NULL, &item) && push(self, &item));

        yaml_event_delete(&event);
        if (!ok)
            return false;
        if (end) {
            node->count = (uint32_t)(self->used - start);
            node->values = collect(self, start, 1);
            self->used = start;
            return node->values != NULL || refuse(self, node->place, "the configuration is too large");
        }
    }
    return false;
}

static bool read_key(struct builder *self, const yaml_event_t *event, struct lb_node *key)
{
    key->place = place_of(self, event->start_mark);
    if (event->type != YAML_SCALAR_EVENT)
        return refuse(self, key->place, "a key must be text; quote a value that begins with \"{\", \"[\" or \"*\"");
    if (!count_nodes(self, 1, key->place) || !read_scalar(self, event, key))
        return false;
    if (key->text.len == 0)
        return refuse(self, key->place, "a key is missing before \":\"");
    return true;
}

/* One key with its value, or the end of the map in `*end`. */
static bool read_pair(struct builder *self, bool *end)
{
    struct lb_node key = { 0 };
    struct lb_node value = { 0 };
    yaml_event_t event;

    if (!next_event(self, &event))
        return false;
    *end = event.type == YAML_MAPPING_END_EVENT;
    bool ok = *end || read_key(self, &event, &key);
    yaml_event_delete(&event);
    if (!ok || *end)
        return ok;
    if (!next_event(self, &event))
        return false;
    ok = read_node(self, &event, &key, &value) && push(self, &key) && push(self, &value);
    yaml_event_delete(&event);
    return ok;
}

static int compare_keys(const void *left, const void *right)
{
    const struct lb_node *a = *(const struct lb_node *const *)left;
    const struct lb_node *b = *(const struct lb_node *const *)right;
    int order = strcmp(a->text.ptr, b->text.ptr);

    if (order != 0)
        return order;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return a->place.column < b->place.column ? -1 : 1;
}

/* Sorting keeps a map of 100,000 keys from taking a quadratic time. */
static bool refuse_duplicates(struct builder *self, const struct lb_node *map)
{
    const struct lb_node **sorted = map->count < 2 ? NULL : lb_alloc(map->count * sizeof(struct lb_node *));
    uint32_t first = 0;

    if (map->count < 2)
        return true;
    if (sorted == NULL)
        return refuse(self, map->place, "out of memory");
    for (uint32_t i = 0; i < map->count; i++)
        sorted[i] = &map->keys[i];
    qsort(sorted, map->count, sizeof(struct lb_node *), compare_keys);
    for (uint32_t i = 1; i < map->count; i++) {
        if (!lb_str_equal(sorted[i]->text, sorted[first]->text)) {
            first = i;
            continue;
        }
        lb_diag_error(self->yaml->diag, sorted[i]->place, "\"%.80s\" stands twice; the first is at %s:%u:%u",
                      sorted[i]->text.ptr, self->source.file, sorted[first]->place.line, sorted[first]->place.column);
    }
    lb_free(sorted);
    return true;
}

static bool read_map(struct builder *self, struct lb_node *node)
{
    size_t start = self->used;
    bool end = false;

    while (!end) {
        if (!read_pair(self, &end))
            return false;
    }
    node->count = (uint32_t)((self->used - start) / 2);
    node->keys = collect(self, start, 2);
    node->values = node->count > 0 ? collect(self, start + 1, 2) : node->keys;
    self->used = start;
    if (node->keys == NULL || node->values == NULL)
        return refuse(self, node->place, "the configuration is too large");
    return refuse_duplicates(self, node);
}

static bool read_collection(struct builder *self, const yaml_event_t *event, const struct lb_node *key,
                            struct lb_node *node)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    bool ok;

    node->kind = is_map ? LB_NODE_MAP : LB_NODE_LIST;
    node->flow = is_map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                        : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    if (!node->flow && key != NULL)
        node->place = key->place;
    if (self->depth == LB_CONF_DEPTH_MAX)
        return refuse(self, node->place, "maps and lists stand too deep inside each other");
    self->depth++;
    if (self->depth > self->deepest)
        self->deepest = self->depth;
    ok = is_map ? read_map(self, node) : read_list(self, node);
    self->depth--;
    return ok;
}

/* --- anchors -------------------------------------------------------------- */

static struct anchor *find_anchor(struct builder *self, const char *name)
{
    for (uint32_t i = self->anchor_count; i > 0; i--) {
        if (lb_str_is(self->anchors[i - 1].name, name))
            return &self->anchors[i - 1];
    }
    return NULL;
}

static bool read_alias(struct builder *self, const yaml_event_t *event, struct lb_node *node)
{
    struct lb_place place = node->place;
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(self, name);

    if (anchor == NULL || !anchor->complete) {
        lb_diag_error(self->yaml->diag, place,
                      "no anchor \"&%.80s\" stands before this; quote \"*%.80s\" if it is text", name, name);
        return false;
    }
    if (!count_nodes(self, anchor->size, place))
        return false;
    if (self->depth + anchor->height > LB_CONF_DEPTH_MAX)
        return refuse(self, place, "maps and lists stand too deep inside each other");
    if (self->depth + anchor->height > self->deepest)
        self->deepest = self->depth + anchor->height;
    *node = anchor->node;
    node->place = place;
    return true;
}

static const char *anchor_name(const yaml_event_t *event)
{
    const yaml_char_t *name = NULL;

    if (event->type == YAML_SCALAR_EVENT)
        name = event->data.scalar.anchor;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        name = event->data.sequence_start.anchor;
    else if (event->type == YAML_MAPPING_START_EVENT)
        name = event->data.mapping_start.anchor;
    return (const char *)name;
}

static const char *tag_name(const yaml_event_t *event)
{
    const yaml_char_t *tag = NULL;

    if (event->type == YAML_SCALAR_EVENT)
        tag = event->data.scalar.tag;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        tag = event->data.sequence_start.tag;
    else if (event->type == YAML_MAPPING_START_EVENT)
        tag = event->data.mapping_start.tag;
    return (const char *)tag;
}

static bool read_content(struct builder *self, const yaml_event_t *event, const struct lb_node *key,
                         struct lb_node *node)
{
    if (!count_nodes(self, 1, node->place))
        return false;
    return event->type == YAML_SCALAR_EVENT ? read_value(self, event, node) : read_collection(self, event, key, node);
}

static bool read_anchored(struct builder *self, const yaml_event_t *event, const struct lb_node *key,
                          struct lb_node *node)
{
    uint32_t index = self->anchor_count;
    uint32_t count = self->yaml->node_count;
    unsigned deepest = self->deepest;

    if (index == LB_CONF_ANCHORS_MAX)
        return refuse(self, node->place, "too many anchors");
    if (self->anchors == NULL)
        self->anchors = lb_arena_alloc(self->yaml->arena, LB_CONF_ANCHORS_MAX * sizeof(struct anchor));
    if (self->anchors == NULL)
        return refuse(self, node->place, "the configuration is too large");
    self->anchors[index] = (struct anchor){ .name = lb_arena_copy(self->yaml->arena, lb_str_from(anchor_name(event))) };
    self->anchor_count++;
    self->deepest = self->depth;
    if (self->anchors[index].name.ptr == NULL)
        return refuse(self, node->place, "the configuration is too large");
    if (!read_content(self, event, key, node))
        return false;
    self->anchors[index].node = *node;
    self->anchors[index].size = self->yaml->node_count - count;
    self->anchors[index].height = self->deepest - self->depth;
    self->anchors[index].complete = true;
    if (deepest > self->deepest)
        self->deepest = deepest;
    return true;
}

/* `key`: the key that the node is the value of, or NULL. */
static bool read_node(struct builder *self, const yaml_event_t *event, const struct lb_node *key, struct lb_node *node)
{
    node->place = place_of(self, event->start_mark);
    node->begin = node->place;
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(self, event, node);
    if (tag_name(event) != NULL)
        refuse(self, node->place, "tags (\"!word\") have no meaning here; quote a value that begins with \"!\"");
    return anchor_name(event) != NULL ? read_anchored(self, event, key, node) : read_content(self, event, key, node);
}

/* --- the document --------------------------------------------------------- */

/* Reads on until an event of another type than the ones that only open or close. */
static bool read_document(struct builder *self, struct lb_node *root)
{
    yaml_event_t event;
    yaml_event_type_t type = YAML_NO_EVENT;
    bool has_root = false;

    while (type != YAML_STREAM_END_EVENT) {
        bool ok = true;

        if (!next_event(self, &event))
            return false;
        type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && has_root)
            ok = refuse(self, place_of(self, event.start_mark),
                        "a second document begins here; a configuration is one document");
        else if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT || type == YAML_SEQUENCE_START_EVENT ||
                 type == YAML_MAPPING_START_EVENT)
            has_root = ok = read_node(self, &event, NULL, root);
        yaml_event_delete(&event);
        if (!ok)
            return false;
    }
    return true;
}

static bool is_nothing(const struct lb_node *root)
{
    return root->kind == LB_NODE_SCALAR && !root->quoted && root->text.len == 0;
}

static bool build(struct builder *self, struct lb_node *root)
{
    bool ok;

    if (!yaml_parser_initialize(&self->parser))
        return refuse(self, root->place, "out of memory");
    yaml_parser_set_encoding(&self->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&self->parser, (const unsigned char *)self->source.text.ptr, self->source.text.len);
    ok = read_document(self, root);
    yaml_parser_delete(&self->parser);
    lb_free(self->stack);
    return ok;
}

struct lb_node *lb_yaml_read(struct lb_yaml *self, const char *file, struct lb_str text)
{
    struct lb_place start = { file, 1, 1 };
    struct lb_node *root = lb_arena_zalloc(self->arena, sizeof(*root));
    struct builder builder = { .yaml = self, .source = { file, text } };

    if (text.len > LB_CONF_BYTES_MAX) {
        lb_diag_error(self->diag, start, "the file is larger than %d MiB", LB_CONF_BYTES_MAX / (1024 * 1024));
        return NULL;
    }
    if (lb_str_starts(text, LB_STR("\xef\xbb\xbf")))
        builder.source.text = (struct lb_str){ text.ptr + 3, text.len - 3 };
    if (root == NULL) {
        lb_diag_error(self->diag, start, "the configuration is too large");
        return NULL;
    }
    *root = (struct lb_node){ .kind = LB_NODE_SCALAR, .place = start, .begin = start };
    if (!build(&builder, root))
        return NULL;
    if (is_nothing(root))
        *root = (struct lb_node){ .kind = LB_NODE_MAP, .place = start, .begin = start };
    return root;
}
