/* daemon_audit.c - what people have the daemon do, noted in data_dir/audit.log. */
#include "daemon_api.h"

#include "command.h"

#include "lb_audit.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_time.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static void write_text(struct lb_buffer *out, const char *before, const char *text)
{
    lb_buffer_append_str(out, lb_str_from(before));
    lb_json_escape(out, lb_str_from(text));
    lb_buffer_append_char(out, '"');
}

static void write_who(struct lb_buffer *out, const struct api_who *who)
{
    if (who == NULL) {
        lb_buffer_append_str(out, LB_STR(",\"who\":{\"via\":\"daemon\"}"));
        return;
    }
    lb_buffer_print(out, ",\"who\":{\"via\":\"%s\"", who->by_socket ? "socket" : "http");
    write_text(out, who->by_socket ? ",\"user\":\"" : ",\"peer\":\"", who->name);
    if (!who->by_socket)
        lb_buffer_print(out, ",\"token\":%s", who->with_token ? "true" : "false");
    lb_buffer_append_char(out, '}');
}

static void path_of(struct lb_daemon *daemon, char *path)
{
    pthread_mutex_lock(&daemon->lock);
    snprintf(path, PATH_MAX, LB_STR_FMT "/" LB_AUDIT_NAME, LB_STR_ARG(daemon->current->config->data_dir));
    pthread_mutex_unlock(&daemon->lock);
}

void audit_note(struct lb_daemon *daemon, const struct api_who *who, const char *action, struct lb_str details)
{
    char path[PATH_MAX];
    char time[LB_TIME_TEXT_SIZE];
    struct lb_buffer members;

    lb_buffer_init(&members, LB_AUDIT_MEMBERS_MAX);
    lb_buffer_print(&members, "\"time\":\"%.*s\",\"action\":\"%s\"", (int)lb_time_write(lb_clock_now(), time), time,
                    action);
    write_who(&members, who);
    if (details.len > 0) {
        lb_buffer_append_str(&members, LB_STR(",\"details\":"));
        lb_buffer_append_str(&members, details);
    }
    path_of(daemon, path);
    enum lb_err err = members.failed ? LB_LIMIT : lb_audit_append(path, lb_buffer_str(&members));
    if (err != LB_OK)
        LB_ERROR("daemon", "an action is missing in the audit log action=%s path=%s reason=%s", action, path,
                 err == LB_IO ? strerror(errno) : "it is too long");
    lb_buffer_free(&members);
}

/* --- reloads ---------------------------------------------------------------------------- */

enum part { SOURCE, SINK, RULE, PARTS };

static const char *const part_names[PARTS] = { "sources", "sinks", "rules" };

static uint32_t count_of(const struct generation *self, enum part part)
{
    const struct lb_config *config = self->config;

    return part == SOURCE ? config->source_count : part == SINK ? config->sink_count : config->alerting.rule_count;
}

static struct lb_str name_of(const struct generation *self, enum part part, uint32_t i)
{
    if (part == SOURCE)
        return self->config->sources[i].section.name;
    return part == SINK ? self->config->sinks[i].section.name : self->config->alerting.rules[i].name;
}

static uint64_t print_of(const struct generation *self, enum part part, uint32_t i)
{
    return part == SOURCE ? self->sources[i].print : part == SINK ? self->sinks[i].print : self->rule_prints[i];
}

/* -1: there is none of that name. */
static int64_t find_in(const struct generation *self, enum part part, struct lb_str name)
{
    for (uint32_t i = 0; i < count_of(self, part); i++)
        if (lb_str_equal(name_of(self, part, i), name))
            return i;
    return -1;
}

static void write_change(struct lb_buffer *out, bool *any, const char *how, struct lb_str name)
{
    lb_buffer_append_str(out, *any ? LB_STR(",\"") : LB_STR("\""));
    lb_buffer_append_str(out, lb_str_from(how));
    lb_json_escape(out, name);
    lb_buffer_append_char(out, '"');
    *any = true;
}

/* ["+new","-gone","~changed"] */
static void write_changes(struct lb_buffer *out, const struct generation *before, const struct generation *after,
                          enum part part)
{
    bool any = false;

    lb_buffer_print(out, ",\"%s\":[", part_names[part]);
    for (uint32_t i = 0; i < count_of(after, part); i++) {
        int64_t at = find_in(before, part, name_of(after, part, i));

        if (at < 0)
            write_change(out, &any, "+", name_of(after, part, i));
        else if (print_of(before, part, (uint32_t)at) != print_of(after, part, i))
            write_change(out, &any, "~", name_of(after, part, i));
    }
    for (uint32_t i = 0; i < count_of(before, part); i++)
        if (find_in(after, part, name_of(before, part, i)) < 0)
            write_change(out, &any, "-", name_of(before, part, i));
    lb_buffer_append_char(out, ']');
}

/* Of the main file's text as it was read. */
static void write_hash(struct lb_buffer *out, const char *key, const struct lb_config *config)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;

    if (config->text == NULL || EVP_Digest(config->text, strlen(config->text), digest, &size, EVP_sha256(), NULL) != 1)
        return;
    lb_buffer_print(out, ",\"%s\":\"", key);
    for (unsigned int i = 0; i < size; i++)
        lb_buffer_print(out, "%02x", digest[i]);
    lb_buffer_append_char(out, '"');
}

void audit_reload(struct lb_daemon *daemon, const struct generation *before, bool ok, uint32_t faults)
{
    const struct generation *after = daemon->current;
    struct lb_buffer details;

    lb_buffer_init(&details, LB_AUDIT_MEMBERS_MAX);
    lb_buffer_print(&details, "{\"ok\":%s,\"configuration\":%u", ok ? "true" : "false", after->number);
    write_text(&details, ",\"file\":\"", daemon->file);
    if (ok) {
        write_hash(&details, "sha256_before", before->config);
        write_hash(&details, "sha256", after->config);
        for (enum part part = SOURCE; part < PARTS; part++)
            write_changes(&details, before, after, part);
    } else {
        lb_buffer_print(&details, ",\"faults\":%u", faults);
    }
    lb_buffer_append_char(&details, '}');
    audit_note(daemon, NULL, "reload", lb_buffer_str(&details));
    lb_buffer_free(&details);
}

/* The configuration that a run begins with. */
void audit_start(struct lb_daemon *daemon)
{
    struct lb_buffer details;

    lb_buffer_init(&details, LB_AUDIT_MEMBERS_MAX);
    lb_buffer_append_str(&details, LB_STR("{\"version\":\""));
    lb_json_escape(&details, lb_str_from(lb_version));
    write_text(&details, "\",\"file\":\"", daemon->file);
    write_hash(&details, "sha256", daemon->current->config);
    lb_buffer_append_char(&details, '}');
    audit_note(daemon, NULL, "start", lb_buffer_str(&details));
    lb_buffer_free(&details);
}

void audit_request(struct lb_daemon *daemon, struct evhttp_request *request, bool by_socket, const char *action,
                   struct lb_str details)
{
    struct api_who who;

    api_find_who(daemon, request, by_socket, &who);
    audit_note(daemon, &who, action, details);
}
