/*
 * source_cri.c - the logs of containers as Kubernetes keeps them: lines of
 * containerd and CRI-O, and what their paths say of the pod.
 *
 *   /var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log
 *   /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log   (a link to the former)
 *
 * A line tagged P is a part of a longer one. Ingest only keeps parts together
 * (container_lines.h); the envelope joins them.
 */
#include "container_lines.h"
#include "tail.h"

#include "lb_buffer.h"
#include "lb_json.h"

enum { FACTS_BYTES_MAX = 8 * 1024, ID_DIGITS = 64 };

/* --- lines --------------------------------------------------------------------------- */

/* Behind the n-th blank; NULL: there are fewer. */
static const char *behind_blank(const char *line, size_t length, int n)
{
    const char *at = line;
    const char *end = line + length;

    for (; n > 0 && at != NULL; n--) {
        at = memchr(at, ' ', (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    return at;
}

static enum lb_container_line kind_of(const char *line, size_t length)
{
    const char *stream = behind_blank(line, length, 1);
    const char *tag = behind_blank(line, length, 2);

    if (stream == NULL || tag == NULL || tag == line + length || tag - stream != 7)
        return LB_LINE_WHOLE;
    bool err = memcmp(stream, "stderr", 6) == 0;
    if (!err && memcmp(stream, "stdout", 6) != 0)
        return LB_LINE_WHOLE;
    if (*tag == 'P')
        return err ? LB_LINE_PART_ERR : LB_LINE_PART_OUT;
    return err ? LB_LINE_WHOLE_ERR : LB_LINE_WHOLE_OUT;
}

static struct lb_str text_of(const char *line, size_t length, char *text)
{
    const char *found = behind_blank(line, length, 3);

    (void)text;
    return found != NULL ? (struct lb_str){ found, (size_t)(line + length - found) } : LB_STR("");
}

static const struct lb_container_format format = { kind_of, text_of };

static uint32_t count_whole(const struct lb_batch *batch, const struct lb_multiline *rule, uint32_t *scratch)
{
    return lb_container_whole(&format, batch, rule, scratch);
}

/* --- facts ---------------------------------------------------------------------------- */

struct facts {
    struct lb_str namespace;
    struct lb_str pod;
    struct lb_str uid;
    struct lb_str container;
    struct lb_str id; /* of the container */
};

/* Up to the last `mark` of `text`, which then is what follows it. False: there is none. */
static bool cut_last(struct lb_str *text, char mark, struct lb_str *before)
{
    const char *found = memrchr(text->ptr, mark, text->len);

    if (found == NULL)
        return false;
    *before = (struct lb_str){ text->ptr, (size_t)(found - text->ptr) };
    *text = (struct lb_str){ found + 1, (size_t)(text->ptr + text->len - found) - 1 };
    return true;
}

static bool cut_first(struct lb_str *text, char mark, struct lb_str *before)
{
    const char *found = memchr(text->ptr, mark, text->len);

    if (found == NULL)
        return false;
    *before = (struct lb_str){ text->ptr, (size_t)(found - text->ptr) };
    *text = (struct lb_str){ found + 1, (size_t)(text->ptr + text->len - found) - 1 };
    return true;
}

/* NAMESPACE_POD_UID/CONTAINER/N.log at the end of the path. */
static bool read_pods(struct lb_str path, struct facts *facts)
{
    struct lb_str before;
    struct lb_str directory;

    if (!cut_last(&path, '/', &before))
        return false;
    facts->container = before;
    if (!cut_last(&facts->container, '/', &directory))
        return false;
    struct lb_str rest = directory;
    (void)cut_last(&rest, '/', &before);
    return cut_first(&rest, '_', &facts->namespace) && cut_first(&rest, '_', &facts->pod) &&
           (facts->uid = rest).len > 0;
}

/* POD_NAMESPACE_CONTAINER-ID.log */
static bool read_containers(struct lb_str path, struct facts *facts)
{
    struct lb_str before;

    (void)cut_last(&path, '/', &before);
    if (path.len < ID_DIGITS + 5 || memcmp(path.ptr + path.len - 4, ".log", 4) != 0)
        return false;
    path.len -= 4;
    facts->id = (struct lb_str){ path.ptr + path.len - ID_DIGITS, ID_DIGITS };
    path.len -= ID_DIGITS + 1;
    if (path.ptr[path.len] != '-')
        return false;
    return cut_first(&path, '_', &facts->pod) && cut_first(&path, '_', &facts->namespace) &&
           (facts->container = path).len > 0;
}

static void write_member(struct lb_buffer *out, const char *name, struct lb_str value)
{
    if (value.len == 0)
        return;
    lb_buffer_print(out, "%s\"%s\":\"", out->len > 1 ? "," : "", name);
    lb_json_escape(out, value);
    lb_buffer_append_char(out, '"');
}

static void add_object(struct lb_stream *stream, struct lb_buffer *object)
{
    lb_buffer_append_char(object, '}');
    lb_tail_reserve(stream, object->len + sizeof(struct lb_field) + 1);
    stream->fields = lb_arena_alloc(&stream->arena, sizeof(struct lb_field));
    struct lb_str copy = lb_arena_copy(&stream->arena, lb_buffer_str(object));
    if (stream->fields == NULL || copy.ptr == NULL || object->failed)
        return;
    stream->fields[0] =
        (struct lb_field){ lb_value_of(LB_STR("kubernetes"), LB_VALUE_CLEAN), lb_value_of(copy, LB_VALUE_OBJECT) };
    stream->field_count = 1;
}

static void describe(struct lb_stream *stream, const char *path)
{
    struct facts facts = { 0 };
    struct lb_buffer object;

    if (!read_containers(lb_str_from(path), &facts)) {
        facts = (struct facts){ 0 };
        if (!read_pods(lb_str_from(path), &facts))
            return;
    }
    lb_buffer_init(&object, FACTS_BYTES_MAX);
    lb_buffer_append_char(&object, '{');
    write_member(&object, "namespace", facts.namespace);
    write_member(&object, "pod", facts.pod);
    write_member(&object, "uid", facts.uid);
    write_member(&object, "container", facts.container);
    write_member(&object, "container_id", facts.id);
    add_object(stream, &object);
    lb_buffer_free(&object);
    if (facts.container.len == 0 || stream->source->options.service.len > 0)
        return;
    lb_tail_reserve(stream, facts.container.len + 1);
    struct lb_str copy = lb_arena_copy(&stream->arena, facts.container);
    if (copy.ptr != NULL)
        stream->service = lb_value_text(copy);
}

/* --- the source ---------------------------------------------------------------------------- */

static const struct lb_option options[] = {
    { .name = "include",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct lb_tail_state, options.include),
      .fallback = "/var/log/pods/*/*/*.log",
      .help = "patterns of the log files" },
    LB_TAIL_OPTIONS,
    { .name = NULL },
};

static const struct lb_tail_kind kind = { .describe = describe, .whole = count_whole };

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    return lb_tail_source_open(source, &kind, diag);
}

const struct lb_source_type lb_source_cri = {
    .module = { .name = "cri",
                .help =
                    "follows the logs of Kubernetes' containers (containerd, CRI-O), with namespace, pod and container",
                .state_size = sizeof(struct lb_tail_state),
                .options = options },
    .file_like = true,
    .multiline = true,
    .envelope = &lb_envelope_cri,
    .parse = "auto",
    .check = lb_tail_source_check,
    .reads = lb_tail_source_reads,
    .open = open_source,
    .stop = lb_tail_source_stop,
    .resume = lb_tail_source_resume,
    .close = lb_tail_source_close,
};
