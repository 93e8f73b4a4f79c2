/*
 * command_channels.c - `logboom channels test NAME`: does an alert get to the people?
 *
 * A test alert goes the way of dead letters that are replayed: through the
 * sink of the configuration, with its address, retries and limits, and
 * without touching what belongs to a running logboom. It fires and is over,
 * so that no incident stays open.
 */
#include "command.h"
#include "command_audit.h"

#include "replay.h"
#include "time_argument.h"

#include "lb_clock.h"
#include "lb_json.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { NOTICES = 2, NOTICE_BYTES = 1024, REFUSED_BYTES_MAX = 64 * 1024, REASON_BYTES = 256 };

#define TIMEOUT (30 * LB_SECOND)

struct arguments {
    const char *config;
    const char *name;
    const char *severity;
    int64_t timeout_ns;
};

static void on_signal(int signal_number)
{
    (void)signal_number;
    replay_interrupted = 1;
}

/* --- the command line ------------------------------------------------------------- */

static bool read_value(const char *name, const char *value, struct arguments *arguments)
{
    static const char *const severities[] = { "info", "low", "medium", "high", "critical" };

    if (strcmp(name, "-c") == 0) {
        arguments->config = value;
        return true;
    }
    if (strcmp(name, "--timeout") == 0)
        return duration_argument(value, &arguments->timeout_ns);
    for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++) {
        if (strcmp(value, severities[i]) == 0)
            arguments->severity = severities[i];
    }
    return arguments->severity != NULL && strcmp(arguments->severity, value) == 0;
}

static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
    static const char *const names[] = { "-c", "--timeout", "--severity" };

    if (argc < 2 || strcmp(argv[1], "test") != 0)
        return usage_error(&command_channels, "expected: logboom channels test NAME");
    for (int i = 2; i < argc; i++) {
        bool takes_value = false;

        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
            takes_value = takes_value || strcmp(argv[i], names[n]) == 0;
        if (takes_value && i + 1 == argc)
            return usage_error(&command_channels, "%s needs a value", argv[i]);
        if (takes_value && !read_value(argv[i], argv[i + 1], arguments))
            return usage_error(&command_channels, "%s: cannot read \"%s\"; try %s", argv[i], argv[i + 1],
                               strcmp(argv[i], "--timeout") == 0 ? "90s" : "info, low, medium, high or critical");
        if (takes_value)
            i++;
        else if (argv[i][0] == '-' || arguments->name[0] != '\0')
            return usage_error(&command_channels, "unexpected \"%s\"", argv[i]);
        else
            arguments->name = argv[i];
    }
    if (arguments->name[0] == '\0')
        return usage_error(&command_channels, "which sink? One of the configuration's that tells people");
    return EXIT_OK;
}

static struct lb_sink *find_sink(const struct lb_config *config, const char *name)
{
    for (uint32_t i = 0; i < config->sink_count; i++) {
        if (lb_str_is(config->sinks[i].section.name, name))
            return &config->sinks[i];
    }
    return NULL;
}

/* --- the test alert ------------------------------------------------------------------ */

/* As the alert engine would write it. `number` makes its key: another one for each test. */
static size_t write_notice(char *out, const struct arguments *arguments, uint64_t number, bool over)
{
    char now[LB_TIME_TEXT_SIZE];

    now[lb_time_write(lb_clock_now() / LB_MILLISECOND * LB_MILLISECOND, now)] = '\0';
    return (size_t)snprintf(
        out, NOTICE_BYTES,
        "{\"timestamp\":\"%s\",\"level\":\"info\",\"service\":\"logboom\",\"message\":\"channel_test: %s (sink %s). "
        "Nothing is wrong.\",\"event\":\"alert\",\"rule\":\"channel_test\",\"state\":\"%s\",\"severity\":\"%s\","
        "\"key\":{},\"fingerprint\":\"%016" PRIx64 "%016" PRIx64 "\",\"alert_id\":\"%016" PRIx64 "\","
        "\"sequence\":%d,\"started_at\":\"%s\"}",
        now, over ? "the test is over" : "somebody tests whether alerts arrive here", arguments->name,
        over ? "resolved" : "firing", arguments->severity, number, number, number, over ? 2 : 1, now);
}

/* Why the receiver refused it: the reason of the last letter that came back. */
static void read_reason(const struct letter_file *file, char *reason)
{
    static char text[REFUSED_BYTES_MAX];
    FILE *in = fopen(file->refused_path, "re");
    size_t len = in != NULL ? fread(text, 1, sizeof(text), in) : 0;
    struct lb_str line = { text, len };

    if (in != NULL)
        fclose(in);
    while (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    for (const char *end; (end = memchr(line.ptr, '\n', line.len)) != NULL;)
        line = (struct lb_str){ end + 1, line.len - (size_t)(end + 1 - line.ptr) };
    snprintf(reason, REASON_BYTES, "it was refused");
    if (line.len > 0 && lb_json_valid(line)) {
        struct lb_value said = lb_value_member(lb_value_of(line, LB_VALUE_OBJECT), LB_STR("reason"));

        snprintf(reason, REASON_BYTES, "%.*s", (int)said.len, said.len > 0 ? said.ptr : "");
    }
}

static int tell_end(const struct arguments *arguments, const struct lb_sink *sink, const struct letter_file *file,
                    bool sent)
{
    char reason[REASON_BYTES] = "";

    if (sent && file->refused_end == 0) {
        printf("%s: a test alert was told, and that it is over\n", arguments->name);
        return EXIT_OK;
    }
    if (file->refused_end > 0) {
        read_reason(file, reason);
    } else if (sink->delivery != NULL) {
        struct lb_delivery_state state;

        lb_delivery_state(sink->delivery, &state);
        snprintf(reason, sizeof(reason), "%.*s", REASON_BYTES - 1, state.ok ? "no answer in time" : state.text);
    }
    fprintf(stderr, "%s: not told: %s\n", arguments->name, reason[0] != '\0' ? reason : "see above");
    return EXIT_NO;
}

static int test_sink(struct lb_config *config, const struct lb_sink *sink, const struct arguments *arguments)
{
    char texts[NOTICES][NOTICE_BYTES];
    struct letter letters[NOTICES] = { 0 };
    struct letter_file file = { .path = arguments->name, .fd = -1, .letters = letters, .count = NOTICES };
    struct replay replay = { .deadline = lb_clock_monotonic() + arguments->timeout_ns };
    struct lb_diag diag = { 0 };
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != sizeof(number) || number == 0)
        number = (uint64_t)lb_clock_now();
    for (size_t i = 0; i < NOTICES; i++) {
        size_t len = write_notice(texts[i], arguments, number, i > 0);

        letters[i] = (struct letter){ .length = (uint32_t)len,
                                      .sink = sink->index,
                                      .stream = number,
                                      .position = i,
                                      .record = { texts[i], len },
                                      .state = LETTER_DUE,
                                      .alert = true };
        file.length += len;
    }
    bool opened = replay_open(&replay, config, &diag);
    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    snprintf(file.refused_path, sizeof(file.refused_path), "%s/refused", replay.dir);
    bool sent = opened && replay_send(&replay, &file);
    int code = tell_end(arguments, sink, &file, sent);
    replay_close(&replay);
    return opened ? code : EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = { .config = default_config(), .name = "", .severity = "info", .timeout_ns = TIMEOUT };
    struct lb_diag diag = { 0 };
    int code = read_arguments(argc, argv, &arguments);

    if (code != EXIT_OK)
        return code;
    lb_log_level = LB_LEVEL_CRITICAL; /* what goes wrong is told at the end, once */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);

    struct lb_config *config = lb_config_load(arguments.config, &diag);
    const struct lb_sink *sink = config != NULL ? find_sink(config, arguments.name) : NULL;

    lb_diag_print(&diag, stderr);
    if (config == NULL || diag.errors > 0)
        code = EXIT_USAGE;
    else if (sink == NULL)
        code = usage_error(&command_channels, "%s has no sink \"%s\"", arguments.config, arguments.name);
    else
        code = test_sink(config, sink, &arguments);
    if (sink != NULL && diag.errors == 0)
        command_audit(config, "channels.test", arguments.name, code);
    if (config != NULL)
        lb_config_free(config);
    lb_diag_free(&diag);
    lb_metrics_free_all();
    return code;
}

const struct command command_channels = {
    .name = "channels",
    .summary = "send a test alert through a sink: do people get it?",
    .help = "logboom channels test NAME [-c FILE] [--severity WORD] [--timeout TIME]\n\n"
            "Sends an alert of the rule channel_test through the sink NAME, and that it is over: with the address,\n"
            "keys and retries of the configuration, past its routes. A running logboom is not disturbed. Says what\n"
            "the service answered when it did not take them.\n\n"
            "  -c FILE          the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n"
            "  --severity WORD  info (unless given), low, medium, high or critical\n"
            "  --timeout TIME   give up after that long; 30s unless given\n\n"
            "Exit: 0 both were taken, 1 not, 2 usage.\n\n"
            "  logboom channels test pager --severity critical\n",
    .run = run,
};
