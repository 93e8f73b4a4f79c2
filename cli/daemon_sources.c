/*
 * daemon_sources.c - opens the sources, each with its share of the pool, its intake and its loop.
 *
 * Nothing behind them may be missing then, for they push at once.
 */
#include "daemon.h"

#include "lb_intake.h"
#include "lb_log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* On the loop of the source that finished. */
static void source_finished(void *context, struct lb_source *source)
{
    struct lb_daemon *daemon = context;
    uint64_t one = 1;

    if (!source->type->file_like)
        return; /* count_endings() does not count it: a socket has no end, and must not end the reading of files */
    LB_DEBUG("daemon", "source has read everything source=" LB_STR_FMT, LB_STR_ARG(source->section.name));
    if (atomic_fetch_sub(&daemon->unfinished, 1) == 1 && write(daemon->ended_fd, &one, sizeof(one)) < 0)
        LB_ERROR("daemon", "cannot signal the end of all files errno=%d", errno);
}

static size_t share_of(const struct lb_daemon *daemon, const struct lb_source *source)
{
    size_t all = lb_pool_max(daemon->pool);

    return source->type->file_like || source->intake_max > 0 ? all / 2 : all * 3 / 4;
}

static void tell_safe(void *context, uint64_t number)
{
    struct lb_source *source = context;

    source->type->safe(source, number);
}

/* What lies on disk need not lie in memory: a quarter of the pool for what is read back, and as much before it lags. */
static bool open_intake(struct lb_daemon *daemon, struct lb_source *source, struct lb_diag *diag)
{
    struct lb_intake_options options = {
        .data_dir = daemon->current->config->data_dir,
        .max_bytes = source->intake_max,
        .lag_bytes = lb_pool_max(daemon->pool) / 4,
        .safe = source->type->safe != NULL ? tell_safe : NULL,
        .safe_context = source,
    };

    if (source->intake_max == 0)
        return true;
    options.read_share = lb_share_new(daemon->pool, options.lag_bytes);
    if (lb_intake_open(&source->intake, source, &options) != LB_OK) {
        lb_diag_error(diag, lb_section_place(&source->section, "durable"), "out of memory");
        return false;
    }
    if (source->intake_later || lb_intake_start(source->intake, false) == LB_OK)
        return true;
    lb_diag_error(diag, lb_section_place(&source->section, "durable"),
                  "source \"" LB_STR_FMT "\": cannot open its intake below " LB_STR_FMT "/intake: %s",
                  LB_STR_ARG(source->section.name), LB_STR_ARG(options.data_dir), strerror(errno));
    return false;
}

void close_intake(struct lb_source *source)
{
    if (source->intake == NULL)
        return;
    lb_intake_finish(source->intake);
    lb_intake_free(source->intake);
    source->intake = NULL;
}

bool open_source(struct lb_daemon *daemon, struct lb_source *source, struct lb_diag *diag)
{
    if (source->share == NULL)
        source->share = lb_share_new(daemon->pool, share_of(daemon, source));
    if (source->share == NULL) {
        lb_diag_error(diag, lb_section_place(&source->section, ""), "out of memory");
        return false;
    }
    source->loop = source->type->file_like ? daemon->file_loop : daemon->socket_loop;
    source->queue = &daemon->intake;
    source->streams = daemon->streams;
    source->exit_at_eof = daemon->exit_at_eof;
    source->finished = daemon->exit_at_eof ? source_finished : NULL;
    source->finished_context = daemon;
    if (open_intake(daemon, source, diag) && source->type->open(source, diag) == LB_OK)
        return true;
    close_intake(source);
    lb_share_free(source->share);
    source->share = NULL;
    return false;
}

bool open_sources(struct lb_daemon *daemon, struct lb_diag *diag)
{
    struct lb_config *config = daemon->current->config;
    struct lb_str names[LB_SOURCES_MAX];
    struct lb_strs durable = { names, 0 };

    for (uint32_t i = 0; i < config->source_count; i++) {
        if (!open_source(daemon, &config->sources[i], diag))
            return false;
        daemon->sources_open++;
        if (config->sources[i].intake != NULL)
            names[durable.count++] = config->sources[i].section.name;
    }
    lb_intake_tell_orphans(config->data_dir, &durable);
    return true;
}

bool count_endings(struct lb_daemon *daemon, struct lb_diag *diag)
{
    const struct lb_config *config = daemon->current->config;

    for (uint32_t i = 0; i < config->source_count; i++) {
        if (config->sources[i].type->file_like)
            atomic_fetch_add(&daemon->unfinished, 1);
    }
    if (daemon->exit_at_eof && atomic_load(&daemon->unfinished) == 0)
        lb_diag_error(diag, (struct lb_place){ 0 }, "--exit-at-eof needs a source that ends: file, docker or stdin");
    return !daemon->exit_at_eof || atomic_load(&daemon->unfinished) > 0;
}
