/*
 * post_body.c - events of a body.
 *
 * What it is follows from its type, and where that says nothing from its first byte.
 */
#include "post_body.h"

#include "lb_json.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct post_body *self)
{
    while (self->at < self->text.len && is_blank(self->text.ptr[self->at]))
        self->at++;
}

static bool at(const struct post_body *self, char c)
{
    return self->at < self->text.len && self->text.ptr[self->at] == c;
}

void post_body_open(struct post_body *self, struct lb_str text, enum post_media media)
{
    *self = (struct post_body){ .text = text };
    skip_blanks(self);
    self->json = media == POST_JSON || (media == POST_ANY && (at(self, '{') || at(self, '[')));
    self->array = self->json && at(self, '[');
    self->at = self->array ? self->at + 1 : 0;
}

static enum lb_err refuse(struct post_body *self, const char *reason)
{
    self->reason = reason;
    return LB_BAD_INPUT;
}

static enum lb_err read_object(struct post_body *self, size_t *start, size_t *length)
{
    struct lb_field field;
    struct lb_json_object object = { .fields = &field, .field_max = 1 };

    if (!at(self, '{'))
        return refuse(self, "expected an object");
    *start = self->at;
    if (lb_json_read_object((struct lb_str){ self->text.ptr + self->at, self->text.len - self->at }, &object) !=
        LB_OK) {
        self->at += object.reason_at;
        return refuse(self, object.reason);
    }
    *length = object.end;
    self->at += object.end;
    self->count++;
    return LB_OK;
}

static enum lb_err next_element(struct post_body *self, size_t *start, size_t *length)
{
    skip_blanks(self);
    if (at(self, ']')) {
        self->at++;
        skip_blanks(self);
        self->array = false;
        return self->at == self->text.len ? LB_END : refuse(self, "expected nothing behind the array");
    }
    if (self->count > 0) {
        if (!at(self, ','))
            return refuse(self, "expected ',' or ']'");
        self->at++;
        skip_blanks(self);
    }
    return read_object(self, start, length);
}

static enum lb_err next_line(struct post_body *self, size_t *start, size_t *length)
{
    while (self->at < self->text.len) {
        const char *line = self->text.ptr + self->at;
        size_t left = self->text.len - self->at;
        const char *end = memchr(line, '\n', left);
        size_t len = end != NULL ? (size_t)(end - line) : left;

        *start = self->at;
        self->at += len + (end != NULL);
        if (len > 0 && line[len - 1] == '\r')
            len--;
        *length = len;
        if (len > 0) {
            self->count++;
            return LB_OK;
        }
    }
    return LB_END;
}

enum lb_err post_body_next(struct post_body *self, size_t *start, size_t *length)
{
    if (!self->json)
        return next_line(self, start, length);
    if (self->array)
        return next_element(self, start, length);
    skip_blanks(self);
    return self->at == self->text.len ? LB_END : read_object(self, start, length);
}
