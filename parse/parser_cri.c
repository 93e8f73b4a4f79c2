/*
 * parser_cri.c - a line of a container runtime: `2026-03-01T10:00:00.000000000Z stdout F text`.
 *
 * The text inside is read by the parsers of `then`, as the source's own chain would; unless told otherwise by `auto`. A
 * runtime cuts long lines into parts; one that is not the last of its line is marked `partial`.
 */
#include "cri_line.h"
#include "fill.h"

struct cri_state {
    struct lb_parser_chain *then; /* NULL: auto */
};

extern const struct lb_parser_type lb_parser_cri;

static enum lb_err read_line(struct fill *fill)
{
    struct cri_line line;

    if (!cri_read_line(fill->text, &line))
        return fill_refuse(fill, line.reason, line.at);
    fill_time(fill, line.time_ns);
    fill_text(fill, LB_STR("stream"), line.stream);
    if (line.partial)
        fill_value(fill, LB_STR("partial"), lb_value_of(LB_STR("true"), LB_VALUE_BOOL));
    fill_message(fill, line.text);
    return LB_OK;
}

static enum lb_err cri_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    static const struct lb_parser_chain automatic = { .automatic = true };
    const struct cri_state *self = state;
    struct fill fill;
    enum lb_err err = fill_open(&fill, record, context);

    if (err == LB_OK)
        err = read_line(&fill);
    if (err == LB_OK)
        err = fill_done(&fill, record);
    if (err != LB_OK)
        return err;
    bool inside = context->inside;
    context->inside = true;
    lb_parser_chain_apply(self->then != NULL ? self->then : &automatic, record, context);
    context->inside = inside;
    return LB_OK;
}

/* Inside a line of a runtime there is none; and a chain that led back here would have no end. */
static enum lb_err cri_open(struct lb_parser *parser, struct lb_diag *diag)
{
    const struct cri_state *self = parser->state;

    for (uint32_t i = 0; self->then != NULL && i < self->then->count; i++) {
        if (self->then->parsers[i]->type != &lb_parser_cri)
            continue;
        lb_diag_error(diag, lb_section_place(&parser->section, "then"),
                      "cri inside of cri; expected the parsers of what the application writes");
        return LB_BAD_CONF;
    }
    return LB_OK;
}

static void cri_close(struct lb_parser *parser)
{
    (void)parser;
}

static const struct lb_option options[] = {
    { .name = "then",
      .kind = LB_OPTION_PARSERS,
      .offset = offsetof(struct cri_state, then),
      .help = "how the text inside is read: a parser's name, a list tried in order, auto or none; auto unless told "
              "otherwise" },
    { .name = NULL },
};

const struct lb_parser_type lb_parser_cri = {
    .module = { .name = "cri",
                .help = "lines of containerd and CRI-O: time, stream, F or P, and the text of the application",
                .state_size = sizeof(struct cri_state),
                .options = options },
    .open = cri_open,
    .parse = cri_parse,
    .close = cri_close,
};
