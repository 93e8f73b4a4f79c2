/*
 * text_pieces.c - what only one family of programs writes in front of a message.
 *
 * Each is told by its whole shape, since it is tried on every line that has a time or a level in front. What follows
 * it is left to the pieces that all layouts share.
 */
#include "text_header.h"

#include "lb_level.h"

enum { PAIRS_MAX = 8, COLUMNS_MAX = 4, UPTIME_BYTES_MAX = 16 };

static struct lb_str piece_of(const char *from, const char *end)
{
    return (struct lb_str){ from, (size_t)(end - from) };
}

static bool is_digits(struct lb_str text)
{
    return text.len > 0 && cut_count_digits(text) == text.len;
}

/* --- at the front ---------------------------------------------------------------------- */

/* Ruby's Logger: `I, [2026-03-01T10:00:00.123456 #42]  INFO -- shop: `. The letter says what the word says again. */
static bool take_ruby(struct text_header *self)
{
    struct text_header within = *self;
    struct lb_str rest = self->text;
    struct lb_str inside, pid, word;

    if (rest.len < 8 || !cut_is_letter(*rest.ptr) || rest.ptr[1] != ',' || rest.ptr[2] != ' ')
        return false;
    rest = cut_from(rest, 3);
    if (!cut_char(&rest, '[') || !cut_until(&rest, ']', &inside))
        return false;
    within.text = inside;
    if (!text_take_time(&within))
        return false;
    cut_blanks(&within.text);
    if (!cut_char(&within.text, '#') || !cut_digits(&within.text, &pid))
        return false;
    cut_blanks(&rest);
    if (!cut_token(&rest, &word) || !text_take_level(&within, word))
        return false;
    self->timed = self->leveled = true;
    self->times++;
    text_take_pid(self, pid);
    self->text = rest;
    cut_blanks(&self->text);
    if (cut_word(&self->text, "-- ") && cut_until(&self->text, ':', &word) && text_is_name(word))
        text_take_logger(self, word);
    else if (cut_word(&self->text, "--"))
        cut_blanks(&self->text);
    return true;
}

/* Erlang: `=INFO REPORT==== 1-Mar-2026::10:00:00 ===`, and the report in the lines behind it. */
static bool take_report(struct text_header *self)
{
    struct text_header within = *self;
    struct lb_str rest = self->text;
    struct lb_str level;

    if (!cut_char(&rest, '=') || !cut_until(&rest, ' ', &level) || !cut_word(&rest, "REPORT==== "))
        return false;
    within.text = rest;
    if (!text_take_level(&within, level) || !text_take_time(&within))
        return false;
    self->timed = self->leveled = true;
    self->times++;
    self->text = within.text;
    cut_blanks(&self->text);
    while (cut_char(&self->text, '=')) {
    }
    return true;
}

/* Between `<` and `>`; what is inside may have such a pair in turn. */
static bool cut_angle(struct lb_str *text, struct lb_str *inside)
{
    struct lb_str rest = *text;
    size_t depth = 0;

    cut_blanks(&rest);
    for (size_t i = 0; i < rest.len; i++) {
        depth += rest.ptr[i] == '<';
        if (rest.ptr[i] != '>' || depth == 0) {
            if (depth == 0)
                return false;
            continue;
        }
        if (--depth == 0) {
            *inside = piece_of(rest.ptr + 1, rest.ptr + i);
            *text = cut_from(rest, i + 1);
            return true;
        }
    }
    return false;
}

/* WebLogic: `####<Mar 1, 2026 10:00:00,123 AM UTC> <Notice> <Subsystem> <host> <server> <thread> … <message>`. */
static bool take_weblogic(struct text_header *self)
{
    struct text_header within = *self;
    struct lb_str rest = self->text;
    struct lb_str time, level, subsystem, host, server, thread, inside;

    if (!cut_word(&rest, "####") || !cut_angle(&rest, &time) || !cut_angle(&rest, &level) ||
        !cut_angle(&rest, &subsystem) || !cut_angle(&rest, &host) || !cut_angle(&rest, &server) ||
        !cut_angle(&rest, &thread))
        return false;
    within.text = time;
    if (!text_take_time(&within) || !text_take_level(&within, level))
        return false;
    inside = rest; /* a line that was cut has no message in angles */
    while (cut_angle(&rest, &inside)) {
    }
    self->timed = self->leveled = true;
    self->times++;
    text_take_logger(self, subsystem);
    text_take_thread(self, thread);
    self->fill->record.host = lb_value_text(host);
    self->fill->record.service = lb_value_text(server);
    self->text = inside;
    return true;
}

/* Whether a time follows, in brackets or not. */
static bool is_time_here(const struct text_header *self, struct lb_str rest)
{
    struct fill unused = *self->fill;
    struct text_header within = *self;

    within.fill = &unused;
    cut_blanks(&rest);
    (void)cut_char(&rest, '[');
    within.text = rest;
    return rest.len > 0 && text_take_time(&within);
}

/* `INFO  [main] 2026-03-01 …`, `INFO[0042] …`, `WARN [03-01|10:00:00.123] …`: the level in capitals comes first. */
static bool take_first_level(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str word = { rest.ptr, 0 };
    struct lb_str inside;

    while (word.len < rest.len && cut_is_letter(rest.ptr[word.len]))
        word.len++;
    rest = cut_from(rest, word.len);
    if (rest.len < 2 || !text_is_loud_level(word))
        return false;
    struct lb_str behind = rest;
    if (cut_char(&behind, '[') && cut_until(&behind, ']', &inside) && is_digits(inside)) {
        text_take_level(self, word); /* logrus counts seconds from its start */
        fill_number(self->fill, LB_STR("uptime"), inside);
        self->text = behind;
        return true;
    }
    if (*rest.ptr != ' ' && *rest.ptr != '[' && *rest.ptr != '\t')
        return false;
    behind = cut_trimmed(rest);
    bool thread = cut_char(&behind, '[') && cut_until(&behind, ']', &inside) && is_time_here(self, behind);
    if (!thread && !is_time_here(self, rest))
        return false;
    text_take_level(self, word);
    if (thread)
        text_take_thread(self, cut_trimmed(inside));
    self->text = thread ? behind : rest;
    return true;
}

/* `[0.012s][info][gc] …` of the JVM: how long it runs. */
static bool take_uptime(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str inside;

    if (!cut_char(&rest, '[') || !cut_until(&rest, ']', &inside) || inside.len < 3 || inside.len > UPTIME_BYTES_MAX ||
        rest.len == 0 || *rest.ptr != '[' || inside.ptr[inside.len - 1] != 's')
        return false;
    inside.len -= inside.ptr[inside.len - 2] == 'm' || inside.ptr[inside.len - 2] == 'n' ? 2 : 1;
    if (!cut_is_number(inside))
        return false;
    fill_number(self->fill, LB_STR("uptime"), inside);
    self->text = rest;
    return true;
}

bool text_take_opening(struct text_header *self)
{
    switch (self->text.len > 0 ? *self->text.ptr : '\0') {
    case '=': return take_report(self);
    case '#': return take_weblogic(self);
    case '[': return take_uptime(self);
    default: return take_ruby(self) || take_first_level(self);
    }
}

/* --- behind it --------------------------------------------------------------------------- */

/* `server/main.go:42`, `CassandraDaemon.java:650`, between blanks: a file, and where in it. */
static bool is_place(struct lb_str word, struct lb_str *file, struct lb_str *line)
{
    const char *colon = word.len > 0 ? memrchr(word.ptr, ':', word.len) : NULL;

    if (colon == NULL)
        return false;
    *file = piece_of(word.ptr, colon);
    *line = piece_of(colon + 1, word.ptr + word.len);
    return is_digits(*line) && text_is_name(*file) && memchr(file->ptr, '.', file->len) != NULL &&
           memchr(file->ptr, ':', file->len) == NULL;
}

static void fill_place(struct text_header *self, struct lb_str file, struct lb_str line)
{
    fill_text(self->fill, LB_STR("source_file"), file);
    fill_number(self->fill, LB_STR("line"), line);
}

/* Airflow: `{taskinstance.py:1157} INFO - `. ClickHouse: `{query id} <Error> `. */
static bool take_braces(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str inside, file, line;

    if (!self->timed || self->leveled || !cut_char(&rest, '{') || !cut_until(&rest, '}', &inside) ||
        memchr(inside.ptr, '"', inside.len) != NULL)
        return false;
    if (is_place(inside, &file, &line))
        fill_place(self, file, line);
    else
        fill_text(self->fill, LB_STR("context"), inside);
    self->text = rest;
    return true;
}

/* `<Error> TCPHandler: `, `*ERROR* `, `(ERROR) ` */
static bool take_enclosed_level(struct text_header *self, char close)
{
    struct lb_str rest = cut_from(self->text, 1);
    struct lb_str inside;

    if (!self->timed || self->leveled || !cut_until(&rest, close, &inside) || !text_take_level(self, inside))
        return false;
    self->text = rest;
    return true;
}

/* Icinga: `warning/ApiListener: ` */
static bool take_facility(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str level, name;

    if (!self->timed || self->leveled || !cut_until(&rest, '/', &level) || !cut_until(&rest, ':', &name) ||
        !text_is_name(name) || !text_take_level(self, level))
        return false;
    text_take_logger(self, name);
    self->text = rest;
    return true;
}

/* MongoDB until 4.2: `I NETWORK  [listener] `: a letter, a component in capitals, a thread. */
static bool take_component(struct text_header *self)
{
    static const char letters[] = "DIWEF";
    struct lb_str rest = self->text;
    struct lb_str letter, component, thread;

    if (!self->timed || self->leveled || !cut_token(&rest, &letter) || letter.len != 1 ||
        memchr(letters, *letter.ptr, sizeof(letters) - 1) == NULL || !cut_token(&rest, &component))
        return false;
    for (size_t i = 0; i < component.len; i++)
        if ((component.ptr[i] < 'A' || component.ptr[i] > 'Z') && component.ptr[i] != '-' && component.ptr[i] != '_')
            return false;
    cut_blanks(&rest);
    if (!cut_char(&rest, '[') || !cut_until(&rest, ']', &thread))
        return false;
    self->fill->record.level = lb_level_parse(letter);
    self->leveled = true;
    text_take_logger(self, component);
    text_take_thread(self, thread);
    self->text = rest;
    return true;
}

/* Behind the level, before a tab or a dash: `main.go:42`, or loguru's `module:function:42`. */
static bool take_caller(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str word = { rest.ptr, 0 };
    struct lb_str file, line, name;

    while (word.len < rest.len && !cut_is_space(rest.ptr[word.len]))
        word.len++;
    rest = cut_from(rest, word.len);
    if (!self->leveled || word.len == 0 || (!cut_char(&rest, '\t') && !cut_word(&rest, " - ")))
        return false;
    if (is_place(word, &file, &line)) {
        fill_place(self, file, line);
    } else {
        const char *second = memrchr(word.ptr, ':', word.len);

        file = word;
        if (second == NULL || !cut_until(&file, ':', &name) || !text_is_name(name) || file.ptr > second ||
            !is_digits(piece_of(second + 1, word.ptr + word.len)))
            return false;
        text_take_logger(self, name);
        fill_text(self->fill, LB_STR("function"), piece_of(file.ptr, second));
        fill_number(self->fill, LB_STR("line"), piece_of(second + 1, word.ptr + word.len));
    }
    self->text = rest;
    return true;
}

/* Columns of zap and its like: what stands between the level and a tab is the logger. */
static bool take_column(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str word;
    const char *tab = rest.len > 0 ? memchr(rest.ptr, '\t', rest.len) : NULL;

    if (!self->leveled || self->has_logger || tab == NULL || self->text.ptr[-1] != '\t')
        return false;
    word = piece_of(rest.ptr, tab);
    rest = cut_from(rest, word.len + 1);
    if (!text_is_name(word) || rest.len == 0 || *rest.ptr == '{')
        return false;
    text_take_logger(self, word);
    self->text = rest;
    return true;
}

static bool cut_pair(struct lb_str *text, struct lb_str *key, struct lb_str *value)
{
    struct lb_str word;

    cut_blanks(text);
    if (!cut_token(text, &word) || !cut_until(&word, '=', key) || !text_is_name(*key))
        return false;
    *value = word;
    return true;
}

/* Sidekiq: `pid=42 tid=abc class=Job INFO: `, pairs between the time and the level. */
static bool take_pairs(struct text_header *self)
{
    struct lb_str keys[PAIRS_MAX];
    struct lb_str values[PAIRS_MAX];
    struct lb_str rest = self->text;
    struct lb_str level;
    int count = 0;

    if (!self->timed || self->leveled)
        return false;
    for (struct lb_str next = rest; count < PAIRS_MAX && cut_pair(&next, &keys[count], &values[count]); rest = next)
        count++;
    cut_blanks(&rest);
    if (count == 0 || !cut_until(&rest, ':', &level) || !text_is_loud_level(level) || !text_take_level(self, level))
        return false;
    for (int i = 0; i < count; i++)
        fill_pair(self->fill, keys[i], lb_value_text(values[i]));
    self->text = rest;
    return true;
}

/* pino: `(42)`, `(42 on host)`, `(shop/42 on host): ` behind the level. */
static bool take_pino(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str inside, pid;
    const char *slash;

    if (!self->leveled || self->has_pid || !cut_char(&rest, '(') || !cut_until(&rest, ')', &inside))
        return false;
    struct lb_str name = { inside.ptr, 0 };
    if ((slash = memchr(inside.ptr, '/', inside.len)) != NULL) {
        name.len = (size_t)(slash - inside.ptr);
        inside = cut_from(inside, name.len + 1);
    }
    if (!cut_digits(&inside, &pid) || (inside.len > 0 && !cut_word(&inside, " on ")))
        return false;
    if (inside.len > 0)
        self->fill->record.host = lb_value_text(inside);
    if (name.len > 0)
        self->fill->record.service = lb_value_text(name);
    text_take_pid(self, pid);
    (void)cut_char(&rest, ':');
    self->text = rest;
    return true;
}

/* .NET: `fail: Shop.Cart[13]`, and the message in the lines behind it. */
static bool take_event_id(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str id;

    if (!self->has_logger || cut_is_space(self->text.ptr[-1]) || !cut_char(&rest, '[') || !cut_digits(&rest, &id) ||
        !cut_char(&rest, ']') || (rest.len > 0 && !cut_is_space(*rest.ptr)))
        return false;
    fill_number(self->fill, LB_STR("event_id"), id);
    self->text = rest;
    return true;
}

bool text_take_rare(struct text_header *self)
{
    switch (*self->text.ptr) {
    case '{': return take_braces(self);
    case '<': return take_enclosed_level(self, '>');
    case '*': return take_enclosed_level(self, '*');
    case '(': return take_enclosed_level(self, ')') || take_pino(self);
    case '[': return take_event_id(self);
    default:
        return take_facility(self) || take_component(self) || take_caller(self) || take_column(self) ||
               take_pairs(self);
    }
}

/* java.util.logging: `org.example.Shop open`, and `SEVERE: …` in the next line. */
static bool take_second_line(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str first, class_name, level;

    cut_blanks(&rest);
    if (!cut_until(&rest, '\n', &first) || !cut_until(&rest, ':', &level) || !text_is_loud_level(level))
        return false;
    if (!cut_until(&first, ' ', &class_name) || !text_is_name(class_name) || !text_is_name(cut_trimmed(first)) ||
        !text_take_level(self, level))
        return false;
    text_take_logger(self, class_name);
    fill_text(self->fill, LB_STR("function"), cut_trimmed(first));
    self->text = rest;
    return true;
}

/* PHP: `PHP Fatal error:  Uncaught …`. */
void text_note_level(struct text_header *self)
{
    static const struct {
        const char *words;
        uint8_t level;
    } kinds[] = { { "Fatal error:", LB_LEVEL_ERROR }, { "Parse error:", LB_LEVEL_ERROR },
                  { "Warning:", LB_LEVEL_WARN },      { "Notice:", LB_LEVEL_NOTICE },
                  { "Deprecated:", LB_LEVEL_NOTICE }, { "Recoverable fatal error:", LB_LEVEL_ERROR },
                  { "Core error:", LB_LEVEL_ERROR },  { "Compile error:", LB_LEVEL_ERROR },
                  { "Startup:", LB_LEVEL_WARN },      { "Strict Standards:", LB_LEVEL_NOTICE } };
    struct lb_str text = self->text;

    cut_blanks(&text);
    if (self->leveled || take_second_line(self) || !cut_word(&text, "PHP "))
        return;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (lb_str_starts(text, lb_str_from(kinds[i].words)))
            self->fill->record.level = kinds[i].level;
}
