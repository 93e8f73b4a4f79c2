/*
 * proof_judge.c - what was told against what was expected.
 *
 * Expectations are taken in the order in which they are written; each takes
 * the first notice that fits and that no other has taken, so two of the same
 * words mean two notices.
 */
#include "proof.h"

#include "lb_json.h"
#include "lb_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_BYTES = 1024 };

static const char *const severity_names[] = { "info", "low", "medium", "high", "critical" };

/* --- words ------------------------------------------------------------------------------------ */

const char *proof_time(const struct proof *proof, int64_t at_ns, char *text)
{
    int64_t behind = at_ns - proof->start_ns;
    int64_t seconds = behind / LB_SECOND;
    int64_t rest = behind % LB_SECOND / LB_MILLISECOND;
    int len = 0;

    if (behind < 0) {
        text[lb_time_write(at_ns, text)] = '\0';
        return text;
    }
    if (seconds >= 3600)
        len += snprintf(text + len, PROOF_TIME_SIZE - (size_t)len, "%" PRId64 "h", seconds / 3600);
    if (seconds >= 60)
        len += snprintf(text + len, PROOF_TIME_SIZE - (size_t)len, "%" PRId64 "m", seconds / 60 % 60);
    len += snprintf(text + len, PROOF_TIME_SIZE - (size_t)len, "%" PRId64, seconds % 60);
    if (rest > 0)
        len += snprintf(text + len, PROOF_TIME_SIZE - (size_t)len, ".%03" PRId64, rest);
    snprintf(text + len, PROOF_TIME_SIZE - (size_t)len, "s");
    return text;
}

struct words {
    char text[WORDS_BYTES];
    size_t len;
};

static void say(struct words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct words *words, const char *fmt, ...)
{
    size_t room = sizeof(words->text) - words->len;
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(words->text + words->len, room, fmt, args);
    va_end(args);
    if (len > 0)
        words->len += (size_t)len < room ? (size_t)len : room - 1;
}

static void say_sinks(struct words *words, const struct lb_config *config, uint64_t sinks)
{
    const char *separator = "";

    for (uint32_t i = 0; i < config->sink_count; i++) {
        if ((sinks >> i & 1) == 0)
            continue;
        say(words, "%s" LB_STR_FMT, separator, LB_STR_ARG(config->sinks[i].section.name));
        separator = ", ";
    }
}

static void say_expectation(struct words *words, const struct proof_run *run, const struct proof_expectation *wanted)
{
    char from[PROOF_TIME_SIZE];
    char to[PROOF_TIME_SIZE];
    struct lb_buffer key;

    *words = (struct words){ .len = 0 };
    if (wanted->at.set)
        say(words, "%s..%s ", proof_time(run->proof, wanted->at.from, from), proof_time(run->proof, wanted->at.to, to));
    say(words, LB_STR_FMT, LB_STR_ARG(wanted->rule.len > 0 ? wanted->rule : LB_STR("any rule")));
    if (wanted->key != NULL) {
        lb_buffer_init(&key, WORDS_BYTES);
        proof_write_json(&key, wanted->key);
        say(words, " " LB_STR_FMT, LB_STR_ARG(lb_buffer_str(&key)));
        lb_buffer_free(&key);
    }
    if (wanted->state.len > 0)
        say(words, " " LB_STR_FMT, LB_STR_ARG(wanted->state));
    if (wanted->severity != PROOF_SEVERITY_ANY)
        say(words, " %s", severity_names[wanted->severity]);
    if (wanted->has_value && wanted->value_high - wanted->value_low < 1e-3)
        say(words, ", value %.6g", (wanted->value_low + wanted->value_high) / 2);
    else if (wanted->has_value)
        say(words, ", value %.6g..%.6g", wanted->value_low, wanted->value_high);
    if (wanted->message.len > 0)
        say(words, ", saying \"" LB_STR_FMT "\"", LB_STR_ARG(wanted->message));
    if (wanted->to != 0) {
        say(words, " to ");
        say_sinks(words, run->config, wanted->to);
    }
}

/* --- fitting ----------------------------------------------------------------------------------- */

bool proof_has_key(const struct proof_notice *notice, const struct lb_node *key)
{
    char bytes[LB_KEY_BYTES_MAX * 2] = "";

    for (uint32_t i = 0; key != NULL && i < key->count; i++) {
        struct lb_scratch scratch = { bytes, sizeof(bytes), 0 };
        struct lb_value value = notice->key.len > 1
                                    ? lb_value_member(lb_value_of(notice->key, LB_VALUE_OBJECT), key->keys[i].text)
                                    : (struct lb_value){ .kind = LB_VALUE_NONE };

        if (value.kind == LB_VALUE_NONE || !lb_str_equal(lb_value_str(value, &scratch), key->values[i].text))
            return false;
    }
    return true;
}

/* Why it does not fit, in one word; NULL: it does. The gravest first, so that the nearest one can be told. */
enum misfit {
    FITS,
    MISFIT_TIME,
    MISFIT_SINKS,
    MISFIT_VALUE,
    MISFIT_MESSAGE,
    MISFIT_SEVERITY,
    MISFIT_STATE,
    MISFIT_OTHER
};

static enum misfit misfit(const struct proof_notice *notice, const struct proof_expectation *wanted)
{
    if ((wanted->rule.len > 0 && !lb_str_equal(wanted->rule, notice->rule)) || !proof_has_key(notice, wanted->key))
        return MISFIT_OTHER;
    if (wanted->state.len > 0 && !lb_str_equal(wanted->state, notice->state))
        return MISFIT_STATE;
    if (wanted->severity != PROOF_SEVERITY_ANY && !lb_str_is(notice->severity, severity_names[wanted->severity]))
        return MISFIT_SEVERITY;
    if (wanted->message.len > 0 &&
        (notice->message.len == 0 ||
         memmem(notice->message.ptr, notice->message.len, wanted->message.ptr, wanted->message.len) == NULL))
        return MISFIT_MESSAGE;
    if (wanted->has_value &&
        (!notice->has_value || notice->value < wanted->value_low || notice->value > wanted->value_high))
        return MISFIT_VALUE;
    if ((notice->sinks & wanted->to) != wanted->to)
        return MISFIT_SINKS;
    if (wanted->at.set && (notice->told_ns < wanted->at.from || notice->told_ns > wanted->at.to))
        return MISFIT_TIME;
    return FITS;
}

static void say_notice(struct words *words, const struct proof_run *run, const struct proof_notice *notice)
{
    char at[PROOF_TIME_SIZE];

    *words = (struct words){ .len = 0 };
    say(words, "%s " LB_STR_FMT, proof_time(run->proof, notice->told_ns, at), LB_STR_ARG(notice->rule));
    if (notice->key.len > 2)
        say(words, " " LB_STR_FMT, LB_STR_ARG(notice->key));
    say(words, " " LB_STR_FMT " " LB_STR_FMT, LB_STR_ARG(notice->state), LB_STR_ARG(notice->severity));
    if (notice->has_value)
        say(words, ", value %.6g", notice->value);
    if (notice->sinks != 0) {
        say(words, " to ");
        say_sinks(words, run->config, notice->sinks);
    }
}

/* The notice that comes nearest to what was expected. */
static void tell_nearest(struct proof_run *run, const struct proof_expectation *wanted)
{
    static const char *const why[] = { [MISFIT_TIME] = "at another time",         [MISFIT_SINKS] = "to other sinks",
                                       [MISFIT_VALUE] = "another value",          [MISFIT_MESSAGE] = "in other words",
                                       [MISFIT_SEVERITY] = "of another severity", [MISFIT_STATE] = "another state" };
    enum misfit least = MISFIT_OTHER;
    const struct proof_notice *nearest = NULL;
    struct words words;

    for (uint32_t i = 0; i < run->notice_count; i++) {
        enum misfit each = misfit(&run->notices[i], wanted);

        if (each < least && !(each == FITS && run->notices[i].expected)) {
            least = each;
            nearest = &run->notices[i];
        }
    }
    if (nearest == NULL) {
        proof_fail(run, "  nothing like it was told");
        return;
    }
    say_notice(&words, run, nearest);
    proof_fail(run, "  nearest   %s (%s)", words.text, least == FITS ? "taken" : why[least]);
}

/* --- windows at the moment --------------------------------------------------------------------------- */

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

uint32_t proof_probes(const struct proof_run *run, int64_t *probes)
{
    const struct proof *proof = run->proof;
    uint32_t count = 0;

    for (uint32_t i = 0; i < proof->expected_count && count + 2 <= PROOF_PROBES_MAX; i++) {
        if (!proof->expected[i].at.set)
            continue;
        probes[count++] = proof->expected[i].at.from;
        probes[count++] = proof->expected[i].at.to;
    }
    qsort(probes, count, sizeof(*probes), compare_times);
    return count;
}

static void tell_look(struct proof_run *run, const struct proof_look *look)
{
    char at[PROOF_TIME_SIZE];
    char value[32] = "not judged";

    if (look->judged)
        snprintf(value, sizeof(value), "%.6g", look->value);
    proof_fail(run, "  at %-8s " LB_STR_FMT "%s" LB_STR_FMT ": %s, %" PRIu64 " record%s in the window, %s",
               proof_time(run->proof, look->at_ns, at), LB_STR_ARG(look->rule), look->key.len > 0 ? " " : "",
               LB_STR_ARG(look->key), value, look->count, look->count == 1 ? "" : "s",
               look->severity >= 0 ? severity_names[look->severity] : "quiet");
}

/* The values of the rule's windows at both ends of the range, of the first keys. */
static void tell_windows(struct proof_run *run, const struct proof_expectation *wanted)
{
    int shown = 0;

    for (uint32_t i = 0; i < run->look_count && shown < 6; i++) {
        const struct proof_look *look = &run->looks[i];

        if ((wanted->rule.len > 0 && !lb_str_equal(look->rule, wanted->rule)) || !wanted->at.set ||
            (look->at_ns != wanted->at.from && look->at_ns != wanted->at.to))
            continue;
        tell_look(run, look);
        shown++;
    }
    if (shown == 0 && run->probe_count > 0 && wanted->at.set && wanted->rule.len > 0)
        proof_fail(run, "  no key of " LB_STR_FMT " was known then: no record reached it", LB_STR_ARG(wanted->rule));
}

/* --- judging ------------------------------------------------------------------------------------------- */

static uint32_t take(struct proof_run *run, const struct proof_expectation *wanted, struct proof_notice **first)
{
    uint32_t most = wanted->times == PROOF_COUNT_ANY ? 1 : UINT32_MAX;
    uint32_t count = 0;

    *first = NULL;
    for (uint32_t i = 0; i < run->notice_count && count < most; i++) {
        struct proof_notice *notice = &run->notices[i];

        if (notice->expected || misfit(notice, wanted) != FITS)
            continue;
        notice->expected = true;
        if (*first == NULL)
            *first = notice;
        count++;
    }
    return count;
}

static void judge_expected(struct proof_run *run, const struct proof_expectation *wanted)
{
    struct proof_notice *notice;
    uint32_t count = take(run, wanted, &notice);
    struct words words;

    say_expectation(&words, run, wanted);
    if (wanted->times != PROOF_COUNT_ANY && count != wanted->times) {
        proof_fail(run, "expected  %s: %" PRId64 " times, it was told %u times (line %u)", words.text, wanted->times,
                   count, wanted->place.line);
        tell_windows(run, wanted);
        return;
    }
    if (count == 0 && wanted->times == PROOF_COUNT_ANY) {
        proof_fail(run, "expected  %s (line %u)", words.text, wanted->place.line);
        tell_nearest(run, wanted);
        tell_windows(run, wanted);
        return;
    }
    if (wanted->deliveries == PROOF_COUNT_ANY || notice == NULL)
        return;
    uint32_t delivered = proof_deliveries(run, notice, wanted->to);
    if (delivered != wanted->deliveries)
        proof_fail(run, "expected  %s to be delivered %" PRId64 " times, it was %u times (line %u)", words.text,
                   wanted->deliveries, delivered, wanted->place.line);
}

static void judge_never(struct proof_run *run, const struct proof_expectation *wanted)
{
    struct words words;
    struct words told;

    say_expectation(&words, run, wanted);
    for (uint32_t i = 0; i < run->notice_count; i++) {
        if (misfit(&run->notices[i], wanted) != FITS)
            continue;
        say_notice(&told, run, &run->notices[i]);
        proof_fail(run, "never     %s (line %u)", words.text, wanted->place.line);
        proof_fail(run, "  but       %s", told.text);
        proof_fail(run, "            " LB_STR_FMT, LB_STR_ARG(run->notices[i].message));
        return;
    }
}

static void judge_counts(struct proof_run *run)
{
    const struct proof *proof = run->proof;
    struct words words;

    if (proof->notices_max != PROOF_COUNT_ANY && run->notice_count > proof->notices_max)
        proof_fail(run, "expected  at most %" PRId64 " notices, %u were told", proof->notices_max, run->notice_count);
    for (uint32_t i = 0; proof->strict && i < run->notice_count; i++) {
        if (run->notices[i].expected)
            continue;
        say_notice(&words, run, &run->notices[i]);
        proof_fail(run, "strict    nobody expected %s", words.text);
    }
}

/* --- all of it ----------------------------------------------------------------------------------------------- */

static void note_fired(const struct proof_run *run, const struct proof_file *file)
{
    const struct lb_alerting *alerting = &file->config->alerting;

    for (uint32_t i = 0; i < run->notice_count; i++) {
        const struct proof_notice *notice = &run->notices[i];

        for (uint32_t rule = 0; rule < alerting->rule_count; rule++) {
            if (!lb_str_equal(alerting->rules[rule].name, notice->rule))
                continue;
            for (int severity = 0; severity < LB_SEVERITY_COUNT; severity++)
                if (lb_str_is(notice->severity, severity_names[severity]))
                    file->fired[rule * LB_SEVERITY_COUNT + (uint32_t)severity] = true;
        }
    }
}

static void tell_timeline(struct proof_run *run)
{
    struct words words;

    if (run->proof->pipeline)
        return;
    proof_fail(run, "  what was told%s", run->notice_count == 0 ? ": nothing" : "");
    for (uint32_t i = 0; i < run->notice_count && i < 40; i++) {
        say_notice(&words, run, &run->notices[i]);
        proof_fail(run, "    %s", words.text);
        for (uint32_t k = 0; k < run->try_count; k++) {
            const struct proof_try *try = &run->tries[k];
            char at[PROOF_TIME_SIZE];

            if (try->notice == i && run->recorders[try->sink].reply_count > 0)
                proof_fail(run, "      %s " LB_STR_FMT ": " LB_STR_FMT, proof_time(run->proof, try->at_ns, at),
                           LB_STR_ARG(run->config->sinks[try->sink].section.name), LB_STR_ARG(try->reply->text));
        }
    }
    if (run->notice_count > 40)
        proof_fail(run, "    and %u more", run->notice_count - 40);
}

void proof_judge(struct proof_run *run, const struct proof_file *file, bool write_golden)
{
    const struct proof *proof = run->proof;

    for (uint32_t i = 0; i < proof->expected_count; i++)
        judge_expected(run, &proof->expected[i]);
    for (uint32_t i = 0; i < proof->never_count; i++)
        judge_never(run, &proof->never[i]);
    judge_counts(run);
    if (proof->golden.len > 0)
        proof_judge_golden(run, write_golden);
    note_fired(run, file);
    if (run->failure_count > 0)
        tell_timeline(run);
}
