/*
 * proof_feed.c - the inputs of a test as one row of lines by arrival.
 *
 * Each input knows when its next line arrives; the earliest comes first, and
 * of one moment the input that is written first. Inputs of one source come
 * through one stream, unless they name their own.
 */
#include "proof.h"

#include "timed_lines.h"

#include "lb_alloc.h"
#include "lb_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { LINE_BYTES_MAX = LB_LINE_BYTES_MAX };

struct input {
    const struct proof_input *said;
    uint64_t next;
    uint32_t stream;
    struct archive_paths paths;
    struct timed_lines *lines; /* of a file */
    int64_t newest_ns;         /* of a file: no line arrives before the one before it */
};

struct stream {
    uint32_t source;
    struct lb_str name;
    enum offline_lines lines;
};

struct proof_feed {
    const struct proof *proof;
    struct input *inputs;
    struct stream *streams;
    uint32_t stream_count;
    struct lb_buffer text;
    struct lb_buffer record;
    bool failed;
};

/* Records of a test are records, and so is a file whose source nobody names: an archive. */
static enum offline_lines kind_of(const struct proof_input *said)
{
    bool is_archive = said->file.len > 0 && !said->sourced;

    return said->record.ptr != NULL || is_archive ? OFFLINE_RECORDS : OFFLINE_AS_SOURCE;
}

static uint32_t stream_of(struct proof_feed *feed, const struct proof_input *said)
{
    struct stream wanted = { said->source, said->stream, kind_of(said) };

    for (uint32_t i = 0; i < feed->stream_count; i++) {
        const struct stream *stream = &feed->streams[i];

        if (stream->source == wanted.source && stream->lines == wanted.lines && lb_str_equal(stream->name, wanted.name))
            return i;
    }
    feed->streams[feed->stream_count] = wanted;
    return feed->stream_count++;
}

static bool open_input(struct proof_feed *feed, struct input *input, const struct proof_input *said)
{
    input->said = said;
    input->stream = stream_of(feed, said);
    input->newest_ns = feed->proof->start_ns;
    if (said->file.len == 0)
        return true;
    archive_paths_add(&input->paths, said->file.ptr);
    if (!input->paths.failed && input->paths.count > 0)
        input->lines = timed_lines_open(&input->paths, INT64_MIN, INT64_MAX, NULL);
    return input->lines != NULL && !timed_lines_failed(input->lines);
}

struct proof_feed *proof_feed_open(const struct proof *proof)
{
    struct proof_feed *feed = lb_alloc(sizeof(*feed));

    if (feed == NULL)
        return NULL;
    feed->proof = proof;
    lb_buffer_init(&feed->text, LINE_BYTES_MAX);
    lb_buffer_init(&feed->record, LINE_BYTES_MAX);
    feed->inputs = lb_alloc((proof->input_count + 1) * sizeof(*feed->inputs));
    feed->streams = lb_alloc((proof->input_count + 1) * sizeof(*feed->streams));
    bool ok = feed->inputs != NULL && feed->streams != NULL;
    for (uint32_t i = 0; ok && i < proof->input_count; i++)
        ok = open_input(feed, &feed->inputs[i], &proof->inputs[i]);
    if (ok)
        return feed;
    proof_feed_close(feed);
    return NULL;
}

void proof_feed_close(struct proof_feed *feed)
{
    for (uint32_t i = 0; feed->inputs != NULL && i < feed->proof->input_count; i++) {
        timed_lines_close(feed->inputs[i].lines);
        archive_paths_free(&feed->inputs[i].paths);
    }
    lb_buffer_free(&feed->text);
    lb_buffer_free(&feed->record);
    lb_free(feed->inputs);
    lb_free(feed->streams);
    lb_free(feed);
}

/* --- in order ------------------------------------------------------------------------------ */

static int64_t due(struct input *input)
{
    const struct proof_input *said = input->said;
    struct timed_line line;

    if (input->lines != NULL) {
        if (!timed_lines_peek(input->lines, &line))
            return INT64_MAX;
        return line.time_ns > input->newest_ns ? line.time_ns : input->newest_ns;
    }
    return input->next < said->count ? said->arrive_ns + (int64_t)input->next * said->every_ns : INT64_MAX;
}

static struct input *first_of(struct proof_feed *feed, int64_t *first_ns)
{
    struct input *first = NULL;

    *first_ns = INT64_MAX;
    for (uint32_t i = 0; i < feed->proof->input_count; i++) {
        int64_t at = due(&feed->inputs[i]);

        if (at < *first_ns) {
            *first_ns = at;
            first = &feed->inputs[i];
        }
    }
    return first;
}

int64_t proof_feed_due(struct proof_feed *feed)
{
    int64_t at;

    first_of(feed, &at);
    return at;
}

/* --- lines ---------------------------------------------------------------------------------- */

static void write_part(struct lb_buffer *out, char letter, const struct tm *parts, int64_t time_ns)
{
    static const char months[][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
    };

    switch (letter) {
    case 'Y': lb_buffer_print(out, "%d", parts->tm_year + 1900); break;
    case 'm': lb_buffer_print(out, "%02d", parts->tm_mon + 1); break;
    case 'b': lb_buffer_append_str(out, lb_str_from(months[parts->tm_mon % 12])); break;
    case 'd': lb_buffer_print(out, "%02d", parts->tm_mday); break;
    case 'e': lb_buffer_print(out, "%2d", parts->tm_mday); break;
    case 'H': lb_buffer_print(out, "%02d", parts->tm_hour); break;
    case 'M': lb_buffer_print(out, "%02d", parts->tm_min); break;
    case 'S': lb_buffer_print(out, "%02d", parts->tm_sec); break;
    case 'L': lb_buffer_print(out, "%03d", (int)(time_ns % LB_SECOND / LB_MILLISECOND)); break;
    case 's': lb_buffer_print(out, "%" PRId64, time_ns / LB_SECOND); break;
    default: lb_buffer_append_char(out, letter); break;
    }
}

/* The time in UTC as `format` says: %Y %m %b %d %e %H %M %S, %L for milliseconds, %s for seconds since 1970. */
static void write_time(struct lb_buffer *out, struct lb_str format, int64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / LB_SECOND);
    struct tm parts;

    gmtime_r(&seconds, &parts);
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] == '%' && i + 1 < format.len)
            write_part(out, format.ptr[++i], &parts, time_ns);
        else
            lb_buffer_append_char(out, format.ptr[i]);
    }
}

/* {n}, {timestamp} or {timestamp:FORMAT} at the front of `text`. Returns how long it is, 0 where it is none. */
static size_t write_word(struct lb_buffer *out, struct lb_str text, uint64_t number, int64_t time_ns)
{
    static const char stamp[] = "{timestamp";
    const char *close = memchr(text.ptr, '}', text.len);
    size_t len = close != NULL ? (size_t)(close + 1 - text.ptr) : 0;
    size_t head = sizeof(stamp) - 1;
    char when[LB_TIME_TEXT_SIZE];

    if (lb_str_starts(text, LB_STR("{n}"))) {
        lb_buffer_print(out, "%" PRIu64, number);
        return 3;
    }
    if (len <= head || !lb_str_starts(text, (struct lb_str){ stamp, head }))
        return 0;
    if (len == head + 1) {
        lb_buffer_append(out, when, lb_time_write(time_ns, when));
        return len;
    }
    if (text.ptr[head] != ':')
        return 0;
    write_time(out, (struct lb_str){ text.ptr + head + 1, len - head - 2 }, time_ns);
    return len;
}

static void replace(struct lb_buffer *out, struct lb_str text, uint64_t number, int64_t time_ns)
{
    while (text.len > 0) {
        const char *brace = memchr(text.ptr, '{', text.len);
        size_t before = brace != NULL ? (size_t)(brace - text.ptr) : text.len;

        lb_buffer_append(out, text.ptr, before);
        text = (struct lb_str){ text.ptr + before, text.len - before };
        size_t used = text.len > 0 ? write_word(out, text, number, time_ns) : 0;
        if (used == 0 && text.len > 0) {
            lb_buffer_append_char(out, '{');
            used = 1;
        }
        text = (struct lb_str){ text.ptr + used, text.len - used };
    }
}

static void write_made(struct lb_buffer *out, const struct input *input)
{
    const struct proof_input *said = input->said;
    int64_t time_ns = said->from_ns + (int64_t)input->next * said->every_ns;
    char when[LB_TIME_TEXT_SIZE];

    if (said->record.ptr == NULL) {
        replace(out, said->lines.items[input->next % said->lines.count], input->next + 1, time_ns);
        return;
    }
    lb_buffer_append_char(out, '{');
    if (!said->timed) {
        when[lb_time_write(time_ns, when)] = '\0';
        lb_buffer_print(out, "\"timestamp\":\"%s\"%s", when, said->record.len > 0 ? "," : "");
    }
    if (!said->worded) /* else some other field would be taken for the message */
        lb_buffer_print(out, "\"message\":\"\"%s", said->record.len > 0 ? "," : "");
    replace(out, said->record, input->next + 1, time_ns);
    lb_buffer_append_char(out, '}');
}

struct proof_line proof_feed_take(struct proof_feed *feed)
{
    int64_t at;
    struct input *input = first_of(feed, &at);
    struct timed_line line;

    lb_buffer_reset(&feed->text);
    if (input->lines != NULL && timed_lines_peek(input->lines, &line)) {
        bool record = feed->streams[input->stream].lines == OFFLINE_RECORDS;

        lb_buffer_append_str(&feed->text, record ? offline_record(&feed->record, line.text) : line.text);
        timed_lines_take(input->lines);
        input->newest_ns = at;
        feed->failed = feed->failed || timed_lines_failed(input->lines);
    } else {
        write_made(&feed->text, input);
        input->next++;
    }
    return (struct proof_line){ at, input->stream, lb_buffer_str(&feed->text) };
}

uint32_t proof_feed_streams(const struct proof_feed *feed)
{
    return feed->stream_count;
}

void proof_feed_stream_init(const struct proof_feed *feed, uint32_t stream, const struct lb_config *config,
                            struct offline_stream *out)
{
    const struct stream *said = &feed->streams[stream];

    offline_stream_init(out, &config->sources[said->source], stream + 1, said->lines);
}

bool proof_feed_failed(const struct proof_feed *feed)
{
    return feed->failed || feed->text.failed;
}

bool proof_file_begins(const char *path, int64_t *time_ns)
{
    struct archive_paths paths = { 0 };
    struct timed_lines *lines = NULL;
    struct timed_line line;
    bool found;

    archive_paths_add(&paths, path);
    if (!paths.failed && paths.count > 0)
        lines = timed_lines_open(&paths, INT64_MIN, INT64_MAX, NULL);
    found = lines != NULL && timed_lines_peek(lines, &line);
    if (found)
        *time_ns = line.time_ns;
    timed_lines_close(lines);
    archive_paths_free(&paths);
    return found;
}
