/*
 * proof_report.c - what is told of tests: lines for people, JSON, JUnit.
 */
#include "proof.h"

#include "lb_json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const severity_names[] = { "info", "low", "medium", "high", "critical" };

/* --- text -------------------------------------------------------------------------------------- */

static const char *tint(const struct proof_report *report, const char *code)
{
    return report->colour ? code : "";
}

static void print_failures(const struct proof_report *report, struct lb_str failures)
{
    (void)report;
    while (failures.len > 0) {
        const char *end = memchr(failures.ptr, '\n', failures.len);
        size_t len = end != NULL ? (size_t)(end - failures.ptr) : failures.len;

        printf("     %.*s\n", (int)len, failures.ptr);
        failures = (struct lb_str){ failures.ptr + len + 1, failures.len > len ? failures.len - len - 1 : 0 };
    }
}

static void print_notices(const struct proof_run *run)
{
    char at[PROOF_TIME_SIZE];

    for (uint32_t i = 0; i < run->notice_count; i++) {
        const struct proof_notice *notice = &run->notices[i];

        printf("     %10s  " LB_STR_FMT " " LB_STR_FMT ": " LB_STR_FMT "\n",
               proof_time(run->proof, notice->told_ns, at), LB_STR_ARG(notice->state), LB_STR_ARG(notice->severity),
               LB_STR_ARG(notice->message));
    }
}

static void print_one(const struct proof_report *report, const struct proof_file *file, const struct proof_run *run)
{
    bool failed = run->failure_count > 0 || run->broken;

    if (failed)
        printf("%sFAIL%s " LB_STR_FMT "  (%s:%u)\n", tint(report, "\033[31m"), tint(report, "\033[0m"),
               LB_STR_ARG(run->proof->name), file->path, run->proof->place.line);
    else
        printf("%sok%s   " LB_STR_FMT "\n", tint(report, "\033[32m"), tint(report, "\033[0m"),
               LB_STR_ARG(run->proof->name));
    print_failures(report, lb_buffer_str(&run->failures));
    if (run->broken)
        printf("     it could not be run to its end; see above\n");
    if (report->verbose && !failed)
        print_notices(run);
}

/* --- JSON and XML ------------------------------------------------------------------------------------ */

static void write_string(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void write_xml(struct lb_buffer *out, struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        switch (c) {
        case '<': lb_buffer_append_str(out, LB_STR("&lt;")); break;
        case '>': lb_buffer_append_str(out, LB_STR("&gt;")); break;
        case '&': lb_buffer_append_str(out, LB_STR("&amp;")); break;
        case '"': lb_buffer_append_str(out, LB_STR("&quot;")); break;
        default: lb_buffer_append_char(out, c >= 0x20 || c == '\n' || c == '\t' ? (char)c : '?'); break;
        }
    }
}

static void add_json(struct proof_report *report, const struct proof_file *file, const struct proof_run *run,
                     int64_t took_ns)
{
    struct lb_buffer *out = &report->results;
    bool failed = run->failure_count > 0 || run->broken;

    if (out->len > 0)
        lb_buffer_append_char(out, ',');
    lb_buffer_append_str(out, LB_STR("{\"name\":"));
    write_string(out, run->proof->name);
    lb_buffer_append_str(out, LB_STR(",\"file\":"));
    write_string(out, lb_str_from(file->path));
    lb_buffer_print(out, ",\"line\":%u,\"ok\":%s,\"seconds\":%.6f,\"failures\":", run->proof->place.line,
                    failed ? "false" : "true", (double)took_ns / 1e9);
    write_string(out, lb_buffer_str(&run->failures));
    lb_buffer_append_str(out, LB_STR(",\"notices\":["));
    for (uint32_t i = 0; i < run->notice_count; i++) {
        const struct proof_notice *notice = &run->notices[i];

        lb_buffer_print(out, "%s{\"after\":%.3f,\"sinks\":[", i > 0 ? "," : "",
                        (double)(notice->told_ns - run->proof->start_ns) / 1e9);
        for (uint32_t sink = 0, any = 0; sink < run->config->sink_count; sink++) {
            if ((notice->sinks >> sink & 1) == 0)
                continue;
            if (any++ > 0)
                lb_buffer_append_char(out, ',');
            write_string(out, run->config->sinks[sink].section.name);
        }
        lb_buffer_print(out, "],\"delivered\":%u,\"record\":" LB_STR_FMT "}", proof_deliveries(run, notice, 0),
                        LB_STR_ARG(notice->json));
    }
    lb_buffer_append_str(out, LB_STR("]}"));
}

static void add_junit(struct proof_report *report, const struct proof_file *file, const struct proof_run *run,
                      int64_t took_ns)
{
    struct lb_buffer *out = &report->junit;

    lb_buffer_append_str(out, LB_STR("  <testcase classname=\""));
    write_xml(out, lb_str_from(file->path));
    lb_buffer_append_str(out, LB_STR("\" name=\""));
    write_xml(out, run->proof->name);
    lb_buffer_print(out, "\" time=\"%.6f\"", (double)took_ns / 1e9);
    if (run->failure_count == 0 && !run->broken) {
        lb_buffer_append_str(out, LB_STR("/>\n"));
        return;
    }
    lb_buffer_append_str(out, LB_STR(">\n    <failure message=\"not as expected\">"));
    write_xml(out, lb_buffer_str(&run->failures));
    lb_buffer_append_str(out, LB_STR("</failure>\n  </testcase>\n"));
}

void proof_report_one(struct proof_report *report, const struct proof_file *file, const struct proof_run *run,
                      int64_t took_ns)
{
    report->totals.proofs++;
    report->totals.failed += run->failure_count > 0 || run->broken;
    if (report->json)
        add_json(report, file, run, took_ns);
    else
        print_one(report, file, run);
    add_junit(report, file, run, took_ns);
}

/* --- coverage ------------------------------------------------------------------------------------------ */

static void count_thresholds(const struct proof_file *file, uint32_t *all, uint32_t *fired)
{
    const struct lb_alerting *alerting = &file->config->alerting;

    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        for (uint32_t severity = 0; severity < LB_SEVERITY_COUNT; severity++) {
            *all += alerting->rules[i].thresholds[severity].set;
            *fired += alerting->rules[i].thresholds[severity].set && file->fired[i * LB_SEVERITY_COUNT + severity];
        }
    }
}

static void each_unfired(const struct proof_file *file,
                         void (*tell)(void *context, struct lb_str rule, const char *severity, bool shadow),
                         void *context)
{
    const struct lb_alerting *alerting = &file->config->alerting;

    for (uint32_t i = 0; i < alerting->rule_count; i++)
        for (uint32_t severity = 0; severity < LB_SEVERITY_COUNT; severity++)
            if (alerting->rules[i].thresholds[severity].set && !file->fired[i * LB_SEVERITY_COUNT + severity])
                tell(context, alerting->rules[i].name, severity_names[severity], alerting->rules[i].shadow);
}

static void print_unfired(void *context, struct lb_str rule, const char *severity, bool shadow)
{
    (void)context;
    printf("  never fired: " LB_STR_FMT " %s%s\n", LB_STR_ARG(rule), severity,
           shadow ? " (shadow: nobody is told)" : "");
}

static void write_unfired(void *context, struct lb_str rule, const char *severity, bool shadow)
{
    struct lb_buffer *out = context;

    (void)shadow;
    if (out->len > 0 && out->ptr[out->len - 1] == '}')
        lb_buffer_append_char(out, ',');
    lb_buffer_append_str(out, LB_STR("{\"rule\":"));
    write_string(out, rule);
    lb_buffer_print(out, ",\"severity\":\"%s\"}", severity);
}

void proof_report_coverage(struct proof_report *report, const struct proof_file *file)
{
    uint32_t all = 0;
    uint32_t fired = 0;

    count_thresholds(file, &all, &fired);
    if (!report->json) {
        printf("%s: %u of %u thresholds fired in some test\n", file->path, fired, all);
        each_unfired(file, print_unfired, NULL);
        return;
    }
    struct lb_buffer *out = &report->results;
    if (out->len > 0)
        lb_buffer_append_char(out, ',');
    lb_buffer_append_str(out, LB_STR("{\"coverage\":"));
    write_string(out, lb_str_from(file->path));
    lb_buffer_print(out, ",\"thresholds\":%u,\"fired\":%u,\"never\":[", all, fired);
    each_unfired(file, write_unfired, out);
    lb_buffer_append_str(out, LB_STR("]}"));
}

/* --- the end ----------------------------------------------------------------------------------------------- */

static bool write_junit(const struct proof_report *report, const char *path)
{
    FILE *file = fopen(path, "we");
    bool ok = file != NULL;

    if (ok) {
        fprintf(file,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"logboom test\" tests=\"%u\" "
                "failures=\"%u\">\n",
                report->totals.proofs, report->totals.failed);
        fwrite(report->junit.ptr, 1, report->junit.len, file);
        fputs("</testsuite>\n", file);
        ok = ferror(file) == 0;
        ok = fclose(file) == 0 && ok;
    }
    if (!ok)
        fprintf(stderr, "logboom: cannot write %s: %s\n", path, strerror(errno));
    return ok;
}

bool proof_report_end(struct proof_report *report, const char *junit_path)
{
    const struct proof_totals *totals = &report->totals;

    if (report->json)
        printf("{\"tests\":%u,\"failed\":%u,\"results\":[" LB_STR_FMT "]}\n", totals->proofs, totals->failed,
               LB_STR_ARG(lb_buffer_str(&report->results)));
    else
        printf("%u test%s, %u failed\n", totals->proofs, totals->proofs == 1 ? "" : "s", totals->failed);
    return junit_path == NULL || write_junit(report, junit_path);
}
