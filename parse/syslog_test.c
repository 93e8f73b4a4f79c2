/*
 * Syslog messages: what each header says must reach the record, and no text may be lost. The corpus tests print how
 * many of its cases come out as expected.
 */
#include "lb_corpus.h"
#include "lb_test.h"

#include "envelope_syslog.c"
#include "parser_syslog.c"
#include "syslog.h"

#include "lb_time.h"

#define NOW (INT64_C(1549615069) * LB_SECOND) /* 2019-02-08T08:37:49Z */

struct reading {
    struct lb_batch batch;
    struct lb_record record;
};

/* One message as a datagram, through the envelope. */
static void read_one(struct reading *reading, struct lb_str text, int64_t now)
{
    static struct lb_event slab[64 * 1024];
    struct lb_batch *batch = &reading->batch;

    memset(reading, 0, sizeof(*reading));
    batch->bytes = (char *)slab;
    batch->capacity = sizeof(slab);
    batch->arrival_ns = now;
    batch->counted = true;
    lb_arena_init(&batch->arena, 1 << 22);
    if (text.len > 0)
        memcpy(batch->bytes, text.ptr, text.len);
    batch->length = (uint32_t)text.len;
    lb_batch_note(batch, 0, text.len);
    assert_int_equal(lb_envelope_syslog.open(batch), LB_OK);
    assert_int_equal(batch->record_count, 1);
    reading->record = batch->records[0];
}

static void done_with(struct reading *reading)
{
    lb_arena_free(&reading->batch.arena);
}

static struct lb_str text_of(struct lb_value value)
{
    return value.kind == LB_VALUE_NONE ? LB_STR("") : (struct lb_str){ value.ptr, value.len };
}

static struct lb_str field_of(const struct lb_record *record, const char *name)
{
    struct lb_field *field = lb_record_field(record, lb_str_from(name));

    return field == NULL ? LB_STR("") : text_of(field->value);
}

struct message_case {
    const char *in;
    int priority;
    const char *time; /* NULL: that of arrival */
    const char *host;
    const char *service;
    const char *pid;
    const char *msgid;
    const char *data;
    const char *message;
    const char *reason; /* a part of it; NULL: no parse error */
};

#define ISO "2026-01-31T12:34:56.5Z"

static const struct message_case cases[] = {
    /* RFC 5424 */
    { "<165>1 " ISO " web1 shop 411 ID9 [a@1 k=\"v\" n=\"2\"] hello", 165, ISO, "web1", "shop", "411", "ID9",
      "{\"a@1\":{\"k\":\"v\",\"n\":\"2\"}}", "hello", NULL },
    { "<0>1 - - - - - -", 0, NULL, "", "", "", "", "", "", NULL },
    { "<14>1 " ISO " h a - - - \xef\xbb\xbfwith bom", 14, ISO, "h", "a", "", "", "", "with bom", NULL },
    { "<14>1 " ISO " h a - - -  two blanks", 14, ISO, "h", "a", "", "", "", " two blanks", NULL },
    { "<14>1 " ISO " h a - - [x][y z=\"\"]", 14, ISO, "h", "a", "", "", "{\"x\":{},\"y\":{\"z\":\"\"}}", "", NULL },
    { "<14>1 - h a - - [x k=\"1\" k=\"2\"] m", 14, NULL, "h", "a", "", "", "{\"x\":{\"k\":[\"1\",\"2\"]}}", "m", NULL },
    { "<14>1 - h a - - [x k=\"1\"][y][x k=\"2\"] m", 14, NULL, "h", "a", "", "",
      "{\"x\":[{\"k\":\"1\"},{\"k\":\"2\"}],\"y\":{}}", "m", NULL },
    { "<14>1 - h a - - [x k=\"a\\\"b\\\\c\\]d\\n\t\"] m", 14, NULL, "h", "a", "", "",
      "{\"x\":{\"k\":\"a\\\"b\\\\c]d\\\\n\\u0009\"}}", "m", NULL },
    { "<14>1 - h a - - [x sub=Vim user=root] m", 14, NULL, "h", "a", "", "",
      "{\"x\":{\"sub\":\"Vim\",\"user\":\"root\"}}", "m", NULL },
    { "<14>1 - h a - - [x k=\"]bad\"] m", 14, NULL, "h", "a", "", "", "", "[x k=\"]bad\"] m", "structured data" },
    { "<14>1 - h a - - [x k=\"open", 14, NULL, "h", "a", "", "", "", "[x k=\"open", "structured data" },
    { "<14>1 - h a - - [] m", 14, NULL, "h", "a", "", "", "", "[] m", "structured data" },
    { "<14>1 - h a - - no data", 14, NULL, "h", "a", "", "", "", "no data", "missing" },
    { "<14>1 - h a", 14, NULL, "h", "a", "", "", "", "", "ends early" },
    { "<14>1 2026-01-31 12:34:56 h a - - - blank for T", 14, "2026-01-31T12:34:56Z", "h", "a", "", "", "",
      "blank for T", NULL },
    { "<14>1 2026-02-31T12:34:56Z h a - - - m", 14, NULL, "", "", "", "", "", "1 2026-02-31T12:34:56Z h a - - - m",
      "timestamp" },
    { "<14>7 " ISO " h a - - - like version 1", 14, ISO, "h", "a", "", "", "", "like version 1", NULL },
    { "<14>7 apples fell", 14, NULL, "", "", "", "", "", "7 apples fell", "version" },
    { "<14>1 - h\x01 a - - - m", 14, NULL, "", "", "", "", "", "h\x01 a - - - m", "a field" },
    /* PRI */
    { "<192>1 - h a - - - m", 13, NULL, "", "", "", "", "", "<192>1 - h a - - - m", "priority" },
    { "<>m", 13, NULL, "", "", "", "", "", "<>m", "priority" },
    { "<", 13, NULL, "", "", "", "", "", "<", "priority" },
    { "<1a>m", 13, NULL, "", "", "", "", "", "<1a>m", "priority" },
    { "<007>x: m", 7, NULL, "", "x", "", "", "", "m", NULL },
    { "<13>", 13, NULL, "", "", "", "", "", "", NULL },
    { "", 13, NULL, "", "", "", "", "", "", NULL },
    { "m\r\n", 13, NULL, "", "", "", "", "", "m", NULL },
    { "m\n\0", 13, NULL, "", "", "", "", "", "m", NULL },
    { "47 <2>Oct 11 22:14:15 h sshd[12]: counted", 2, "2018-10-11T22:14:15Z", "h", "sshd", "12", "", "", "counted",
      NULL },
    /* RFC 3164 */
    { "<34>Oct 11 22:14:15 mymachine su: failed for x", 34, "2018-10-11T22:14:15Z", "mymachine", "su", "", "", "",
      "failed for x", NULL },
    { "<34>Oct 11 22:14:15 su[7]: no host", 34, "2018-10-11T22:14:15Z", "", "su", "7", "", "", "no host", NULL },
    { "<34>Oct 11 22:14:15 h sshd(pam_unix)[7]: m", 34, "2018-10-11T22:14:15Z", "h", "sshd(pam_unix)", "7", "", "", "m",
      NULL },
    { "<34>Oct 11 22:14:15 2001:db8::1 prg: m", 34, "2018-10-11T22:14:15Z", "2001:db8::1", "prg", "", "", "", "m",
      NULL },
    { "<34>Oct 11 22:14:15 h Use the force", 34, "2018-10-11T22:14:15Z", "h", "", "", "", "", "Use the force", NULL },
    { "<34>Oct 11 22:14:15 h apache [warn] x", 34, "2018-10-11T22:14:15Z", "h", "apache", "", "", "", "[warn] x",
      NULL },
    { "<34>Oct 11 22:14:15 h a,b: c", 34, "2018-10-11T22:14:15Z", "h", "", "", "", "", "a,b: c", NULL },
    { "<34>Oct 11 22:14:15 h see http://x/y", 34, "2018-10-11T22:14:15Z", "h", "", "", "", "", "see http://x/y", NULL },
    { "<34>Oct 11 22:14:15 h 12:30:01 tick", 34, "2018-10-11T22:14:15Z", "h", "", "", "", "", "12:30:01 tick", NULL },
    { "<34>Oct 11 22:14:15 h last message repeated 3 times", 34, "2018-10-11T22:14:15Z", "h", "", "", "", "",
      "last message repeated 3 times", NULL },
    { "<34>2026-01-31T12:34:56+01:00 h a[b-1]: iso", 34, "2026-01-31T11:34:56Z", "h", "a", "b-1", "", "", "iso", NULL },
    { "<34>Feb 29 12:00:00 h a: no leap year", 34, NULL, "h", "a", "", "", "", "no leap year", "no such date" },
    { "<30>xapi: [error|1] died", 30, NULL, "", "xapi", "", "", "", "[error|1] died", NULL },
    { "<30>Use the force", 30, NULL, "", "", "", "", "", "Use the force", NULL },
    { "<30>{\"a\":1}", 30, NULL, "", "", "", "", "", "{\"a\":1}", NULL },
    { "<30>\xef\xbb\xbfOct  9 22:33:20 h a: bom first", 30, "2018-10-09T22:33:20Z", "h", "a", "", "", "", "bom first",
      NULL },
    { "su: no evidence", 13, NULL, "", "", "", "", "", "su: no evidence", NULL },
    { "Oct 11 22:14:15 h su: without pri", 13, "2018-10-11T22:14:15Z", "h", "su", "", "", "", "without pri", NULL },
    /* BusyBox */
    { "Oct 11 22:14:15 h daemon.err dropbear[7]: m", 27, "2018-10-11T22:14:15Z", "h", "dropbear", "7", "", "", "m",
      NULL },
    { "<14>Oct 11 22:14:15 h daemon.err: m", 14, "2018-10-11T22:14:15Z", "h", "daemon.err", "", "", "", "m", NULL },
    { "<14>Oct 11 22:14:15 Message forwarded from aix1: sshd[5]: m", 14, "2018-10-11T22:14:15Z", "aix1", "sshd", "5",
      "", "", "m", NULL },
    { "<14>Oct 11 22:14:15 nas 1 " ISO " nas.local middlewared 12 - - nested", 14, ISO, "nas.local", "middlewared",
      "12", "", "", "nested", NULL },
    /* priorities in words: AIX, F5, OpenWrt; NetScaler's date */
    { "Oct 11 22:14:15 h auth|security:info sshd[7]: m", 38, "2018-10-11T22:14:15Z", "h", "sshd", "7", "", "", "m",
      NULL },
    { "<131>Oct 11 22:14:15 h err mcpd[6]: m", 131, "2018-10-11T22:14:15Z", "h", "mcpd", "6", "", "", "m", NULL },
    { "<131>Oct 11 22:14:15 h err no: m", 131, "2018-10-11T22:14:15Z", "h", "", "", "", "", "err no: m", NULL },
    { "Thu Oct 11 22:14:15 2018 daemon.notice netifd: m", 29, "2018-10-11T22:14:15Z", "", "netifd", "", "", "", "m",
      NULL },
    { "<134> 10/11/2018:22:14:15 GMT ns1 0-PPE-0 : default TCP", 134, "2018-10-11T22:14:15Z", "ns1", "", "", "", "",
      "0-PPE-0 : default TCP", NULL },
    { "<134> 10/41/2018:22:14:15 GMT ns1 x", 134, NULL, "", "10/41/2018", "", "", "", "22:14:15 GMT ns1 x", NULL },
    /* Cisco */
    { "<189>29: sw1: *Apr 29 13:58:40.411: %SYS-5-CONFIG_I: Configured", 189, "2018-04-29T13:58:40.411Z", "sw1",
      "%SYS-5-CONFIG_I", "", "", "{\"meta\":{\"sequenceId\":\"29\"},\"timeQuality\":{\"isSynced\":\"0\"}}",
      "Configured", NULL },
    { "<190>.Apr 15 2007 21:28:13: %PIX-6-302014: Teardown", 190, "2007-04-15T21:28:13Z", "", "%PIX-6-302014", "", "",
      "{\"timeQuality\":{\"isSynced\":\"1\"}}", "Teardown", NULL },
    { "<187>RP/0/RSP0/CPU0:Sep 18 17:53:45.456 CEST: mgr[65]: %MGR-3-X : m", 187, "2018-09-18T15:53:45.456Z", "", "mgr",
      "65", "", "", "%MGR-3-X : m", NULL },
    { "<187>: 2025 Jun 25 11:27:28 GMT: %AUTH-3-X: m", 187, "2025-06-25T11:27:28Z", "", "%AUTH-3-X", "", "", "", "m",
      NULL },
    { "<190>12: host1: %SYS-5-X: m", 190, NULL, "host1", "%SYS-5-X", "", "", "{\"meta\":{\"sequenceId\":\"12\"}}", "m",
      NULL },
    { "1 " ISO " h a 12 - - without pri", 13, ISO, "h", "a", "12", "", "", "without pri", NULL },
    { "<14>2: .", 14, NULL, "", "", "", "", "", "2: .", NULL },
};

static void check_case(const struct message_case *test)
{
    struct reading reading;
    struct lb_record *record = &reading.record;
    int64_t time = NOW;
    const char *wrong = NULL;

    /* The one case with a NUL inside its literal. */
    read_one(&reading, lb_str_is(lb_str_from(test->in), "m\n") ? LB_STR("m\n\0") : lb_str_from(test->in), NOW);
    if (test->time != NULL)
        assert_true(lb_time_rfc3339(lb_str_from(test->time), &time));
    if (record->facility != test->priority / 8 + 1 || record->level != test->priority % 8)
        wrong = "priority";
    if (record->time_ns != time || ((record->flags & LB_RECORD_NO_TIME) != 0) != (test->time == NULL))
        wrong = "time";
    if (!lb_str_is(text_of(record->host), test->host))
        wrong = "host";
    if (!lb_str_is(text_of(record->service), test->service))
        wrong = "service";
    if (!lb_str_is(field_of(record, "pid"), test->pid))
        wrong = "pid";
    if (!lb_str_is(field_of(record, "msgid"), test->msgid))
        wrong = "msgid";
    if (!lb_str_is(field_of(record, "structured_data"), test->data))
        wrong = "structured data";
    if (!lb_str_is(text_of(record->message), test->message))
        wrong = "message";
    if (((record->flags & LB_RECORD_PARSE_ERROR) != 0) != (test->reason != NULL))
        wrong = "parse error";
    else if (test->reason != NULL && strstr(record->reason.ptr, test->reason) == NULL)
        wrong = "reason";
    if (wrong != NULL)
        fail_msg("%s of \"%s\": host=" LB_STR_FMT " service=" LB_STR_FMT " data=" LB_STR_FMT " message=" LB_STR_FMT
                 " reason=" LB_STR_FMT,
                 wrong, test->in, LB_STR_ARG(text_of(record->host)), LB_STR_ARG(text_of(record->service)),
                 LB_STR_ARG(field_of(record, "structured_data")), LB_STR_ARG(text_of(record->message)),
                 LB_STR_ARG(record->reason));
    done_with(&reading);
}

static void reads_each_dialect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_case(&cases[i]);
}

static void cuts_long_header_fields_and_keeps_the_rest(void **state)
{
    char text[1024];
    char host[300];
    struct reading reading;

    (void)state;
    memset(host, 'h', sizeof(host));
    snprintf(text, sizeof(text), "<34>1 - %.300s app - - - m", host);
    read_one(&reading, lb_str_from(text), NOW);
    assert_int_equal(reading.record.host.len, 255);
    assert_text(text_of(reading.record.service), "app");
    assert_text(text_of(reading.record.message), "m");
    done_with(&reading);
}

static void more_structured_data_than_is_compared_stays_text(void **state)
{
    static char text[20000] = "<34>1 - h a - - ";
    size_t len = strlen(text);
    struct reading reading;
    struct lb_field *field;

    (void)state;
    for (int i = 0; i < 1000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "[x%d k=\"v\"]", i);
    snprintf(text + len, sizeof(text) - len, " m");
    read_one(&reading, lb_str_from(text), NOW);
    field = lb_record_field(&reading.record, LB_STR("structured_data"));
    assert_non_null(field);
    assert_int_equal(field->value.kind, LB_VALUE_TEXT);
    assert_text(text_of(reading.record.message), "m");
    done_with(&reading);
}

static void the_peer_is_the_host_where_the_header_names_none(void **state)
{
    struct lb_event slab[64];
    struct lb_str peers[2] = { LB_STR("192.0.2.7"), LB_STR("192.0.2.8") };
    struct lb_batch batch = {
        .bytes = (char *)slab, .capacity = sizeof(slab), .counted = true, .peers = peers, .arrival_ns = NOW
    };

    (void)state;
    lb_arena_init(&batch.arena, 1 << 20);
    memcpy(batch.bytes, "<13>x: m<13>1 - web1 - - - -", 28);
    batch.length = 28;
    lb_batch_note(&batch, 0, 8);
    lb_batch_note(&batch, 8, 20);
    assert_int_equal(lb_envelope_syslog.open(&batch), LB_OK);
    assert_text(text_of(batch.records[0].host), "192.0.2.7");
    assert_text(text_of(batch.records[1].host), "web1");
    assert_int_equal(batch.records[1].start, 1);
    lb_arena_free(&batch.arena);
}

static void the_parser_takes_syslog_lines_and_leaves_others(void **state)
{
    static const struct {
        const char *line;
        enum lb_err expected;
        int level;
    } lines[] = {
        { "Oct 11 22:14:15 h su[7]: m", LB_OK, LB_LEVEL_NONE },
        { "2026-01-31T12:34:56.123+01:00 h su[7]: m", LB_OK, LB_LEVEL_NONE },
        { "<11>su[7]: m", LB_OK, LB_LEVEL_ERROR },
        { "Just a line", LB_BAD_INPUT, 0 },
        { "su: also none", LB_BAD_INPUT, 0 },
        { "<999>none", LB_BAD_INPUT, 0 },
        { "", LB_BAD_INPUT, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct lb_batch batch = { .arrival_ns = NOW };
        struct lb_parse_context context = { .batch = &batch };
        struct lb_record record = { .message = lb_value_text(lb_str_from(lines[i].line)), .level = LB_LEVEL_NONE };
        struct lb_record before = record;

        lb_arena_init(&batch.arena, 1 << 20);
        assert_int_equal(lb_parser_syslog.parse(NULL, &record, &context), lines[i].expected);
        if (lines[i].expected == LB_OK) {
            assert_text(text_of(record.message), "m");
            assert_text(text_of(record.service), "su");
            assert_int_equal(record.level, lines[i].level);
        } else {
            assert_non_null(context.reason);
            assert_memory_equal(&record, &before, sizeof(record));
        }
        lb_arena_free(&batch.arena);
    }
}

static void a_full_arena_leaves_the_whole_frame_as_text(void **state)
{
    struct lb_event slab[64];
    struct lb_batch batch = { .bytes = (char *)slab, .capacity = sizeof(slab), .counted = true };
    static const char text[] = "<13>1 - h a 12 m [x k=\"v\"] hello";

    (void)state;
    lb_arena_init(&batch.arena, 1 << 20);
    memcpy(batch.bytes, text, sizeof(text) - 1);
    lb_batch_note(&batch, 0, sizeof(text) - 1);
    /* Room for the record, none for its fields. */
    do
        assert_non_null(lb_arena_alloc(&batch.arena, 8));
    while ((size_t)(batch.arena.end - batch.arena.next) >= sizeof(struct lb_record) + 16);
    batch.arena.bytes_max = batch.arena.bytes_held;
    assert_int_equal(lb_envelope_syslog.open(&batch), LB_OK);
    assert_text(text_of(batch.records[0].message), text);
    assert_text(batch.records[0].reason, "no room in the batch");
    assert_int_equal(batch.records[0].field_count, 0);
    lb_arena_free(&batch.arena);
}

/* --- corpus ------------------------------------------------------------------- */

static bool same_json(struct lb_str expected, struct lb_str actual);

static uint32_t count_members(struct lb_str object)
{
    uint32_t count = 0;

    for (const char *ptr = corpus_skip_blanks(object.ptr + 1); *ptr == '"'; count++) {
        ptr = corpus_skip(corpus_skip_blanks(corpus_skip(ptr)));
        ptr = corpus_skip_blanks(ptr);
    }
    return count;
}

static bool same_members(struct lb_str expected, struct lb_str actual)
{
    if (*actual.ptr != '{' || count_members(expected) != count_members(actual))
        return false;
    for (const char *ptr = corpus_skip_blanks(expected.ptr + 1); *ptr == '"';) {
        struct lb_str key = { ptr, (size_t)(corpus_skip(ptr) - ptr) };
        struct lb_str name = corpus_text(key);
        struct lb_str value = { corpus_skip_blanks(ptr + key.len), 0 };
        struct lb_str other = corpus_get(actual, name.ptr);

        value.len = (size_t)(corpus_skip(value.ptr) - value.ptr);
        free((void *)name.ptr);
        if (other.ptr == NULL || !same_json(value, other))
            return false;
        ptr = corpus_skip_blanks(value.ptr + value.len);
    }
    return true;
}

/* Without regard to the order of members. */
static bool same_json(struct lb_str expected, struct lb_str actual)
{
    const char *left = expected.ptr + 1;
    const char *right = actual.ptr + 1;

    if (*expected.ptr == '{')
        return same_members(expected, actual);
    if (*expected.ptr != '[') {
        struct lb_str a = corpus_text(expected);
        struct lb_str b = corpus_text(actual);
        bool same = lb_str_equal(a, b);

        free((void *)a.ptr);
        free((void *)b.ptr);
        return same;
    }
    if (*actual.ptr != '[')
        return false;
    for (left = corpus_skip_blanks(left), right = corpus_skip_blanks(right); *left != ']' && *right != ']';) {
        struct lb_str a = { left, (size_t)(corpus_skip(left) - left) };
        struct lb_str b = { right, (size_t)(corpus_skip(right) - right) };

        if (!same_json(a, b))
            return false;
        left = corpus_skip_blanks(left + a.len);
        right = corpus_skip_blanks(right + b.len);
    }
    return *left == *right;
}

static bool is_null(struct lb_str value)
{
    return value.ptr == NULL || lb_str_is(value, "null");
}

/* `expected` missing: not compared; null: must be empty. */
static bool same_text(struct lb_str expected, struct lb_str actual)
{
    struct lb_str text;
    struct lb_str bare;
    bool same;

    if (expected.ptr == NULL)
        return true;
    text = bare = corpus_text(expected);
    if (*expected.ptr == '{') {
        free((void *)text.ptr);
        text = bare = corpus_base64(corpus_get(expected, "b64"));
    }
    /* Some have the BOM as text of the message; here it is no part of it. */
    if (bare.len >= 3 && memcmp(bare.ptr, "\xef\xbb\xbf", 3) == 0)
        bare = (struct lb_str){ bare.ptr + 3, bare.len - 3 };
    same = lb_str_equal(syslog_trim(bare), actual);
    free((void *)text.ptr);
    return same;
}

/* Of an option that writes raw octets as \\xNN: here they pass as they are. */
static bool is_of_another_option(struct lb_str expect)
{
    struct lb_str flags = corpus_get(expect, "flags");

    return flags.ptr != NULL && memmem(flags.ptr, flags.len, "utf8_sanitized", 14) != NULL;
}

/* A year that the text does not have is compared by nobody: what is the right one depends on the clock. */
static bool same_time(struct lb_str expected, struct lb_str expect, const struct lb_record *record)
{
    char written[LB_TIME_TEXT_SIZE + 1] = { 0 };
    char wanted[LB_TIME_TEXT_SIZE + 1] = { 0 };
    struct lb_str text;
    int64_t time;
    bool inferred = corpus_get(expect, "year_inferred").ptr != NULL;

    if (expected.ptr != NULL && *expected.ptr == '{')
        expected = corpus_get(expected, "$time");
    if (is_null(expected))
        return expected.ptr == NULL || (record->flags & LB_RECORD_NO_TIME) != 0;
    text = corpus_text(expected);
    if (memcmp(text.ptr, "????", 4) == 0) {
        memcpy((char *)(uintptr_t)text.ptr, "2018", 4);
        inferred = true;
    }
    assert_true(lb_time_rfc3339(text, &time));
    free((void *)text.ptr);
    lb_time_write(time, wanted);
    lb_time_write(record->time_ns, written);
    return (record->flags & LB_RECORD_NO_TIME) == 0 &&
           strcmp(written + (inferred ? 4 : 0), wanted + (inferred ? 4 : 0)) == 0;
}

static bool same_data(struct lb_str expected, const struct lb_record *record)
{
    struct lb_field *field = lb_record_field(record, LB_STR("structured_data"));

    if (expected.ptr == NULL)
        return true;
    if (lb_str_is(expected, "{}"))
        return field == NULL;
    return field != NULL && same_json(expected, (struct lb_str){ field->value.ptr, field->value.len });
}

static const char *compare(struct lb_str expect, const struct lb_record *record)
{
    struct lb_str severity = corpus_get(expect, "severity");
    struct lb_str facility = corpus_get(expect, "facility");

    if (severity.ptr != NULL && !corpus_is_string(severity) && strtol(severity.ptr, NULL, 10) != record->level)
        return "severity";
    if (facility.ptr != NULL && !corpus_is_string(facility) && strtol(facility.ptr, NULL, 10) + 1 != record->facility)
        return "facility";
    if (!same_time(corpus_get(expect, "timestamp"), expect, record))
        return "timestamp";
    if (!same_text(corpus_get(expect, "hostname"), text_of(record->host)))
        return "hostname";
    if (!same_text(corpus_get(expect, "appname"), text_of(record->service)))
        return "appname";
    if (!same_text(corpus_get(expect, "procid"), field_of(record, "pid")))
        return "procid";
    if (!same_text(corpus_get(expect, "msgid"), field_of(record, "msgid")))
        return "msgid";
    if (!same_data(corpus_get(expect, "structured_data"), record) || !same_data(corpus_get(expect, "sd"), record))
        return "structured_data";
    if (!same_text(corpus_get(expect, "message"), text_of(record->message)))
        return "message";
    return NULL;
}

static int64_t now_of(struct lb_str line)
{
    struct lb_str text = corpus_text(corpus_get(corpus_get(line, "ctx"), "now"));
    int64_t now;

    if (!lb_time_rfc3339(text, &now))
        now = NOW;
    free((void *)text.ptr);
    return now;
}

/* What a strict reader saved of a message that it refused: PRI only, for what follows is a matter of taste. */
static const char *compare_refused(struct lb_str line, const struct lb_record *record)
{
    struct lb_str severity = corpus_get(corpus_get(line, "partial"), "severity");

    if (severity.ptr != NULL && strtol(severity.ptr, NULL, 10) != record->level)
        return "severity";
    return NULL;
}

static void run_corpus(const char *name, int percent)
{
    struct corpus corpus;
    struct lb_str line;
    int right = 0;
    int wrong = 0;

    if (!corpus_open(&corpus, name))
        skip();
    while (corpus_next(&corpus, &line)) {
        struct lb_str kind = corpus_get(line, "kind");
        struct lb_str text;
        struct reading reading;
        const char *fault;

        if ((kind.ptr != NULL && !lb_str_is(kind, "\"message\"")) || is_of_another_option(corpus_get(line, "expect")))
            continue;
        text = corpus_bytes(line, "in", "in_b64");
        read_one(&reading, text, now_of(line));
        fault = lb_str_is(corpus_get(line, "valid"), "false") ? compare_refused(line, &reading.record)
                                                              : compare(corpus_get(line, "expect"), &reading.record);
        if (fault == NULL)
            right++;
        else
            printf("%d. wrong %s: %.300s\n", ++wrong, fault, line.ptr);
        done_with(&reading);
        free((void *)text.ptr);
    }
    corpus_close(&corpus);
    printf("%s: %d right, %d wrong (%.1f %%)\n", name, right, wrong, 100.0 * right / (right + wrong));
    assert_true(right * 100 >= (right + wrong) * percent);
}

static void agrees_with_the_corpus_on_rfc5424(void **state)
{
    (void)state;
    run_corpus("syslog/rfc5424.jsonl", 98);
}

static void agrees_with_the_corpus_on_rfc3164(void **state)
{
    (void)state;
    run_corpus("syslog/rfc3164.jsonl", 94);
}

static void agrees_with_the_corpus_on_lenient_readers(void **state)
{
    (void)state;
    run_corpus("syslog/lenient.jsonl", 99);
}

static void agrees_with_the_corpus_on_what_a_good_receiver_does(void **state)
{
    (void)state;
    run_corpus("syslog/cases.jsonl", 95);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_dialect),
        cmocka_unit_test(cuts_long_header_fields_and_keeps_the_rest),
        cmocka_unit_test(more_structured_data_than_is_compared_stays_text),
        cmocka_unit_test(the_peer_is_the_host_where_the_header_names_none),
        cmocka_unit_test(the_parser_takes_syslog_lines_and_leaves_others),
        cmocka_unit_test(a_full_arena_leaves_the_whole_frame_as_text),
        cmocka_unit_test(agrees_with_the_corpus_on_rfc5424),
        cmocka_unit_test(agrees_with_the_corpus_on_rfc3164),
        cmocka_unit_test(agrees_with_the_corpus_on_lenient_readers),
        cmocka_unit_test(agrees_with_the_corpus_on_what_a_good_receiver_does),
    };

    return cmocka_run_group_tests_name("parse/syslog", tests, NULL, NULL);
}
