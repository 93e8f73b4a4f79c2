/* multiline_test.c - which lines are one event, by patterns and by the look of traces. */
#include "multiline.c"

#include "lb_test.h"

#include <stdio.h>

enum { TEXT_MAX = 8192 };

/* The lines with a bar before each that begins an event. */
static const char *events_of(const struct lb_multiline *rule, const char *text)
{
    static char out[TEXT_MAX];
    struct lb_multiline_state state = { 0 };
    size_t len = 0;

    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t size = end != NULL ? (size_t)(end - line) : strlen(line);
        bool joins = lb_multiline_joins(rule, &state, (struct lb_str){ line, size });

        assert_true(len + size + 3 < sizeof(out));
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%.*s\n", joins ? "" : "|", (int)size, line);
        line += size + (end != NULL);
    }
    return out;
}

static void give(struct lb_multiline *rule, enum pattern pattern, const char *text)
{
    int error;
    size_t at;

    if (text == NULL)
        return;
    assert_int_equal(regex_compile(&rule->regexes[pattern], lb_str_from(text), STEPS, &error, &at), LB_OK);
    rule->has[pattern] = true;
}

static void patterns_say_what_belongs_together(void **unused)
{
    static const struct {
        const char *patterns[PATTERNS];
        uint64_t count;
        uint64_t max_lines;
        const char *lines;
        const char *events;
    } cases[] = {
        { { "^\\d{4}" }, 0, 100, "2026 a\n b\nc\n2026 d\n", "|2026 a\n b\nc\n|2026 d\n" },
        { { "^\\d{4}" }, 0, 100, "rest\nof it\n2026 d\n", "|rest\nof it\n|2026 d\n" },
        { { NULL, "^\\s" }, 0, 100, "a\n b\nc\n\td\n", "|a\n b\n|c\n\td\n" },
        { { "^\\[", "^\\s" }, 0, 100, "[a\n b\nc\n d\n[e\n", "|[a\n b\n|c\n d\n|[e\n" },
        { { NULL, NULL, "\\\\$" }, 0, 100, "a \\\nb \\\nc\nd\n", "|a \\\nb \\\nc\n|d\n" },
        { { NULL, NULL, NULL, "^END$" }, 0, 100, "a\nb\nEND\nc\nEND\n", "|a\nb\nEND\n|c\nEND\n" },
        { { "^BEGIN", NULL, NULL, "^END$" },
          0,
          100,
          "BEGIN\na\nEND\nb\nBEGIN\nc\n",
          "|BEGIN\na\nEND\n|b\n|BEGIN\nc\n" },
        { { NULL }, 3, 100, "a\nb\nc\nd\ne\nf\ng\n", "|a\nb\nc\n|d\ne\nf\n|g\n" },
        { { "^x" }, 0, 2, "x\na\nb\nc\n", "|x\na\n|b\nc\n" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_multiline *rule = lb_alloc(sizeof(*rule));

        assert_non_null(rule);
        rule->count = cases[i].count;
        rule->max_lines = cases[i].max_lines;
        for (int p = 0; p < PATTERNS; p++)
            give(rule, (enum pattern)p, cases[i].patterns[p]);
        assert_string_equal(events_of(rule, cases[i].lines), cases[i].events);
        lb_multiline_free(rule);
    }
}

#define JAVA_FRAMES "\tat shop.Cart.price(Cart.java:12)\n\tat shop.Main.main(Main.java:3)\n"

/* What runtimes print; `|` stands before each line that begins an event. */
static const char *const traces[] = {
    "|2026-03-01 10:00:00 INFO ready\n|2026-03-01 10:00:01 INFO busy\n",
    "|plain text\n|more of it\n|Next run in five minutes\n|at five o'clock\n|}\n",
    "|{\"level\":\"info\"}\n|{\"level\":\"warn\"}\n",
    "|{\n  \"pretty\": true\n}\n|{\n  \"pretty\": 2\n}\n",
    "|2026-03-01 10:00:00 ERROR it broke\njava.lang.IllegalStateException: no stock\n" JAVA_FRAMES
    "Caused by: shop.NoRow: sku\n" JAVA_FRAMES "\t... 2 more\n|2026-03-01 10:00:01 INFO on\n",
    "|2026-03-01 10:00:00 INFO fine\n|java.lang.IllegalStateException: no stock\n" JAVA_FRAMES,
    "|Exception in thread \"main\" java.lang.Error: a\n" JAVA_FRAMES "|done\n",
    "|Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nKeyError: 'x'\n"
    "During handling of the above exception, another exception occurred:\n"
    "Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\n    g()\nValueError: y\n|next\n",
    "|2026-03-01 10:00:00,000 ERROR web request failed\nTraceback (most recent call last):\n  File \"a.py\", line 1\n"
    "KeyError: 'x'\n|2026-03-01 10:00:01,000 INFO web ok\n",
    "|panic: no stock\ngoroutine 1 [running]:\nmain.price(0x1, {0xc0, 0x2})\n\t/srv/main.go:7 +0x1a\nmain.main()\n"
    "\t/srv/main.go:3 +0x10\nexit status 2\n|panic: again\ngoroutine 7 [running]:\n",
    "|thread 'main' panicked at src/main.rs:4:5:\nno stock\nat all\nnote: run with `RUST_BACKTRACE=1`\n|ready\n",
    "|thread 'main' panicked at src/main.rs:4:5:\nno stock\nstack backtrace:\n   0: rust_begin_unwind\n"
    "             at /rustc/std/panicking.rs:1:2\nnote: Some details are omitted.\n|ready\n",
    "|/srv/shop.js:7\nthrow new Error('x')\n^\nError: x\n    at f (/srv/shop.js:7:7)\n}\nNode.js v20.1.0\n|up\n",
    "|TypeError: x is not a function\n    at f (/srv/shop.js:7:7)\n    at g {\n  code: 'E'\n}\n|up\n",
    "|shop.rb:2:in `query': no row (ArgumentError)\n\tfrom shop.rb:6:in `<main>'\nshop.rb:1:in `fetch': key "
    "(KeyError)\n"
    "\tfrom shop.rb:1:in `load'\n|up\n",
    "|PHP Fatal error:  Uncaught Exception: no in /srv/a.php:3\nStack trace:\n#0 /srv/a.php(9): f()\n#1 {main}\n"
    "  thrown in /srv/a.php on line 3\n|[01-Mar-2026 10:00:00] ok\n",
    "|Unhandled exception:\nBad state: x\n#0      f (file:///a.dart:1:2)\n#1      main (file:///a.dart:3:4)\n|up\n",
    "|=================================================================\n==7==ERROR: AddressSanitizer: "
    "heap-use-after-free\n"
    "READ of size 4\n    #0 0x1 in main a.c:3\nSUMMARY: AddressSanitizer\n==7==ABORTING\n|up\n",
    "|System.InvalidOperationException: x\n   at A.B() in a.cs:line 3\n--- End of stack trace from previous location "
    "---\n"
    "   at A.C()\n|up\n",
    "|2026-03-01 10:00:00 UTC [7] LOG:  statement: select 1\n\tfrom t\n|2026-03-01 10:00:00 UTC [7] LOG:  duration: 1 "
    "ms\n",
    "|2026-03-01 10:00:00 UTC [7] STATEMENT:  select 1\nfrom t\n\nwhere a\n|2026-03-01 10:00:00 UTC [7] LOG:  on\n|x\n",
    "|2026-03-01 10:00:00.1 UTC,\"al\",\"shop\",7,\"192.0.2.1:5\",5f.3b,3,\"statement: select 'a',\n'b';\n\n "
    "2026-03-01\",,,\"psql\"\n"
    "|plain\n|2026-03-01 10:00:01.1 UTC,\"al\",\"shop\",7,\"h\",5f.3b,3,\"cut\n"
    "|2026-03-01 10:00:02.1 UTC,\"al\",\"shop\",7,\"h\",5f.3b,3,\"whole\"\n|up\n",
    "|261201 10:00:00 InnoDB: Setting file\nInnoDB: Database writes\n|261201 10:00:01 [Note] ready for connections.\n"
    "Version: '5.5.53'  socket: 'x'\n|261201 10:00:02 x\n",
    "|=ERROR REPORT==== 1-Mar-2026::10:00:00 ===\n** Generic server a terminating\n** {badmatch,1}\n\n"
    "|=INFO REPORT==== 1-Mar-2026::10:00:01 ===\n    exited: stopped\n",
    "|10:00:00.123 [error] GenServer A terminating\n** (RuntimeError) no\n    (a 0.1.0) lib/a.ex:12: A.f/2\n"
    "Last message: :tick\nState: %{}\n|10:00:01.123 [info] up\n",
    "|Mar 1, 2026 10:00:00 AM org.a.Shop open\nSEVERE: no door\njava.lang.RuntimeException: x\n\tat a.B.c(B.java:1)\n"
    "|Mar 1, 2026 10:00:01 AM org.a.Shop open\nINFO: open\n|plain\n",
    "|E, [2026-03-01T10:00:00.000000 #7] ERROR -- : no\nshop.rb:3:in `f': no (NoMethodError)\n\tfrom shop.rb:7:in `g'\n"
    "|I, [2026-03-01T10:00:01.000000 #7]  INFO -- : on\n",
    "|2026-03-01T10:00:00Z ERROR shop: no\nError: no file\n\nCaused by:\n    0: os error 2\n\nStack backtrace:\n   0: "
    "f\n"
    "|2026-03-01T10:00:01Z INFO shop: on\n",
    "|2026-03-01 10:00:00 [ERR] no\nSystem.AggregateException: x\n ---> System.Exception: y\n   at P.Main()\n"
    "---> (Inner Exception #1) System.Exception: z<---\n|2026-03-01 10:00:01 [INF] on\n",
    "|a.c:3:5: runtime error: signed integer overflow\n    #0 0x1 in main a.c:3\n"
    "SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior a.c:3:5\n|up\n",
    "|Fatal error: found nil: file main.swift, line 3\nCurrent stack trace:\n0    libswiftCore.so    0x00007f f + 1\n"
    "1    App    0x00007f main + 10\n|2026-03-01 10:00:01 on\n",
    "|2026/03/01 10:00:00 [error] 7#7: *6 lua entry thread aborted: runtime error: a.lua:3: nil\nstack traceback:\n"
    "coroutine 0:\n\ta.lua: in function <a.lua:1>\n|2026/03/01 10:00:01 [error] 7#7: x\n",
    "|terminate called after throwing an instance of 'std::runtime_error'\n  what():  no\n|up\n",
    "|I0301 10:00:00.000000       1 a.go:7] x\n|E0301 10:00:00.000000       1 a.go:7] y\n",
    "|# Time: 2026-03-01T10:00:00Z\n# User@Host: a[a] @ h []\n# Query_time: 1\nSET timestamp=1772359200;\nselect a\n"
    "from b;\n|# User@Host: a[a] @ h []\n# Query_time: 2\ncommit;\n|# Time: 2026-03-01T10:00:01Z\n"
    "# User@Host: a[a] @ h []\ncommit;\n|/usr/sbin/mysqld, Version: 8.0 (x). started with:\n|up\n",
};

static void traces_are_known_by_their_look(void **unused)
{
    struct lb_multiline rule = { .automatic = true, .max_lines = 1000 };
    char lines[TEXT_MAX];

    (void)unused;
    for (size_t i = 0; i < sizeof(traces) / sizeof(traces[0]); i++) {
        size_t len = 0;

        for (const char *c = traces[i]; *c != '\0'; c++)
            if (*c != '|' || (c != traces[i] && c[-1] != '\n'))
                lines[len++] = *c;
        lines[len] = '\0';
        assert_string_equal(events_of(&rule, lines), traces[i]);
    }
}

/* Whatever comes, no event is longer than it may be, and nothing is read behind a line's end (the sanitizer sees it).
 */
static void anything_may_come(void **unused)
{
    static const char *const words[] = { "panic: ",
                                         "\t",
                                         "  at ",
                                         "Traceback (most recent call last):",
                                         "2026-03-01 ",
                                         "#1 ",
                                         "==1==ERROR: AddressSanitizer",
                                         "x.rb:1:in `f'",
                                         "Error",
                                         ":",
                                         "7",
                                         "}",
                                         "{\"" };
    struct lb_multiline rule = { .automatic = true, .max_lines = 5 };
    struct lb_multiline_state state = { 0 };
    uint64_t random = lb_seed();
    uint32_t lines = 0;

    (void)unused;
    for (int run = 0; run < 20000; run++) {
        char *line = malloc(200);
        size_t len = 0;

        assert_non_null(line);
        for (unsigned n = lb_random(&random) % 4; n > 0; n--)
            len += (size_t)snprintf(line + len, 200 - len, "%s", words[lb_random(&random) % 13]);
        char *exact = malloc(len + 1);
        memcpy(exact, line, len);
        lines = lb_multiline_joins(&rule, &state, (struct lb_str){ exact, len }) ? lines + 1 : 1;
        assert_in_range(lines, 1, 5);
        free(exact);
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_say_what_belongs_together),
        cmocka_unit_test(traces_are_known_by_their_look),
        cmocka_unit_test(anything_may_come),
    };

    return cmocka_run_group_tests_name("parse/multiline", tests, NULL, NULL);
}
