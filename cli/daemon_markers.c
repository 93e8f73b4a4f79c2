/* daemon_markers.c - /api/v1/markers, and /api/v1/alerts/history: what was done, and what was told. */
#include "daemon_api.h"

#include "lb_json.h"
#include "lb_markers.h"
#include "lb_time.h"
#include "notice_history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES = 4096, DETAILS_BYTES = 16 * 1024, HISTORY_UNLESS_TOLD = 1000 };

enum { TEXT, SERVICE, TIME, AUTHOR, MEMBERS };

static const char *const members[MEMBERS + 1] = { "text", "service", "time", "author", NULL };

/* `since` and `until` of the address. False: answered. */
static bool read_times(struct api_request *request, int64_t *since, int64_t *until, int *status)
{
    if (api_read_time(api_query(request, "since"), INT64_MIN, since) &&
        api_read_time(api_query(request, "until"), INT64_MAX, until))
        return true;
    *status = api_fault(request, HTTP_BADREQUEST, "since, until: expected times such as 2026-12-27T08:00:00Z");
    return false;
}

static int list(struct api_request *request)
{
    int64_t since;
    int64_t until;
    int status;

    if (!read_times(request, &since, &until, &status))
        return status;
    lb_buffer_append_str(request->out, LB_STR("{\"markers\":"));
    lb_markers_write(request->daemon->markers, since, until, api_query(request, "service"), request->out);
    lb_buffer_append_char(request->out, '}');
    return HTTP_OK;
}

static void write_marker(const struct lb_marker *marker, struct lb_buffer *out)
{
    char time[LB_TIME_TEXT_SIZE];

    lb_buffer_print(out, "{\"time\":\"%.*s\",\"service\":\"", (int)lb_time_write(marker->time, time), time);
    lb_json_escape(out, marker->service);
    lb_buffer_append_str(out, LB_STR("\",\"text\":\""));
    lb_json_escape(out, marker->text);
    lb_buffer_append_str(out, LB_STR("\",\"author\":\""));
    lb_json_escape(out, marker->author);
    lb_buffer_append_str(out, LB_STR("\"}"));
}

static int refuse(struct api_request *request, enum lb_err err)
{
    int cause = errno;

    if (err == LB_LIMIT)
        return api_fault(request, HTTP_BADREQUEST,
                         "expected \"text\" of 1 to %d bytes, \"service\" and \"author\" of at most %d, and a \"time\" "
                         "not before the oldest of %d markers",
                         LB_MARKER_TEXT_BYTES, LB_MARKER_NAME_BYTES, LB_MARKERS_MAX);
    return api_fault(request, HTTP_INTERNAL, "it cannot be written below data_dir, so nothing changed: %s",
                     err == LB_IO ? strerror(cause) : "out of memory");
}

static int add(struct api_request *request)
{
    char room[SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_str values[MEMBERS];
    struct lb_marker marker;
    struct lb_buffer details;
    int status;

    if (!api_read_body(request, members, values, &scratch, &status))
        return status;
    marker = (struct lb_marker){ .text = values[TEXT], .service = values[SERVICE], .author = values[AUTHOR] };
    if (marker.author.len == 0 && request->who.by_socket)
        marker.author = lb_str_from(request->who.name);
    if (!api_read_time(values[TIME], lb_clock_now(), &marker.time))
        return api_fault(request, HTTP_BADREQUEST, "\"time\": expected a time such as 2026-12-27T08:00:00Z");
    enum lb_err err = lb_markers_add(request->daemon->markers, &marker);

    if (err != LB_OK)
        return refuse(request, err);
    lb_buffer_init(&details, DETAILS_BYTES);
    write_marker(&marker, &details);
    audit_note(request->daemon, &request->who, "marker", lb_buffer_str(&details));
    lb_buffer_append_str(request->out, lb_buffer_str(&details));
    lb_buffer_free(&details);
    return STATUS_CREATED;
}

int api_markers(struct api_request *request)
{
    if (request->method == EVHTTP_REQ_GET || request->method == EVHTTP_REQ_HEAD)
        return list(request);
    if (request->method == EVHTTP_REQ_POST)
        return add(request);
    return api_fault(request, HTTP_BADMETHOD, "expected GET or POST");
}

int api_history(struct api_request *request)
{
    struct lb_str limit = api_query(request, "limit");
    struct notice_query query = { .rule = api_query(request, "rule"),
                                  .alert_id = api_query(request, "alert_id"),
                                  .limit = limit.len > 0 ? strtoul(limit.ptr, NULL, 10) : HISTORY_UNLESS_TOLD };
    int status;

    if (request->method != EVHTTP_REQ_GET && request->method != EVHTTP_REQ_HEAD)
        return api_fault(request, HTTP_BADMETHOD, "expected GET");
    if (!read_times(request, &query.since, &query.until, &status))
        return status;
    lb_buffer_append_str(request->out, LB_STR("{\"notices\":"));
    notice_history_write(request->daemon->history, &query, request->out);
    lb_buffer_append_char(request->out, '}');
    return HTTP_OK;
}
