/*
 * lb_test_parser.h - a line through one parser, as a worker would run it, and
 * what came out as one line of text:
 *
 *     time|level|service|host|message|key=value;key=value;
 *
 * Numbers and truth values stand in brackets. The line is exactly as large as
 * it must be, so that the sanitizer sees a byte read outside.
 */
#ifndef LB_TEST_PARSER_H
#define LB_TEST_PARSER_H

#include "lb_conf.h"
#include "lb_corpus.h"
#include "lb_level.h"
#include "lb_parser.h"
#include "lb_test.h"
#include "lb_test_batch.h"

struct test_parser {
    struct lb_parser parser;
    struct lb_diag diag;
    struct lb_batch batch;
    struct lb_scratch scratch;
    char room[65536];
    struct lb_parse_context context;
    struct lb_record record;
    char *line;
    char out[65536];
};

/* `state` is the parser's, zeroed or with options set. Opens it when `open` is told. */
static inline void test_parser_init(struct test_parser *self, const struct lb_parser_type *type, void *state)
{
    static struct lb_node empty_map = { .kind = LB_NODE_MAP };

    *self = (struct test_parser){ .parser = { type, { LB_STR("test"), &empty_map }, state, false } };
    self->scratch = (struct lb_scratch){ self->room, sizeof(self->room), 0 };
    lb_test_batch_init(&self->batch, NULL, 0);
    self->context = (struct lb_parse_context){ .batch = &self->batch, .scratch = &self->scratch };
}

static inline enum lb_err test_parser_open(struct test_parser *self)
{
    enum lb_err err = self->parser.type->open(&self->parser, &self->diag);

    self->parser.opened = err == LB_OK;
    return err;
}

static inline void test_parser_free(struct test_parser *self)
{
    if (self->parser.opened)
        self->parser.type->close(&self->parser);
    lb_diag_free(&self->diag);
    free(self->line);
    lb_test_batch_free(&self->batch);
}

/* The record is self->record. What a parser refuses must be left as it was. */
static inline enum lb_err test_parse(struct test_parser *self, struct lb_str line)
{
    struct lb_record before;
    enum lb_err err;

    free(self->line);
    self->line = malloc(line.len > 0 ? line.len : 1);
    if (line.len > 0)
        memcpy(self->line, line.ptr, line.len);
    lb_arena_reset(&self->batch.arena, 1 << 20);
    self->scratch.used = 0;
    memset(&self->record, 0, sizeof(self->record));
    self->record.message = lb_value_text((struct lb_str){ self->line, line.len });
    self->record.level = LB_LEVEL_NONE;
    self->record.time_ns = self->batch.arrival_ns;
    self->record.flags = LB_RECORD_NO_TIME;
    before = self->record;
    self->context.reason = NULL;
    err = self->parser.type->parse(self->parser.state, &self->record, &self->context);
    if (err != LB_OK)
        assert_memory_equal(&self->record, &before, sizeof(before));
    if (err == LB_BAD_INPUT) {
        assert_non_null(self->context.reason);
        assert_true(self->context.reason_at <= line.len);
    }
    return err;
}

static inline size_t test_put(struct test_parser *self, size_t len, const char *before, struct lb_value value,
                              const char *behind)
{
    struct lb_str text = lb_value_str(value, &self->scratch);
    bool bare = value.kind == LB_VALUE_NUMBER || value.kind == LB_VALUE_BOOL;

    return len + (size_t)snprintf(self->out + len, sizeof(self->out) - len, "%s%s" LB_STR_FMT "%s%s", before,
                                  bare ? "[" : "", LB_STR_ARG(text), bare ? "]" : "", behind);
}

static inline const char *test_summary(struct test_parser *self)
{
    const struct lb_record *record = &self->record;
    size_t len = 0;

    self->scratch.used = 0;
    if ((record->flags & LB_RECORD_NO_TIME) == 0)
        len = lb_time_write(record->time_ns, self->out);
    len += (size_t)snprintf(self->out + len, sizeof(self->out) - len, "|%s|", lb_level_name(record->level).ptr);
    len = test_put(self, len, "", record->service, "|");
    len = test_put(self, len, "", record->host, "|");
    len = test_put(self, len, "", record->message, "|");
    for (uint32_t i = 0; i < record->field_count; i++) {
        len = test_put(self, len, "", record->fields[i].key, "");
        len = test_put(self, len, "=", record->fields[i].value, ";");
    }
    return self->out;
}

struct parser_case {
    const char *line;
    const char *expected; /* NULL: refused */
};

static inline void test_parser_cases(struct test_parser *self, const struct parser_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum lb_err err = test_parse(self, lb_str_from(cases[i].line));

        if ((err == LB_OK) != (cases[i].expected != NULL))
            fail_msg("%s: %s", cases[i].line,
                     err == LB_OK                   ? test_summary(self)
                     : self->context.reason != NULL ? self->context.reason
                                                    : "no room");
        if (err == LB_OK && strcmp(test_summary(self), cases[i].expected) != 0)
            fail_msg("%s:\nexpected %s\n     got %s", cases[i].line, cases[i].expected, test_summary(self));
    }
}

/* A parser never writes to the record before it has all the room it needs, whatever the arena's size. */
static inline void test_parser_without_room(struct test_parser *self, const char *line)
{
    size_t max = self->batch.arena.bytes_max;

    lb_arena_free(&self->batch.arena);
    self->batch.arena.bytes_max = 0;
    assert_int_equal(test_parse(self, lb_str_from(line)), LB_LIMIT);
    self->batch.arena.bytes_max = max;
}

/* The first field of that name as text; empty when there is none. */
static inline struct lb_str test_field(struct test_parser *self, const char *name)
{
    return lb_value_str(lb_record_get(&self->record, lb_str_from(name), &self->scratch), &self->scratch);
}

/* How many cases of the corpus were right. LB_SHOW=1 prints those that were not. */
struct corpus_score {
    int right;
    int all;
};

static inline void corpus_count(struct corpus_score *score, bool right, struct lb_str row)
{
    score->all++;
    score->right += right;
    if (!right && getenv("LB_SHOW") != NULL)
        printf("not as expected: " LB_STR_FMT "\n", LB_STR_ARG(row));
}

/* The next member of an object that begins at `*ptr`, which is behind its brace at first. */
static inline bool corpus_member(const char **ptr, struct lb_str *name, struct lb_str *value)
{
    const char *at = corpus_skip_blanks(*ptr);

    if (*at != '"')
        return false;
    *name = (struct lb_str){ at, (size_t)(corpus_skip(at) - at) };
    value->ptr = corpus_skip_blanks(at + name->len);
    value->len = (size_t)(corpus_skip(value->ptr) - value->ptr);
    *ptr = value->ptr + value->len;
    return true;
}

/* What the corpus calls a field, and what logboom does; NULL at the end. `ours` NULL: not compared. */
struct field_name {
    const char *theirs;
    const char *ours;
};

static inline const char *our_name(const struct field_name *names, const char *theirs)
{
    for (; names != NULL && names->theirs != NULL; names++)
        if (strcmp(names->theirs, theirs) == 0)
            return names->ours;
    return theirs;
}

/* Numbers by their value, times by the instant; "????" is a year that nobody wrote; null and "-" are nothing. */
static inline bool same_as_expected(struct test_parser *self, const char *ours, struct lb_str expected)
{
    struct lb_str time = corpus_get(expected, "$time");
    struct lb_str text = corpus_text(time.ptr != NULL ? time : expected);
    struct lb_str found = test_field(self, ours);
    int64_t time_ns = 0;
    bool same;

    if ((time.ptr != NULL || strcmp(ours, "timestamp") == 0) && text.len > 4) {
        char *dated = strdup(text.ptr);

        if (*dated == '?')
            memcpy(dated, "2025", 4);
        same = lb_time_rfc3339(lb_str_from(dated), &time_ns) &&
               self->record.time_ns / LB_MILLISECOND == time_ns / LB_MILLISECOND;
        free(dated);
    } else if (strcmp(ours, "level") == 0) {
        if (text.len == 6 && memcmp(text.ptr, "trace", 5) == 0)
            text.len = 5; /* Apache has eight of them */
        same = self->record.level == lb_level_parse(text);
    } else if (!corpus_is_string(expected) && found.len > 0 && expected.len > 0 && *expected.ptr != 't' &&
               *expected.ptr != 'n') {
        char number[64] = "";

        memcpy(number, found.ptr, found.len < sizeof(number) ? found.len : sizeof(number) - 1);
        same = strtod(number, NULL) == strtod(text.ptr, NULL);
    } else {
        same = lb_str_equal(found, text) || (found.len == 0 && lb_str_is(text, "-"));
    }
    free((char *)(uintptr_t)text.ptr);
    return same;
}

/* Is every member of `expect` in the record? */
static inline bool corpus_agrees(struct test_parser *self, struct lb_str expect, const struct field_name *names)
{
    const char *ptr = expect.ptr + 1;
    struct lb_str name;
    struct lb_str value;
    bool same = true;

    while (corpus_member(&ptr, &name, &value)) {
        struct lb_str theirs = corpus_text(name);
        const char *ours = our_name(names, theirs.ptr);

        if (ours != NULL && !same_as_expected(self, ours, value)) {
            same = false;
            if (getenv("LB_SHOW") != NULL)
                printf("  %s: expected " LB_STR_FMT ", got " LB_STR_FMT "\n", ours, LB_STR_ARG(value),
                       LB_STR_ARG(test_field(self, ours)));
        }
        free((char *)(uintptr_t)theirs.ptr);
    }
    return same;
}

static inline bool has_name(const struct field_name *names, struct lb_str quoted)
{
    for (; names->theirs != NULL; names++)
        if (quoted.len == strlen(names->theirs) + 2 && memcmp(names->theirs, quoted.ptr + 1, quoted.len - 2) == 0)
            return true;
    return false;
}

/* Are those members of `expect` that `names` lists in the record? */
static inline bool corpus_agrees_in(struct test_parser *self, struct lb_str expect, const struct field_name *names)
{
    const char *ptr = expect.ptr + 1;
    struct lb_str name;
    struct lb_str value;
    bool same = true;

    while (corpus_member(&ptr, &name, &value)) {
        struct lb_str theirs;

        if (!has_name(names, name))
            continue;
        theirs = corpus_text(name);
        if (!same_as_expected(self, our_name(names, theirs.ptr), value)) {
            same = false;
            if (getenv("LB_SHOW") != NULL)
                printf("  %s: expected " LB_STR_FMT ", got " LB_STR_FMT "\n", theirs.ptr, LB_STR_ARG(value),
                       LB_STR_ARG(test_field(self, our_name(names, theirs.ptr))));
        }
        free((char *)(uintptr_t)theirs.ptr);
    }
    return same;
}

/* All of a corpus file; malloc'd. ptr NULL when it is absent, which is told. */
static inline struct lb_str corpus_file(const char *name)
{
    struct corpus corpus;
    struct lb_str bytes = { NULL, 0 };
    size_t size = 0;

    if (!corpus_open(&corpus, name))
        return bytes;
    if (getdelim((char **)(uintptr_t)&bytes.ptr, &size, EOF, corpus.file) > 0)
        bytes.len = (size_t)ftell(corpus.file);
    corpus_close(&corpus);
    return bytes;
}

static inline size_t corpus_offset(struct lb_str row)
{
    struct lb_str offset = corpus_get(row, "log.offset");

    return offset.ptr != NULL ? (size_t)strtoull(offset.ptr, NULL, 10) : SIZE_MAX;
}

/* The event that begins at `start`: one line, or all up to `end` where the corpus says that it has several. */
static inline struct lb_str corpus_event(struct lb_str log, size_t start, size_t end, struct lb_str row)
{
    struct lb_str event = { log.ptr + start, end - start };
    struct lb_str flags = corpus_get(row, "log.flags");
    const char *line_end = memchr(event.ptr, '\n', event.len);

    if (line_end != NULL && (flags.ptr == NULL || memmem(flags.ptr, flags.len, "multiline", 9) == NULL))
        event.len = (size_t)(line_end - event.ptr);
    while (event.len > 0 && (event.ptr[event.len - 1] == '\n' || event.ptr[event.len - 1] == '\r'))
        event.len--;
    return event;
}

/* A log of the corpus and the events that another shipper made of it, compared in `names`. */
static inline void corpus_events(struct test_parser *self, const char *log_name, const struct field_name *names,
                                 struct corpus_score *score)
{
    char expected_name[256];
    struct lb_str log = corpus_file(log_name);
    struct lb_str rows;

    snprintf(expected_name, sizeof(expected_name), "%s.expected.jsonl", log_name);
    rows = corpus_file(expected_name);
    for (const char *at = rows.ptr; log.ptr != NULL && at != NULL && *at == '{';) {
        const char *row_end = strchr(at, '\n');
        struct lb_str row = { at, row_end != NULL ? (size_t)(row_end - at) : strlen(at) };
        const char *next = row_end != NULL && row_end[1] == '{' ? row_end + 1 : NULL;
        size_t start = corpus_offset(row);
        size_t end = log.len;

        if (next != NULL)
            end = corpus_offset((struct lb_str){ next, strcspn(next, "\n") });
        if (end > log.len || end < start)
            end = log.len;
        if (start < log.len) {
            struct lb_str event = corpus_event(log, start, end, row);
            enum lb_err err = test_parse(self, event);
            bool same = err == LB_OK && corpus_agrees_in(self, row, names);

            if (!same && getenv("LB_SHOW") != NULL)
                printf("  %s\n", err == LB_OK ? "accepted" : self->context.reason);
            corpus_count(score, same, event);
        }
        at = next;
    }
    free((char *)(uintptr_t)log.ptr);
    free((char *)(uintptr_t)rows.ptr);
}

/* The samples of a format: all must be accepted, at the level that is stated. Skips the test without a corpus. */
static inline bool corpus_samples(struct test_parser *self, const char *format)
{
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    if (!corpus_open(&corpus, "formats/samples.jsonl"))
        skip();
    while (corpus_next(&corpus, &row)) {
        struct lb_str input;
        struct lb_str level = corpus_get(row, "level");

        if (!lb_str_is(corpus_get(row, "format"), format))
            continue;
        input = corpus_text(corpus_get(row, "in"));
        corpus_count(&score,
                     test_parse(self, input) == LB_OK && (level.ptr == NULL || same_as_expected(self, "level", level)),
                     row);
        free((char *)(uintptr_t)input.ptr);
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] samples of %s: %d of %d\n", format, score.right, score.all);
    return score.all > 0 && score.right == score.all;
}

#endif
