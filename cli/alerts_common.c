/* alerts_common.c - what the commands below `logboom alerts` share: their line, the daemon, its JSON. */
#include "alerts.h"

#include "colour.h"

#include "lb_expr.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_mutes.h"
#include "lb_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024, ARENA_BYTES = 256 * 1024 * 1024, TEXT_BYTES_MAX = 16 * 1024 };

/* --- the command line --------------------------------------------------------------------- */

static const struct alerts_option *find_option(const struct alerts_option *options, const char *word, size_t length)
{
    for (; options->name != NULL; options++)
        if (strlen(options->name) == length && strncmp(options->name, word, length) == 0)
            return options;
    return NULL;
}

/* False: wrong, and said so. */
static bool take_option(int argc, char **argv, int *index, const struct alerts_option *options,
                        struct alerts_line *line)
{
    const struct alerts_option common[] = { { "-c", &line->config, NULL },
                                            { "--json", NULL, &line->json },
                                            { NULL, NULL, NULL } };
    const char *word = argv[*index];
    size_t length = strcspn(word, "=");
    const struct alerts_option *option = find_option(options, word, length);

    if (option == NULL)
        option = find_option(common, word, length);
    if (option == NULL) {
        alerts_usage_error(argv[0], "there is no option \"%s\"", word);
        return false;
    }
    if (option->flag != NULL) {
        *option->flag = true;
        return true;
    }
    if (word[length] == '=') {
        *option->value = word + length + 1;
        return true;
    }
    if (*index + 1 == argc) {
        alerts_usage_error(argv[0], "%s needs a value", option->name);
        return false;
    }
    *option->value = argv[++*index];
    return true;
}

bool alerts_read_line(int argc, char **argv, const struct alerts_option *options, struct alerts_line *line)
{
    bool only_words = false;

    *line = (struct alerts_line){ .config = default_config() };
    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!take_option(argc, argv, &i, options, line))
                return false;
        } else if (line->word_count == ALERTS_WORDS_MAX) {
            alerts_usage_error(argv[0], "too many words; put an expression in quotes");
            return false;
        } else {
            line->words[line->word_count++] = argv[i];
        }
    }
    return true;
}

/* --- asking ---------------------------------------------------------------------------------- */

bool alerts_open(struct alerts_talk *talk, const char *file)
{
    struct lb_diag diag = { 0 };

    *talk = (struct alerts_talk){ 0 };
    lb_buffer_init(&talk->answer, ANSWER_BYTES_MAX);
    lb_arena_init(&talk->arena, ARENA_BYTES);
    talk->config = lb_config_load(file, &diag);
    if (talk->config == NULL)
        lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    return talk->config != NULL;
}

void alerts_close(struct alerts_talk *talk)
{
    if (talk->config != NULL)
        lb_config_free(talk->config);
    lb_buffer_free(&talk->answer);
    lb_arena_free(&talk->arena);
}

bool alerts_ask(struct alerts_talk *talk, const char *method, const char *path, struct lb_str body)
{
    talk->status = ask_daemon(talk->config, method, path, body, &talk->answer);
    if (talk->status == ASK_OK || talk->status == ASK_CREATED)
        return true;
    if (talk->status == 0)
        return false;
    struct lb_str error = alerts_text(&talk->arena, lb_buffer_str(&talk->answer), "error");

    if (error.len > 0)
        fprintf(stderr, "logboom: " LB_STR_FMT "\n", LB_STR_ARG(error));
    else
        fprintf(stderr, "logboom: the daemon answered %ld to %s %s; is it of another version?\n", talk->status, method,
                path);
    return false;
}

struct lb_value alerts_member(struct alerts_talk *talk, const char *name)
{
    struct lb_str json = lb_arena_copy(&talk->arena, lb_buffer_str(&talk->answer));

    if (json.ptr == NULL || json.len == 0 || json.ptr[0] != '{')
        return (struct lb_value){ 0 };
    return lb_value_member(lb_value_of(json, LB_VALUE_OBJECT), lb_str_from(name));
}

bool alerts_get(struct alerts_talk *talk, const char *path, struct lb_str *json)
{
    if (!alerts_ask(talk, "GET", path, LB_STR("")))
        return false;
    *json = lb_arena_copy(&talk->arena, lb_buffer_str(&talk->answer));
    while (json->len > 0 && json->ptr[json->len - 1] == '\n')
        json->len--;
    return json->ptr != NULL;
}

void alerts_print_answer(const struct alerts_talk *talk)
{
    fwrite(talk->answer.ptr, 1, talk->answer.len, stdout);
}

/* --- values ------------------------------------------------------------------------------------ */

static struct lb_value member(struct lb_str object, const char *name)
{
    if (object.len == 0 || object.ptr[0] != '{')
        return (struct lb_value){ 0 };
    return lb_value_member(lb_value_of(object, LB_VALUE_OBJECT), lb_str_from(name));
}

struct lb_str alerts_text(struct lb_arena *arena, struct lb_str object, const char *name)
{
    struct lb_value value = member(object, name);
    struct lb_scratch scratch = { lb_arena_alloc(arena, value.len + 1), value.len, 0 };

    if (scratch.ptr == NULL || value.kind == LB_VALUE_NULL)
        return LB_STR("");
    return lb_value_str(value, &scratch);
}

bool alerts_number(struct lb_str object, const char *name, double *number)
{
    return lb_value_number(member(object, name), number);
}

int64_t alerts_time(struct lb_arena *arena, struct lb_str object, const char *name)
{
    struct lb_str text = alerts_text(arena, object, name);
    int64_t time;

    return text.len > 0 && lb_time_rfc3339(text, &time) ? time : LB_TIME_NONE;
}

struct lb_str alerts_key(struct lb_arena *arena, struct lb_str object)
{
    struct lb_value key = member(object, "key");
    struct lb_field field;
    struct lb_buffer out;
    size_t at = 1;

    lb_buffer_init(&out, TEXT_BYTES_MAX);
    while (key.kind == LB_VALUE_OBJECT &&
           lb_json_next_member((struct lb_str){ key.ptr, key.len }, &at, &field) == LB_OK) {
        struct lb_scratch scratch = { lb_arena_alloc(arena, field.value.len + 1), field.value.len, 0 };

        if (out.len > 0)
            lb_buffer_append_char(&out, ' ');
        lb_buffer_append(&out, field.key.ptr, field.key.len);
        lb_buffer_append_char(&out, '=');
        if (scratch.ptr != NULL)
            lb_buffer_append_str(&out, lb_value_str(field.value, &scratch));
    }
    struct lb_str text = out.len > 0 ? lb_arena_copy(arena, lb_buffer_str(&out)) : LB_STR("-");

    lb_buffer_free(&out);
    return text.ptr != NULL ? text : LB_STR("");
}

void alerts_write_text(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

const char *alerts_local_time(int64_t time_ns, char *out)
{
    time_t seconds = (time_t)(time_ns / LB_SECOND);
    struct tm parts;

    if (time_ns == LB_TIME_NONE || localtime_r(&seconds, &parts) == NULL ||
        strftime(out, ALERTS_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(out, ALERTS_TIME_SIZE, "-");
    return out;
}

const char *alerts_span(int64_t duration, char *out)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    int64_t seconds = duration > 0 ? duration / LB_SECOND : 0;
    size_t len = 0;

    for (size_t i = 0, shown = 0; i < 4 && shown < 2; i++) {
        if (seconds < units[i].seconds && shown == 0)
            continue;
        if (seconds >= units[i].seconds)
            len += (size_t)snprintf(out + len, ALERTS_SPAN_SIZE - len, "%lld%c",
                                    (long long)(seconds / units[i].seconds), units[i].unit);
        seconds %= units[i].seconds;
        shown++;
    }
    if (len == 0)
        snprintf(out, ALERTS_SPAN_SIZE, "0s");
    return out;
}

const char *alerts_colour(struct lb_str severity)
{
    static const struct {
        const char *severity;
        uint8_t level;
    } rows[] = { { "critical", LB_LEVEL_CRITICAL },
                 { "high", LB_LEVEL_ERROR },
                 { "medium", LB_LEVEL_WARN },
                 { "low", LB_LEVEL_NOTICE } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (lb_str_is(severity, rows[i].severity))
            return colour_of_level(rows[i].level);
    return "";
}

bool alerts_find(struct alerts_talk *talk, struct lb_str alerts, const char *id, struct lb_str *alert)
{
    struct lb_value element;
    struct lb_str wanted = lb_str_from(id);
    size_t found = 0;
    size_t at = 1;

    while (lb_json_next_element(alerts, &at, &element) == LB_OK) {
        struct lb_str text = { element.ptr, element.len };

        if (wanted.len == 0 || !lb_str_starts(alerts_text(&talk->arena, text, "alert_id"), wanted))
            continue;
        *alert = text;
        found++;
    }
    if (found > 1)
        fprintf(stderr, "logboom: the ids of %zu alerts begin with %s; give more of it\n", found, id);
    return found == 1;
}

/* --- what holds alerts back ---------------------------------------------------------------------- */

bool alerts_matches(struct alerts_talk *talk, struct lb_str where, struct lb_str alert)
{
    static char room[LB_SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_diag diag = { 0 };
    struct lb_record record;
    bool matches = where.len == 0;

    if (!matches && lb_alert_record_read(alert, &talk->arena, &record)) {
        struct lb_expr *expr = lb_expr_new(&talk->arena, where, (struct lb_place){ "where", 1, 1 }, &diag);

        matches = expr != NULL && lb_expr_match(expr, &record, &scratch);
        if (expr != NULL)
            lb_expr_free(expr);
    }
    lb_diag_free(&diag);
    return matches;
}

static struct lb_str array_of(struct lb_str object, const char *name)
{
    struct lb_value value = member(object, name);

    return value.kind == LB_VALUE_ARRAY ? (struct lb_str){ value.ptr, value.len } : LB_STR("[]");
}

bool alerts_read_held(struct alerts_talk *talk, struct alerts_held *held)
{
    struct lb_str json;

    if (!alerts_get(talk, "/api/v1/silences", &json))
        return false;
    held->silences = array_of(json, "silences");
    held->windows = array_of(json, "windows");
    return true;
}

static struct lb_str find_holder(struct alerts_talk *talk, struct lb_str array, const char *kind, const char *name,
                                 struct lb_str alert)
{
    struct lb_value element;
    size_t at = 1;

    while (lb_json_next_element(array, &at, &element) == LB_OK) {
        struct lb_str text = { element.ptr, element.len };
        struct lb_str comment = alerts_text(&talk->arena, text, "comment");
        char until[ALERTS_TIME_SIZE];

        if (!lb_str_is(alerts_text(&talk->arena, text, "state"), "active") ||
            !alerts_matches(talk, alerts_text(&talk->arena, text, "where"), alert))
            continue;
        struct lb_str label = alerts_text(&talk->arena, text, name);
        alerts_local_time(alerts_time(&talk->arena, text, "until"), until);
        struct lb_str holder =
            lb_arena_print(&talk->arena, "%s " LB_STR_FMT " until %s%s" LB_STR_FMT "%s", kind, LB_STR_ARG(label), until,
                           comment.len > 0 ? " (" : "", LB_STR_ARG(comment), comment.len > 0 ? ")" : "");
        return holder.ptr != NULL ? holder : LB_STR("");
    }
    return LB_STR("");
}

struct lb_str alerts_holder(struct alerts_talk *talk, const struct alerts_held *held, struct lb_str alert)
{
    struct lb_str holder = find_holder(talk, held->silences, "silence", "id", alert);

    return holder.len > 0 ? holder : find_holder(talk, held->windows, "maintenance", "name", alert);
}
