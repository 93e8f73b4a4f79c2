/* grok_test.c - patterns written out, types, fields within fields, faults; the corpus. */
#include "grok.c"

#include "lb_test_parser.h"

static struct lb_arena arena;

static enum lb_err compiled(struct grok *grok, const char *pattern, struct lb_pair *items, size_t count,
                            struct grok_fault *fault)
{
    struct grok_definitions definitions = { items, count, false };

    return grok_compile(grok, &arena, lb_str_from(pattern), &definitions, 1000000, fault);
}

/* "key=value;" of a match, numbers in brackets; NULL: none. */
static const char *matched(const char *pattern, const char *line, struct lb_pair *items, size_t count)
{
    static char out[4096];
    struct lb_field fields[GROK_CAPTURES_MAX];
    struct grok_fault fault = { "" };
    const char *reason = NULL;
    struct grok grok;
    uint32_t found = 0;
    size_t len = 0;

    if (compiled(&grok, pattern, items, count, &fault) != LB_OK)
        fail_msg("%s: %s", pattern, fault.text);
    if (grok_match(&grok, lb_str_from(line), &arena, fields, &found, &reason) != LB_OK) {
        grok_free(&grok);
        return NULL;
    }
    out[0] = '\0';
    for (uint32_t i = 0; i < found; i++) {
        bool bare = fields[i].value.kind == LB_VALUE_NUMBER;

        len +=
            (size_t)snprintf(out + len, sizeof(out) - len, "%.*s=%s%.*s%s;", (int)fields[i].key.len, fields[i].key.ptr,
                             bare ? "[" : "", (int)fields[i].value.len, fields[i].value.ptr, bare ? "]" : "");
    }
    grok_free(&grok);
    return out;
}

static void captures_are_named_and_typed(void **unused)
{
    static struct lb_pair own[] = { { LB_STR("ID"), LB_STR("[a-f0-9]{4}") },
                                    { LB_STR("WORD"), LB_STR("own\\w+") },
                                    { LB_STR("PAIR"), LB_STR("%{ID:left}/%{ID:right}") } };
    static const struct {
        const char *pattern;
        const char *line;
        const char *expected;
    } cases[] = {
        { "%{IP:client_ip} %{INT:n:int} %{NUMBER:x:float}", "192.0.2.1 007 1.50",
          "client_ip=192.0.2.1;n=[7];x=[1.50];" },
        { "%{NOTSPACE:[http][request][method]}", "GET /", "http.request.method=GET;" },
        { "(?<verb>GET|PUT) (x)?%{NOTSPACE:path}", "GET /", "verb=GET;path=/;" },
        { "%{INT:a}?-%{INT:b}", "-5", "b=5;" },
        { "%{PAIR} %{WORD:w}", "00ff/abcd ownword", "left=00ff;right=abcd;w=ownword;" },
        { "%{PAIR} %{WORD:w}", "00ff/abcd word", NULL },
        { "^b%{DATA:x}$", "a\nb1\nc", "x=1;" },
        { "%{DATA:a}\\.%{GREEDYDATA:b}", "x.y.z", "a=x;b=y.z;" },
        { "^%{INT - the first} %{INT:n}$", "1 2", "n=2;" },
        { "100\\%{x} %{INT:n}", "100%{x} 5", "n=5;" },
        { "%{INT:n} %{INT:n}", "1 2", "n=1;n=2;" },
        { "%{INT:t:duration}", "5", "t=[5];" },
        { "%{IPV6:v}", "x 2001:db8::5 y", "v=2001:db8::5;" },
        { "%{IPV6:v}$", "::ffff:192.0.2.1", "v=::ffff:192.0.2.1;" },
        { "%{TIMESTAMP_ISO8601:t} %{LOGLEVEL:l}", "2026-03-01T10:00:00.5+01:00 ERROR",
          "t=2026-03-01T10:00:00.5+01:00;l=ERROR;" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = matched(cases[i].pattern, cases[i].line, own, 3);

        if ((found == NULL) != (cases[i].expected == NULL) || (found != NULL && strcmp(found, cases[i].expected) != 0))
            fail_msg("%s on %s: expected %s, got %s", cases[i].pattern, cases[i].line,
                     cases[i].expected != NULL ? cases[i].expected : "no match", found != NULL ? found : "no match");
    }
}

static void names_of_formats_match_what_their_programs_write(void **unused)
{
    static const struct {
        const char *pattern;
        const char *line;
        const char *expected;
    } cases[] = {
        /* Cisco */
        { "%{CISCOFW104002}", "(Primary) Switching to STANDBY - Other unit wants me",
          "switch_reason=Other unit wants me;" },
        { "%{CISCOFW105004}", "(Secondary) Monitoring on interface inside normal", "interface_name=inside;" },
        { "%{CISCOFW105009}", "(Primary) Testing on Interface dmz Passed", "interface_name=dmz;" },
        { "%{CISCOFW106001}",
          "Inbound TCP connection denied from 192.0.2.1/51712 to 198.51.100.1/23 flags SYN  on interface outside",
          "direction=Inbound;protocol=TCP;action=denied;src_ip=192.0.2.1;src_port=51712;dst_ip=198.51.100.1;dst_port="
          "23;"
          "tcp_flags=SYN ;interface=outside;" },
        { "%{CISCOFW106100}",
          "access-list inside denied tcp inside/192.0.2.1(51712) -> outside/198.51.100.1(23)(LOCAL\\al) hit-cnt 1 "
          "first hit "
          "[0x1, 0x2]",
          "policy_id=inside;action=denied;protocol=tcp;src_interface=inside;src_ip=192.0.2.1;src_port=51712;"
          "dst_interface=outside;dst_ip=198.51.100.1;dst_port=23;dst_fwuser=LOCAL\\al;hit_count=1;interval=first "
          "hit;hashcode1=0x1;hashcode2=0x2;" },
        { "%{CISCOFW302010}", "2 in use, 5 most used", "connection_count=2;connection_count_max=5;" },
        { "%{CISCOFW302013_302014_302015_302016}",
          "Teardown TCP connection 7 for outside:192.0.2.1/443 to inside:198.51.100.1/51712 duration 0:00:01 bytes 12 "
          "TCP "
          "FINs (al)",
          "action=Teardown;protocol=TCP;connection_id=7;src_interface=outside;src_ip=192.0.2.1;src_port=443;"
          "dst_interface=inside;dst_ip=198.51.100.1;dst_port=51712;duration=0:00:01;bytes=12;" },
        { "%{CISCOFW305011}", "Built dynamic TCP translation from inside:192.0.2.1/51712 to outside:198.51.100.1/1024",
          "action=Built;xlate_type=dynamic;protocol=TCP;src_interface=inside;src_ip=192.0.2.1;src_port=51712;"
          "src_xlated_interface=outside;src_xlated_ip=198.51.100.1;src_xlated_port=1024;" },
        { "%{CISCOFW419002}",
          "Duplicate TCP SYN from inside:192.0.2.1/1 to outside:198.51.100.1/2 with different initial sequence number",
          "reason=Duplicate TCP SYN;src_interface=inside;src_ip=192.0.2.1;src_port=1;dst_interface=outside;"
          "dst_ip=198.51.100.1;dst_port=2;" },
        { "%{CISCOFW500004}", "Invalid transport field for protocol=UDP, from 192.0.2.1/1 to 198.51.100.1/0",
          "reason=Invalid transport field;protocol=UDP;src_ip=192.0.2.1;src_port=1;dst_ip=198.51.100.1;dst_port=0;" },
        { "%{CISCOFW602303_602304}",
          "IPSEC: An outbound LAN-to-LAN SA (SPI= 0x1F) between 192.0.2.1 and 198.51.100.1 (user= al) has been "
          "created.",
          "protocol=IPSEC;direction=outbound;tunnel_type=LAN-to-LAN;spi=0x1F;src_ip=192.0.2.1;dst_ip=198.51.100.1;user="
          "al;"
          "action=created;" },
        /* Ruby, MongoDB */
        { "%{RUBY_LOGGER}", "I, [2026-03-01T10:00:00.123456 #42]  INFO -- shop: up",
          "timestamp=2026-03-01T10:00:00.123456;pid=42;loglevel=INFO;progname=shop;message=up;" },
        { "%{MONGO_SLOWQUERY}",
          "query shop.orders query: { a: 1 } ntoreturn:5 ntoskip:0 nscanned:12 keyUpdates:0 nreturned:5 reslen:20 "
          "115ms",
          "database=shop;collection=orders;query={ a: 1 "
          "};ntoreturn=5;ntoskip=0;nscanned=12;nreturned=5;duration=115;" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = matched(cases[i].pattern, cases[i].line, NULL, 0);

        if (found == NULL || strcmp(found, cases[i].expected) != 0)
            fail_msg("%s on %s: expected %s, got %s", cases[i].pattern, cases[i].line, cases[i].expected,
                     found != NULL ? found : "no match");
    }
}

/* Written in place a dozen of them would be larger than PCRE2 takes. */
static void many_addresses_share_what_they_mean(void **unused)
{
    char pattern[1024] = "^%{IP:a}";
    char line[1024] = "2001:db8::1";
    char expected[1024] = "a=2001:db8::1;";

    (void)unused;
    for (int i = 0; i < 20; i++) {
        strcat(pattern, " %{IPORHOST:b}");
        strcat(line, i % 2 == 0 ? " 192.0.2.1" : " host-1.example");
        strcat(expected, i % 2 == 0 ? "b=192.0.2.1;" : "b=host-1.example;");
    }
    strcat(pattern, "$");
    assert_string_equal(matched(pattern, line, NULL, 0), expected);
}

static void faults_say_what_to_do(void **unused)
{
    static struct lb_pair own[] = { { LB_STR("LOOP"), LB_STR("a%{LOOP}") },
                                    { LB_STR("TWICE"), LB_STR("%{TWICE1}%{TWICE1}") },
                                    { LB_STR("TWICE1"), LB_STR("%{GREEDYDATA:a}%{GREEDYDATA:b}%{IPV6:c}%{IPV6:d}") } };
    static const struct {
        const char *pattern;
        const char *told;
    } cases[] = {
        { "%{NOSUCH:x}", "%{NOSUCH} is not known; it can be defined under `definitions` or in `file`" },
        { "%{LOOP}", "names within names, more than 32 deep; does one mean itself?" },
        { "%{INT:x:itn}", "'itn' is no type; expected int, float, bool, duration or bytes" },
        { "(%{INT:x}", "missing closing parenthesis, with all names written out near `(?<_g0>[+-]?[0-9]+)`" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct grok_fault fault = { "" };
        struct grok grok;

        assert_int_equal(compiled(&grok, cases[i].pattern, own, 3, &fault), LB_BAD_CONF);
        if (strstr(cases[i].told, "near") != NULL)
            assert_memory_equal(fault.text, cases[i].told, 30);
        else
            assert_string_equal(fault.text, cases[i].told);
    }
}

static void every_name_of_the_stock_compiles(void **unused)
{
    static const char *const some[] = { "IPV6",
                                        "URI",
                                        "QUOTEDSTRING",
                                        "SYSLOG5424LINE",
                                        "HTTPD_COMBINEDLOG",
                                        "HTTPD_ERRORLOG",
                                        "SYSLOGPAMSESSION",
                                        "CRONLOG",
                                        "DATESTAMP_RFC2822",
                                        "PATH",
                                        "MAC",
                                        "EMAILADDRESS",
                                        "JAVASTACKTRACEPART",
                                        "POSTGRESQL",
                                        "REDISLOG",
                                        "BACULA_LOGLINE",
                                        "NAGIOSLOGLINE",
                                        "EXIM",
                                        "BRO_HTTP",
                                        "BRO_DNS",
                                        "BRO_CONN",
                                        "BRO_FILES",
                                        "ZEEK_HTTP",
                                        "ZEEK_DNS",
                                        "ZEEK_CONN",
                                        "ZEEK_FILES" };

    (void)unused;
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        for (int ecs = 0; ecs < 2; ecs++) {
            struct grok_definitions definitions = { .ecs = ecs == 1 };
            struct grok_fault fault = { "" };
            char pattern[64];
            struct grok grok;

            snprintf(pattern, sizeof(pattern), "%%{%s}", some[i]);
            if (grok_compile(&grok, &arena, lb_str_from(pattern), &definitions, 1000000, &fault) != LB_OK)
                fail_msg("%s: %s", pattern, fault.text);
            grok_free(&grok);
        }
    }
}

/* --- the corpus ----------------------------------------------------------------- */

struct expected_walk {
    const struct lb_field *fields;
    uint32_t count;
    uint32_t seen; /* leaves of the expectation */
    bool same;
};

/* Of several captures of one name the n-th. */
static const struct lb_field *nth(const struct expected_walk *walk, const char *name, size_t n)
{
    for (uint32_t i = 0; i < walk->count; i++)
        if (lb_str_is((struct lb_str){ walk->fields[i].key.ptr, walk->fields[i].key.len }, name) && n-- == 0)
            return &walk->fields[i];
    return NULL;
}

static void check_leaf(struct expected_walk *walk, const char *name, size_t n, struct lb_str expected)
{
    const struct lb_field *field = nth(walk, name, n);
    struct lb_str text = corpus_text(expected);

    walk->seen++;
    if (field == NULL) {
        walk->same = false;
    } else if (corpus_is_string(expected)) {
        walk->same = walk->same && lb_str_equal((struct lb_str){ field->value.ptr, field->value.len }, text);
    } else {
        char number[64] = "";
        size_t len = field->value.len;

        memcpy(number, field->value.ptr, len < sizeof(number) ? len : sizeof(number) - 1);
        walk->same = walk->same && strtod(number, NULL) == strtod(text.ptr, NULL);
    }
    if (!walk->same && getenv("LB_SHOW") != NULL)
        printf("  %s: expected " LB_STR_FMT ", got %.*s\n", name, LB_STR_ARG(expected),
               field != NULL ? (int)field->value.len : 4, field != NULL ? field->value.ptr : "none");
    free((char *)(uintptr_t)text.ptr);
}

static void check_members(struct expected_walk *walk, const char *prefix, struct lb_str expected)
{
    const char *ptr = expected.ptr + 1;
    struct lb_str name, value;

    while (corpus_member(&ptr, &name, &value)) {
        struct lb_str text = corpus_text(name);
        char path[256];
        size_t n = 0;

        snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix != '\0' ? "." : "", text.ptr);
        free((char *)(uintptr_t)text.ptr);
        if (*value.ptr == '{') {
            check_members(walk, path, value);
        } else if (*value.ptr == '[') {
            for (const char *at = corpus_skip_blanks(value.ptr + 1); *at != ']';
                 at = corpus_skip_blanks(corpus_skip(at)))
                check_leaf(walk, path, n++, (struct lb_str){ at, (size_t)(corpus_skip(at) - at) });
        } else {
            check_leaf(walk, path, 0, value);
        }
    }
}

/* A name that the stock does not have is another matter than one that it gets wrong. */
static bool check_row(struct lb_str row, bool *known)
{
    struct lb_str pattern = corpus_text(corpus_get(row, "pattern"));
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    struct grok_definitions definitions = { .ecs = lb_str_is(corpus_get(row, "mode"), "\"ecs-v1\"") };
    struct lb_field fields[GROK_CAPTURES_MAX];
    struct expected_walk walk = { .fields = fields, .same = true };
    struct grok_fault fault = { "" };
    const char *reason = NULL;
    struct grok grok;
    bool match = lb_str_is(corpus_get(row, "match"), "true");

    *known = grok_compile(&grok, &arena, pattern, &definitions, 10000000, &fault) == LB_OK;
    if (!*known && fault.text[0] != '\0' && strstr(fault.text, "is not known") == NULL)
        fail_msg("%s: %s", pattern.ptr, fault.text);
    if (*known) {
        walk.same = (grok_match(&grok, input, &arena, fields, &walk.count, &reason) == LB_OK) == match;
        if (walk.same && match) {
            check_members(&walk, "", corpus_get(row, "expect"));
            walk.same = walk.same && walk.seen == walk.count;
        }
        grok_free(&grok);
    }
    free((char *)(uintptr_t)pattern.ptr);
    free((char *)(uintptr_t)input.ptr);
    lb_arena_reset(&arena, 1 << 20);
    return walk.same;
}

static void check_file(const char *name, struct corpus_score *score, int *unknown)
{
    struct corpus corpus;
    struct lb_str row;
    bool known;

    if (!corpus_open(&corpus, name))
        skip();
    while (corpus_next(&corpus, &row)) {
        bool same = check_row(row, &known);

        *unknown += !known;
        if (known)
            corpus_count(score, same, row);
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] %s: %d of %d, %d of names that the stock does not have\n", name, score->right, score->all,
           *unknown);
}

static void the_cases_of_the_corpus_agree(void **unused)
{
    struct corpus_score score = { 0 };
    int unknown = 0;

    (void)unused;
    check_file("grok/cases.jsonl", &score, &unknown);
    assert_int_equal(score.right, score.all);
}

static void the_captures_of_another_engine_agree(void **unused)
{
    struct corpus_score score = { 0 };
    int unknown = 0;

    (void)unused;
    check_file("grok/reference.jsonl", &score, &unknown);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captures_are_named_and_typed),
        cmocka_unit_test(names_of_formats_match_what_their_programs_write),
        cmocka_unit_test(many_addresses_share_what_they_mean),
        cmocka_unit_test(faults_say_what_to_do),
        cmocka_unit_test(every_name_of_the_stock_compiles),
        cmocka_unit_test(the_cases_of_the_corpus_agree),
        cmocka_unit_test(the_captures_of_another_engine_agree),
    };

    lb_arena_init(&arena, 64 * 1024 * 1024);
    int failed = cmocka_run_group_tests_name("parse/grok", tests, NULL, NULL);
    lb_arena_free(&arena);
    return failed;
}
