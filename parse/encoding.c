/*
 * encoding.c - iconv(3), with a converter for each thread.
 *
 * Opening one costs a file and memory, so the thread keeps the last; a source
 * has one encoding, and few configurations have two. It allocates nothing per
 * record.
 */
#include "lb_encoding.h"

#include "lb_alloc.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct converter {
    iconv_t iconv;
    char name[LB_ENCODING_NAME_BYTES];
};

static _Thread_local struct converter *own;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;

static void free_converter(void *context)
{
    struct converter *converter = context;

    if (converter->iconv != (iconv_t)-1)
        (void)iconv_close(converter->iconv);
    lb_free(converter);
    own = NULL;
}

static void prepare(void)
{
    /* The main thread runs no destructors of keys; its converter goes with the process. */
    (void)pthread_key_create(&at_thread_end, free_converter);
}

static struct converter *converter_of_thread(void)
{
    if (own != NULL)
        return own;
    (void)pthread_once(&once, prepare);
    struct converter *made = lb_alloc(sizeof(*made));
    if (made == NULL)
        return NULL;
    made->iconv = (iconv_t)-1;
    if (pthread_setspecific(at_thread_end, made) != 0) {
        lb_free(made);
        return NULL;
    }
    own = made;
    return made;
}

/* (iconv_t)-1: there is none. */
static iconv_t converter_to_utf8(const char *name)
{
    struct converter *self = converter_of_thread();

    if (self == NULL)
        return (iconv_t)-1;
    if (self->iconv != (iconv_t)-1 && strcmp(self->name, name) == 0)
        return self->iconv;
    if (self->iconv != (iconv_t)-1)
        (void)iconv_close(self->iconv);
    self->iconv = iconv_open("UTF-8", name);
    memcpy(self->name, name, sizeof(self->name));
    return self->iconv;
}

/* --- names --------------------------------------------------------------------- */

/* Names that people use and iconv does not; and UTF-16, whose line ends have an order of bytes. */
static const char *const aliases[][2] = {
    { "latin1", "ISO-8859-1" },  { "utf-16", "UTF-16LE" }, { "utf16", "UTF-16LE" },     { "utf-16-le", "UTF-16LE" },
    { "utf-16-be", "UTF-16BE" }, { "ucs-2", "UTF-16LE" },  { "utf-32", "UTF-32LE" },    { "utf-32-le", "UTF-32LE" },
    { "utf-32-be", "UTF-32BE" }, { "utf8", "UTF-8" },      { "shift_jis", "CP932" },    { "sjis", "CP932" },
    { "shift-jis", "CP932" },    { "cp866", "CP866" },     { "win866", "CP866" },       { "windows-866", "CP866" },
    { "windows-874", "CP874" },  { "euc_jp", "EUC-JP" },   { "latin-1", "ISO-8859-1" }, { "ascii", "ASCII" },
};

static bool is_name(struct lb_str name, const char *word)
{
    return name.len == strlen(word) && strncasecmp(name.ptr, word, name.len) == 0;
}

bool lb_encoding_find(struct lb_str name, struct lb_encoding *encoding)
{
    *encoding = (struct lb_encoding){ .width = 1 };
    if (name.len == 0 || name.len >= sizeof(encoding->name))
        return false;
    memcpy(encoding->name, name.ptr, name.len);
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (is_name(name, aliases[i][0]))
            (void)snprintf(encoding->name, sizeof(encoding->name), "%s", aliases[i][1]);
    for (char *c = encoding->name; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    if (strncmp(encoding->name, "UTF-16", 6) == 0 || strncmp(encoding->name, "UCS-2", 5) == 0)
        encoding->width = 2;
    if (strncmp(encoding->name, "UTF-32", 6) == 0 || strncmp(encoding->name, "UCS-4", 5) == 0)
        encoding->width = 4;
    encoding->big = strstr(encoding->name, "BE") != NULL;
    return converter_to_utf8(encoding->name) != (iconv_t)-1;
}

/* --- converting --------------------------------------------------------------------- */

static const char replacement[] = "\xef\xbf\xbd";

/* Passes over what stands for no character. */
static void skip_one(char **in, size_t *left, size_t width)
{
    size_t count = *left < width ? *left : width;

    *in += count;
    *left -= count;
}

struct lb_str lb_encoding_text(const struct lb_encoding *encoding, struct lb_str bytes, struct lb_arena *arena)
{
    /* No character of one byte takes more than three in UTF-8, none of two more than three, of four no more than four.
     */
    size_t room = bytes.len * 3 + sizeof(replacement);
    char *text = lb_arena_alloc(arena, room);
    iconv_t iconv_to = converter_to_utf8(encoding->name);
    char *in = (char *)(uintptr_t)bytes.ptr;
    size_t left = bytes.len;
    char *out = text;

    if (text == NULL || iconv_to == (iconv_t)-1)
        return (struct lb_str){ NULL, 0 };
    (void)iconv(iconv_to, NULL, NULL, NULL, NULL);
    while (left > 0 && room > sizeof(replacement)) {
        if (iconv(iconv_to, &in, &left, &out, &room) != (size_t)-1)
            break;
        if (errno == E2BIG || room < sizeof(replacement))
            break;
        memcpy(out, replacement, sizeof(replacement) - 1);
        out += sizeof(replacement) - 1;
        room -= sizeof(replacement) - 1;
        skip_one(&in, &left, encoding->width);
    }
    (void)iconv(iconv_to, NULL, NULL, &out, &room); /* a letter that waited for an accent */
    return (struct lb_str){ text, (size_t)(out - text) };
}
