/*
 * lb_corpus.h - reads the JSON lines of the corpus for tests. Expected values
 * are written by others' parsers, so this reader is one of its own and shares
 * nothing with the code under test. It trusts its input.
 */
#ifndef LB_CORPUS_H
#define LB_CORPUS_H

#include "lb_str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct corpus {
    FILE *file;
    char *line;
    size_t size;
};

/* False, told on standard output, when the corpus is not on this machine. */
static inline bool corpus_open(struct corpus *corpus, const char *name)
{
    const char *root = getenv("LB_CORPUS");
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", root != NULL ? root : "../shared/corpus", name);
    *corpus = (struct corpus){ .file = fopen(path, "re") };
    if (corpus->file == NULL)
        printf("[ SKIPPED  ] corpus file %s is absent; set LB_CORPUS\n", path);
    return corpus->file != NULL;
}

static inline bool corpus_next(struct corpus *corpus, struct lb_str *line)
{
    ssize_t len = getline(&corpus->line, &corpus->size, corpus->file);

    if (len > 0 && corpus->line[len - 1] == '\n')
        len--;
    *line = (struct lb_str){ corpus->line, len < 0 ? 0 : (size_t)len };
    return len >= 0;
}

static inline void corpus_close(struct corpus *corpus)
{
    (void)fclose(corpus->file);
    free(corpus->line);
}

static inline const char *corpus_skip_blanks(const char *ptr)
{
    return ptr + strspn(ptr, " ,:\t\n");
}

/* Behind the value at `ptr`. */
static inline const char *corpus_skip(const char *ptr)
{
    int depth = 0;

    do {
        if (*ptr == '"') {
            for (ptr++; *ptr != '"'; ptr++)
                ptr += *ptr == '\\';
            ptr++;
        } else if (*ptr == '{' || *ptr == '[') {
            depth++;
            ptr++;
        } else if (*ptr == '}' || *ptr == ']') {
            depth--;
            ptr++;
        } else {
            ptr += strcspn(ptr, ",]} \n");
        }
        if (depth > 0)
            ptr = corpus_skip_blanks(ptr);
    } while (depth > 0);
    return ptr;
}

/* The raw value of a member; ptr NULL when the object (or it) is missing. */
static inline struct lb_str corpus_get(struct lb_str object, const char *key)
{
    const char *ptr = object.ptr;

    if (ptr == NULL || *ptr != '{')
        return (struct lb_str){ NULL, 0 };
    for (ptr = corpus_skip_blanks(ptr + 1); *ptr == '"';) {
        struct lb_str name = { ptr + 1, 0 };
        struct lb_str value;

        name.len = (size_t)(corpus_skip(ptr) - name.ptr) - 1;
        value.ptr = corpus_skip_blanks(name.ptr + name.len + 1);
        value.len = (size_t)(corpus_skip(value.ptr) - value.ptr);
        if (lb_str_is(name, key))
            return value;
        ptr = corpus_skip_blanks(value.ptr + value.len);
    }
    return (struct lb_str){ NULL, 0 };
}

static inline bool corpus_is_string(struct lb_str value)
{
    return value.ptr != NULL && *value.ptr == '"';
}

static inline size_t corpus_put_utf8(uint32_t point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

static inline uint32_t corpus_hex(const char *ptr)
{
    char digits[5] = { ptr[0], ptr[1], ptr[2], ptr[3], 0 };

    return (uint32_t)strtoul(digits, NULL, 16);
}

/* A string's text, or a scalar as it is written; malloc'd, NUL behind it. Missing or null: empty. */
static inline struct lb_str corpus_text(struct lb_str value)
{
    char *out = calloc(1, value.len + 1);
    size_t len = 0;

    if (!corpus_is_string(value)) {
        if (value.ptr != NULL && !lb_str_is(value, "null"))
            memcpy(out, value.ptr, len = value.len);
        return (struct lb_str){ out, len };
    }
    for (const char *ptr = value.ptr + 1; *ptr != '"'; ptr++) {
        static const char from[] = "bfnrt";
        static const char to[] = "\b\f\n\r\t";
        const char *at;

        if (*ptr != '\\') {
            out[len++] = *ptr;
            continue;
        }
        at = strchr(from, *++ptr);
        if (*ptr == 'u') {
            uint32_t point = corpus_hex(ptr + 1);

            ptr += 4;
            if (point >= 0xd800 && point < 0xdc00 && ptr[1] == '\\') {
                point = 0x10000 + ((point - 0xd800) << 10) + (corpus_hex(ptr + 3) - 0xdc00);
                ptr += 6;
            }
            len += corpus_put_utf8(point, out + len);
        } else {
            out[len++] = at != NULL ? to[at - from] : *ptr;
        }
    }
    return (struct lb_str){ out, len };
}

/* Base64 of a string value; malloc'd. */
static inline struct lb_str corpus_base64(struct lb_str value)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = calloc(1, value.len + 1);
    size_t len = 0;
    uint32_t bits = 0;
    int count = 0;

    for (size_t i = 1; i + 1 < value.len && value.ptr[i] != '='; i++) {
        bits = bits << 6 | (uint32_t)(strchr(alphabet, value.ptr[i]) - alphabet);
        count += 6;
        if (count >= 8)
            out[len++] = (char)(bits >> (count -= 8));
    }
    return (struct lb_str){ out, len };
}

/* `name`, or `name_b64` decoded. */
static inline struct lb_str corpus_bytes(struct lb_str object, const char *name, const char *name_b64)
{
    struct lb_str encoded = corpus_get(object, name_b64);

    return encoded.ptr != NULL ? corpus_base64(encoded) : corpus_text(corpus_get(object, name));
}

#endif
