/*
 * compare.c - is a part of two configurations the same?
 *
 * A fingerprint of its tree, variables and includes replaced, of the parsers
 * it names, and of the content of the files it points to. Order counts, and
 * so does quoting: what is taken for changed without need is only started
 * anew, while what is wrongly taken for equal would stay as it was.
 */
#include "options.h"

#include "lb_alert.h"
#include "lb_buffer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { READ_BYTES = 16 * 1024, FILE_BYTES_MAX = 16 * 1024 * 1024 };

/* Keys of a rule that may change while it goes on: who is told, and in which words. */
static const char *const rule_words[] = { "to", "text", "run", NULL };

/* Keys of `alerting:` that are no part of how its rules count. */
static const char *const alerting_parts[] = { "rules", "routes", "self", "heartbeat", "reports", NULL };

/* The sum so far seeds the next piece, so "ab" "c" is not "a" "bc". */
static void add(uint64_t *print, const void *bytes, size_t len)
{
    *print = XXH3_64bits_withSeed(len > 0 ? bytes : "", len, *print);
}

static bool is_one_of(struct lb_str word, const char *const *words)
{
    for (; words != NULL && *words != NULL; words++) {
        if (lb_str_is(word, *words))
            return true;
    }
    return false;
}

/* `without`: keys of this map that do not count. The depth of a tree is bounded when it is read. */
static void add_node(uint64_t *print, const struct lb_node *node,
                     const char *const *without) // NOLINT(misc-no-recursion)
{
    unsigned kind = node->kind | (node->quoted ? 8U : 0U);

    add(print, &kind, sizeof(kind));
    if (node->kind == LB_NODE_SCALAR) {
        add(print, node->text.ptr, node->text.len);
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        if (node->kind == LB_NODE_MAP && is_one_of(node->keys[i].text, without))
            continue;
        if (node->kind == LB_NODE_MAP)
            add(print, node->keys[i].text.ptr, node->keys[i].text.len);
        add_node(print, &node->values[i], NULL);
    }
    add(print, &node->count, without == NULL ? sizeof(node->count) : 0);
}

/* --- files ---------------------------------------------------------------- */

/* A file that cannot be read, or is too long to be a certificate, counts by its size and times. */
static void add_status(uint64_t *print, const struct stat *status)
{
    add(print, &status->st_size, sizeof(status->st_size));
    add(print, &status->st_mtim, sizeof(status->st_mtim));
    add(print, &status->st_ino, sizeof(status->st_ino));
}

static void add_file(uint64_t *print, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char bytes[READ_BYTES];
    struct stat status;
    ssize_t got;

    if (fd < 0 || fstat(fd, &status) != 0) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (!S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX)
        add_status(print, &status);
    else
        while ((got = read(fd, bytes, sizeof(bytes))) > 0)
            add(print, bytes, (size_t)got);
    close(fd);
}

/* Settings that are handed through (Kafka's) name files too: by an absolute path. */
static void add_pairs(uint64_t *print, const struct lb_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (pairs->items[i].value.len > 0 && pairs->items[i].value.ptr[0] == '/')
            add_file(print, pairs->items[i].value.ptr);
    }
}

static void add_member(void *context, const char *path, const struct lb_option *option, void *member)
{
    const struct lb_str *text = member;

    (void)path;
    if (option->kind == LB_OPTION_STRING && (option->flags & LB_OPTION_PATH) != 0 && text->len > 0)
        add_file(context, text->ptr);
    else if (option->kind == LB_OPTION_PAIRS)
        add_pairs(context, member);
    else if (option->kind == LB_OPTION_SINKS) /* a bit says which sink; another order is another sink */
        add(context, member, sizeof(uint64_t));
}

static void add_instance(uint64_t *print, const struct lb_section *section, const struct lb_module *module,
                         void *members)
{
    const struct lb_visitor visitor = { add_member, print };

    add(print, section->name.ptr, section->name.len);
    add_node(print, section->node, NULL);
    lb_options_walk(module->options, members, &visitor);
}

/* --- parts ---------------------------------------------------------------- */

static void add_parsers(uint64_t *print, const struct lb_config *config, const struct lb_parser_chain *chain)
{
    for (uint32_t i = 0; chain != NULL && i < chain->count; i++) {
        for (uint32_t j = 0; j < config->parser_count; j++) {
            const struct lb_parser *parser = &config->parsers[j];

            if (chain->parsers[i] == parser)
                add_instance(print, &parser->section, &parser->type->module, parser->state);
        }
    }
}

uint64_t lb_config_source_print(const struct lb_config *config, uint32_t index)
{
    const struct lb_source *source = &config->sources[index];
    uint64_t print = 0;

    add_instance(&print, &source->section, &source->type->module, source->state);
    add_parsers(&print, config, source->options.parse);
    return print;
}

uint64_t lb_config_sink_print(const struct lb_config *config, uint32_t index)
{
    const struct lb_sink *sink = &config->sinks[index];
    uint64_t print = 0;

    add_instance(&print, &sink->section, &sink->type->module, sink->state);
    add(&print, &config->commit_every_ns, sizeof(config->commit_every_ns));
    return print;
}

uint64_t lb_config_rule_print(const struct lb_config *config, uint32_t index)
{
    const struct lb_node *alerting = lb_node_get(config->root, "alerting");
    const struct lb_alert_rule *rule = &config->alerting.rules[index];
    struct lb_str name = lb_alerting_owner(&config->alerting, rule)->name;
    const struct lb_node *rules = lb_node_get(alerting, "rules");
    uint64_t print = 0;

    add_node(&print, alerting, alerting_parts);
    for (uint32_t i = 0; rules != NULL && rules->kind == LB_NODE_MAP && i < rules->count; i++) {
        if (!lb_str_equal(rules->keys[i].text, name))
            continue;
        add(&print, name.ptr, name.len);
        add_node(&print, &rules->values[i], rule_words);
    }
    return print;
}
