/*
 * variables.c - replaces ${…} in one value.
 *
 * It works on values after YAML was read, so what a variable holds can never
 * become a key, a list or a comment. A dollar that no brace follows is a
 * dollar (patterns end with one); `$$` is always one.
 */
#include "variables.h"

#include "lb_buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct expansion {
    struct lb_arena *arena;
    struct lb_place begin;
    struct lb_str text;
    bool is_block; /* its line ends are those of the file; in quotes they may be escapes */
    size_t at;     /* the variable that is being replaced */
    struct lb_buffer out;
    struct lb_diag *diag;
};

/* Where the variable stands in the file; exact unless the value has escapes. */
static struct lb_place here(const struct expansion *self)
{
    struct lb_place place = self->begin;

    for (size_t i = 0; i < self->at; i++) {
        unsigned char c = (unsigned char)self->text.ptr[i];

        if (c == '\n' && self->is_block) {
            place.line++;
            place.column = self->begin.column;
        } else if ((c & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static bool is_name(struct lb_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0;
}

const char *lb_path_beside(struct lb_arena *arena, struct lb_place place, struct lb_str path)
{
    const char *slash = place.file != NULL ? strrchr(place.file, '/') : NULL;

    if (slash == NULL || (path.len > 0 && path.ptr[0] == '/'))
        return lb_arena_copy(arena, path).ptr;
    return lb_arena_print(arena, "%.*s/" LB_STR_FMT, (int)(slash - place.file), place.file, LB_STR_ARG(path)).ptr;
}

/* A regular file only: a pipe or a terminal could hold up the start for ever. */
static FILE *open_file(const struct expansion *self, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &status) != 0) {
        lb_diag_error(self->diag, here(self), "cannot read \"%s\": %s", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        lb_diag_error(self->diag, here(self), "cannot read \"%s\": it is not a regular file", path);
    } else {
        return fdopen(fd, "r");
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void drop_line_end(struct lb_buffer *out, size_t start)
{
    if (out->len > start && out->ptr[out->len - 1] == '\n')
        out->len--;
    if (out->len > start && out->ptr[out->len - 1] == '\r')
        out->len--;
}

/* Appends what the file holds, without the line end at its end. */
static bool read_file(struct expansion *self, const char *path)
{
    size_t start = self->out.len;
    char block[4096];
    size_t len;
    FILE *file = open_file(self, path);

    if (file == NULL)
        return false;
    while (!self->out.failed && (len = fread(block, 1, sizeof(block), file)) > 0)
        lb_buffer_append(&self->out, block, len);
    int reason = ferror(file) != 0 ? errno : 0;
    fclose(file);
    if (reason != 0) {
        lb_diag_error(self->diag, here(self), "cannot read \"%s\": %s", path, strerror(reason));
        return false;
    }
    if (self->out.len > start && memchr(self->out.ptr + start, '\0', self->out.len - start) != NULL) {
        lb_diag_error(self->diag, here(self), "\"%s\" is not text: it holds a NUL character", path);
        return false;
    }
    drop_line_end(&self->out, start);
    return true;
}

static bool expand_file(struct expansion *self, struct lb_str path)
{
    const char *full = lb_path_beside(self->arena, self->begin, path);

    if (path.len == 0 || full == NULL) {
        lb_diag_error(self->diag, here(self), "${file:} needs a path, for example ${file:/run/secrets/token}");
        return false;
    }
    return read_file(self, full);
}

/* `name` is NUL-terminated; `fallback` is NULL without `:-`. */
static bool expand_environment(struct expansion *self, const char *name, const struct lb_str *fallback)
{
    const char *value = getenv(name);

    if (value != NULL && (*value != '\0' || fallback == NULL)) {
        lb_buffer_append(&self->out, value, strlen(value));
        return true;
    }
    if (fallback != NULL) {
        lb_buffer_append_str(&self->out, *fallback);
        return true;
    }
    lb_diag_error(self->diag, here(self), "variable \"%s\" is not set; set it, or give a default: ${%s:-default}", name,
                  name);
    return false;
}

/* `body` is what stands between the braces. */
static bool expand_variable(struct expansion *self, struct lb_str body)
{
    const char *dash = memmem(body.ptr, body.len, ":-", 2);
    struct lb_str name = { body.ptr, dash != NULL ? (size_t)(dash - body.ptr) : body.len };
    struct lb_str fallback = { NULL, 0 };
    char key[256];

    if (lb_str_starts(body, LB_STR("file:")))
        return expand_file(self, (struct lb_str){ body.ptr + 5, body.len - 5 });
    if (!is_name(name) || name.len >= sizeof(key)) {
        lb_diag_error(self->diag, here(self),
                      "\"${%.*s}\" is no variable; write ${NAME}, ${NAME:-default} or ${file:PATH}, or $$ for a dollar",
                      body.len < 80 ? (int)body.len : 80, body.ptr);
        return false;
    }
    memcpy(key, name.ptr, name.len);
    key[name.len] = '\0';
    if (dash != NULL)
        fallback = (struct lb_str){ dash + 2, (size_t)(body.ptr + body.len - dash - 2) };
    return expand_environment(self, key, dash != NULL ? &fallback : NULL);
}

/* At "${": expands it and moves `*i` behind its brace. */
static bool expand_at(struct expansion *self, size_t *i)
{
    const char *body = self->text.ptr + *i + 2;
    const char *close = memchr(body, '}', self->text.len - *i - 2);

    self->at = *i;
    if (close == NULL) {
        lb_diag_error(self->diag, here(self), "\"${\" is never closed; write ${NAME}, or $$ for a dollar");
        return false;
    }
    *i = (size_t)(close + 1 - self->text.ptr);
    if (memmem(body, (size_t)(close - body), "${", 2) != NULL) {
        lb_diag_error(self->diag, here(self), "a variable cannot stand inside another");
        return false;
    }
    return expand_variable(self, (struct lb_str){ body, (size_t)(close - body) });
}

/* Stops at the first fault of a value: a hostile one could hold millions. */
static bool expand_all(struct expansion *self)
{
    size_t i = 0;

    while (i < self->text.len && !self->out.failed) {
        const char *ptr = self->text.ptr + i;
        const char *dollar = memchr(ptr, '$', self->text.len - i);
        size_t len = dollar != NULL ? (size_t)(dollar - ptr) : self->text.len - i;

        lb_buffer_append(&self->out, ptr, len);
        i += len;
        if (i == self->text.len)
            break;
        /* The text is followed by a NUL. */
        if (self->text.ptr[i + 1] != '{') {
            lb_buffer_append_char(&self->out, '$');
            i += self->text.ptr[i + 1] == '$' ? 2 : 1;
        } else if (!expand_at(self, &i)) {
            return false;
        }
    }
    return true;
}

bool lb_variables_expand(struct lb_arena *arena, struct lb_node *scalar, struct lb_diag *diag)
{
    struct expansion self = { .arena = arena,
                              .begin = scalar->begin,
                              .text = scalar->text,
                              .is_block = scalar->begin.line != scalar->place.line,
                              .diag = diag };

    if (memchr(scalar->text.ptr, '$', scalar->text.len) == NULL)
        return true;
    lb_buffer_init(&self.out, scalar->text.len + LB_CONF_VARIABLE_BYTES);
    bool ok = expand_all(&self);
    if (ok && self.out.failed) {
        lb_diag_error(diag, scalar->begin, "the value is too long with its variables replaced");
        ok = false;
    }
    if (ok) {
        struct lb_str copy = lb_arena_copy(arena, lb_buffer_str(&self.out));

        if (copy.ptr != NULL)
            scalar->text = copy;
        else
            lb_diag_error(diag, scalar->begin, "the configuration is too large");
        ok = copy.ptr != NULL;
    }
    lb_buffer_free(&self.out);
    return ok;
}
