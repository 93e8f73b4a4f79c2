/* notice.c - an alert and its end, sent through one sink. */
#include "notice.h"

#include "replay.h"

#include "lb_clock.h"
#include "lb_json.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { REFUSED_BYTES_MAX = 64 * 1024 };

static void on_signal(int signal_number)
{
    (void)signal_number;
    replay_interrupted = 1;
}

void notice_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

uint64_t notice_number(void)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != sizeof(number) || number == 0)
        number = (uint64_t)lb_clock_now();
    return number;
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
    snprintf(reason, NOTICE_REASON_BYTES, "it was refused");
    if (line.len > 0 && lb_json_valid(line)) {
        struct lb_value said = lb_value_member(lb_value_of(line, LB_VALUE_OBJECT), LB_STR("reason"));

        snprintf(reason, NOTICE_REASON_BYTES, "%.*s", (int)said.len, said.len > 0 ? said.ptr : "");
    }
}

static enum notice_result result_of(const struct lb_sink *sink, const struct letter_file *file, bool sent, char *reason)
{
    reason[0] = '\0';
    if (sent && file->refused_end == 0)
        return NOTICE_TOLD;
    if (file->refused_end > 0) {
        read_reason(file, reason);
    } else if (sink->delivery != NULL) {
        struct lb_delivery_state state;

        lb_delivery_state(sink->delivery, &state);
        snprintf(reason, NOTICE_REASON_BYTES, "%.*s", NOTICE_REASON_BYTES - 1,
                 state.ok ? "no answer in time" : state.text);
    }
    return NOTICE_NOT_TOLD;
}

enum notice_result notice_send(struct lb_config *config, const struct lb_sink *sink, const struct notice *notice,
                               char *reason)
{
    struct letter letters[NOTICES] = { 0 };
    struct letter_file file = { .path = sink->section.name.ptr, .fd = -1, .letters = letters, .count = NOTICES };
    struct replay replay = { .deadline = lb_clock_monotonic() + notice->timeout_ns };
    struct lb_diag diag = { 0 };

    for (size_t i = 0; i < NOTICES; i++) {
        letters[i] = (struct letter){ .length = (uint32_t)notice->texts[i].len,
                                      .sink = sink->index,
                                      .stream = notice->number,
                                      .position = i,
                                      .record = notice->texts[i],
                                      .state = LETTER_DUE,
                                      .alert = true };
        file.length += notice->texts[i].len;
    }
    bool opened = replay_open(&replay, config, &diag);
    lb_diag_print(&diag, stderr);
    lb_diag_free(&diag);
    snprintf(file.refused_path, sizeof(file.refused_path), "%s/refused", replay.dir);
    bool sent = opened && replay_send(&replay, &file);
    enum notice_result result = opened ? result_of(sink, &file, sent, reason) : NOTICE_UNSENT;
    replay_close(&replay);
    return result;
}
