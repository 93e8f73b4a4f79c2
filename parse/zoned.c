/* zoned.c - times of formats that do not write their zone; see zoned.h. */
#include "zoned.h"

enum { ARENA_BYTES_MAX = 256 * 1024 };

const struct lb_option zoned_options[] = {
    { .name = "timezone",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct zoned, timezone),
      .help = "the zone of times that carry none: an IANA name or +02:00; UTC unless told otherwise" },
    { .name = NULL },
};

enum lb_err zoned_open(struct lb_parser *parser, struct lb_diag *diag)
{
    struct zoned *self = parser->state;

    lb_arena_init(&self->arena, ARENA_BYTES_MAX);
    if (self->timezone.len == 0)
        return LB_OK;
    self->format = lb_time_format_new(&self->arena, LB_STR("guess"), self->timezone,
                                      lb_section_place(&parser->section, "timezone"), diag);
    if (self->format != NULL)
        return LB_OK;
    zoned_close(parser);
    return LB_BAD_CONF;
}

void zoned_close(struct lb_parser *parser)
{
    struct zoned *self = parser->state;

    lb_arena_free(&self->arena);
    self->format = NULL;
}

bool zoned_time(const struct zoned *self, struct lb_str text, int64_t now_ns, int64_t *time_ns)
{
    if (self->format != NULL)
        return lb_time_format_parse(self->format, text, now_ns, time_ns);
    return lb_time_guess(text, now_ns, time_ns);
}
