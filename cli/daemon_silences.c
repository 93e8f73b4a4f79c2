/*
 * daemon_silences.c - /api/v1/silences: set, changed, ended, looked at beforehand.
 *
 * Who sets one sees at once which alerts it holds back now.
 */
#include "daemon_api.h"

#include "lb_alloc.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_mutes.h"
#include "time_argument.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ALERTS_BYTES_MAX = 8 * 1024 * 1024, DETAILS_BYTES_MAX = 32 * 1024, DURATION_BYTES = 64 };

enum { ID, WHERE, FROM, UNTIL, FOR, AUTHOR, COMMENT, MEMBERS };

static const char *const members[MEMBERS + 1] = { "id", "where", "from", "until", "for", "author", "comment", NULL };

static int list(struct api_request *request)
{
    bool ended = lb_str_is(api_query(request, "ended"), "true");
    int64_t now = lb_clock_now();

    lb_buffer_append_str(request->out, LB_STR("{\"silences\":"));
    lb_mutes_write(request->daemon->mutes, now, ended, request->out);
    lb_buffer_append_str(request->out, LB_STR(",\"windows\":"));
    lb_mutes_write_windows(request->daemon->mutes, now, request->out);
    lb_buffer_append_char(request->out, '}');
    return HTTP_OK;
}

/* --- setting --------------------------------------------------------------------------- */

static bool read_duration(struct lb_str text, int64_t *duration_ns)
{
    char word[DURATION_BYTES];

    if (text.len >= sizeof(word))
        return false;
    memcpy(word, text.ptr, text.len);
    word[text.len] = '\0';
    return duration_argument(word, duration_ns);
}

/* `for` counts from the beginning; `until` says it as it is. */
static bool read_end(const struct lb_str *values, int64_t now, struct lb_silence *silence, const char **what)
{
    int64_t duration;

    *what = "\"until\" and \"for\": give one of them";
    if (values[FOR].len > 0 && values[UNTIL].len > 0)
        return false;
    *what = "\"for\": expected a duration such as 2h or 1h30m";
    if (values[FOR].len > 0) {
        int64_t from = silence->from != LB_TIME_NONE ? silence->from : now;

        return read_duration(values[FOR], &duration) && !__builtin_add_overflow(from, duration, &silence->until);
    }
    *what = "\"until\": expected a time such as 2026-12-27T08:00:00Z";
    return api_read_time(values[UNTIL], LB_TIME_NONE, &silence->until);
}

static bool read_silence(struct api_request *request, const struct lb_str *values, int64_t now,
                         struct lb_silence *silence, int *status)
{
    const char *what = "\"from\": expected a time such as 2026-12-24T18:00:00Z";

    *silence = (struct lb_silence){
        .id = values[ID], .where = values[WHERE], .author = values[AUTHOR], .comment = values[COMMENT]
    };
    /* Whoever the system knows need not say who they are. */
    if (silence->author.len == 0 && silence->id.len == 0 && request->who.by_socket)
        silence->author = lb_str_from(request->who.name);
    if (api_read_time(values[FROM], LB_TIME_NONE, &silence->from) && read_end(values, now, silence, &what))
        return true;
    *status = api_fault(request, HTTP_BADREQUEST, "%s", what);
    return false;
}

static const struct lb_diag none;

static int refuse(struct api_request *request, enum lb_err err, const struct lb_diag *diag)
{
    int cause = errno;

    switch (err) {
    case LB_BAD_INPUT: return api_diag_fault(request, diag);
    case LB_END:
        return api_fault(request, HTTP_NOTFOUND,
                         "there is no such silence, or it has ended; GET /api/v1/silences lists those there are");
    case LB_LIMIT:
        return api_fault(request, STATUS_CONFLICT,
                         "there are %d silences, more cannot be kept; end some that are no longer needed",
                         LB_SILENCES_MAX);
    case LB_IO:
        return api_fault(request, HTTP_INTERNAL, "it cannot be written below data_dir, so nothing changed: %s",
                         strerror(cause));
    default: return api_fault(request, HTTP_INTERNAL, "out of memory, nothing changed");
    }
}

/* What fires and would be, or is, held back; -1: `diag` says why not. */
static int write_matches(struct api_request *request, struct lb_str where, struct lb_buffer *out, struct lb_diag *diag)
{
    struct lb_buffer alerts;

    lb_buffer_init(&alerts, ALERTS_BYTES_MAX);
    api_write_alerts(request->daemon, &alerts);
    int count = lb_mutes_preview(where, lb_buffer_str(&alerts), out, diag);
    lb_buffer_free(&alerts);
    return count;
}

static struct lb_str member_of(struct lb_str object, const char *name, struct lb_scratch *scratch)
{
    return lb_value_str(lb_value_member(lb_value_of(object, LB_VALUE_OBJECT), lb_str_from(name)), scratch);
}

/* {"silence":{…},"alerts":[…]} */
static int answer_with(struct api_request *request, int status, const char *id, const char *action)
{
    char room[LB_SILENCE_WHERE_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_buffer silence;
    struct lb_diag diag = { 0 };

    lb_buffer_init(&silence, DETAILS_BYTES_MAX);
    if (lb_mutes_write_one(request->daemon->mutes, lb_str_from(id), lb_clock_now(), &silence))
        audit_note(request->daemon, &request->who, action, lb_buffer_str(&silence));
    lb_buffer_append_str(request->out, LB_STR("{\"silence\":"));
    lb_buffer_append_str(request->out, lb_buffer_str(&silence));
    lb_buffer_append_str(request->out, LB_STR(",\"alerts\":"));
    write_matches(request, member_of(lb_buffer_str(&silence), "where", &scratch), request->out, &diag);
    lb_buffer_append_char(request->out, '}');
    lb_buffer_free(&silence);
    lb_diag_free(&diag);
    return status;
}

static int set(struct api_request *request, struct lb_scratch *scratch)
{
    struct lb_str values[MEMBERS];
    struct lb_silence silence;
    struct lb_diag diag = { 0 };
    char id[LB_SILENCE_ID_SIZE];
    int64_t now = lb_clock_now();
    int status;

    if (!api_read_body(request, members, values, scratch, &status) ||
        !read_silence(request, values, now, &silence, &status))
        return status;
    enum lb_err err = lb_mutes_set(request->daemon->mutes, &silence, now, id, &diag);
    bool is_new = values[ID].len == 0;

    status = err == LB_OK ? answer_with(request, is_new ? STATUS_CREATED : HTTP_OK, id,
                                        is_new ? "silence.set" : "silence.change")
                          : refuse(request, err, &diag);
    lb_diag_free(&diag);
    return status;
}

int api_silences(struct api_request *request)
{
    struct lb_scratch scratch = { lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    int status;

    if (request->method == EVHTTP_REQ_GET || request->method == EVHTTP_REQ_HEAD)
        status = list(request);
    else if (request->method != EVHTTP_REQ_POST)
        status = api_fault(request, HTTP_BADMETHOD, "expected GET or POST");
    else if (scratch.ptr == NULL)
        status = api_fault(request, HTTP_INTERNAL, "out of memory, nothing changed");
    else
        status = set(request, &scratch);
    lb_free(scratch.ptr);
    return status;
}

int api_preview(struct api_request *request)
{
    static const char *const names[] = { "where", NULL };
    char room[LB_SILENCE_WHERE_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_diag diag = { 0 };
    struct lb_str where;
    int status;

    if (request->method != EVHTTP_REQ_POST)
        return api_fault(request, HTTP_BADMETHOD, "expected POST with {\"where\":\"EXPR\"}");
    if (!api_read_body(request, names, &where, &scratch, &status))
        return status;
    lb_buffer_append_str(request->out, LB_STR("{\"alerts\":"));
    if (write_matches(request, where, request->out, &diag) < 0)
        status = api_diag_fault(request, &diag);
    else {
        lb_buffer_append_char(request->out, '}');
        status = HTTP_OK;
    }
    lb_diag_free(&diag);
    return status;
}

/* --- one -------------------------------------------------------------------------------- */

static int end(struct api_request *request)
{
    char id[LB_SILENCE_ID_SIZE];
    enum lb_err err =
        lb_mutes_end(request->daemon->mutes, api_id(request), lb_str_from(request->who.name), lb_clock_now());

    if (err != LB_OK)
        return refuse(request, err, &none);
    snprintf(id, sizeof(id), LB_STR_FMT, LB_STR_ARG(api_id(request)));
    return answer_with(request, HTTP_OK, id, "silence.end");
}

int api_silence(struct api_request *request)
{
    if (request->method == EVHTTP_REQ_DELETE)
        return end(request);
    if (request->method != EVHTTP_REQ_GET && request->method != EVHTTP_REQ_HEAD)
        return api_fault(request, HTTP_BADMETHOD, "expected GET or DELETE");
    if (lb_mutes_write_one(request->daemon->mutes, api_id(request), lb_clock_now(), request->out))
        return HTTP_OK;
    return refuse(request, LB_END, &none);
}
