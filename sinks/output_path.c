/*
 * output_path.c - which paths a template can make, and the numbers in them.
 *
 * The template's text is turned into a pattern: literal bytes, and codes for
 * a field (anything but "/"), a digit of a date, and the place of the number.
 * The number stands before the extensions (at most two: ".jsonl.zst"), as far
 * as these are literal text of the template.
 */
#include "output.h"

#include "lb_alloc.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ANY = 1, DIGIT = 2, NUMBER = 3, SERVICE = 4 };

#define DAY (24 * 3600 * LB_SECOND)

struct builder {
    char *out;
    size_t len;
    size_t literal_from; /* behind the last code */
    int64_t granularity_ns;
    char finest;
};

static void add_code(struct builder *builder, char code, int count)
{
    for (int i = 0; i < count; i++)
        builder->out[builder->len++] = code;
    builder->literal_from = builder->len;
}

static void add_date(struct builder *builder, char letter)
{
    static const char letters[] = "YmdjHMS"; /* from long to short */
    int64_t every = letter == 'H' ? 3600 * LB_SECOND : letter == 'M' ? 60 * LB_SECOND : letter == 'S' ? LB_SECOND : DAY;

    if (every < builder->granularity_ns)
        builder->granularity_ns = every;
    if (builder->finest == '\0' || strchr(letters, letter) > strchr(letters, builder->finest))
        builder->finest = letter;
    add_code(builder, DIGIT, letter == 'Y' ? 4 : letter == 'j' ? 3 : 2);
}

/* `field` begins behind a brace, and there is a closing one: "service}" or "service|unknown}". */
static bool names_service(const char *field)
{
    size_t len = strlen("service");

    return strncmp(field, "service", len) == 0 && (field[len] == '}' || field[len] == '|');
}

/* Adds what begins at text[i]; returns the index behind it. */
static size_t add_next(struct builder *builder, struct lb_str text, size_t i)
{
    char c = text.ptr[i];
    char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';

    if ((c == '{' || c == '}' || c == '%') && next == c) { /* doubled: itself */
        builder->out[builder->len++] = c;
        return i + 2;
    }
    if (c == '%' && next != '\0' && strchr("YmdHMSj", next) != NULL) {
        add_date(builder, next);
        return i + 2;
    }
    if (c == '{') {
        const char *close = memchr(text.ptr + i, '}', text.len - i);
        bool is_service = close != NULL && names_service(text.ptr + i + 1);
        add_code(builder, is_service ? SERVICE : ANY, 1);
        return close == NULL ? text.len : (size_t)(close - text.ptr) + 1;
    }
    builder->out[builder->len++] = c;
    return i + 1;
}

/* Where the extensions begin: behind a literal name, at the last dot or the one before it. */
static size_t extension_start(const struct builder *builder, size_t name_start)
{
    size_t from = builder->literal_from > name_start ? builder->literal_from : name_start + 1;
    size_t start = builder->len;
    int dots = 0;

    for (size_t i = builder->len; i > from && dots < 2; i--) {
        if (builder->out[i - 1] == '.') {
            start = i - 1;
            dots++;
        }
    }
    return start;
}

static size_t last_slash(const char *text, size_t len)
{
    while (len > 0 && text[len - 1] != '/')
        len--;
    return len;
}

static void find_root(struct output_pattern *pattern)
{
    size_t constant = strcspn(pattern->text, "\1\2\3\4");

    pattern->root_len = last_slash(pattern->text, constant);
}

static void find_fields(struct output_pattern *pattern, const struct lb_template *template)
{
    struct lb_strs fields = lb_template_fields(template);

    pattern->by_service = true;
    for (size_t i = 0; i < fields.count; i++) {
        if (!lb_str_is(fields.items[i], "service"))
            pattern->by_service = false;
    }
}

bool output_pattern_open(struct output_pattern *pattern, const struct lb_template *template)
{
    struct lb_str text = lb_template_text(template);
    struct builder builder = { .out = lb_alloc(text.len * 2 + 2), .granularity_ns = INT64_MAX };
    size_t i = 0;

    if (builder.out == NULL)
        return false;
    while (i < text.len)
        i = add_next(&builder, text, i);

    size_t start = extension_start(&builder, last_slash(builder.out, builder.len));

    memmove(builder.out + start + 1, builder.out + start, builder.len - start);
    builder.out[start] = NUMBER;
    pattern->text = builder.out;
    pattern->extension_len = builder.len - start;
    pattern->granularity_ns = builder.granularity_ns;
    pattern->finest = builder.finest;
    find_root(pattern);
    find_fields(pattern, template);
    return true;
}

bool output_pattern_same_date(const struct output_pattern *pattern, int64_t a_ns, int64_t b_ns)
{
    time_t a_seconds = (time_t)(a_ns / LB_SECOND);
    time_t b_seconds = (time_t)(b_ns / LB_SECOND);
    struct tm a;
    struct tm b;

    if (pattern->finest == '\0')
        return true;
    if (pattern->finest != 'Y' && pattern->finest != 'm')
        return a_ns / pattern->granularity_ns == b_ns / pattern->granularity_ns;
    if (gmtime_r(&a_seconds, &a) == NULL || gmtime_r(&b_seconds, &b) == NULL)
        return true;
    return a.tm_year == b.tm_year && (pattern->finest == 'Y' || a.tm_mon == b.tm_mon);
}

void output_pattern_free(struct output_pattern *pattern)
{
    lb_free(pattern->text);
    pattern->text = NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool matches(const char *pattern, const char *text, struct lb_str *service);

/* A field that begins at `text`: the shortest that lets the rest fit. */
static bool matches_any(const char *rest, const char *text, struct lb_str *service, bool is_service)
{
    const char *start = text;

    for (; *text != '\0' && *text != '/'; text++) {
        if (!matches(rest, text + 1, service))
            continue;
        if (is_service)
            *service = (struct lb_str){ start, (size_t)(text + 1 - start) };
        return true;
    }
    return false;
}

/* ".2" … or nothing. */
static bool matches_number(const char *rest, const char *text, struct lb_str *service)
{
    if (matches(rest, text, service))
        return true;
    if (*text != '.' || !is_digit(text[1]))
        return false;
    do
        text++;
    while (is_digit(text[1]));
    return matches(rest, text + 1, service);
}

static bool matches(const char *pattern, const char *text, struct lb_str *service)
{
    for (; *pattern != '\0'; pattern++, text++) {
        if (*pattern == ANY || *pattern == SERVICE)
            return matches_any(pattern + 1, text, service, *pattern == SERVICE);
        if (*pattern == NUMBER)
            return matches_number(pattern + 1, text, service);
        if (*pattern == DIGIT ? !is_digit(*text) : *pattern != *text)
            return false;
    }
    return *text == '\0';
}

bool output_pattern_matches(const struct output_pattern *pattern, const char *path)
{
    struct lb_str service;

    return matches(pattern->text, path, &service);
}

struct lb_str output_pattern_service(const struct output_pattern *pattern, const char *path)
{
    struct lb_str service = { "", 0 };

    matches(pattern->text, path, &service);
    return service;
}

bool output_component_matches(const char *component, const char *name)
{
    struct lb_str service;

    return matches(component, name, &service);
}

char *output_path_numbered(const struct output_pattern *pattern, struct lb_str base, uint32_t number)
{
    char digits[16] = "";
    size_t stem = base.len - pattern->extension_len;
    char *path = lb_alloc(base.len + sizeof(digits) + 1);

    if (path == NULL)
        return NULL;
    if (number > 1)
        snprintf(digits, sizeof(digits), ".%u", number);
    snprintf(path, base.len + sizeof(digits) + 1, "%.*s%s%.*s", (int)stem, base.ptr, digits,
             (int)pattern->extension_len, base.ptr + stem);
    return path;
}

struct lb_str output_path_base(const struct output_pattern *pattern, struct lb_str path, uint32_t number, char *buffer)
{
    char digits[16] = "";
    size_t digits_len = number > 1 ? (size_t)snprintf(digits, sizeof(digits), ".%u", number) : 0;

    if (path.len < digits_len + pattern->extension_len)
        return path;

    size_t stem = path.len - digits_len - pattern->extension_len;

    memcpy(buffer, path.ptr, stem);
    memcpy(buffer + stem, path.ptr + stem + digits_len, pattern->extension_len);
    return (struct lb_str){ buffer, path.len - digits_len };
}
