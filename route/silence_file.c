/*
 * silence_file.c - data_dir/silences: read at the start, replaced at each change.
 *
 * What cannot be read is not thrown away: the file as it was is kept in `PATH.damaged`, for a person.
 */
#include "silence.h"

#include "lb_alloc.h"
#include "lb_file.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_time.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define MODULE "route.alert"

enum { VERSION = 1, FIELDS_MAX = 24, LINE_SCRATCH = 16 * 1024, LIST_FIRST = 16 };

/* All silences of the largest size, escaped. */
#define FILE_BYTES_MAX (UINT64_C(256) << 20)

bool silences_reserve(struct silence_list *list)
{
    size_t capacity = list->count < LIST_FIRST ? LIST_FIRST : list->count * 2;

    /* Grown whenever the count is a power of two, so no capacity need be kept. */
    if (list->items != NULL && (list->count < LIST_FIRST || (list->count & (list->count - 1)) != 0))
        return true;
    struct silence **items = lb_realloc((void *)list->items, capacity * sizeof(struct silence *));

    if (items == NULL)
        return false;
    list->items = items;
    return true;
}

bool silences_save(const char *path, const struct silence_list *list)
{
    struct lb_buffer out;

    lb_buffer_init(&out, FILE_BYTES_MAX);
    lb_buffer_print(&out, "{\"silences\":%zu,\"version\":%d}\n", list->count, VERSION);
    for (size_t i = 0; i < list->count; i++) {
        silence_write(list->items[i], LB_TIME_NONE, &out);
        lb_buffer_append_char(&out, '\n');
    }
    errno = ENOMEM;
    bool ok = !out.failed && lb_file_replace(path, lb_buffer_str(&out));
    lb_buffer_free(&out);
    return ok;
}

/* --- reading ----------------------------------------------------------------------- */

static struct lb_str text_of(struct lb_value object, const char *name, struct lb_scratch *scratch)
{
    return lb_value_str(lb_value_member(object, lb_str_from(name)), scratch);
}

static bool time_of(struct lb_value object, const char *name, bool required, struct lb_scratch *scratch, int64_t *time)
{
    struct lb_str text = text_of(object, name, scratch);

    *time = LB_TIME_NONE;
    return text.len == 0 ? !required : lb_time_rfc3339(text, time);
}

/* What stands in `line`; the texts are in it or in `scratch`. */
static bool read_line(struct lb_str line, struct lb_scratch *scratch, struct silence *silence)
{
    struct lb_value object = lb_value_of(line, LB_VALUE_OBJECT);
    struct lb_str id;

    if (!lb_json_valid(line) || line.ptr[0] != '{')
        return false;
    id = text_of(object, "id", scratch);
    if (id.len != LB_SILENCE_ID_SIZE - 1)
        return false;
    memcpy(silence->id, id.ptr, id.len);
    silence->id[id.len] = '\0';
    silence->where = text_of(object, "where", scratch);
    silence->author = text_of(object, "author", scratch);
    silence->comment = text_of(object, "comment", scratch);
    silence->ended_by = text_of(object, "ended_by", scratch);
    return silence->where.len > 0 && time_of(object, "from", true, scratch, &silence->from) &&
           time_of(object, "until", true, scratch, &silence->until) &&
           time_of(object, "created_at", true, scratch, &silence->created) &&
           time_of(object, "updated_at", false, scratch, &silence->updated) &&
           time_of(object, "ended_at", false, scratch, &silence->ended);
}

/* False: the line is damaged. */
static bool add_line(struct silence_list *list, struct lb_str line, int64_t now)
{
    char room[LINE_SCRATCH];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct silence read = { 0 };
    struct lb_diag diag = { 0 };

    if (!read_line(line, &scratch, &read))
        return false;
    if (read.until <= now - LB_SILENCE_KEPT_NS)
        return true;
    struct silence *silence = silences_reserve(list) ? silence_new(&read, &diag) : NULL;

    if (silence != NULL)
        list->items[list->count++] = silence;
    else
        LB_WARN(MODULE, "a silence cannot be used id=%s reason=%s", read.id,
                diag.count > 0 ? diag.entries[0].text : "out of memory");
    lb_diag_free(&diag);
    return silence != NULL;
}

static bool read_head(struct lb_str line, const char *path, struct lb_diag *diag)
{
    double version = 0;

    if (!lb_json_valid(line) || line.len == 0 || line.ptr[0] != '{' ||
        !lb_value_number(lb_value_member(lb_value_of(line, LB_VALUE_OBJECT), LB_STR("version")), &version) ||
        version <= VERSION)
        return true;
    lb_diag_error(
        diag, (struct lb_place){ 0 },
        "%s is of version %.0f, written by a newer logboom; this one knows versions up to %d. It is left as it "
        "is: go on with the newer logboom, or move it away to start without silences",
        path, version, VERSION);
    return false;
}

static bool next_line(struct lb_str *rest, struct lb_str *line)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

    if (rest->len == 0)
        return false;
    *line = (struct lb_str){ rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };
    size_t used = line->len + (end != NULL);
    *rest = (struct lb_str){ rest->ptr + used, rest->len - used };
    return true;
}

static void keep_damaged(const char *path, struct lb_str bytes, size_t damaged)
{
    char copy[PATH_MAX];

    snprintf(copy, sizeof(copy), "%s.damaged", path);
    bool kept = lb_file_replace(copy, bytes);
    LB_ERROR(MODULE,
             "silences are damaged or cannot be used any more: look through them and set them again lines=%zu "
             "path=%s copy=%s",
             damaged, path, kept ? copy : "none");
}

static bool load_bytes(const char *path, struct silence_list *list, int64_t now, struct lb_str bytes,
                       struct lb_diag *diag)
{
    struct lb_str rest = bytes;
    struct lb_str line;
    size_t damaged = 0;

    if (next_line(&rest, &line) && !read_head(line, path, diag))
        return false;
    while (next_line(&rest, &line)) {
        if (list->count < LB_SILENCES_MAX)
            damaged += !add_line(list, line, now);
    }
    if (damaged > 0)
        keep_damaged(path, bytes, damaged);
    return true;
}

enum lb_err silences_load(const char *path, struct silence_list *list, int64_t now, struct lb_diag *diag)
{
    struct lb_buffer bytes;
    enum lb_err err;

    lb_buffer_init(&bytes, FILE_BYTES_MAX);
    err = lb_file_read(path, &bytes);
    if (err == LB_OK && !load_bytes(path, list, now, lb_buffer_str(&bytes), diag))
        err = LB_BAD_CONF;
    else if (err == LB_END)
        err = LB_OK;
    else if (err != LB_OK)
        lb_diag_error(diag, (struct lb_place){ 0 }, "cannot read %s: %s", path,
                      err == LB_LIMIT ? "it is too large to be a file of silences" : strerror(errno));
    lb_buffer_free(&bytes);
    return err;
}
