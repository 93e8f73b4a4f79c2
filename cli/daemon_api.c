/*
 * daemon_api.c - requests about alerts: who asks for what, and how faults are
 * answered.
 *
 * A fault says what was expected, and where in an expression it is. The tricky
 * thing is who: over the socket the kernel tells the peer's user; over HTTP all
 * that is known is an address, and that it had the token.
 */
#include "daemon_api.h"

#include "lb_json.h"
#include "lb_time.h"

#include <event2/bufferevent.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { FIELDS_MAX = 32, USER_BYTES = 4096 };

struct path {
    const char *begin; /* ends with a slash: anything may follow, once */
    int (*answer)(struct api_request *request);
};

static const struct path paths[] = {
    { "/api/v1/silences", api_silences },      { "/api/v1/silences/preview", api_preview },
    { "/api/v1/silences/", api_silence },      { "/api/v1/markers", api_markers },
    { "/api/v1/alerts/history", api_history }, { "/api/v1/alerts/explain", api_explain },
    { "/api/v1/alerts/pending", api_pending },
};

static const struct path *find(const char *wanted)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        size_t len = strlen(paths[i].begin);

        if (strcmp(wanted, paths[i].begin) == 0)
            return paths[i].begin[len - 1] == '/' ? NULL : &paths[i];
        if (paths[i].begin[len - 1] == '/' && strncmp(wanted, paths[i].begin, len) == 0 &&
            strchr(wanted + len, '/') == NULL)
            return &paths[i];
    }
    return NULL;
}

bool api_owns(const char *path)
{
    return find(path) != NULL;
}

int api_answer(struct api_request *request)
{
    const struct path *path = find(request->path);
    int status = path->answer(request);

    lb_buffer_append_char(request->out, '\n');
    return status;
}

/* --- who ----------------------------------------------------------------------------- */

static void name_user(uid_t user, char *name)
{
    char room[USER_BYTES];
    struct passwd entry;
    struct passwd *found = NULL;

    if (getpwuid_r(user, &entry, room, sizeof(room), &found) == 0 && found != NULL)
        snprintf(name, API_NAME_BYTES, "%s", found->pw_name);
    else
        snprintf(name, API_NAME_BYTES, "uid %lu", (unsigned long)user);
}

void api_find_who(struct lb_daemon *daemon, struct evhttp_request *request, bool by_socket, struct api_who *who)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct ucred peer;
    socklen_t size = sizeof(peer);
    char *address = NULL;
    uint16_t port;

    *who = (struct api_who){ .by_socket = by_socket };
    snprintf(who->name, sizeof(who->name), "unknown");
    if (connection == NULL)
        return;
    if (by_socket) {
        int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
            name_user(peer.uid, who->name);
        return;
    }
    /* Where there is one, nobody came so far without it. */
    pthread_mutex_lock(&daemon->lock);
    who->with_token = daemon->current->config->http_token.len > 0;
    pthread_mutex_unlock(&daemon->lock);
    evhttp_connection_get_peer(connection, &address, &port);
    if (address != NULL)
        snprintf(who->name, sizeof(who->name), "%s", address);
}

/* --- faults ---------------------------------------------------------------------------- */

int api_fault(struct api_request *request, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    lb_buffer_reset(request->out);
    lb_buffer_append_str(request->out, LB_STR("{\"error\":\""));
    lb_json_escape(request->out, lb_str_from(text));
    lb_buffer_append_str(request->out, LB_STR("\"}"));
    return status;
}

int api_diag_fault(struct api_request *request, const struct lb_diag *diag)
{
    const struct lb_diag_entry *entry = diag->count > 0 ? &diag->entries[0] : NULL;

    lb_buffer_reset(request->out);
    lb_buffer_append_str(request->out, LB_STR("{\"error\":\""));
    if (entry != NULL && entry->place.line > 0)
        lb_buffer_print(request->out, "where, column %u: ", entry->place.column);
    lb_json_escape(request->out, lb_str_from(entry != NULL ? entry->text : "out of memory"));
    lb_buffer_append_char(request->out, '"');
    if (entry != NULL && entry->place.line > 0)
        lb_buffer_print(request->out, ",\"column\":%u", entry->place.column);
    lb_buffer_append_char(request->out, '}');
    return HTTP_BADREQUEST;
}

/* --- what was sent ----------------------------------------------------------------------- */

static bool wrong(struct api_request *request, int *status, const char *name, const char *const *names)
{
    const char *near = lb_nearest(lb_str_from(name), names);
    char list[256] = "";

    for (size_t i = 0; names[i] != NULL; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i > 0 ? ", " : "", names[i]);
    if (near != NULL)
        *status = api_fault(request, HTTP_BADREQUEST, "unknown member \"%s\"; did you mean \"%s\"?", name, near);
    else
        *status = api_fault(request, HTTP_BADREQUEST, "unknown member \"%s\"; expected %s", name, list);
    return false;
}

static bool take_member(struct api_request *request, const struct lb_field *field, const char *const *names,
                        struct lb_str *values, struct lb_scratch *scratch, int *status)
{
    char name[64];
    size_t i = 0;

    snprintf(name, sizeof(name), "%.*s", (int)field->key.len, field->key.ptr);
    while (names[i] != NULL && strcmp(names[i], name) != 0)
        i++;
    if (names[i] == NULL)
        return wrong(request, status, name, names);
    if (field->value.kind == LB_VALUE_OBJECT || field->value.kind == LB_VALUE_ARRAY) {
        *status = api_fault(request, HTTP_BADREQUEST, "\"%s\": expected text", name);
        return false;
    }
    values[i] = field->value.kind == LB_VALUE_NULL ? LB_STR("") : lb_value_str(field->value, scratch);
    return true;
}

bool api_read_body(struct api_request *request, const char *const *names, struct lb_str *values,
                   struct lb_scratch *scratch, int *status)
{
    struct lb_field fields[FIELDS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = FIELDS_MAX };

    for (size_t i = 0; names[i] != NULL; i++)
        values[i] = LB_STR("");
    if (lb_json_read_object(request->body, &object) != LB_OK) {
        *status = api_fault(request, HTTP_BADREQUEST, "the body is no JSON object: expected %s at byte %zu",
                            object.reason != NULL ? object.reason : "an object", object.reason_at);
        return false;
    }
    for (size_t at = object.end; at < request->body.len; at++) {
        if (strchr(" \t\r\n", request->body.ptr[at]) == NULL) {
            *status = api_fault(request, HTTP_BADREQUEST, "the body is no JSON object: text behind it at byte %zu", at);
            return false;
        }
    }
    for (uint32_t i = 0; i < object.field_count; i++)
        if (!take_member(request, &fields[i], names, values, scratch, status))
            return false;
    return true;
}

bool api_read_time(struct lb_str text, int64_t fallback, int64_t *time_ns)
{
    *time_ns = fallback;
    return text.len == 0 || lb_time_guess(text, lb_clock_now(), time_ns);
}

struct lb_str api_query(const struct api_request *request, const char *name)
{
    const char *value = request->query != NULL ? evhttp_find_header(request->query, name) : NULL;

    return lb_str_from(value != NULL ? value : "");
}

struct lb_str api_id(const struct api_request *request)
{
    return lb_str_from(strrchr(request->path, '/') + 1);
}

void api_write_alerts(struct lb_daemon *daemon, struct lb_buffer *out)
{
    pthread_mutex_lock(&daemon->lock);
    if (daemon->alerts != NULL)
        lb_alert_engine_write(daemon->alerts, out);
    else
        lb_buffer_append_str(out, LB_STR("[]"));
    pthread_mutex_unlock(&daemon->lock);
}
