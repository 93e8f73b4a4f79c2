/* zoned.c - times of formats that do not write their zone; see zoned.h. */
#include "zoned.h"

enum { ARENA_BYTES_MAX = 256 * 1024 };

const struct lb_option zoned_options[] = {
    ZONED_OPTION,
    { .name = NULL },
};

enum lb_err zoned_open(struct lb_parser *parser, struct lb_diag *diag)
{
    struct zoned *self = parser->state;
    const char *reason = NULL;

    lb_arena_init(&self->arena, ARENA_BYTES_MAX);
    if (time_zone_open(&self->zone, &self->arena, self->timezone, &reason) == LB_OK)
        return LB_OK;
    lb_diag_error(diag, lb_section_place(&parser->section, "timezone"),
                  "time zone '" LB_STR_FMT "' %s; expected a name such as Europe/Berlin or +02:00",
                  LB_STR_ARG(self->timezone), reason != NULL ? reason : "needs more memory than there is");
    zoned_close(parser);
    return LB_BAD_CONF;
}

void zoned_close(struct lb_parser *parser)
{
    struct zoned *self = parser->state;

    lb_arena_free(&self->arena);
    self->zone = (struct time_zone){ 0 };
}

bool zoned_to_utc(const struct zoned *self, int64_t *time_ns)
{
    int64_t second = *time_ns / LB_SECOND - (*time_ns % LB_SECOND < 0);

    if (self->zone.count == 0 && self->zone.first_offset == 0)
        return true;
    return !__builtin_sub_overflow(*time_ns, (second - time_zone_to_utc(&self->zone, second)) * LB_SECOND, time_ns);
}

bool zoned_time(const struct zoned *self, struct lb_str text, int64_t now_ns, int64_t *time_ns)
{
    bool with_zone = false;

    return time_guess_zoned(text, now_ns, time_ns, &with_zone) && (with_zone || zoned_to_utc(self, time_ns));
}

bool zoned_parts(const struct zoned *self, const struct time_parts *parts, int64_t now_ns, int64_t *time_ns)
{
    return time_from_parts(parts, now_ns, time_ns) && (parts->zoned || zoned_to_utc(self, time_ns));
}
