/*
 * alerts_export.c - `alerts export`: all that belongs to an incident, in one directory, for a post-mortem.
 *
 * Records come from the archive by this program's own `grep`, in a process of its own: with the rule's `where`, the
 * alert's key and the time from a window before it began until it ended. Whatever is missing is said in README.md.
 */
#include "alerts.h"

#include "alerts_notices.h"
#include "archive_root.h"

#include "lb_audit.h"
#include "lb_clock.h"
#include "lb_expr.h"
#include "lb_file.h"
#include "lb_json.h"
#include "lb_time.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WHERE_BYTES = 16 * 1024, PART_BYTES = 64 * 1024 * 1024, MODE = 0750 };

#define MARGIN (300 * LB_SECOND) /* before it began */

extern char **environ;

struct incident {
    struct alerts_talk *talk;
    const char *directory;
    const char *config_file;
    struct lb_str alert;
    struct lb_str notices; /* of this alert */
    struct lb_str id;
    int64_t from;
    int64_t until;
    const struct lb_alert_rule *rule; /* NULL: it is not in the configuration any more */
    struct lb_buffer readme;
    bool failed;
};

static bool name_of(const struct incident *self, const char *name, char *path)
{
    return (size_t)snprintf(path, PATH_MAX, "%s/%s", self->directory, name) < PATH_MAX;
}

static void save(struct incident *self, const char *name, struct lb_str bytes)
{
    char path[PATH_MAX];

    if (name_of(self, name, path) && lb_file_replace(path, bytes))
        return;
    fprintf(stderr, "logboom: cannot write %s/%s: %s\n", self->directory, name, strerror(errno));
    self->failed = true;
}

/* --- what is to be exported -------------------------------------------------------------------- */

static void find_rule(struct incident *self)
{
    const struct lb_alerting *alerting = &self->talk->config->alerting;
    struct lb_str name = alerts_text(&self->talk->arena, self->alert, "rule");

    for (uint32_t i = 0; i < alerting->rule_count; i++)
        if (lb_str_equal(alerting->rules[i].name, name))
            self->rule = &alerting->rules[i];
}

/* Those of this alert, one a line; the last end of it is when it was over. */
static void keep_notices(struct incident *self, struct lb_str all)
{
    struct lb_arena *arena = &self->talk->arena;
    struct lb_value element;
    struct lb_buffer lines;
    size_t at = 1;

    lb_buffer_init(&lines, PART_BYTES);
    while (lb_json_next_element(all, &at, &element) == LB_OK) {
        struct lb_str json = { element.ptr, element.len };

        if (!lb_str_equal(alerts_text(arena, json, "alert_id"), self->id))
            continue;
        if (lb_str_is(alerts_text(arena, json, "state"), "resolved"))
            self->until = alerts_time(arena, json, "timestamp");
        lb_buffer_append_str(&lines, json);
        lb_buffer_append_char(&lines, '\n');
    }
    self->notices = lb_arena_copy(arena, lb_buffer_str(&lines));
    save(self, "notices.jsonl", lb_buffer_str(&lines));
    lb_buffer_free(&lines);
}

/* --- records -------------------------------------------------------------------------------------- */

static void add_literal(struct lb_buffer *where, struct lb_str text)
{
    lb_buffer_append_char(where, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            lb_buffer_append_char(where, '\\');
        lb_buffer_append_char(where, text.ptr[i]);
    }
    lb_buffer_append_char(where, '"');
}

/* `(the rule's where) and client_ip == "10.0.0.1"`; empty: every record. */
static void write_where(struct incident *self, struct lb_buffer *where)
{
    struct lb_value key = lb_value_member(lb_value_of(self->alert, LB_VALUE_OBJECT), LB_STR("key"));
    struct lb_field field;
    size_t at = 1;

    if (self->rule != NULL && self->rule->where != NULL)
        lb_buffer_print(where, "(" LB_STR_FMT ")", LB_STR_ARG(lb_expr_text(self->rule->where)));
    while (key.kind == LB_VALUE_OBJECT &&
           lb_json_next_member((struct lb_str){ key.ptr, key.len }, &at, &field) == LB_OK) {
        struct lb_scratch scratch = { lb_arena_alloc(&self->talk->arena, field.value.len + 1), field.value.len, 0 };

        if (where->len > 0)
            lb_buffer_append_str(where, LB_STR(" and "));
        lb_buffer_append(where, field.key.ptr, field.key.len);
        lb_buffer_append_str(where, LB_STR(" == "));
        if (scratch.ptr != NULL)
            add_literal(where, lb_value_str(field.value, &scratch));
    }
    lb_buffer_append_char(where, '\0');
}

/* The exit code of this program with these arguments, its output in a file; -1: it could not be run. */
static int run_self(char *const *arguments, const char *output)
{
    posix_spawn_file_actions_t actions;
    pid_t process;
    int status = -1;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (posix_spawn(&process, "/proc/self/exe", &actions, NULL, arguments, environ) == 0 &&
        waitpid(process, &status, 0) == process && WIFEXITED(status))
        status = WEXITSTATUS(status);
    else
        status = -1;
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static void export_records(struct incident *self)
{
    char since[LB_TIME_TEXT_SIZE];
    char until[LB_TIME_TEXT_SIZE];
    char root[PATH_MAX];
    char output[PATH_MAX];
    struct lb_buffer where;

    if (!name_of(self, "records.jsonl", output) || !archive_root(self->config_file, root)) {
        lb_buffer_append_str(&self->readme, LB_STR("- no records: the configuration has no archive\n"));
        return;
    }
    since[lb_time_write(self->from, since)] = '\0';
    until[lb_time_write(self->until + LB_SECOND, until)] = '\0';
    lb_buffer_init(&where, WHERE_BYTES);
    write_where(self, &where);
    bool all = where.len <= 1;
    /* The pattern is empty: the first path would be taken for one. Without `where` the list ends before it. */
    const char *arguments[] = { "logboom",  "grep",    "-h",  "--sort", "time",
                                "--format", "json",    "-e",  "",       "--since",
                                since,      "--until", until, root,     all ? NULL : "--where",
                                where.ptr,  NULL };
    int code = where.failed ? -1 : run_self((char *const *)arguments, output);

    if (code == EXIT_OK || code == EXIT_NO)
        lb_buffer_print(&self->readme, "- records.jsonl: %s, from %s until %s, below %s, where %s\n",
                        code == EXIT_OK ? "the records" : "no records were found", since, until, root,
                        all ? "all" : where.ptr);
    else
        lb_buffer_print(&self->readme, "- no records: they could not be read (exit %d)\n", code);
    self->failed = self->failed || (code != EXIT_OK && code != EXIT_NO);
    lb_buffer_free(&where);
}

/* --- what people did --------------------------------------------------------------------------------- */

static void export_get(struct incident *self, const char *path, const char *name, const char *what)
{
    struct lb_str json;

    if (alerts_get(self->talk, path, &json)) {
        save(self, name, json);
        lb_buffer_print(&self->readme, "- %s: %s\n", name, what);
    } else {
        self->failed = true;
    }
}

static void export_markers(struct incident *self)
{
    struct lb_str service = alerts_text(&self->talk->arena, self->alert, "service");
    char since[LB_TIME_TEXT_SIZE];
    struct lb_buffer path;

    lb_buffer_init(&path, WHERE_BYTES);
    lb_buffer_append_str(&path, LB_STR("/api/v1/markers?since="));
    ask_escape(&path, (struct lb_str){ since, lb_time_write(self->from - 3600 * LB_SECOND, since) });
    if (service.len > 0) {
        lb_buffer_append_str(&path, LB_STR("&service="));
        ask_escape(&path, service);
    }
    lb_buffer_append_char(&path, '\0');
    export_get(self, path.ptr, "markers.json", "what people did from an hour before");
    lb_buffer_free(&path);
}

struct audit_part {
    struct incident *incident;
    struct lb_buffer lines;
};

static void keep_audit(void *context, const struct lb_audit_line *line)
{
    struct audit_part *part = context;
    struct lb_arena *arena = &part->incident->talk->arena;
    int64_t time = lb_json_valid(line->text) ? alerts_time(arena, line->text, "time") : LB_TIME_NONE;

    if (time < part->incident->from - 3600 * LB_SECOND || time > part->incident->until + MARGIN)
        return;
    lb_buffer_append_str(&part->lines, line->text);
    lb_buffer_append_char(&part->lines, '\n');
}

static void export_audit(struct incident *self)
{
    struct audit_part part = { .incident = self };
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT "/" LB_AUDIT_NAME, LB_STR_ARG(self->talk->config->data_dir));
    lb_buffer_init(&part.lines, PART_BYTES);
    if (lb_audit_read(path, keep_audit, &part)) {
        save(self, "audit.jsonl", lb_buffer_str(&part.lines));
        lb_buffer_append_str(&self->readme,
                             LB_STR("- audit.jsonl: silences, acknowledgements, reloads of that time\n"));
    } else {
        lb_buffer_print(&self->readme, "- no audit log: %s: %s\n", path, strerror(errno));
    }
    lb_buffer_free(&part.lines);
}

/* --- the timeline -------------------------------------------------------------------------------------- */

static bool next_line(struct lb_str *rest, struct lb_str *line)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;

    if (end == NULL)
        return false;
    *line = (struct lb_str){ rest->ptr, (size_t)(end - rest->ptr) };
    *rest = (struct lb_str){ end + 1, rest->len - line->len - 1 };
    return true;
}

static void write_deliveries(struct incident *self, struct lb_str notice)
{
    struct lb_arena *arena = &self->talk->arena;
    struct lb_str delivery;
    size_t at = 0;

    while (alerts_next_delivery(notice, &at, &delivery))
        lb_buffer_print(&self->readme, "  - " LB_STR_FMT " " LB_STR_FMT ": " LB_STR_FMT "\n",
                        LB_STR_ARG(alerts_text(arena, delivery, "at")),
                        LB_STR_ARG(alerts_text(arena, delivery, "sink")), LB_STR_ARG(alerts_outcome(arena, delivery)));
}

static void write_timeline(struct incident *self)
{
    struct lb_arena *arena = &self->talk->arena;
    struct lb_str rest = self->notices;
    struct lb_str line;

    lb_buffer_append_str(&self->readme, LB_STR("\n## What was told\n\n"));
    while (next_line(&rest, &line)) {
        struct lb_str sinks = alerts_sinks(arena, line);

        lb_buffer_print(&self->readme, "- " LB_STR_FMT " **" LB_STR_FMT "** " LB_STR_FMT,
                        LB_STR_ARG(alerts_text(arena, line, "timestamp")),
                        LB_STR_ARG(alerts_text(arena, line, "state")), LB_STR_ARG(alerts_text(arena, line, "message")));
        lb_buffer_print(&self->readme, " (to " LB_STR_FMT ")\n", LB_STR_ARG(sinks));
        write_deliveries(self, line);
    }
    if (self->notices.len == 0)
        lb_buffer_append_str(&self->readme, LB_STR("Nobody was told.\n"));
}

static void begin_readme(struct incident *self)
{
    struct lb_arena *arena = &self->talk->arena;
    char began[LB_TIME_TEXT_SIZE];
    char ended[LB_TIME_TEXT_SIZE];
    int64_t started = alerts_time(arena, self->alert, "started_at");

    lb_buffer_print(&self->readme, "# Incident " LB_STR_FMT ": " LB_STR_FMT "\n\n", LB_STR_ARG(self->id),
                    LB_STR_ARG(alerts_text(arena, self->alert, "rule")));
    lb_buffer_print(&self->readme, "Key " LB_STR_FMT "; from %.*s until %.*s (UTC).\n\n## Files\n\n",
                    LB_STR_ARG(alerts_key(arena, self->alert)), (int)lb_time_write(started, began), began,
                    (int)lb_time_write(self->until, ended), ended);
    lb_buffer_append_str(
        &self->readme, LB_STR("- alert.json: how it stands, or the last that was told\n- notices.jsonl: what was told, "
                              "with the sinks and what became of it there\n"));
    if (self->rule == NULL)
        lb_buffer_append_str(&self->readme, LB_STR("- the rule is not in the configuration any more: records are "
                                                   "those of the key\n"));
}

static int export_all(struct incident *self, const char *id)
{
    struct lb_str all;
    int64_t over = 0;

    if (!alerts_find_any(self->talk, id, &self->alert, &all))
        return self->talk->status == 0 ? EXIT_USAGE : EXIT_NO;
    if (mkdir(self->directory, MODE) != 0) {
        fprintf(stderr, "logboom: cannot make %s: %s\n", self->directory, strerror(errno));
        return EXIT_USAGE;
    }
    self->id = alerts_text(&self->talk->arena, self->alert, "alert_id");
    find_rule(self);
    if (self->rule != NULL)
        over = self->rule->over_ns;
    self->until = lb_clock_now();
    self->from = alerts_time(&self->talk->arena, self->alert, "started_at") - over - MARGIN;
    lb_buffer_init(&self->readme, PART_BYTES);
    save(self, "alert.json", self->alert);
    keep_notices(self, all);
    begin_readme(self);
    export_records(self);
    export_markers(self);
    export_get(self, "/api/v1/silences?ended=true", "silences.json", "silences of the last five days, and windows");
    export_audit(self);
    write_timeline(self);
    save(self, "README.md", lb_buffer_str(&self->readme));
    lb_buffer_free(&self->readme);
    printf("%s/README.md\n", self->directory);
    return self->failed ? EXIT_USAGE : EXIT_OK;
}

static int run(int argc, char **argv)
{
    const char *directory = NULL;
    const struct alerts_option options[] = { { "--to", &directory, NULL }, { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    char unless_told[128];
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count != 1)
        return alerts_usage_error("export", "give the id of one alert");
    snprintf(unless_told, sizeof(unless_told), "incident-%.64s", line.words[0]);
    struct incident self = { .talk = &talk, .directory = directory != NULL ? directory : unless_told };

    self.config_file = line.config;
    if (alerts_open(&talk, line.config))
        code = export_all(&self, line.words[0]);
    alerts_close(&talk);
    return code;
}

const struct alerts_command alerts_export = {
    .name = "export",
    .summary = "all that belongs to an incident, for a post-mortem",
    .help =
        "logboom alerts export ID [--to DIRECTORY] [-c FILE]\n\n"
        "Makes a directory (incident-ID unless given; it must not be there) with README.md, a timeline of what was\n"
        "told; alert.json and notices.jsonl; records.jsonl, the records of the archive that the rule looks at, of\n"
        "the alert's key and time; markers.json, silences.json and audit.jsonl, what people did.\n\n"
        "Exit: 0 all is there, 1 there is no such alert, 2 something could not be written, or nobody answers.\n",
    .run = run,
};
