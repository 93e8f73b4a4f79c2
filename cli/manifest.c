/* manifest.c - reads MANIFEST.jsonl and its chain of hashes. */
#include "manifest.h"

#include "lb_alloc.h"
#include "lb_json.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FIELDS_MAX = 32 };

static void sha256_text(const char *bytes, size_t length, char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;

    text[0] = '\0';
    if (EVP_Digest(bytes, length, digest, &size, EVP_sha256(), NULL) != 1)
        return;
    for (unsigned int i = 0; i < size; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
}

static struct lb_str member(const struct lb_json_object *object, const char *key, struct lb_scratch *scratch)
{
    for (uint32_t i = 0; i < object->field_count; i++) {
        const struct lb_field *field = &object->fields[i];

        if (lb_str_equal((struct lb_str){ field->key.ptr, field->key.len }, lb_str_from(key)))
            return lb_value_str(field->value, scratch);
    }
    return (struct lb_str){ "", 0 };
}

static uint64_t number(struct lb_str text)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(text.ptr[i] - '0');
    return value;
}

static bool is_zeros(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '0')
            return false;
    }
    return true;
}

static bool add_entry(struct manifest *manifest, const struct manifest_entry *entry, struct lb_str path)
{
    struct manifest_entry *entries =
        lb_grown(manifest->entries, manifest->count, &manifest->capacity, sizeof(*entries));

    if (entries == NULL)
        return false;
    manifest->entries = entries;
    char *copy = lb_alloc(path.len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, path.ptr, path.len);
    manifest->entries[manifest->count] = *entry;
    manifest->entries[manifest->count++].path = copy;
    return true;
}

/* What is wrong with the line, or NULL. `before`: the hash of the line before; empty: this is the first. */
static const char *read_line(struct manifest *manifest, struct lb_str line, size_t number_of, const char *before)
{
    char room[PATH_MAX + 1024];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_field fields[FIELDS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = FIELDS_MAX };

    if (lb_json_read_object(line, &object) != LB_OK || object.end != line.len)
        return "it is no JSON object: the line was changed, or written only in part";

    struct lb_str path = member(&object, "path", &scratch);
    struct lb_str event = member(&object, "event", &scratch);
    struct lb_str sum = member(&object, "sha256", &scratch);
    struct lb_str prev = member(&object, "prev", &scratch);
    struct manifest_entry entry = { .line = number_of,
                                    .deleted = lb_str_is(event, "deleted"),
                                    .bytes = number(member(&object, "bytes", &scratch)),
                                    .lines = number(member(&object, "lines", &scratch)) };

    if (path.len == 0 || (!entry.deleted && !lb_str_is(event, "sealed")))
        return "it has no path, or an event that is neither sealed nor deleted";
    if (sum.len == SHA256_TEXT_SIZE - 1)
        memcpy(entry.sha256, sum.ptr, sum.len);
    if (!add_entry(manifest, &entry, path))
        return "there is no memory for it";
    if (*before != '\0' && !lb_str_is(prev, before))
        return "`prev` is not the hash of the line before: that line was changed, or lines between are gone";
    if (*before == '\0' && !is_zeros(prev))
        return "`prev` tells of a line before it, which is gone";
    return NULL;
}

static int compare_entries(const void *a, const void *b)
{
    const struct manifest_entry *x = a;
    const struct manifest_entry *y = b;
    int order = strcmp(x->path, y->path);

    if (order != 0)
        return order;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* Of each path the last line counts. */
static void keep_last(struct manifest *manifest)
{
    size_t kept = 0;

    if (manifest->count > 0)
        qsort(manifest->entries, manifest->count, sizeof(*manifest->entries), compare_entries);
    for (size_t i = 0; i < manifest->count; i++) {
        if (i + 1 < manifest->count && strcmp(manifest->entries[i].path, manifest->entries[i + 1].path) == 0)
            lb_free(manifest->entries[i].path);
        else
            manifest->entries[kept++] = manifest->entries[i];
    }
    manifest->count = kept;
}

static void read_lines(struct manifest *manifest, FILE *file, const char *name, manifest_problem problem, void *context)
{
    char before[SHA256_TEXT_SIZE] = "";
    char *line = NULL;
    size_t size = 0;
    size_t lines = 0;
    ssize_t length;

    while ((length = getline(&line, &size, file)) >= 0) {
        lines++;
        manifest->bytes += (uint64_t)length;
        if (length > 0 && line[length - 1] == '\n')
            length--;
        const char *what = read_line(manifest, (struct lb_str){ line, (size_t)length }, lines, before);
        if (what != NULL)
            problem(context, name, lines, what);
        sha256_text(line, (size_t)length, before);
    }
    free(line); /* getline's own */
}

bool manifest_load(struct manifest *manifest, const char *root, manifest_problem problem, void *context)
{
    char name[PATH_MAX];
    size_t length = strlen(root);

    *manifest = (struct manifest){ 0 };
    snprintf(name, sizeof(name), "%s/" MANIFEST_NAME, root);
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return false;
    manifest->root = lb_alloc(length + 1);
    if (manifest->root != NULL) {
        memcpy(manifest->root, root, length);
        read_lines(manifest, file, name, problem, context);
        keep_last(manifest);
    }
    fclose(file);
    errno = ENOMEM;
    return manifest->root != NULL;
}

static void ignore_problem(void *context, const char *file, size_t line, const char *what)
{
    (void)context, (void)file, (void)line, (void)what;
}

bool manifest_refresh(struct manifest *manifest)
{
    char name[PATH_MAX];
    struct stat status;
    struct manifest now;

    snprintf(name, sizeof(name), "%s/" MANIFEST_NAME, manifest->root);
    if (stat(name, &status) != 0 || (uint64_t)status.st_size <= manifest->bytes)
        return false;
    if (!manifest_load(&now, manifest->root, ignore_problem, NULL))
        return false;
    for (size_t i = 0; i < now.count; i++) {
        const struct manifest_entry *before = manifest_find(manifest, now.entries[i].path);

        now.entries[i].seen = before != NULL && before->seen;
    }
    manifest_free(manifest);
    *manifest = now;
    return true;
}

void manifest_free(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        lb_free(manifest->entries[i].path);
    lb_free(manifest->entries);
    lb_free(manifest->root);
    *manifest = (struct manifest){ 0 };
}

static int compare_path(const void *key, const void *entry)
{
    return strcmp(key, ((const struct manifest_entry *)entry)->path);
}

struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path)
{
    if (manifest->count == 0)
        return NULL;
    return bsearch(path, manifest->entries, manifest->count, sizeof(*manifest->entries), compare_path);
}
