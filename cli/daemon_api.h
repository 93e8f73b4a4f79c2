/*
 * daemon_api.h - what people ask a running daemon about alerts, and tell it:
 * silences, markers, history. Over HTTP with the token, or over the socket in
 * data_dir, where the system says who asks. Each action leaves a line in the
 * audit log.
 */
#ifndef DAEMON_API_H
#define DAEMON_API_H

#include "daemon.h"

#include <event2/http.h>

enum { API_NAME_BYTES = 128, STATUS_UNAUTHORIZED = 401, STATUS_CREATED = 201, STATUS_CONFLICT = 409 };

/* Who asks. */
struct api_who {
    bool by_socket;            /* data_dir's; otherwise HTTP */
    bool with_token;           /* HTTP only */
    char name[API_NAME_BYTES]; /* the user by the socket, the peer's address by HTTP */
};

struct api_request {
    struct lb_daemon *daemon;
    enum evhttp_cmd_type method;
    const char *path;
    struct evkeyvalq *query; /* of the address, decoded */
    struct lb_str body;
    struct api_who who;
    struct lb_buffer *out; /* the answer, JSON */
};

/* Whether the path belongs to what is answered here. */
bool api_owns(const char *path);

/* An HTTP status; `out` is written. */
int api_answer(struct api_request *request);

/* `request` as it came over HTTP, or over the socket. */
void api_find_who(struct lb_daemon *daemon, struct evhttp_request *request, bool by_socket, struct api_who *who);

/* --- what the parts of it share ------------------------------------------------------ */

/* {"error":"…"}; returns the status. */
int api_fault(struct api_request *request, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The first fault of `diag`, with its column in the expression `where` if it has one. */
int api_diag_fault(struct api_request *request, const struct lb_diag *diag);

/*
 * The members of the body, one for each name (NULL at the end), decoded into `scratch`; empty where it has none. False:
 * answered already, with what was wrong (no JSON, a name that is not known).
 */
bool api_read_body(struct api_request *request, const char *const *names, struct lb_str *values,
                   struct lb_scratch *scratch, int *status);

/* `from` and the like: RFC 3339, or what lb_time_guess takes. `fallback` where the text is empty. */
bool api_read_time(struct lb_str text, int64_t fallback, int64_t *time_ns);

struct lb_str api_query(const struct api_request *request, const char *name);

/* What is behind the last slash of the path. */
struct lb_str api_id(const struct api_request *request);

/* Alerts that fire now as a JSON array. */
void api_write_alerts(struct lb_daemon *daemon, struct lb_buffer *out);

/* daemon_silences.c */
int api_silences(struct api_request *request);
int api_silence(struct api_request *request);
int api_preview(struct api_request *request);

/* daemon_markers.c */
int api_markers(struct api_request *request);
int api_history(struct api_request *request);

/* daemon_explain.c */
int api_explain(struct api_request *request);
int api_pending(struct api_request *request);

/* --- daemon_audit.c ------------------------------------------------------------------- */

/* `details`: a JSON object, or empty. What cannot be written is told in the log; the action has been done. */
void audit_note(struct lb_daemon *daemon, const struct api_who *who, const char *action, struct lb_str details);

/* The daemon has started, with which configuration. */
void audit_start(struct lb_daemon *daemon);

/* A reload has ended; `before` is the generation that it began with. */
void audit_reload(struct lb_daemon *daemon, const struct generation *before, bool ok, uint32_t faults);

/* Somebody who sent this request has done something. */
void audit_request(struct lb_daemon *daemon, struct evhttp_request *request, bool by_socket, const char *action,
                   struct lb_str details);

#endif
