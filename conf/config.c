/*
 * config.c - text → lb_config: the order in which sections are read, and the
 * top-level settings.
 *
 * Parsers and sinks get their names first, since everything else refers to
 * them. A configuration with errors is freed; its faults stay, and their file
 * names live as long as the process.
 */
#include "loading.h"
#include "variables.h"

#include "lb_alert.h"
#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_multiline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#define AT(member) offsetof(struct lb_config, member)

static const struct lb_option http_options[] = {
    { .name = "listen",
      .kind = LB_OPTION_STRING,
      .offset = AT(http_listen),
      .help = "where /health, /metrics and the API are served: host:port; without it nowhere" },
    { .name = "token",
      .kind = LB_OPTION_STRING,
      .offset = AT(http_token),
      .help = "the bearer token that requests must carry; required unless `listen` is loopback",
      .flags = LB_OPTION_SECRET },
    { .name = "external_url",
      .kind = LB_OPTION_STRING,
      .offset = AT(http_external_url),
      .help = "where people reach it, such as https://logs.example.org; alerts carry a link there" },
    { 0 },
};

static const struct lb_option memory_options[] = {
    { .name = "pool",
      .kind = LB_OPTION_SIZE,
      .offset = AT(memory),
      .fallback = "8MiB",
      .help = "memory for records on their way",
      .min = 2 * 1024 * 1024,
      .max = INT64_C(64) << 30 },
    { 0 },
};

const struct lb_option lb_config_options[] = {
    { .name = "data_dir",
      .kind = LB_OPTION_STRING,
      .offset = AT(data_dir),
      .fallback = "/var/lib/logboom",
      .help = "positions and marks; one process at a time" },
    { .name = "http", .kind = LB_OPTION_GROUP, .group = http_options, .help = "the HTTP server" },
    { .name = "workers",
      .kind = LB_OPTION_COUNT,
      .offset = AT(workers),
      .fallback = "0",
      .help = "threads that parse and route; 0: as many as the CPU quota allows",
      .max = LB_WORKERS_MAX },
    { .name = "shutdown_timeout",
      .kind = LB_OPTION_DURATION,
      .offset = AT(shutdown_timeout_ns),
      .fallback = "30s",
      .help = "how long a shutdown may take to deliver what is on its way" },
    { .name = "commit_every",
      .kind = LB_OPTION_DURATION,
      .offset = AT(commit_every_ns),
      .fallback = "5s",
      .help = "the longest time between commits of positions and archives; what a crash makes it read again",
      .min = 10 * INT64_C(1000000),
      .max = INT64_C(3600000000000) },
    { .name = "log_level",
      .kind = LB_OPTION_LEVEL,
      .offset = AT(log_level),
      .fallback = "info",
      .help = "the least level of logboom's own log" },
    { .name = "memory", .kind = LB_OPTION_GROUP, .group = memory_options, .help = "bounds of memory" },
    { 0 },
};

const char *const lb_config_sections[] = { "include", "sources", "parsers",  "filters",
                                           "routes",  "sinks",   "alerting", NULL };

const struct lb_node *lb_loading_section(struct lb_loading *self, const char *name, enum lb_node_kind kind)
{
    const struct lb_node *node = lb_node_get(self->root, name);

    if (node == NULL || node->kind == kind)
        return node;
    lb_diag_error(self->diag, node->place, "\"%s\": expected %s, got %s", name,
                  kind == LB_NODE_LIST ? "a list" : "a map of names", lb_node_kind_name(node));
    return NULL;
}

/* --- http.listen ---------------------------------------------------------- */

/* Splits "host:port" or "[host]:port"; false if it is neither. */
static bool split_address(struct lb_str text, struct lb_str *host, uint16_t *port)
{
    const char *colon = memrchr(text.ptr, ':', text.len);
    char *end;
    unsigned long number;

    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    errno = 0;
    number = strtoul(colon + 1, &end, 10);
    if (errno != 0 || end != text.ptr + text.len || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    *host = (struct lb_str){ text.ptr, (size_t)(colon - text.ptr) };
    if (host->len > 2 && host->ptr[0] == '[' && colon[-1] == ']')
        *host = (struct lb_str){ host->ptr + 1, host->len - 2 };
    else if (host->len == 0 || memchr(host->ptr, ':', host->len) != NULL)
        return false;
    return true;
}

static bool is_loopback(struct lb_str host)
{
    struct in_addr address;

    if (lb_str_is(host, "localhost") || lb_str_is(host, "::1"))
        return true;
    return inet_pton(AF_INET, host.ptr, &address) == 1 && ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* It goes into messages as it is, with a path behind it. */
static void check_external_url(struct lb_loading *self)
{
    enum { URL_BYTES_MAX = 200 };
    struct lb_str *url = &self->config->http_external_url;
    const struct lb_node *node = lb_node_get(lb_node_get(self->root, "http"), "external_url");
    bool good = lb_str_starts(*url, LB_STR("http://")) || lb_str_starts(*url, LB_STR("https://"));

    if (node == NULL || url->len == 0)
        return;
    while (url->len > 0 && url->ptr[url->len - 1] == '/')
        url->len--;
    for (size_t i = 0; i < url->len; i++)
        good = good && url->ptr[i] > ' ' && url->ptr[i] < 0x7f && strchr("\"'`<>\\#?", url->ptr[i]) == NULL;
    if (good && url->len <= URL_BYTES_MAX)
        return;
    lb_diag_error(self->diag, node->place,
                  "\"http.external_url\": expected an address such as https://logs.example.org, without ? and #, got "
                  "\"%.80s\"",
                  node->text.ptr);
}

static void check_http(struct lb_loading *self)
{
    struct lb_config *config = self->config;
    const struct lb_node *node = lb_node_get(lb_node_get(self->root, "http"), "listen");
    struct lb_str host;

    if (node == NULL || config->http_listen.len == 0)
        return;
    if (!split_address(config->http_listen, &host, &config->http_port)) {
        lb_diag_error(self->diag, node->place,
                      "\"http.listen\": expected host:port such as 127.0.0.1:8686, got \"%.80s\"",
                      config->http_listen.ptr);
        return;
    }
    config->http_host = lb_arena_copy(&config->arena, host);
    config->http_open = config->http_token.len == 0;
    if (config->http_open && config->http_host.ptr != NULL && !is_loopback(config->http_host))
        lb_diag_error(
            self->diag, node->place,
            "\"http.listen\": \"%.80s\" can be reached from outside; set \"http.token\" or listen on 127.0.0.1",
            config->http_listen.ptr);
}

void lb_loading_settings(struct lb_loading *self)
{
    static const struct lb_option *const tables[] = { lb_config_options, NULL };
    const struct lb_filling filling = { &self->config->arena, self->config, self->diag, "", "" };

    lb_filling_refuse_unknown(&filling, self->root, tables, lb_config_sections);
    lb_filling_fill(&filling, lb_config_options, self->root, self->root->place, self->config);
    if (self->config->data_dir.len == 0 && lb_node_get(self->root, "data_dir") != NULL &&
        !lb_node_is_nothing(lb_node_get(self->root, "data_dir")))
        lb_diag_error(self->diag, lb_node_get(self->root, "data_dir")->place, "\"data_dir\": it must not be empty");
    check_http(self);
    check_external_url(self);
}

/* --- loading -------------------------------------------------------------- */

/* The directory of the only archive, for commands that people are given. */
static void find_archive(const struct lb_config *config, struct lb_alerting *alerting)
{
    const struct lb_node *path = NULL;
    size_t end = 0;

    for (uint32_t i = 0; i < config->sink_count; i++) {
        const struct lb_sink *sink = &config->sinks[i];

        if (sink->type == NULL || strcmp(sink->type->module.name, "archive") != 0)
            continue;
        if (path != NULL)
            return;
        path = lb_node_get(sink->section.node, "path");
    }
    if (path == NULL || path->kind != LB_NODE_SCALAR)
        return;
    for (size_t i = 0; i < path->text.len && path->text.ptr[i] != '{' && path->text.ptr[i] != '%'; i++)
        if (path->text.ptr[i] == '/')
            end = i;
    alerting->archive_root = (struct lb_str){ path->text.ptr, end };
    alerting->archive_by_service =
        lb_str_starts((struct lb_str){ path->text.ptr + end, path->text.len - end }, LB_STR("/{service}/"));
}

static void load_alerting(struct lb_loading *self)
{
    const struct lb_node *section = lb_loading_section(self, "alerting", LB_NODE_MAP);

    if (section != NULL)
        lb_alerting_read(self->config, section, &self->config->alerting, self->diag);
    self->config->alerting.external_url = self->config->http_external_url;
    find_archive(self->config, &self->config->alerting);
}

static void load_sections(struct lb_loading *self)
{
    lb_loading_include(self);
    lb_loading_settings(self);
    lb_loading_name_parsers(self);
    lb_loading_name_sinks(self);
    lb_loading_parsers(self);
    lb_loading_sinks(self);
    lb_loading_sources(self);
    lb_loading_filters(self);
    lb_loading_routes(self);
    load_alerting(self);
    lb_loading_cross_check(self);
}

static void load_tree(struct lb_loading *self, struct lb_str text)
{
    struct lb_config *config = self->config;

    self->root = lb_yaml_read(&self->yaml, config->file, text);
    if (self->root == NULL)
        return;
    config->root = self->root;
    if (self->root->kind == LB_NODE_MAP)
        load_sections(self);
    else
        lb_diag_error(self->diag, self->root->place, "expected a map of sections (sources, routes, sinks), got %s",
                      lb_node_kind_name(self->root));
}

static void load_root(struct lb_loading *self, struct lb_str text)
{
    self->config->root = lb_yaml_read(&self->yaml, self->config->file, text);
}

/* `load`: what is made of the text, faults in its `diag`. */
static struct lb_config *parse(const char *name, struct lb_str text, struct lb_diag *diag,
                               void (*load)(struct lb_loading *self, struct lb_str text))
{
    struct lb_config *config = lb_alloc(sizeof(*config));
    const char *file = lb_file_name(lb_str_from(name));
    uint32_t errors = diag->errors;
    struct lb_str copy;

    if (config == NULL) {
        lb_diag_error(diag, (struct lb_place){ file, 1, 1 }, "out of memory");
        return NULL;
    }
    lb_arena_init(&config->arena, LB_CONF_ARENA_MAX);
    config->file = file;
    copy = lb_arena_copy(&config->arena, text);
    config->text = copy.ptr;
    if (copy.ptr == NULL) {
        lb_diag_error(diag, (struct lb_place){ file, 1, 1 }, "out of memory");
    } else {
        struct lb_loading loading = {
            .config = config, .diag = diag, .yaml = { .arena = &config->arena, .diag = diag }, .errors = errors
        };

        load(&loading, copy);
    }
    if (diag->errors == errors)
        return config;
    lb_config_free(config);
    return NULL;
}

struct lb_config *lb_config_parse(const char *name, struct lb_str text, struct lb_diag *diag)
{
    return parse(name, text, diag, load_tree);
}

static struct lb_config *read_file(const char *file, struct lb_diag *diag,
                                   void (*load)(struct lb_loading *self, struct lb_str text))
{
    const char *name = strcmp(file, "-") == 0 ? "stdin" : file;
    struct lb_config *config = NULL;
    struct lb_buffer text;

    lb_buffer_init(&text, LB_CONF_BYTES_MAX + 1);
    if (lb_text_read(file, &text))
        config = parse(name, (struct lb_str){ text.ptr, text.len - 1 }, diag, load);
    else
        lb_diag_error(diag, (struct lb_place){ lb_file_name(lb_str_from(name)), 0, 0 }, "cannot be read: %s",
                      strerror(errno));
    lb_buffer_free(&text);
    return config;
}

struct lb_config *lb_config_load(const char *file, struct lb_diag *diag)
{
    return read_file(file, diag, load_tree);
}

struct lb_config *lb_config_tree(const char *file, struct lb_diag *diag)
{
    return read_file(file, diag, load_root);
}

const char *lb_config_path(struct lb_config *config, struct lb_place place, struct lb_str path)
{
    return lb_path_beside(&config->arena, place, path);
}

/* --- freeing -------------------------------------------------------------- */

static void free_expr(void *context, const char *path, const struct lb_option *option, void *member)
{
    (void)context;
    (void)path;
    if (option->kind == LB_OPTION_WHERE && *(struct lb_expr **)member != NULL)
        lb_expr_free(*(struct lb_expr **)member);
}

static const struct lb_visitor freeing = { free_expr, NULL };

static void free_where(const struct lb_expr *where)
{
    if (where != NULL)
        lb_expr_free((struct lb_expr *)where);
}

static void free_instances(struct lb_config *config)
{
    for (uint32_t i = 0; i < config->source_count; i++) {
        lb_multiline_free(config->sources[i].multiline);
        if (config->sources[i].type != NULL)
            lb_options_walk(config->sources[i].type->module.options, config->sources[i].state, &freeing);
    }
    for (uint32_t i = 0; i < config->sink_count; i++) {
        if (config->sinks[i].type != NULL)
            lb_options_walk(config->sinks[i].type->module.options, config->sinks[i].state, &freeing);
    }
    for (uint32_t i = 0; i < config->parser_count; i++) {
        struct lb_parser *parser = &config->parsers[i];

        if (parser->opened && parser->type->close != NULL)
            parser->type->close(parser);
        if (parser->type != NULL)
            lb_options_walk(parser->type->module.options, parser->state, &freeing);
    }
}

void lb_config_free(struct lb_config *config)
{
    if (config == NULL)
        return;
    free_instances(config);
    for (uint32_t i = 0; i < config->plan.filter_count; i++) {
        struct lb_filter *filter = &config->plan.filters[i];

        if (filter->opened && filter->type->close != NULL)
            filter->type->close(filter->state);
        lb_options_walk(filter->type->module.options, filter->state, &freeing);
    }
    for (uint32_t i = 0; i < config->plan.route_count; i++)
        free_where(config->plan.routes[i].where);
    for (uint32_t i = 0; i < config->alerting.route_count; i++)
        free_where(config->alerting.routes[i].where);
    for (uint32_t i = 0; i < config->alerting.maintenance_count; i++)
        free_where(config->alerting.maintenance[i].where);
    for (uint32_t i = 0; i < config->alerting.rule_count; i++) {
        free_where(config->alerting.rules[i].where);
        free_where(config->alerting.rules[i].inner);
        free_where(config->alerting.rules[i].second);
    }
    lb_arena_free(&config->arena);
    lb_free(config);
}
