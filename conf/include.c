/*
 * include.c - reads the files that `include:` names and merges their sections.
 *
 * Maps of names (sources, parsers, sinks, alerting.rules) are united, lists
 * (filters, routes, and those of alerting) are appended in order of file
 * name, anything else may be set in one file only. Merging works on trees,
 * so that the rest of the code sees one configuration whose values know
 * their files.
 */
#include "loading.h"

#include "lb_alloc.h"
#include "variables.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>

/* How two values of the same key become one. */
enum merging { MERGE_NEVER, MERGE_NAMES, MERGE_ITEMS, MERGE_SECTION };

struct rule {
    const char *key;
    enum merging merging;
    const struct rule *inner; /* MERGE_SECTION */
};

static const struct rule alerting_rules[] = {
    { "rules", MERGE_NAMES, NULL },
    { "routes", MERGE_ITEMS, NULL },
    { "maintenance", MERGE_ITEMS, NULL },
    { NULL, MERGE_NEVER, NULL },
};

static const struct rule top_rules[] = {
    { "sources", MERGE_NAMES, NULL }, { "parsers", MERGE_NAMES, NULL }, { "sinks", MERGE_NAMES, NULL },
    { "filters", MERGE_ITEMS, NULL }, { "routes", MERGE_ITEMS, NULL },  { "alerting", MERGE_SECTION, alerting_rules },
    { NULL, MERGE_NEVER, NULL },
};

static const struct rule names_rules[] = { { NULL, MERGE_NEVER, NULL } };

static void merge_maps(struct lb_loading *self, struct lb_node *into, const struct lb_node *from,
                       const struct rule *rules);

bool lb_text_read(const char *path, struct lb_buffer *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char block[16 * 1024];
    size_t len;
    int reason = 0;

    if (file == NULL)
        return false;
    while (!out->failed && (len = fread(block, 1, sizeof(block), file)) > 0)
        lb_buffer_append(out, block, len);
    if (ferror(file))
        reason = errno;
    else if (out->failed)
        reason = EFBIG;
    lb_buffer_append_char(out, '\0');
    if (file != stdin)
        fclose(file);
    errno = reason;
    return reason == 0;
}

const char *lb_file_name(struct lb_str name)
{
    static struct known {
        struct known *next;
        char text[];
    } * names;

    for (const struct known *known = names; known != NULL; known = known->next) {
        if (lb_str_is(name, known->text))
            return known->text;
    }
    struct known *made = lb_alloc(sizeof(*made) + name.len + 1);
    if (made == NULL)
        return "configuration";
    memcpy(made->text, name.ptr, name.len);
    made->next = names;
    names = made;
    return made->text;
}

/* --- merging -------------------------------------------------------------- */

static struct lb_node *find(struct lb_node *map, struct lb_str key, const struct lb_node **where)
{
    for (uint32_t i = 0; i < map->count; i++) {
        if (lb_str_equal(map->keys[i].text, key)) {
            *where = &map->keys[i];
            return &map->values[i];
        }
    }
    return NULL;
}

static struct lb_node *joined(struct lb_loading *self, const struct lb_node *a, uint32_t a_count,
                              const struct lb_node *b, uint32_t b_count)
{
    struct lb_node *nodes = lb_arena_alloc(&self->config->arena, ((size_t)a_count + b_count + 1) * sizeof(*nodes));

    if (nodes == NULL) {
        lb_diag_error(self->diag, b->place, "the configuration is too large");
        return NULL;
    }
    if (a != NULL && a_count > 0)
        memcpy(nodes, a, a_count * sizeof(*nodes));
    if (b_count > 0)
        memcpy(nodes + a_count, b, b_count * sizeof(*nodes));
    return nodes;
}

static void append_pair(struct lb_loading *self, struct lb_node *map, const struct lb_node *key,
                        const struct lb_node *value)
{
    struct lb_node *keys = joined(self, map->keys, map->count, key, 1);
    struct lb_node *values = joined(self, map->values, map->count, value, 1);

    if (keys == NULL || values == NULL)
        return;
    map->keys = keys;
    map->values = values;
    map->count++;
}

static void append_items(struct lb_loading *self, struct lb_node *list, const struct lb_node *more)
{
    struct lb_node *values =
        more->count > 0 ? joined(self, list->values, list->count, more->values, more->count) : NULL;

    if (values == NULL)
        return;
    list->values = values;
    list->count += more->count;
}

static enum lb_node_kind merged_kind(enum merging merging)
{
    return merging == MERGE_ITEMS ? LB_NODE_LIST : LB_NODE_MAP;
}

/* Both files have the key. */
static void merge_values(struct lb_loading *self, const struct rule *rule, const struct lb_node *first_key,
                         struct lb_node *into, const struct lb_node *key, const struct lb_node *value)
{
    enum lb_node_kind kind = merged_kind(rule->merging);

    if (rule->merging == MERGE_NEVER) {
        lb_diag_error(self->diag, key->place, "\"%.80s\" stands twice; the first is at %s:%u:%u", key->text.ptr,
                      first_key->place.file, first_key->place.line, first_key->place.column);
        return;
    }
    if (value->kind != kind) {
        lb_diag_error(self->diag, value->place, "\"%s\": expected %s, got %s", key->text.ptr,
                      kind == LB_NODE_LIST ? "a list" : "a map", lb_node_kind_name(value));
        return;
    }
    /* Told when the main file's sections are read. */
    if (into->kind != kind)
        return;
    if (rule->merging == MERGE_ITEMS)
        append_items(self, into, value);
    else
        merge_maps(self, into, value, rule->merging == MERGE_NAMES ? names_rules : rule->inner);
}

static void merge_maps(struct lb_loading *self, struct lb_node *into, const struct lb_node *from,
                       const struct rule *rules)
{
    for (uint32_t i = 0; i < from->count; i++) {
        const struct lb_node *first_key = NULL;
        struct lb_node *value = find(into, from->keys[i].text, &first_key);
        const struct rule *rule = rules;

        while (rule->key != NULL && !lb_str_is(from->keys[i].text, rule->key))
            rule++;
        if (value == NULL)
            append_pair(self, into, &from->keys[i], &from->values[i]);
        else
            merge_values(self, rule, first_key, value, &from->keys[i], &from->values[i]);
    }
}

/* --- files ---------------------------------------------------------------- */

struct files {
    const char *names[LB_CONF_FILES_MAX];
    uint32_t count;
};

/* Files that two patterns match are read once. */
static void add_file(struct lb_loading *self, struct files *files, const char *path, struct lb_place place)
{
    const char *name = lb_file_name(lb_str_from(path));

    for (uint32_t i = 0; i < files->count; i++) {
        if (files->names[i] == name)
            return;
    }
    if (files->count == LB_CONF_FILES_MAX)
        lb_diag_error(self->diag, place, "\"include\": more than %d files", LB_CONF_FILES_MAX);
    else
        files->names[files->count++] = name;
}

static void add_matches(struct lb_loading *self, struct files *files, const struct lb_node *pattern)
{
    const char *path = lb_path_beside(&self->config->arena, pattern->place, pattern->text);
    glob_t found;
    int result;

    if (path == NULL)
        return;
    if (strpbrk(path, "*?[") == NULL) {
        add_file(self, files, path, pattern->place);
        return;
    }
    result = glob(path, 0, NULL, &found);
    if (result == GLOB_NOMATCH)
        lb_diag_warn(self->diag, pattern->place, "\"include\": no file matches \"%s\"", path);
    else if (result != 0)
        lb_diag_error(self->diag, pattern->place, "\"include\": cannot look for \"%s\"", path);
    if (result != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc && files->count < LB_CONF_FILES_MAX; i++)
        add_file(self, files, found.gl_pathv[i], pattern->place);
    globfree(&found);
}

static void merge_file(struct lb_loading *self, const char *name, struct lb_place place)
{
    struct lb_buffer text;
    struct lb_node *root = NULL;
    const struct lb_node *nested;

    lb_buffer_init(&text, LB_CONF_BYTES_MAX + 1);
    if (!lb_text_read(name, &text))
        lb_diag_error(self->diag, place, "\"include\": cannot read \"%s\": %s", name, strerror(errno));
    else
        root = lb_yaml_read(&self->yaml, name, (struct lb_str){ text.ptr, text.len - 1 });
    lb_buffer_free(&text);
    if (root == NULL)
        return;
    nested = lb_node_get(root, "include");
    if (root->kind != LB_NODE_MAP)
        lb_diag_error(self->diag, root->place, "expected a map of sections, got %s", lb_node_kind_name(root));
    else if (nested != NULL)
        lb_diag_error(self->diag, nested->place, "\"include\" works only in the main file");
    else
        merge_maps(self, self->root, root, top_rules);
}

void lb_loading_include(struct lb_loading *self)
{
    const struct lb_node *node = lb_node_get(self->root, "include");
    struct lb_filling filling = { &self->config->arena, NULL, self->diag, "", "" };
    static const struct lb_option option = { .name = "include", .kind = LB_OPTION_STRINGS };
    struct lb_strs patterns = { 0 };
    struct files *files;

    if (node == NULL || !lb_filling_value(&filling, &option, node, &patterns))
        return;
    files = lb_alloc(sizeof(*files));
    if (files == NULL) {
        lb_diag_error(self->diag, node->place, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < patterns.count; i++)
        add_matches(self, files, node->kind == LB_NODE_LIST ? &node->values[i] : node);
    for (uint32_t i = 0; i < files->count; i++)
        merge_file(self, files->names[i], node->place);
    lb_free(files);
}
