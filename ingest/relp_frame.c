/*
 * relp_frame.c - one frame of RELP.
 *
 * The tricky thing: a frame without data may have no blank behind its length (`1 close 0` and the line feed).
 */
#include "relp_frame.h"

#include <stdbool.h>

/* Moves behind the number and what ends it: a blank, or the line feed that is left where it is. */
static enum lb_err read_number(struct lb_str bytes, size_t *at, uint32_t *number)
{
    size_t start = *at;
    size_t i = start;

    *number = 0;
    for (; i < bytes.len && bytes.ptr[i] >= '0' && bytes.ptr[i] <= '9' && i - start < RELP_DIGITS_MAX; i++)
        *number = *number * 10 + (uint32_t)(bytes.ptr[i] - '0');
    if (i == bytes.len)
        return LB_AGAIN;
    if (i == start || (bytes.ptr[i] != ' ' && bytes.ptr[i] != '\n'))
        return LB_BAD_INPUT;
    *at = i + (bytes.ptr[i] == ' ');
    return LB_OK;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum lb_err read_command(struct lb_str bytes, size_t *at, struct lb_str *command)
{
    size_t start = *at;
    size_t i = start;

    while (i < bytes.len && is_letter(bytes.ptr[i]) && i - start < RELP_COMMAND_MAX)
        i++;
    if (i == bytes.len)
        return LB_AGAIN;
    if (i == start || bytes.ptr[i] != ' ')
        return LB_BAD_INPUT;
    *command = (struct lb_str){ bytes.ptr + start, i - start };
    *at = i + 1;
    return LB_OK;
}

enum lb_err relp_frame_read(struct lb_str bytes, struct relp_frame *frame, size_t *needed)
{
    uint32_t length = 0;
    size_t at = 0;
    enum lb_err err = read_number(bytes, &at, &frame->transaction);

    *needed = bytes.len + 1;
    if (err == LB_OK)
        err = read_command(bytes, &at, &frame->command);
    if (err == LB_OK)
        err = read_number(bytes, &at, &length);
    if (err != LB_OK)
        return err;
    if (length > 0 && bytes.ptr[at - 1] != ' ')
        return LB_BAD_INPUT;
    if (bytes.len - at <= length) {
        *needed = at + length + 1;
        return LB_AGAIN;
    }
    if (bytes.ptr[at + length] != '\n')
        return LB_BAD_INPUT;
    frame->data = (struct lb_str){ bytes.ptr + at, length };
    frame->length = at + length + 1;
    return LB_OK;
}
