/*
 * source_docker.c - the logs of containers, as Docker's json-file driver
 * writes them, with what Docker knows of each container.
 *
 * A line whose `log` does not end in an escaped newline is a part of a longer
 * one. Ingest only keeps parts together (container_lines.h); the envelope joins
 * them. A line that is not surely a part counts as whole.
 *
 * Facts stand beside the log in config.v2.json, and the container's id is the
 * name of its directory. They are read once, when the stream is opened.
 */
#include "container_lines.h"
#include "docker_config.h"
#include "docker_rotation.h"

#include "lb_alloc.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_scan.h"

#include <limits.h>
#include <stdio.h>

enum {
    MEMBERS_MAX = 128, /* Docker writes about 40 */
    TAIL_WINDOW = 128, /* `","stream":"stdout","time":"…"}` fits */
    FACTS_BYTES_MAX = 16 * 1024,
};

/* --- parts ------------------------------------------------------------------------- */

/* Does the inside of a JSON string end in an escaped newline? */
static bool ends_line(const char *text, size_t len)
{
    size_t backslashes = 0;

    if (len < 2 || text[len - 1] != 'n')
        return false;
    while (backslashes < len - 1 && text[len - 2 - backslashes] == '\\')
        backslashes++;
    return backslashes % 2 == 1;
}

/* The end of the string that begins at `text`, or `len`. */
static size_t string_end(const char *text, size_t len)
{
    unsigned char high = 0;

    for (size_t at = 0; at < len; at += 2) {
        at += lb_scan_string(text + at, len - at, &high);
        if (at >= len || text[at] != '\\')
            return at;
    }
    return len;
}

/* Where the value of `log` lies in a line; false if the line is none of Docker's. */
static bool find_log(const char *line, size_t len, size_t *start, size_t *end)
{
    static const char head[] = "{\"log\":";
    static const char stream[] = "\",\"stream\":\"";
    size_t at = sizeof(head) - 1;

    if (len < at || memcmp(line, head, at) != 0)
        return false;
    while (at < len && line[at] == ' ')
        at++;
    if (at == len || line[at] != '"')
        return false;
    *start = at + 1;
    size_t window = len - *start > TAIL_WINDOW ? len - TAIL_WINDOW : *start;
    /* Inside a string its quotes would be escaped, so this is outside of `log`. */
    const char *found = memmem(line + window, len - window, stream, sizeof(stream) - 1);
    *end = found != NULL ? (size_t)(found - line) : *start + string_end(line + *start, len - *start);
    return *end < len;
}

static enum lb_container_line kind_of(const char *line, size_t len)
{
    size_t start;
    size_t end;

    if (!find_log(line, len, &start, &end))
        return LB_LINE_WHOLE;
    bool err = memmem(line + end, len - end < TAIL_WINDOW ? len - end : TAIL_WINDOW, "\"stderr\"", 8) != NULL;
    if (ends_line(line + start, end - start))
        return err ? LB_LINE_WHOLE_ERR : LB_LINE_WHOLE_OUT;
    return err ? LB_LINE_PART_ERR : LB_LINE_PART_OUT;
}

/* The front of what the application wrote, unescaped into `text`. */
static struct lb_str text_of(const char *line, size_t length, char *text)
{
    size_t start;
    size_t end;

    if (!find_log(line, length, &start, &end))
        return (struct lb_str){ line, length };
    if (end - start > LB_CONTAINER_TEXT_BYTES) {
        end = start + LB_CONTAINER_TEXT_BYTES;
        /* Not within an escape, of which the longest has six bytes. */
        const char *escape = memrchr(line + end - 6, '\\', 6);
        if (escape != NULL)
            end = (size_t)(escape - line);
    }
    size_t len = lb_json_unescape((struct lb_str){ line + start, end - start }, text);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return (struct lb_str){ text, len };
}

static const struct lb_container_format format = { kind_of, text_of };

static uint32_t count_whole(const struct lb_batch *batch, const struct lb_multiline *rule, uint32_t *scratch)
{
    return lb_container_whole(&format, batch, rule, scratch);
}

/* --- facts ---------------------------------------------------------------------------- */

struct facts {
    struct lb_str id;
    struct lb_str name;
    struct lb_str image;
    struct lb_str service; /* of compose */
};

/* In its place: unescaping only shortens. */
static struct lb_str plain(struct lb_value value)
{
    if (value.kind == LB_VALUE_ESCAPED)
        return (struct lb_str){ value.ptr,
                                lb_json_unescape((struct lb_str){ value.ptr, value.len }, (char *)value.ptr) };
    return lb_value_is_string(value) ? (struct lb_str){ value.ptr, value.len } : (struct lb_str){ 0 };
}

static struct lb_value member(const struct lb_json_object *object, const char *name)
{
    for (uint32_t i = 0; i < object->field_count; i++) {
        struct lb_str key = { object->fields[i].key.ptr, object->fields[i].key.len };

        if (lb_str_is(key, name))
            return object->fields[i].value;
    }
    return (struct lb_value){ .kind = LB_VALUE_NONE };
}

static void read_facts(struct lb_str text, struct facts *facts)
{
    struct lb_field fields[MEMBERS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = MEMBERS_MAX };

    if (lb_json_read_object(text, &object) != LB_OK)
        return;
    struct lb_value config = member(&object, "Config");
    struct lb_value labels = lb_value_member(config, LB_STR("Labels"));
    facts->name = plain(member(&object, "Name"));
    if (facts->name.len > 0 && facts->name.ptr[0] == '/')
        facts->name = (struct lb_str){ facts->name.ptr + 1, facts->name.len - 1 };
    facts->image = plain(lb_value_member(config, LB_STR("Image")));
    facts->service = plain(lb_value_member(labels, LB_STR("com.docker.compose.service")));
}

static struct lb_str container_id(const char *path)
{
    const char *end = strrchr(path, '/');
    const char *start = end;

    while (start != NULL && start > path && start[-1] != '/')
        start--;
    return start != NULL ? (struct lb_str){ start, (size_t)(end - start) } : (struct lb_str){ 0 };
}

/* --- the static part of a stream --------------------------------------------------------- */

static void write_member(struct lb_buffer *out, const char *name, struct lb_str value)
{
    if (value.len == 0)
        return;
    lb_buffer_print(out, "%s\"%s\":\"", out->len > 1 ? "," : "", name);
    lb_json_escape(out, value);
    lb_buffer_append_char(out, '"');
}

static void add_object(struct lb_stream *stream, struct lb_str key, struct lb_buffer *object)
{
    lb_buffer_append_char(object, '}');
    if (object->failed || object->len <= 2)
        return;
    lb_tail_reserve(stream, object->len + 1);
    struct lb_str copy = lb_arena_copy(&stream->arena, lb_buffer_str(object));
    if (copy.ptr != NULL)
        stream->fields[stream->field_count++] =
            (struct lb_field){ lb_value_of(key, LB_VALUE_CLEAN), lb_value_of(copy, LB_VALUE_OBJECT) };
}

static void set_service(struct lb_stream *stream, const struct facts *facts)
{
    struct lb_str service = facts->service.len > 0 ? facts->service : facts->name;

    /* What the configuration says of the source wins over what Docker says. */
    if (service.len == 0 || stream->source->options.service.len > 0)
        return;
    lb_tail_reserve(stream, service.len + 1);
    struct lb_str copy = lb_arena_copy(&stream->arena, service);
    if (copy.ptr != NULL)
        stream->service = lb_value_text(copy);
}

static void set_facts(struct lb_stream *stream, const struct facts *facts)
{
    struct lb_buffer object;

    lb_tail_reserve(stream, 2 * sizeof(struct lb_field));
    stream->fields = lb_arena_alloc(&stream->arena, 2 * sizeof(struct lb_field));
    if (stream->fields == NULL)
        return;
    lb_buffer_init(&object, FACTS_BYTES_MAX);
    lb_buffer_append_char(&object, '{');
    write_member(&object, "id", facts->id);
    write_member(&object, "name", facts->name);
    write_member(&object, "image", facts->image);
    add_object(stream, LB_STR("container"), &object);
    lb_buffer_reset(&object);
    lb_buffer_append_char(&object, '{');
    write_member(&object, "service", facts->service);
    add_object(stream, LB_STR("compose"), &object);
    lb_buffer_free(&object);
    set_service(stream, facts);
}

static void describe(struct lb_stream *stream, const char *path)
{
    struct facts facts = { .id = container_id(path) };
    struct lb_buffer text;

    lb_buffer_init(&text, DOCKER_CONFIG_BYTES_MAX);
    if (docker_config_read(path, "config.v2.json", &text))
        read_facts(lb_buffer_str(&text), &facts);
    set_facts(stream, &facts);
    lb_buffer_free(&text);
}

/* --- the source ---------------------------------------------------------------------------- */

struct docker_state {
    struct lb_tail_state tail; /* at the front, as the functions of tails want it */
    struct docker_rotation *rotation;
};

static const struct lb_option options[] = {
    { .name = "include",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct lb_tail_state, options.include),
      .fallback = "/var/lib/docker/containers/*/*-json.log",
      .help = "patterns of the log files" },
    LB_TAIL_OPTIONS,
    { .name = NULL },
};

/* --- containers whose logs are not there ----------------------------------------------------- */

struct other_driver {
    const char *name; /* the last part of the pattern */
    uint32_t logs;
    uint32_t count; /* containers without a log of that name */
    char example[PATH_MAX];
};

static void ignore_directory(void *context, const char *path)
{
    (void)context, (void)path;
}

static void count_log(void *context, const char *path)
{
    struct other_driver *self = context;

    (void)path;
    self->logs++;
}

/* `path` is a directory that the driver `local` writes to: has the container another log beside it? */
static void see_local(void *context, const char *path)
{
    struct other_driver *self = context;
    struct lb_glob_visitor visitor = { ignore_directory, count_log, self };
    const char *slash = strrchr(path, '/');
    char pattern[PATH_MAX];

    self->logs = 0;
    if (slash == NULL ||
        snprintf(pattern, sizeof(pattern), "%.*s/%s", (int)(slash - path), path, self->name) >= PATH_MAX)
        return;
    lb_glob_walk(pattern, &visitor);
    if (self->logs > 0)
        return;
    self->count++;
    snprintf(self->example, sizeof(self->example), "%.*s", (int)(slash - path), path);
}

/* Containers of Docker's driver `local`: its files are no json-file logs, and nobody else reads them. */
static void find_local(const struct lb_source *source, struct other_driver *found)
{
    const struct lb_tail_state *state = source->state;
    struct lb_glob_visitor visitor = { ignore_directory, see_local, found };

    for (size_t i = 0; i < state->options.include.count; i++) {
        const char *include = state->options.include.items[i].ptr;
        const char *slash = strrchr(include, '/');
        char pattern[PATH_MAX];

        if (slash == NULL ||
            snprintf(pattern, sizeof(pattern), "%.*s/local-logs", (int)(slash - include), include) >= PATH_MAX)
            continue;
        found->name = slash + 1;
        lb_glob_walk(pattern, &visitor);
    }
}

#define LOCAL_DRIVER                                                                                                   \
    "containers log by Docker's driver `local`, which cannot be read; run them with --log-driver json-file, or set "   \
    "\"log-driver\": \"json-file\" in daemon.json and make them anew"

static enum lb_err check_source(struct lb_source *source, struct lb_diag *diag)
{
    struct other_driver found = { 0 };

    find_local(source, &found);
    if (found.count > 0)
        lb_diag_warn(diag, lb_section_place(&source->section, "include"), LOCAL_DRIVER " (%u, such as %s)", found.count,
                     found.example);
    return lb_tail_source_check(source, diag);
}

static void look(const struct lb_tail *tail, int64_t now)
{
    const struct docker_state *self = tail->source->state;

    docker_rotation_look(self->rotation, tail, now);
}

static const struct lb_tail_kind kind = { .describe = describe, .whole = count_whole, .look = look };

static enum lb_err open_source(struct lb_source *source, struct lb_diag *diag)
{
    struct other_driver found = { 0 };

    find_local(source, &found);
    if (found.count > 0)
        LB_WARN("source.docker", LOCAL_DRIVER " source=" LB_STR_FMT " containers=%u such_as=%s",
                LB_STR_ARG(source->section.name), found.count, found.example);
    struct docker_state *self = source->state;
    self->rotation = docker_rotation_new(source);
    if (self->rotation == NULL) {
        lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory while opening source " LB_STR_FMT,
                      LB_STR_ARG(source->section.name));
        return LB_NOMEM;
    }
    enum lb_err err = lb_tail_source_open(source, &kind, diag);
    if (err != LB_OK)
        docker_rotation_free(self->rotation);
    return err;
}

static void tell_status(const struct lb_source *source, struct lb_buffer *out)
{
    const struct docker_state *self = source->state;

    docker_rotation_status(self->rotation, out);
}

static void close_source(struct lb_source *source)
{
    struct docker_state *self = source->state;

    lb_tail_source_close(source);
    docker_rotation_free(self->rotation);
}

const struct lb_source_type lb_source_docker = {
    .module = { .name = "docker",
                .help =
                    "follows the logs of Docker containers (json-file), with the container's name, image and service",
                .state_size = sizeof(struct docker_state),
                .options = options },
    .file_like = true,
    .multiline = true,
    .envelope = &lb_envelope_docker,
    .parse = "auto",
    .check = check_source,
    .reads = lb_tail_source_reads,
    .open = open_source,
    .stop = lb_tail_source_stop,
    .resume = lb_tail_source_resume,
    .status = tell_status,
    .close = close_source,
};
