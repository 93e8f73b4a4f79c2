/*
 * multiline_traces.c - `auto`: stack traces and the like, by their look.
 *
 * Three things are asked of a line. Has it a head, as loggers put one in
 * front (a time, a brace, a level in brackets)? Then it begins an event. Is it
 * indented? Then it goes on with the one before. If neither, it depends on the
 * trace that is open: what each runtime prints at the left margin is listed
 * below, by runtime. A trace that a logger has printed (its line tells of an
 * error) belongs to that line.
 *
 * The tricky thing is a message of several lines inside a trace, which may
 * look like anything: where a runtime tells how its traces end (Rust, Node's
 * uncaught errors, the sanitizers, Dart), all is taken until then.
 */
#include "multiline.h"

#include "lb_limits.h"

#include <ctype.h>
#include <string.h>

enum trace {
    NO_TRACE,
    FRAMES,       /* Java, JavaScript, .NET, PHP, Ruby, C++: what follows is indented or one of a few words */
    PYTHON,       /* behind Traceback: indented lines, then the exception */
    PYTHON_END,   /* the exception was named */
    PYTHON_CHAIN, /* "During handling of the above exception …": another traceback follows */
    GO,
    RUBY,
    RUST,        /* the message, up to a note or a backtrace */
    RUST_FRAMES, /* behind "stack backtrace:" */
    NODE,        /* source line and caret, blank, error, frames */
    NODE_FRAMES,
    DART,
    SANITIZER,
    MYSQL_TIME, /* "# Time:" of the slow query log: what it belongs to follows */
    MYSQL,      /* an entry of it, up to the next */
    NESTED,     /* the next line is the exception that the last one announced */
    ANY,        /* a statement, a report: up to the next head */
    QUOTED,     /* a row of PostgreSQL's csvlog, in whose cell lines end */
    ELIXIR,
    JUL, /* java.util.logging: the level is in the next line */
};

enum { HEAD_BYTES = 160, EXCEPTION_BYTES = 512 };

static bool begins(struct lb_str line, const char *with)
{
    size_t len = strlen(with);

    return line.len >= len && memcmp(line.ptr, with, len) == 0;
}

static bool ends_with(struct lb_str line, const char *with)
{
    size_t len = strlen(with);

    return line.len >= len && memcmp(line.ptr + line.len - len, with, len) == 0;
}

static bool has(struct lb_str line, const char *what)
{
    return memmem(line.ptr, line.len, what, strlen(what)) != NULL;
}

static bool any_begins(struct lb_str line, const char *const *words)
{
    for (; *words != NULL; words++)
        if (begins(line, *words))
            return true;
    return false;
}

static struct lb_str front(struct lb_str line, size_t max)
{
    return (struct lb_str){ line.ptr, line.len < max ? line.len : max };
}

static size_t digits(struct lb_str text, size_t at)
{
    size_t count = 0;

    while (at + count < text.len && isdigit((unsigned char)text.ptr[at + count]))
        count++;
    return count;
}

/* --- heads ------------------------------------------------------------------ */

/* `2026-03-01`, `01/Mar/2026`, `10:00:00`, `1772359200.5`, `03/01/26 …` */
static bool is_date(struct lb_str text)
{
    size_t first = digits(text, 0);

    if (first == 0 || first + 1 >= text.len)
        return false;
    char behind = text.ptr[first];
    if (first >= 10 && first <= 19)
        return behind == '.' || behind == ' ';
    if (first == 6 && behind == ' ') { /* "260301  9:00:00" of MySQL */
        size_t hour = 7 + (text.ptr[7] == ' ');
        size_t count = digits(text, hour);

        return count > 0 && count < 3 && hour + count < text.len && text.ptr[hour + count] == ':';
    }
    if (behind == '/' && isalpha((unsigned char)text.ptr[first + 1]))
        return first == 2;
    return (behind == '-' || behind == '/' || behind == ':' || behind == '.') && (first == 4 || first == 2) &&
           digits(text, first + 1) == 2;
}

static bool is_month(struct lb_str text)
{
    static const char *const months[] = { "Jan ", "Feb ", "Mar ", "Apr ", "May ", "Jun ", "Jul ",
                                          "Aug ", "Sep ", "Oct ", "Nov ", "Dec ", NULL };
    static const char *const days[] = { "Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun ", "Mon,",
                                        "Tue,", "Wed,", "Thu,", "Fri,", "Sat,", "Sun,", NULL };

    return any_begins(text, months) || any_begins(text, days);
}

static bool is_level(struct lb_str text)
{
    static const char *const levels[] = { "TRACE",  "DEBUG",    "INFO",   "NOTICE", "WARN",  "ERROR",
                                          "FATAL",  "CRITICAL", "SEVERE", "trace",  "debug", "info",
                                          "notice", "warn",     "error",  "fatal",  NULL };

    for (const char *const *level = levels; *level != NULL; level++) {
        size_t len = strlen(*level);

        if (begins(text, *level) && text.len > len && !isalnum((unsigned char)text.ptr[len]) && text.ptr[len] != '.')
            return true;
    }
    return false;
}

static struct lb_str behind(struct lb_str text, size_t count)
{
    return (struct lb_str){ text.ptr + count, text.len - count };
}

/* `I0301 10:00:00.000 …` of klog, `I, [2026-03-01…` of Ruby. */
static bool is_letter_head(struct lb_str text)
{
    if (text.len < 6 || strchr("IWEFDTV", text.ptr[0]) == NULL)
        return false;
    return (digits(text, 1) >= 4 && digits(text, 1) <= 8) || begins(behind(text, 1), ", [");
}

/* Erlang: `=INFO REPORT==== 1-Mar-2026::10:00:00 ===` */
static bool is_report(struct lb_str line)
{
    return *line.ptr == '=' && has(front(line, HEAD_BYTES), " REPORT==== ");
}

static bool has_head(struct lb_str line)
{
    struct lb_str text = front(line, HEAD_BYTES);

    if (text.len == 0)
        return false;
    if (*text.ptr == '{' || *text.ptr == '<')
        return text.len > 1 && (*text.ptr == '{' ? text.ptr[1] == '"' : isdigit((unsigned char)text.ptr[1]) != 0);
    if (begins(text, "time=") || begins(text, "ts=") || begins(text, "level=") || is_report(text))
        return true;
    if (*text.ptr == '[' || *text.ptr == '(')
        text = behind(text, 1);
    while (text.len > 0 && *text.ptr == ' ')
        text = behind(text, 1);
    return is_date(text) || is_month(text) || is_level(text) || is_letter_head(text);
}

static bool tells_of_error(struct lb_str line)
{
    static const char *const words[] = { "ERROR",     "FATAL",     "SEVERE", "CRITICAL", "WARN",  "Error", "error",
                                         "fatal",     "warn",      "[ERR]",  " ERR ",    "[FTL]", "fail:", "crit:",
                                         "Exception", "exception", "E, [",   "F, [",     NULL };
    struct lb_str text = front(line, HEAD_BYTES);

    for (const char *const *word = words; *word != NULL; word++)
        if (has(text, *word))
            return true;
    return isupper((unsigned char)text.ptr[0]) != 0 && (*text.ptr == 'E' || *text.ptr == 'F') && digits(text, 1) >= 4;
}

/* --- what begins a trace -------------------------------------------------------- */

/* `java.lang.IllegalStateException: …`, `TypeError`, `App\Broken: …`: one word that names an exception. */
static bool names_exception(struct lb_str line)
{
    static const char *const ends[] = {
        "Exception", "Error", "Throwable", "Failure", "Fault", "Interrupt", "Exit", NULL
    };
    struct lb_str text = front(line, EXCEPTION_BYTES);
    size_t len = 0;

    while (len < text.len && (isalnum((unsigned char)text.ptr[len]) || strchr("._$\\/", text.ptr[len]) != NULL))
        len++;
    if (len == 0 || (len < text.len && text.ptr[len] != ':' && text.ptr[len] != ' ' && text.ptr[len] != '('))
        return false;
    for (const char *const *end = ends; *end != NULL; end++)
        if (ends_with((struct lb_str){ text.ptr, len }, *end))
            return true;
    return false;
}

/* `/srv/app/shop.js:7` alone: Node shows where an uncaught error was thrown. */
static bool is_place(struct lb_str line)
{
    size_t end = line.len;

    if (line.len == 0 || line.len > HEAD_BYTES || memchr(line.ptr, ' ', line.len) != NULL)
        return false;
    while (end > 0 && isdigit((unsigned char)line.ptr[end - 1]))
        end--;
    if (end == line.len || end < 2 || line.ptr[end - 1] != ':')
        return false;
    return *line.ptr == '/' || *line.ptr == '<' || begins(line, "file:") || begins(line, "node:") ||
           (isalpha((unsigned char)*line.ptr) && begins(behind(line, 1), ":\\"));
}

static bool is_ruler(struct lb_str line)
{
    size_t count = 0;

    while (count < line.len && line.ptr[count] == '=')
        count++;
    return count >= 18 && count == line.len;
}

/* "shop.rb:2:in `query': no row (ArgumentError)"; the cause of an exception follows it in the same form. */
static bool is_ruby(struct lb_str line)
{
    struct lb_str text = front(line, EXCEPTION_BYTES);

    return has(text, ".rb:") && (has(text, ":in `") || has(text, ":in '")) && *text.ptr != ' ';
}

static enum trace begun(struct lb_str line)
{
    static const char *const go[] = { "panic: ", "fatal error: ", "goroutine ", "SIGQUIT: ", "runtime: ", NULL };

    if (has(front(line, EXCEPTION_BYTES), "Traceback (most recent call last)"))
        return PYTHON;
    if (any_begins(line, go) || has(front(line, EXCEPTION_BYTES), "http: panic serving "))
        return GO;
    if (begins(line, "thread '") && has(front(line, EXCEPTION_BYTES), "panicked at"))
        return RUST;
    if (begins(line, "Unhandled exception:") && line.len < 24)
        return DART;
    if (is_ruler(line) || (begins(line, "==") && has(front(line, EXCEPTION_BYTES), "Sanitizer")))
        return SANITIZER;
    if (is_place(line))
        return NODE;
    if (begins(line, "# Time: ") || begins(line, "# User@Host: "))
        return line.ptr[2] == 'T' ? MYSQL_TIME : MYSQL;
    return is_ruby(line) || begins(line, "#<Thread:") ? RUBY : FRAMES;
}

/* --- what goes on with one --------------------------------------------------------- */

/* `12   libswiftCore.so   0x00007f …` */
static bool is_numbered(struct lb_str line)
{
    size_t count = digits(line, 0);

    return count > 0 && count < 4 && begins(behind(line, count), "  ") && has(line, "0x");
}

/* Elixir, behind `** (RuntimeError) …` */
static bool is_elixir(struct lb_str line)
{
    static const char *const words[] = { "** (",     "Last message",   "State: ",     "Function: ",   "Args: ",
                                         "Process ", "Initial Call: ", "Ancestors: ", "Start Call: ", "Client ",
                                         NULL };

    return any_begins(line, words);
}

/* At the left margin, in the traces of most runtimes; `within` one that has more than its first line. */
static bool is_part(struct lb_str line, bool within)
{
    static const char *const words[] = { "Caused by:",
                                         "Suppressed: ",
                                         "--- End of ",
                                         "---> ",
                                         "Stack trace:",
                                         "stack trace:",
                                         "[stacktrace]",
                                         "Stacktrace:",
                                         "Backtrace:",
                                         "Version: '",
                                         "Stack backtrace:",
                                         "stack traceback:",
                                         "Current stack trace:",
                                         "nested exception is",
                                         "  thrown in ",
                                         "From previous event:",
                                         "Wrapped by: ",
                                         "{main}",
                                         "<asynchronous suspension>",
                                         "Local variables:",
                                         NULL };
    static const char *const weak[] = { "at ", "... ", "Next ", NULL };

    if (any_begins(line, words) || (within && any_begins(line, weak)))
        return true;
    if (*line.ptr == '#' && digits(line, 1) > 0)
        return true;
    if (begins(line, "SUMMARY: ") && has(line, "Sanitizer:"))
        return true;
    if (within && (begins(line, "coroutine ") || is_numbered(line)))
        return true;
    return within && line.len <= 3 && strchr("}])\"", *line.ptr) != NULL;
}

/* `main.main()`, `net/http.(*conn).serve(0xc00007, {0x7})`, `created by …`, `example.org/x.func1`. */
static bool is_go(struct lb_str line)
{
    static const char *const words[] = { "goroutine ",   "[signal ", "[recovered]",    "created by ",
                                         "exit status ", "panic(",   "runtime stack:", "signal arrived",
                                         "\tpanic: ",    NULL };
    struct lb_str text = front(line, EXCEPTION_BYTES);
    const char *open = memchr(text.ptr, '(', text.len);

    if (any_begins(text, words))
        return true;
    if (open != NULL && line.ptr[line.len - 1] == ')')
        return memchr(text.ptr, ' ', (size_t)(open - text.ptr)) == NULL && memchr(text.ptr, '.', text.len) != NULL;
    /* Registers: `rax    0x0`. */
    return text.len < 40 && has(text, " 0x") && islower((unsigned char)*text.ptr);
}

/* A Go symbol as zap prints them: a path, a dot and a name, no blank. */
static bool is_symbol(struct lb_str line)
{
    return line.len > 0 && line.len < EXCEPTION_BYTES && memchr(line.ptr, ' ', line.len) == NULL &&
           memchr(line.ptr, '.', line.len) != NULL && isalpha((unsigned char)*line.ptr) &&
           (memchr(line.ptr, '/', line.len) != NULL || begins(line, "main.") || begins(line, "runtime."));
}

static bool python_joins(struct lb_multiline_state *state, struct lb_str line)
{
    bool chain = has(front(line, EXCEPTION_BYTES), "above exception");

    if (state->trace == PYTHON_CHAIN && begins(line, "Traceback")) {
        state->trace = PYTHON;
        return true;
    }
    if (state->trace == PYTHON_CHAIN)
        return false;
    if (state->trace == PYTHON) {
        state->trace = chain ? PYTHON_CHAIN : PYTHON_END;
        return true;
    }
    state->trace = chain ? PYTHON_CHAIN : PYTHON_END;
    return chain;
}

static bool rust_joins(struct lb_multiline_state *state, struct lb_str line)
{
    bool note = begins(line, "note: ");

    if (state->trace == RUST_FRAMES)
        return note;
    if (note || begins(line, "stack backtrace:"))
        state->trace = RUST_FRAMES;
    return true;
}

static bool node_joins(struct lb_multiline_state *state, struct lb_str line)
{
    if (state->trace == NODE)
        return true;
    return is_part(line, true) || begins(line, "Node.js v") || begins(line, "[cause]") || begins(line, "(Use `node");
}

static bool dart_joins(struct lb_multiline_state *state, struct lb_str line)
{
    if (*line.ptr == '#' && digits(line, 1) > 0)
        state->trace = FRAMES;
    return true;
}

static bool sanitizer_joins(struct lb_multiline_state *state, struct lb_str line)
{
    state->closed = ends_with(line, "ABORTING") || is_ruler(line);
    return true;
}

/* A statement may be any text; the server says its name before the entries when it has opened the log. */
static bool mysql_joins(struct lb_multiline_state *state, struct lb_str line)
{
    bool user = begins(line, "# User@Host: ");

    if (begins(line, "# Time: ") || (user && state->trace == MYSQL))
        return false;
    state->trace = MYSQL;
    return user || !(has(front(line, EXCEPTION_BYTES), ", Version: ") && ends_with(line, "started with:"));
}

/* At the left margin and without a head. */
static bool margin_joins(struct lb_multiline_state *state, struct lb_str line)
{
    switch ((enum trace)state->trace) {
    case PYTHON:
    case PYTHON_END:
    case PYTHON_CHAIN: return python_joins(state, line);
    case GO: return is_go(line) || (state->headed && is_symbol(line));
    case RUBY: return is_ruby(line) || begins(line, "class ") || begins(line, "def ");
    case RUST:
    case RUST_FRAMES: return rust_joins(state, line);
    case NODE:
    case NODE_FRAMES: return node_joins(state, line);
    case DART: return dart_joins(state, line);
    case SANITIZER: return sanitizer_joins(state, line);
    case MYSQL_TIME:
    case MYSQL: return mysql_joins(state, line);
    case NESTED: state->trace = FRAMES; return true;
    case ANY: return true;
    case ELIXIR: return is_elixir(line);
    case QUOTED:
    case JUL:
    case FRAMES:
    case NO_TRACE: break;
    }
    if (state->headed && begins(line, "InnoDB: ")) /* MySQL before 5.6: the first line has the time */
        return true;
    return is_part(line, state->lines > 1);
}

/* A logger's line that tells of an error, and what it printed behind it. */
static bool joins_head(struct lb_multiline_state *state, struct lb_str line)
{
    if (!state->headed || !state->bad || state->lines != 1)
        return false;
    enum trace trace = begun(line);
    if (trace == PYTHON || (trace == GO && !begins(line, "fatal error: ")) || is_symbol(line))
        state->trace = (uint8_t)(trace == FRAMES ? GO : trace);
    else if (trace == RUBY || begins(line, "** ("))
        state->trace = trace == RUBY ? RUBY : ELIXIR;
    else if (names_exception(line))
        state->trace = FRAMES;
    else
        return false;
    return true;
}

/* `Mar 1, 2026 10:00:00 AM org.example.Shop open`: time, class and method, and no more. */
static bool is_jul(struct lb_str line)
{
    struct lb_str text = front(line, EXCEPTION_BYTES);
    const char *half = memmem(text.ptr, text.len, "M ", 2);

    if (text.len < 24 || !isupper((unsigned char)*text.ptr) || half == NULL || half - text.ptr < 18 ||
        (half[-1] != 'A' && half[-1] != 'P') || half[-2] != ' ')
        return false;
    struct lb_str names = behind(text, (size_t)(half + 2 - text.ptr));
    const char *blank = memchr(names.ptr, ' ', names.len);
    return blank != NULL && memchr(blank + 1, ' ', names.len - (size_t)(blank + 1 - names.ptr)) == NULL;
}

/* `SEVERE: …` behind a line that is_jul(). */
static bool joins_jul(struct lb_multiline_state *state, struct lb_str line)
{
    static const char *const levels[] = { "SEVERE: ", "WARNING: ", "INFO: ",   "CONFIG: ",
                                          "FINE: ",   "FINER: ",   "FINEST: ", NULL };

    if (state->trace != JUL || state->lines != 1 || !any_begins(line, levels))
        return false;
    state->trace = FRAMES;
    state->bad = *line.ptr == 'S' || *line.ptr == 'W';
    state->lines = 0; /* both are the first line of what may follow */
    return true;
}

/* What PostgreSQL writes of a statement may have any lines. */
static bool tells_statement(struct lb_str line)
{
    struct lb_str text = front(line, EXCEPTION_BYTES);

    return has(text, " STATEMENT:  ") || (has(text, " LOG:  ") && has(text, "statement: ")) ||
           (has(text, " LOG:  ") && has(text, " execute "));
}

/* ` NoMethodError (undefined …):` of Rails is indented, and yet begins. */
static bool is_indented(struct lb_str line)
{
    if (*line.ptr == '\t')
        return true;
    if (*line.ptr != ' ')
        return false;
    return line.len < 2 || line.ptr[1] == ' ' || !ends_with(line, "):") || !names_exception(behind(line, 1));
}

static bool has_odd_quotes(struct lb_str line)
{
    bool odd = false;

    for (size_t i = 0; i < line.len; i++)
        odd = odd != (line.ptr[i] == '"');
    return odd;
}

/* `2026-03-01 10:00:00.123 UTC,"al","shop",42,…` */
static bool is_csv_row(struct lb_str line)
{
    enum { COMMAS = 5 };
    struct lb_str text = front(line, HEAD_BYTES);
    const char *quote = memmem(text.ptr, text.len, ",\"", 2);
    size_t commas = 0;

    for (size_t i = 0; i < text.len; i++)
        commas += text.ptr[i] == ',';
    return is_date(text) && commas >= COMMAS && quote != NULL && quote - text.ptr < 40;
}

/* Until the cell is closed, whatever its lines look like; another row begins all the same. */
static bool joins_row(struct lb_multiline_state *state, struct lb_str line)
{
    if (state->trace != QUOTED || is_csv_row(line))
        return false;
    state->closed = has_odd_quotes(line);
    return true;
}

static void begin(struct lb_multiline_state *state, struct lb_str line, bool headed)
{
    *state = (struct lb_multiline_state){ .open = true, .headed = headed, .trace = (uint8_t)begun(line) };
    if (!headed)
        return;
    state->bad = tells_of_error(line);
    if (is_csv_row(line) && has_odd_quotes(line))
        state->trace = QUOTED;
    else if (is_report(line) || tells_statement(line))
        state->trace = ANY;
    else if (is_jul(line))
        state->trace = JUL;
    else if (state->trace != PYTHON && state->trace != GO)
        state->trace = FRAMES;
}

/* Of an indented line: what it changes for those that follow. */
static void note_indented(struct lb_multiline_state *state, struct lb_str line)
{
    size_t at = 0;

    while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t'))
        at++;
    struct lb_str text = behind(line, at);
    if (state->trace == NODE && begins(text, "at "))
        state->trace = NODE_FRAMES;
    else if (begins(text, "nested exception is"))
        state->trace = NESTED;
    else if (state->trace == PYTHON_CHAIN)
        state->trace = PYTHON_END;
}

bool multiline_trace_joins(struct lb_multiline_state *state, struct lb_str line)
{
    bool open = state->open && !state->closed;

    if (line.len == 0)
        return open;
    if (open && joins_row(state, line))
        return true;
    if (open && is_indented(line)) {
        note_indented(state, line);
        return true;
    }
    bool source = open && state->trace == NODE && state->lines == 1; /* any text may stand in a source line */
    bool headed = !source && has_head(line);
    if (open && joins_jul(state, line))
        return true;
    if (open && !headed && (margin_joins(state, line) || joins_head(state, line)))
        return true;
    begin(state, line, headed);
    return false;
}
