/*
 * parser_text.c - lines of applications: a time, a level, perhaps thread and logger, then the message.
 *
 * One reader for the layouts of log4j, logback, Spring, java.util.logging, Python's logging, winston, spdlog,
 * env_logger and their like, for they differ in order and in brackets only. The pieces in front of the message are
 * taken one by one for as long as they can be told; what cannot be told is message already. So nothing is lost, at
 * worst a logger's name stays in the message. A line with neither time nor level is none of these. Colours around the
 * pieces are passed over; an object of JSON at the end of the message (winston, Laravel) becomes fields.
 */
#include "tail_object.h"
#include "text_header.h"

enum { PIECES_MAX = 16, LOGGER_BYTES_MAX = 128, TAIL_FIELDS_MAX = 32, NAMES_MAX = 3 };

/* ESC [ … m */
static bool cut_colour(struct lb_str *text)
{
    size_t len = 2;

    if (text->len < 3 || text->ptr[0] != '\x1b' || text->ptr[1] != '[')
        return false;
    while (len < text->len && (cut_is_digit(text->ptr[len]) || text->ptr[len] == ';'))
        len++;
    if (len == text->len || text->ptr[len] != 'm')
        return false;
    *text = cut_from(*text, len + 1);
    return true;
}

static void skip_between(struct lb_str *text)
{
    for (;;) {
        cut_blanks(text);
        if (!cut_colour(text))
            return;
    }
}

/* --- level ------------------------------------------------------------------------- */

/* Three letters or more: an I or a W alone may be anything. */
static uint8_t level_of(struct lb_str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (!cut_is_letter(word.ptr[i]))
            return LB_LEVEL_NONE;
    return word.len >= 3 ? lb_level_parse(word) : LB_LEVEL_NONE;
}

bool text_take_level(struct text_header *self, struct lb_str word)
{
    uint8_t level = level_of(word);

    if (self->leveled || level == LB_LEVEL_NONE)
        return false;
    self->fill->record.level = level;
    self->leveled = true;
    return true;
}

/* --- the other pieces ---------------------------------------------------------------- */

/* A name of a class, module or logger. */
bool text_is_name(struct lb_str word)
{
    static const char signs[] = "._$-/#*:";
    bool letter = false;

    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];

        letter = letter || cut_is_letter(c);
        if (!cut_is_letter(c) && !cut_is_digit(c) && memchr(signs, c, sizeof(signs) - 1) == NULL)
            return false;
    }
    return letter && word.len <= LOGGER_BYTES_MAX;
}

void text_take_logger(struct text_header *self, struct lb_str name)
{
    fill_text(self->fill, LB_STR("logger"), name);
    self->has_logger = true;
}

void text_take_thread(struct text_header *self, struct lb_str name)
{
    fill_text(self->fill, LB_STR("thread"), name);
    self->has_thread = true;
}

void text_take_pid(struct text_header *self, struct lb_str digits)
{
    fill_number(self->fill, LB_STR("pid"), digits);
    self->has_pid = true;
}

/* "INFO", not "Info": words in front of it are a thread or a module then, not a sentence. */
bool text_is_loud_level(struct lb_str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.ptr[i] < 'A' || word.ptr[i] > 'Z')
            return false;
    return word.len >= 4 && lb_level_parse(word) != LB_LEVEL_NONE;
}

/*
 * Of the words behind a time in one bracket one is the level, perhaps not the first: `[… main INFO x.Y]`,
 * `[7F03 verbose 'Default' opID=1]`. The word before it is a thread; what is behind it is returned.
 */
static bool take_level_within(struct text_header *self, struct lb_str *inside)
{
    struct lb_str rest = *inside;
    struct lb_str first = { NULL, 0 };
    struct lb_str word;

    for (int i = 0; i < NAMES_MAX && cut_token(&rest, &word); i++) {
        if (text_take_level(self, word)) {
            if (first.len > 0 && !self->has_thread) {
                text_take_thread(self, first);
            }
            *inside = rest;
            return true;
        }
        if (i == 0)
            first = word;
        cut_blanks(&rest);
    }
    return false;
}

/* Celery: `[2026-03-01 10:00:00,123: WARNING/MainProcess]`. */
static bool take_level_of_process(struct text_header *self, struct lb_str text)
{
    struct lb_str level;

    if (!cut_word(&text, ": ") || !cut_until(&text, '/', &level) || !text_take_level(self, level))
        return false;
    text_take_thread(self, text);
    return true;
}

/* A time in brackets, and with env_logger the level and module behind it: `[2026-03-01T10:00:00Z ERROR main]`. */
static bool take_inner_time(struct text_header *self, struct lb_str inside)
{
    struct text_header within = *self;

    within.text = inside;
    within.timed = self->timed && self->leveled; /* before the level a second time may be the finer one */
    if (!text_take_time(&within))
        return false;
    self->timed = true;
    self->times++;
    skip_between(&within.text);
    if (take_level_of_process(self, within.text))
        return true;
    if (take_level_within(self, &within.text)) {
        cut_blanks(&within.text);
        if (within.text.len > 0)
            text_take_logger(self, within.text);
    }
    return true;
}

/* A thread stands before the level, or behind Spring's process; then a logger may be in brackets too. */
static bool take_inner_name(struct text_header *self, struct lb_str inside)
{
    if (!self->timed && !self->leveled)
        return false;
    if (!self->leveled && memchr(inside.ptr, ' ', inside.len) != NULL && take_level_within(self, &inside))
        return true;
    if (!self->has_logger && text_is_name(inside) && memmem(inside.ptr, inside.len, "::", 2) != NULL) {
        text_take_logger(self, inside);
        return true;
    }
    if (!self->has_thread && (!self->leveled || self->has_pid)) {
        text_take_thread(self, inside);
        return true;
    }
    if (self->has_logger || !text_is_name(inside) || memchr(inside.ptr, '.', inside.len) == NULL)
        return false;
    text_take_logger(self, inside);
    return true;
}

/* `[main]`, `[INFO ]`, `[2026-03-01T10:00:00]`, `[o.e.Server]`: by what has been there. */
static bool take_bracket(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str inside;

    if (!cut_char(&rest, '[') || !cut_until(&rest, ']', &inside))
        return false;
    inside = cut_trimmed(inside);
    while (cut_colour(&inside)) {
    }
    if (!take_inner_time(self, inside) && !text_take_level(self, inside) && !take_inner_name(self, inside))
        return false;
    self->text = rest;
    return true;
}

/* `(MainThread)`, `(executor-thread-1)` behind the level. */
static bool take_parenthesis(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str inside;

    if (!self->leveled || self->has_thread || !cut_char(&rest, '(') || !cut_until(&rest, ')', &inside) ||
        !text_is_name(inside) || cut_is_digit(*inside.ptr)) /* "(0.058950s) Select …" */
        return false;
    text_take_thread(self, inside);
    self->text = rest;
    return true;
}

/* Python's `%(process)d %(levelname)s`: a number right before the level. */
static bool take_process(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str number, word;

    if (self->leveled || !self->timed || self->has_pid || !cut_digits(&rest, &number) || !cut_char(&rest, ' '))
        return false;
    cut_blanks(&rest);
    self->text = rest;
    if (!cut_token(&rest, &word) || level_of(word) == LB_LEVEL_NONE) {
        self->text = (struct lb_str){ number.ptr, (size_t)(rest.ptr + rest.len - number.ptr) };
        return false;
    }
    text_take_pid(self, number);
    return true;
}

/* "local.ERROR": a channel and its level. */
static bool take_channel(struct text_header *self, struct lb_str word)
{
    const char *point = word.len > 0 ? memrchr(word.ptr, '.', word.len) : NULL;

    if (point == NULL || !text_take_level(self, cut_from(word, (size_t)(point + 1 - word.ptr))))
        return false;
    text_take_logger(self, (struct lb_str){ word.ptr, (size_t)(point - word.ptr) });
    return true;
}

/* Does the name stand where a logger's does: before a dash or a colon, or is it one by its points? */
static bool is_logger_here(struct lb_str word, struct lb_str behind, bool colon)
{
    cut_blanks(&behind);
    if (!text_is_name(word))
        return false;
    return colon || lb_str_starts(behind, LB_STR("- ")) || lb_str_starts(behind, LB_STR(": ")) ||
           (memchr(word.ptr, '.', word.len) != NULL && word.ptr[word.len - 1] != '.');
}

/* Either of the colons in `net::peer`. */
static bool is_path_colon(struct lb_str text, size_t at)
{
    size_t second = at > 0 && text.ptr[at - 1] == ':' ? at : at + 1;

    return second > 1 && second + 1 < text.len && text.ptr[second] == ':' && cut_is_letter(text.ptr[second + 1]) &&
           (cut_is_letter(text.ptr[second - 2]) || cut_is_digit(text.ptr[second - 2]) || text.ptr[second - 2] == '_');
}

/* The next word without a colon at its end. `*behind` is what follows both. */
static bool next_word(struct lb_str text, struct lb_str *word, struct lb_str *behind, bool *colon)
{
    size_t len = 0;

    while (len < text.len && !cut_is_space(text.ptr[len]) && text.ptr[len] != '[' && text.ptr[len] != '|' &&
           text.ptr[len] != '\x1b' && (text.ptr[len] != ':' || is_path_colon(text, len)))
        len++;
    *word = (struct lb_str){ text.ptr, len };
    *behind = cut_from(text, len);
    while (cut_colour(behind)) {
    }
    *colon = cut_char(behind, ':');
    while (cut_colour(behind)) {
    }
    return len > 0;
}

static bool at_bar(struct lb_str text)
{
    cut_blanks(&text);
    return text.len > 0 && *text.ptr == '|';
}

/* ESXi: "Db(167)", two letters for the severity and a priority in parentheses; "[+]" marks a line that goes on. */
static bool take_priority(struct text_header *self)
{
    static const char *const letters[] = { "Em", "Al", "Cr", "Er", "Wa", "No", "In", "Db" }; /* our levels */
    struct lb_str rest = self->text;
    struct lb_str digits;
    size_t level = 0;

    while (level < sizeof(letters) / sizeof(letters[0]) && !cut_word(&rest, letters[level]))
        level++;
    if (!self->timed || self->leveled || level == sizeof(letters) / sizeof(letters[0]) || !cut_char(&rest, '(') ||
        !cut_digits(&rest, &digits) || !cut_char(&rest, ')'))
        return false;
    (void)cut_word(&rest, "[+]");
    self->fill->record.level = (uint8_t)level;
    self->leveled = true;
    self->text = rest;
    return true;
}

/* `main INFO …` and `esxupdate: 7: root: INFO: …`: names before a level in capitals, the last of them a logger. */
static bool take_names(struct text_header *self)
{
    struct lb_str rest = self->text;
    struct lb_str name = { NULL, 0 };
    struct lb_str word, behind;
    bool colon;
    bool before = false; /* a colon stood behind the name: "queries: info: …" */

    if (!self->timed || self->leveled)
        return false;
    for (int i = 0; i <= NAMES_MAX && next_word(rest, &word, &behind, &colon); i++) {
        bool level = text_is_loud_level(word) || (before && colon && level_of(word) != LB_LEVEL_NONE);
        if (i > 0 && level && (colon || i == 1)) {
            text_take_level(self, word);
            if (!self->has_logger && colon)
                text_take_logger(self, name);
            else if (!self->has_thread && !colon)
                fill_text(self->fill, LB_STR("thread"), name);
            self->has_thread = self->has_thread || !colon;
            self->text = behind;
            return true;
        }
        if (!colon && i > 0)
            return false;
        name = word;
        before = colon;
        rest = behind;
        cut_blanks(&rest);
    }
    return false;
}

static bool take_word(struct text_header *self)
{
    struct lb_str word, behind;
    bool colon;

    if (take_names(self))
        return true;
    if (!next_word(self->text, &word, &behind, &colon))
        return false;
    /* Without a time a level has a colon or a bar behind it: "error: …", not "Error while …". */
    if ((self->timed || colon || at_bar(behind)) && (text_take_level(self, word) || take_channel(self, word))) {
        self->text = behind;
        return true;
    }
    /* Spring: the process behind the level, then `---`. */
    if (self->leveled && !self->has_pid && cut_count_digits(word) == word.len && !colon &&
        lb_str_starts(behind, LB_STR(" --- "))) {
        text_take_pid(self, word);
        self->text = cut_from(behind, 5);
        return true;
    }
    /* "main.go:63" is a place. Python's basic layout has no blank behind its colons, and no time. */
    if (colon && self->timed && behind.len > 0 && !cut_is_space(*behind.ptr))
        return false;
    if (self->has_logger || (!self->timed && !self->leveled) || level_of(word) != LB_LEVEL_NONE ||
        !is_logger_here(word, behind, colon && self->leveled))
        return false;
    text_take_logger(self, word);
    self->text = behind;
    return true;
}

/* A dash or a bar between two pieces. */
static bool take_separator(struct text_header *self)
{
    struct lb_str rest = self->text;

    if (!cut_word(&rest, "- ") && !cut_word(&rest, "-- ") && !cut_char(&rest, '|') && !cut_word(&rest, ": "))
        return false;
    self->text = rest;
    return true;
}

/* One piece more. False: the message begins here. */
static bool take_piece(struct text_header *self)
{
    return text_take_epoch(self) || text_take_time(self) || take_bracket(self) || take_parenthesis(self) ||
           take_process(self) || take_priority(self) || take_separator(self) || text_take_rare(self) || take_word(self);
}

static bool at_dash(struct lb_str text)
{
    return lb_str_starts(text, LB_STR("- "));
}

/* What looked like a thread or logger in front of a level was message if there is no level. */
static void read_header(struct text_header *self)
{
    skip_between(&self->text);
    (void)text_take_opening(self);
    for (int i = 0; i < PIECES_MAX; i++) {
        unsigned times = self->times;

        skip_between(&self->text);
        if (self->text.len == 0)
            break;
        if (self->leveled && self->has_logger && at_dash(self->text)) {
            self->text = cut_from(self->text, 2);
            break;
        }
        if (!take_piece(self))
            break;
        if (self->times != times) {
            self->behind_time = self->text;
            self->count_behind_time = self->fill->count;
        }
    }
    if (self->leveled || !self->timed)
        return;
    self->text = self->behind_time;
    self->fill->count = self->count_behind_time;
    text_note_level(self);
}

static enum lb_err text_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct fill fill;
    struct text_header header = { .fill = &fill, .zone = state };
    enum lb_err err = fill_open(&fill, record, context);

    if (err != LB_OK)
        return err;
    header.text = fill.text;
    read_header(&header);
    if (!header.timed && !header.leveled)
        return fill_refuse(&fill, "expected a time or a level in front", fill.text.ptr);
    fill_message(&fill, tail_object(&fill, state, cut_trimmed(header.text)));
    return fill_done(&fill, record);
}

const struct lb_parser_type lb_parser_text = {
    .module = { .name = "text",
                .help =
                    "lines of applications: time, level, perhaps thread and logger, message (log4j, logback, Python, "
                    "winston)",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = text_parse,
    .close = zoned_close,
};

const struct lb_parser_type lb_parser_java = {
    .module = { .name = "java",
                .help = "log4j, logback, Spring and java.util.logging: the same reader as text",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = text_parse,
    .close = zoned_close,
};

const struct lb_parser_type lb_parser_python = {
    .module = { .name = "python",
                .help = "Python's logging: the same reader as text",
                .state_size = sizeof(struct zoned),
                .options = zoned_options },
    .open = zoned_open,
    .parse = text_parse,
    .close = zoned_close,
};
