/* daemon_status.c - the state of every component as JSON, for /health and /api/v1/status. */
#include "daemon.h"

#include "command.h"

#include "lb_intake.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_parser.h"
#include "lb_time.h"

#include <inttypes.h>
#include <stdio.h>

static void write_text(struct lb_buffer *out, const char *key, struct lb_str text)
{
    lb_buffer_print(out, ",\"%s\":\"", key);
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void write_time(struct lb_buffer *out, const char *key, int64_t time_ns)
{
    char text[LB_TIME_TEXT_SIZE];
    size_t len = lb_time_write(time_ns, text);

    write_text(out, key, (struct lb_str){ text, len });
}

static void write_note(struct lb_buffer *out, const struct lb_sink *sink)
{
    char text[256] = "";

    if (sink->type->note != NULL)
        sink->type->note(sink, text, sizeof(text));
    if (text[0] != '\0')
        write_text(out, "note", lb_str_from(text));
}

/* How many were refused for good since the start, where they are kept, and why the last one. */
static void write_dead_letters(struct lb_buffer *out, const struct lb_sink *sink,
                               const struct lb_dead_letter_state *letters)
{
    char path[LB_DEAD_LETTER_PATH_SIZE];

    if (letters->count == 0)
        return;
    lb_dead_letter_path(sink, path);
    lb_buffer_print(out, ",\"dead_letters\":%llu", (unsigned long long)letters->count);
    write_text(out, "dead_letter_path", lb_str_from(path));
    if (sink->options.dead_letter_topic.len > 0)
        write_text(out, "dead_letter_topic", sink->options.dead_letter_topic);
    write_text(out, "dead_letter_last", lb_str_from(letters->last));
    if (!letters->ok)
        write_text(out, "dead_letter_problem", lb_str_from(letters->text));
}

static bool write_sink(struct lb_buffer *out, const struct lb_sink *sink)
{
    struct lb_delivery_state state = { 0 };
    struct lb_dead_letter_state letters;

    lb_delivery_state(sink->delivery, &state);
    lb_dead_letter_state(sink, &letters);
    bool ok = state.ok && letters.ok;
    lb_buffer_print(out, "{\"kind\":\"sink\",\"state\":\"%s\",\"queue_batches\":%u", ok ? "ok" : "failing",
                    state.queue_depth);
    write_text(out, "name", sink->section.name);
    write_text(out, "type", lb_str_from(sink->type->module.name));
    if (!state.ok)
        write_text(out, "problem", lb_str_from(state.text));
    write_note(out, sink);
    if (state.blocked_since_ns != 0)
        write_time(out, "blocked_since", state.blocked_since_ns);
    lb_buffer_print(
        out, ",\"policy\":\"%s\",\"spool_bytes\":%" PRIu64 ",\"oldest_seconds\":%.1f,\"dropped_records\":%" PRIu64,
        state.policy, state.spool_bytes, (double)state.oldest_ns / (double)LB_SECOND, state.dropped);
    write_dead_letters(out, sink, &letters);
    lb_buffer_append_char(out, '}');
    return ok;
}

/* Who read the messages of a source since the start: {"json":120,"none":3}. Nothing, where nothing is read. */
static void write_parsed(struct lb_buffer *out, const struct lb_source *source)
{
    const struct lb_parser_type *const *types = lb_parser_types();
    char name[LB_NAME_BYTES_MAX + 1];
    char labels[4 * LB_NAME_BYTES_MAX];
    bool some = false;

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(source->section.name));
    for (size_t i = 0; i == 0 || types[i - 1] != NULL; i++) { /* the first is none */
        const char *parser = i == 0 ? "none" : types[i - 1]->module.name;
        const struct lb_metric *metric;

        lb_metric_labels(labels, sizeof(labels), "source", name, "parser", parser, (char *)NULL);
        metric = lb_metric_find("logboom_parsed_records_total", labels);
        if (metric == NULL)
            continue;
        lb_buffer_print(out, "%s\"%s\":%" PRId64, some ? "," : ",\"parsed\":{", parser,
                        atomic_load_explicit(&metric->value, memory_order_relaxed));
        some = true;
    }
    if (some)
        lb_buffer_append_char(out, '}');
}

static bool write_source(struct lb_buffer *out, const struct lb_source *source)
{
    struct lb_intake_state intake = { .ok = true };

    if (source->intake != NULL)
        lb_intake_state(source->intake, &intake);
    lb_buffer_print(out, "{\"kind\":\"source\",\"state\":\"%s\",\"bytes_in_flight\":%zu", intake.ok ? "ok" : "failing",
                    lb_share_used(source->share));
    write_text(out, "name", source->section.name);
    write_text(out, "type", lb_str_from(source->type->module.name));
    if (!intake.ok)
        write_text(out, "problem", lb_str_from(intake.problem));
    if (source->intake != NULL)
        lb_buffer_print(out, ",\"intake_bytes\":%" PRIu64 ",\"intake_oldest_seconds\":%.1f,\"reading_back\":%s",
                        intake.bytes, (double)intake.oldest_ns / (double)LB_SECOND, intake.behind ? "true" : "false");
    write_parsed(out, source);
    if (source->type->status != NULL)
        source->type->status(source, out);
    lb_buffer_append_char(out, '}');
    return intake.ok;
}

static bool write_components(struct lb_daemon *daemon, struct lb_buffer *out)
{
    bool ok = true;

    lb_buffer_append_str(out, LB_STR("\"components\":["));
    for (uint32_t i = 0; i < daemon->sources_open; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        ok = write_source(out, daemon->current->sources[i].source) && ok;
    }
    for (uint32_t i = 0; i < daemon->sinks_open; i++) {
        if (daemon->sources_open + i > 0)
            lb_buffer_append_char(out, ',');
        ok = write_sink(out, daemon->current->sinks[i].sink) && ok;
    }
    lb_buffer_append_char(out, ']');
    return ok;
}

bool status_write(struct lb_daemon *daemon, struct lb_buffer *out)
{
    lb_buffer_append_char(out, '{');
    pthread_mutex_lock(&daemon->lock); /* no part is closed meanwhile */
    bool ok = write_components(daemon, out);
    lb_buffer_print(out, ",\"generation\":%u", daemon->current->number);
    pthread_mutex_unlock(&daemon->lock);
    lb_buffer_print(out, ",\"status\":\"%s\",\"version\":\"%s\",\"log_level\":\"%s\",\"uptime_seconds\":%lld",
                    ok ? "ok" : "failing", lb_version, lb_level_name((uint8_t)lb_log_level).ptr,
                    (long long)((lb_clock_now() - daemon->started_ns) / LB_SECOND));
    lb_buffer_print(out, ",\"pool_used_bytes\":%zu,\"pool_bytes\":%zu", lb_pool_used(daemon->pool),
                    lb_pool_max(daemon->pool));
    write_time(out, "started", daemon->started_ns);
    lb_buffer_append_str(out, LB_STR("}\n"));
    return ok;
}
