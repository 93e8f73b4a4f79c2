/*
 * daemon_reload.c - reloads, one at a time, on a thread of their own.
 *
 * Loading compiles patterns and reads files, and a sink that is taken down may
 * need seconds; meanwhile the main thread goes on to serve signals. One reload
 * that is wanted while another is under way begins when that has ended: what
 * it reads is then newer than every request.
 */
#include "daemon.h"
#include "daemon_api.h"

#include "lb_alloc.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_mutes.h"

#include <string.h>

#define MODULE "reload"

enum { ANSWER_BYTES_MAX = 1024 * 1024, STATUS_OK = 200, STATUS_REFUSED = 422, STATUS_ENDING = 503 };

struct reloads {
    struct lb_daemon *daemon;
    struct lb_metric *good;
    struct lb_metric *bad;
    struct lb_metric *last_good;

    pthread_mutex_t lock; /* guards what follows */
    uint64_t wanted;      /* requests get numbers 1, 2, 3 …; those that come together share one */
    uint64_t begun;
    uint64_t ended;
    bool finished;           /* the thread has done its work and can be joined */
    struct lb_buffer answer; /* JSON */
    struct lb_buffer text;   /* the same for people */
    int status;

    bool running; /* the main thread's only: there is a thread */
    pthread_t thread;
};

/* --- what is told --------------------------------------------------------------- */

static void write_string(struct lb_buffer *out, const char *key, const char *text)
{
    lb_buffer_print(out, "\"%s\":\"", key);
    lb_json_escape(out, lb_str_from(text));
    lb_buffer_append_char(out, '"');
}

static void write_entry(struct lb_buffer *out, const struct lb_diag_entry *entry)
{
    lb_buffer_append_char(out, '{');
    if (entry->place.file != NULL) {
        write_string(out, "file", entry->place.file);
        lb_buffer_print(out, ",\"line\":%u,\"column\":%u,", entry->place.line, entry->place.column);
    }
    write_string(out, "message", entry->text);
    lb_buffer_append_char(out, '}');
}

static void write_entries(struct lb_buffer *out, const char *key, const struct lb_diag *diag, bool warnings)
{
    bool any = false;

    lb_buffer_print(out, ",\"%s\":[", key);
    for (uint32_t i = 0; i < diag->count; i++) {
        if (diag->entries[i].warning != warnings)
            continue;
        if (any)
            lb_buffer_append_char(out, ',');
        write_entry(out, &diag->entries[i]);
        any = true;
    }
    lb_buffer_append_char(out, ']');
}

static void write_counts(struct lb_buffer *out, const char *key, const struct reload_counts *counts)
{
    lb_buffer_print(out, ",\"%s\":{\"kept\":%u,\"changed\":%u,\"added\":%u,\"removed\":%u}", key, counts->kept,
                    counts->changed, counts->added, counts->removed);
}

static void print_counts(struct lb_buffer *out, const char *name, const struct reload_counts *counts)
{
    lb_buffer_print(out, "; %s: %u kept, %u changed, %u added, %u removed", name, counts->kept, counts->changed,
                    counts->added, counts->removed);
}

static void print_entries(struct lb_buffer *out, const struct lb_diag *diag)
{
    for (uint32_t i = 0; i < diag->count; i++) {
        const struct lb_diag_entry *entry = &diag->entries[i];

        if (entry->place.file != NULL)
            lb_buffer_print(out, "%s:%u:%u: ", entry->place.file, entry->place.line, entry->place.column);
        lb_buffer_print(out, "%s: %s\n", entry->warning ? "warning" : "error", entry->text);
    }
}

static void write_text(struct reloads *self, struct lb_buffer *out, bool ok, const struct reload_result *result,
                       const struct lb_diag *diag)
{
    print_entries(out, diag);
    if (!ok) {
        lb_buffer_print(out, "not reloaded; configuration %u goes on\n", self->daemon->current->number);
        return;
    }
    lb_buffer_print(out, "reloaded; this is configuration %u", self->daemon->current->number);
    print_counts(out, "sources", &result->sources);
    print_counts(out, "sinks", &result->sinks);
    print_counts(out, "rules", &result->rules);
    lb_buffer_append_char(out, '\n');
}

static void log_entries(const struct lb_diag *diag)
{
    for (uint32_t i = 0; i < diag->count; i++) {
        const struct lb_diag_entry *entry = &diag->entries[i];
        int level = entry->warning ? LB_LEVEL_WARN : LB_LEVEL_ERROR;

        if (entry->place.file != NULL)
            LB_LOG(level, MODULE, "%s:%u:%u: %s", entry->place.file, entry->place.line, entry->place.column,
                   entry->text);
        else
            LB_LOG(level, MODULE, "%s", entry->text);
    }
}

static void conclude(struct reloads *self, bool ok, const struct reload_result *result, const struct lb_diag *diag)
{
    struct lb_buffer out;
    struct lb_buffer text;

    lb_buffer_init(&text, ANSWER_BYTES_MAX);
    write_text(self, &text, ok, result, diag);
    lb_buffer_init(&out, ANSWER_BYTES_MAX);
    lb_buffer_print(&out, "{\"ok\":%s,\"generation\":%u", ok ? "true" : "false", self->daemon->current->number);
    if (ok) {
        write_counts(&out, "sources", &result->sources);
        write_counts(&out, "sinks", &result->sinks);
        write_counts(&out, "rules", &result->rules);
    } else {
        write_entries(&out, "errors", diag, false);
    }
    write_entries(&out, "warnings", diag, true);
    lb_buffer_append_str(&out, LB_STR("}\n"));
    pthread_mutex_lock(&self->lock);
    lb_buffer_free(&self->answer);
    lb_buffer_free(&self->text);
    self->answer = out;
    self->text = text;
    self->status = ok ? STATUS_OK : STATUS_REFUSED;
    pthread_mutex_unlock(&self->lock);
}

/* --- what needs a restart ---------------------------------------------------------- */

static struct lb_place place_of(const struct lb_config *config, const char *group, const char *key)
{
    const struct lb_node *map = group != NULL ? lb_node_get(config->root, group) : config->root;
    const struct lb_node *node = lb_node_get(map, key);

    return node != NULL ? node->place : (struct lb_place){ config->file, 1, 1 };
}

static void warn_of(const struct lb_config *config, const char *group, const char *key, bool changed,
                    struct lb_diag *diag)
{
    if (changed)
        lb_diag_warn(diag, place_of(config, group, key),
                     "\"%s%s%s\" has changed; it stays as it was until logboom is restarted",
                     group != NULL ? group : "", group != NULL ? "." : "", key);
}

/* Where the server listens and who may ask belong together: a new token for an old address might open it to all. */
static void keep_http(struct lb_config *config, const struct lb_config *before)
{
    config->http_listen = lb_arena_copy(&config->arena, before->http_listen);
    config->http_token = lb_arena_copy(&config->arena, before->http_token);
    config->http_open = before->http_open;
}

static bool check_fixed(struct lb_config *config, const struct lb_config *before, struct lb_diag *diag)
{
    bool same_http = lb_str_equal(config->http_listen, before->http_listen);

    if (!lb_str_equal(config->data_dir, before->data_dir)) {
        lb_diag_error(diag, place_of(config, NULL, "data_dir"),
                      "\"data_dir\" cannot be changed while logboom runs; stop it, move the directory, start it again");
        return false;
    }
    warn_of(config, "http", "listen", !same_http, diag);
    warn_of(config, "memory", "pool", config->memory != before->memory, diag);
    warn_of(config, NULL, "workers", config->workers != before->workers, diag);
    if (!same_http)
        keep_http(config, before);
    config->memory = before->memory;
    config->workers = before->workers;
    return true;
}

/* --- one reload ------------------------------------------------------------------------ */

static bool load(struct reloads *self, struct reload_result *result, struct lb_diag *diag)
{
    struct lb_daemon *daemon = self->daemon;
    struct lb_config *before = daemon->current->config;

    if (strcmp(daemon->file, "-") == 0 || daemon->exit_at_eof) {
        lb_diag_error(
            diag, (struct lb_place){ 0 },
            "nothing to reload: the configuration came from standard input, or logboom runs to the end of its "
            "files");
        return false;
    }

    struct lb_config *config = lb_config_load(daemon->file, diag);

    if (config == NULL)
        return false;
    if (!check_fixed(config, before, diag) || !lb_config_check(config, diag)) {
        lb_config_free(config);
        return false;
    }
    uint8_t level = config->log_level;
    bool new_level = level != before->log_level && daemon->log_level == LB_LEVEL_NONE;
    struct generation *next = generation_new(daemon, config, daemon->current->number + 1);
    if (next == NULL) {
        lb_diag_error(diag, (struct lb_place){ 0 }, "out of memory");
        return false;
    }
    if (!change_generation(daemon, next, result, diag))
        return false;
    lb_mutes_configure(daemon->mutes, &daemon->current->config->alerting);
    if (new_level)
        atomic_store(&lb_log_level, level);
    return true;
}

static void log_result(struct reloads *self, const struct reload_result *result)
{
    LB_INFO(MODULE,
            "the configuration was reloaded generation=%u sources_changed=%u sources_added=%u sources_removed=%u "
            "sinks_changed=%u sinks_added=%u sinks_removed=%u rules_kept=%u rules=%u",
            self->daemon->current->number, result->sources.changed, result->sources.added, result->sources.removed,
            result->sinks.changed, result->sinks.added, result->sinks.removed, result->rules.kept,
            lb_alerting_rule_count(&self->daemon->current->config->alerting));
}

static void *run(void *context)
{
    struct reloads *self = context;
    struct reload_result result = { 0 };
    struct lb_diag diag = { 0 };
    struct generation *before = self->daemon->current;

    lb_generation_ref(&before->base);
    bool ok = load(self, &result, &diag);

    lb_diag_sort(&diag);
    log_entries(&diag);
    lb_metric_add(ok ? self->good : self->bad, 1);
    if (ok) {
        lb_metric_set(self->last_good, lb_clock_now());
        log_result(self, &result);
    } else {
        LB_ERROR(MODULE, "the configuration was not reloaded, the one before goes on faults=%u", diag.errors);
    }
    conclude(self, ok, &result, &diag);
    audit_reload(self->daemon, before, ok, diag.errors);
    lb_generation_unref(&before->base);
    lb_diag_free(&diag);
    pthread_mutex_lock(&self->lock);
    self->finished = true;
    pthread_mutex_unlock(&self->lock);
    wake_main(self->daemon);
    return NULL;
}

/* --- who wants one ----------------------------------------------------------------------- */

uint64_t reloads_request(struct reloads *self)
{
    pthread_mutex_lock(&self->lock);
    if (self->wanted == self->begun)
        self->wanted++;
    uint64_t number = self->wanted;
    pthread_mutex_unlock(&self->lock);
    wake_main(self->daemon);
    return number;
}

uint64_t reloads_ended(struct reloads *self)
{
    pthread_mutex_lock(&self->lock);
    uint64_t ended = self->ended;
    pthread_mutex_unlock(&self->lock);
    return ended;
}

int reloads_answer(struct reloads *self, bool as_text, struct lb_buffer *out)
{
    pthread_mutex_lock(&self->lock);
    int status = self->status;
    lb_buffer_append_str(out, lb_buffer_str(as_text ? &self->text : &self->answer));
    pthread_mutex_unlock(&self->lock);
    return status;
}

static void end_finished(struct reloads *self)
{
    pthread_join(self->thread, NULL);
    self->running = false;
    pthread_mutex_lock(&self->lock);
    self->finished = false;
    self->ended = self->begun;
    bool ok = self->status == STATUS_OK;
    pthread_mutex_unlock(&self->lock);
    generation_bury(self->daemon);
    notify_ready(self->daemon, ok ? "" : "the last reload was refused, the log says why");
    if (self->daemon->http != NULL)
        http_reloaded(self->daemon->http);
}

static void begin(struct reloads *self)
{
    LB_INFO(MODULE, "reading the configuration again file=%s", self->daemon->file);
    notify_reloading();
    self->running = pthread_create(&self->thread, NULL, run, self) == 0;
    if (!self->running)
        LB_ERROR(MODULE, "no thread for a reload, trying again at the next signal");
    if (!self->running)
        notify_ready(self->daemon, "");
}

void reloads_look(struct reloads *self)
{
    pthread_mutex_lock(&self->lock);
    bool finished = self->finished;
    pthread_mutex_unlock(&self->lock);
    if (self->running && finished)
        end_finished(self);
    if (self->running)
        return;
    pthread_mutex_lock(&self->lock);
    bool wanted = self->wanted > self->begun;
    self->begun = self->wanted;
    pthread_mutex_unlock(&self->lock);
    if (wanted)
        begin(self);
}

void reloads_stop(struct reloads *self)
{
    struct lb_daemon *daemon = self->daemon;

    pthread_mutex_lock(&daemon->lock);
    atomic_store(&daemon->ending, true);
    pthread_cond_broadcast(&daemon->progress);
    pthread_mutex_unlock(&daemon->lock);
    if (self->running)
        end_finished(self);
    pthread_mutex_lock(&self->lock);
    lb_buffer_reset(&self->answer);
    lb_buffer_reset(&self->text);
    lb_buffer_append_str(&self->text, LB_STR("not reloaded: logboom is stopping\n"));
    lb_buffer_append_str(&self->answer, LB_STR("{\"ok\":false,\"errors\":[{\"message\":\"logboom is stopping\"}]}\n"));
    self->status = STATUS_ENDING;
    self->ended = self->wanted;
    pthread_mutex_unlock(&self->lock);
    if (daemon->http != NULL)
        http_reloaded(daemon->http);
}

struct reloads *reloads_new(struct lb_daemon *daemon)
{
    struct reloads *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->daemon = daemon;
    pthread_mutex_init(&self->lock, NULL);
    lb_buffer_init(&self->answer, ANSWER_BYTES_MAX);
    lb_buffer_init(&self->text, ANSWER_BYTES_MAX);
    self->good = lb_metric(LB_COUNTER, "logboom_reloads_total", "Reloads of the configuration", "result=\"ok\"");
    self->bad = lb_metric(LB_COUNTER, "logboom_reloads_total", "Reloads of the configuration", "result=\"failed\"");
    self->last_good = lb_metric(LB_GAUGE, "logboom_last_reload_timestamp_seconds",
                                "Unix time of the last reload that succeeded; 0: none has", NULL);
    self->last_good->scale = 1e-9;
    return self;
}

void reloads_free(struct reloads *self)
{
    lb_buffer_free(&self->answer);
    lb_buffer_free(&self->text);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}
