/* archive_stream.c - any file as pieces of whole lines, from front to back: .gz, .zst of one frame, plain text. */
#include "archive_reader.h"

#include "archive_bytes.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1024 * 1024, INPUT = 128 * 1024, LINE_MAX_BYTES = 64 * 1024 * 1024 };

static enum archive_coding coding_of(const unsigned char *bytes, size_t len)
{
    if (len >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        return ARCHIVE_GZIP;
    if (len < 4)
        return ARCHIVE_PLAIN;
    uint32_t magic = get_u32(bytes);
    bool zstd = magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
    return zstd ? ARCHIVE_ZSTD : ARCHIVE_PLAIN;
}

enum lb_err archive_stream_open(struct archive_stream *stream, int fd)
{
    stream->fd = fd;
    if (!grow_bytes(&stream->input, &stream->input_size, INPUT))
        return LB_NOMEM;
    while (stream->input_end < 4) {
        ssize_t got = read(fd, (char *)stream->input + stream->input_end, INPUT - stream->input_end);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return LB_IO;
        if (got == 0)
            break;
        stream->input_end += (size_t)got;
    }
    stream->coding = coding_of(stream->input, stream->input_end);
    if (stream->coding == ARCHIVE_ZSTD && (stream->context = ZSTD_createDCtx()) == NULL)
        return LB_NOMEM;
    if (stream->coding == ARCHIVE_GZIP && inflateInit2(&stream->gzip, 15 + 16) != Z_OK) {
        stream->coding = ARCHIVE_PLAIN; /* there is nothing to end */
        return LB_NOMEM;
    }
    return LB_OK;
}

void archive_stream_close(struct archive_stream *stream)
{
    if (stream->coding == ARCHIVE_GZIP)
        inflateEnd(&stream->gzip);
    ZSTD_freeDCtx(stream->context);
    lb_free(stream->input);
    lb_free(stream->text);
}

/* Unpacks some input into the text. */
static enum lb_err unpack(struct archive_stream *stream, lb_archive_reason *reason)
{
    size_t available = stream->input_end - stream->input_at;
    size_t room = stream->text_size - stream->text_len;
    char *out = (char *)stream->text + stream->text_len;

    if (stream->coding == ARCHIVE_PLAIN) {
        size_t count = available < room ? available : room;
        memcpy(out, (char *)stream->input + stream->input_at, count);
        stream->input_at += count;
        stream->text_len += count;
    } else if (stream->coding == ARCHIVE_ZSTD) {
        ZSTD_inBuffer from = { stream->input, stream->input_end, stream->input_at };
        ZSTD_outBuffer to = { out, room, 0 };
        size_t left = ZSTD_decompressStream(stream->context, &to, &from);

        stream->input_at = from.pos;
        stream->text_len += to.pos;
        stream->inside = left != 0;
        *reason = ZSTD_getErrorName(left);
        if (ZSTD_isError(left) != 0)
            return LB_BAD_INPUT;
    } else {
        stream->gzip.next_in = (unsigned char *)stream->input + stream->input_at;
        stream->gzip.avail_in = (unsigned)available;
        stream->gzip.next_out = (unsigned char *)out;
        stream->gzip.avail_out = (unsigned)room;
        int got = inflate(&stream->gzip, Z_NO_FLUSH);

        stream->input_at = stream->input_end - stream->gzip.avail_in;
        stream->text_len += room - stream->gzip.avail_out;
        stream->inside = got != Z_STREAM_END;
        *reason = "damaged gzip data";
        if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
            return LB_BAD_INPUT;
        if (got == Z_STREAM_END)
            inflateReset(&stream->gzip);
    }
    return LB_OK;
}

/* LB_END: there is no more input. */
static enum lb_err fill(struct archive_stream *stream, lb_archive_reason *reason)
{
    if (stream->input_at == stream->input_end) {
        ssize_t got;

        do
            got = read(stream->fd, stream->input, INPUT);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return LB_IO;
        stream->input_at = 0;
        stream->input_end = (size_t)got;
        *reason = "it ends in the middle of a frame";
        if (got == 0)
            return stream->inside ? LB_BAD_INPUT : LB_END;
    }
    return unpack(stream, reason);
}

static size_t whole_lines(const struct archive_stream *stream)
{
    const char *text = stream->text;
    const char *end = stream->text_len > 0 ? memrchr(text, '\n', stream->text_len) : NULL;

    return end != NULL ? (size_t)(end - text) + 1 : 0;
}

/* A pipe whose writer is slower than its reader: nothing comes by reading now. Of a file there always is more. */
static bool is_waiting(const struct archive_stream *stream)
{
    struct pollfd ready = { .fd = stream->fd, .events = POLLIN };

    return stream->input_at == stream->input_end && poll(&ready, 1, 0) == 0;
}

/* Fills the text with a piece of whole lines, or up to the end. Lines of a pipe do not wait for others. */
static enum lb_err fill_piece(struct archive_stream *stream, lb_archive_reason *reason)
{
    while (!stream->ended && (stream->text_len < PIECE || whole_lines(stream) == 0)) {
        if (stream->text_len > LINE_MAX_BYTES) {
            *reason = "it has a line of more than 64 MiB";
            return LB_BAD_INPUT;
        }
        if (stream->text_size - stream->text_len < INPUT &&
            !grow_bytes(&stream->text, &stream->text_size, stream->text_size + PIECE + INPUT))
            return LB_NOMEM;
        stream->end = fill(stream, &stream->end_reason);
        stream->ended = stream->end != LB_OK;
        if (!stream->ended && whole_lines(stream) > 0 && is_waiting(stream))
            break;
    }
    return LB_OK;
}

enum lb_err lb_archive_next(struct lb_archive *archive, struct lb_archive_decoder *decoder, struct lb_str *text,
                            lb_archive_reason *reason)
{
    struct archive_stream *stream = &archive->stream;

    (void)decoder;
    *reason = NULL;
    if (stream->handed > 0)
        memmove(stream->text, (char *)stream->text + stream->handed, stream->text_len - stream->handed);
    stream->text_len -= stream->handed;
    stream->handed = 0;
    enum lb_err err = fill_piece(stream, reason);
    if (err != LB_OK)
        return err;
    size_t ready = stream->ended && stream->end == LB_END ? stream->text_len : whole_lines(stream);
    if (ready == 0) {
        *reason = stream->end == LB_BAD_INPUT ? stream->end_reason : NULL;
        return stream->end;
    }
    if (((char *)stream->text)[ready - 1] != '\n') {
        if (!grow_bytes(&stream->text, &stream->text_size, stream->text_len + 1))
            return LB_NOMEM;
        ((char *)stream->text)[stream->text_len++] = '\n';
        ready = stream->text_len;
    }
    stream->handed = ready;
    *text = (struct lb_str){ stream->text, ready };
    return LB_OK;
}
