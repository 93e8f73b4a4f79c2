/*
 * alerts_audit.c - `alerts audit`: what people did, and whether the log of it is whole.
 *
 * Reads the files below data_dir, so that it works without a daemon, and on a copy.
 */
#include "alerts.h"

#include "colour.h"
#include "time_argument.h"

#include "lb_audit.h"
#include "lb_clock.h"
#include "lb_json.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ARENA_BYTES = 4 * 1024 * 1024, DETAILS_SHOWN = 200 };

struct audit {
    int64_t since;
    bool verify;
    bool json;
    bool colours;
    struct lb_arena arena; /* of one line */
    uint64_t lines;
    uint64_t shown;
    uint64_t first;
    uint64_t last;
    uint64_t problems;
    char hash[LB_AUDIT_HASH_SIZE];
};

static void tell_problem(struct audit *self, const struct lb_audit_line *line)
{
    self->problems++;
    fprintf(stderr, "%s:%zu: %s\n", line->file, line->number, line->problem);
}

static void print_line(struct audit *self, struct lb_str line, int64_t time)
{
    struct lb_arena *arena = &self->arena;
    struct lb_value who = lb_value_member(lb_value_of(line, LB_VALUE_OBJECT), LB_STR("who"));
    struct lb_value details = lb_value_member(lb_value_of(line, LB_VALUE_OBJECT), LB_STR("details"));
    struct lb_str by = { who.ptr, who.len };
    struct lb_str name = alerts_text(arena, by, "user");
    char when[ALERTS_TIME_SIZE];

    if (name.len == 0)
        name = alerts_text(arena, by, "peer");
    if (name.len == 0)
        name = alerts_text(arena, by, "via");
    printf("%s  %s%-15.*s%s  %-15.*s  %.*s%s\n", alerts_local_time(time, when), self->colours ? "\033[36m" : "",
           LB_STR_ARG(alerts_text(arena, line, "action")), self->colours ? colour_end : "", LB_STR_ARG(name),
           (int)(details.len < DETAILS_SHOWN ? details.len : DETAILS_SHOWN), details.len > 0 ? details.ptr : "",
           details.len > DETAILS_SHOWN ? "…" : "");
}

static void visit(void *context, const struct lb_audit_line *line)
{
    struct audit *self = context;
    bool readable = line->text.len > 0 && line->text.ptr[0] == '{' && lb_json_valid(line->text);

    self->first = self->lines++ == 0 ? line->sequence : self->first;
    self->last = line->sequence;
    memcpy(self->hash, line->hash, sizeof(self->hash));
    if (line->problem != NULL)
        tell_problem(self, line);
    if (self->verify || !readable)
        return;
    lb_arena_reset(&self->arena, ARENA_BYTES);
    int64_t time = alerts_time(&self->arena, line->text, "time");

    if (time < self->since)
        return;
    self->shown++;
    if (self->json)
        printf(LB_STR_FMT "\n", LB_STR_ARG(line->text));
    else
        print_line(self, line->text, time);
}

static int conclude(const struct audit *self)
{
    if (self->first > 1)
        fprintf(stderr, "logboom: the log begins with entry %llu; files before it were taken away\n",
                (unsigned long long)self->first);
    if (self->problems > 0) {
        fprintf(stderr, "logboom: the chain is broken in %llu place%s: what stands there, or before it, was changed\n",
                (unsigned long long)self->problems, self->problems == 1 ? "" : "s");
        return EXIT_NO;
    }
    if (self->verify)
        printf("whole: %llu entries, the last is %llu\n%s  its hash; noted elsewhere, it shows later that nothing was "
               "cut off\n",
               (unsigned long long)self->lines, (unsigned long long)self->last, self->hash);
    return self->verify || self->shown > 0 ? EXIT_OK : EXIT_NO;
}

static int read_log(const char *directory, struct audit *self)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/" LB_AUDIT_NAME, directory);
    lb_arena_init(&self->arena, ARENA_BYTES);
    bool ok = lb_audit_read(path, visit, self);
    int cause = errno;

    lb_arena_free(&self->arena);
    if (ok)
        return conclude(self);
    fprintf(stderr, "logboom: cannot read %s: %s\n", path,
            cause == ENOENT ? "there is none; has logboom run with this data_dir?" : strerror(cause));
    return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    struct audit audit = { .since = INT64_MIN, .colours = colour_wanted(STDOUT_FILENO) };
    const char *since = NULL;
    const struct alerts_option options[] = { { "--since", &since, NULL },
                                             { "--verify", NULL, &audit.verify },
                                             { NULL, NULL, NULL } };
    struct alerts_line line;
    struct alerts_talk talk;
    int code = EXIT_USAGE;

    if (!alerts_read_line(argc, argv, options, &line))
        return EXIT_USAGE;
    if (line.word_count > 1)
        return alerts_usage_error("audit", "unexpected \"%s\"", line.words[1]);
    if (since != NULL && !time_argument(since, lb_clock_now(), &audit.since))
        return alerts_usage_error("audit", "--since: \"%s\" is no time; " TIME_ARGUMENT_FORMS, since);
    audit.json = line.json;
    if (line.word_count == 1)
        return read_log(line.words[0], &audit);
    if (alerts_open(&talk, line.config))
        code = read_log(talk.config->data_dir.ptr, &audit);
    alerts_close(&talk);
    return code;
}

const struct alerts_command alerts_audit = {
    .name = "audit",
    .summary = "what people did, and whether the log of it is whole",
    .help = "logboom alerts audit [--since TIME] [--verify] [--json] [-c FILE | DIRECTORY]\n\n"
            "Silences, acknowledgements, markers, reloads and starts (with what changed), as noted in audit.log below\n"
            "data_dir: when, what, who. Each line holds the hash of the one before; wherever that does not fit, the\n"
            "place is named. DIRECTORY reads a copy instead of the data_dir of a configuration.\n\n"
            "  --verify      only checks, and prints the last hash\n"
            "  --since TIME  2h, today, \"2026-01-31 12:30\"\n\n"
            "Exit: 0 whole, 1 broken (or nothing to show), 2 it cannot be read.\n",
    .run = run,
};
