/*
 * prop_redact.c - random records with secrets in random places: behind the
 * filter no format writes one; and records without any are written as if
 * there were no filter, byte for byte.
 */
#include "lb_test.h"
#include "lb_test_filter.h"

enum { ROUNDS = 4000, LINE_MAX_BYTES = 64 * 1024, SECRETS_MAX = 24, SECRET_BYTES = 160 };

static const char *const ways[] = { "mask", "hash", "drop" };

struct maker {
    uint64_t random;
    bool planting;
    char line[LINE_MAX_BYTES];
    size_t len;
    char secrets[SECRETS_MAX][SECRET_BYTES];
    unsigned count;
};

static uint64_t below(struct maker *self, uint64_t bound)
{
    return lb_random(&self->random) % bound;
}

static const char *one_of(struct maker *self, const char *const *words)
{
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    return words[below(self, count)];
}

/* --- secrets --------------------------------------------------------------------- */

static void letters(struct maker *self, char *out, size_t count, const char *alphabet)
{
    size_t size = strlen(alphabet);

    for (size_t i = 0; i < count; i++)
        out[i] = alphabet[below(self, size)];
    out[count] = '\0';
}

#define DIGITS "0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"

static void make_card(struct maker *self, char *out)
{
    unsigned sum = 0;

    out[0] = '4';
    letters(self, out + 1, 14, DIGITS);
    for (unsigned i = 0; i < 15; i++) {
        unsigned digit = (unsigned)(out[14 - i] - '0') << (i % 2 == 0);

        sum += digit > 9 ? digit - 9 : digit;
    }
    out[15] = (char)('0' + (10 - sum % 10) % 10);
    out[16] = '\0';
}

static void make_iban(struct maker *self, char *out)
{
    char bban[19];
    unsigned rest = 0;
    char tail[32];

    letters(self, bban, 18, DIGITS);
    snprintf(tail, sizeof(tail), "%s131400", bban); /* DE00 as digits */
    for (const char *c = tail; *c != '\0'; c++)
        rest = (rest * 10 + (unsigned)(*c - '0')) % 97;
    snprintf(out, SECRET_BYTES, "DE%02u%s", 98 - rest, bban);
}

static void group(const char *digits, char between, char *out)
{
    for (size_t i = 0; digits[i] != '\0'; i++) {
        if (i > 0 && i % 4 == 0)
            *out++ = between;
        *out++ = digits[i];
    }
    *out = '\0';
}

/* A secret, and the text that it stands in: alone or with what makes it one. */
static void make_secret(struct maker *self, char *secret, char *text)
{
    char a[40];
    char b[40];
    char plain[SECRET_BYTES];

    letters(self, a, 4 + below(self, 12), LOWER DIGITS);
    letters(self, b, 3 + below(self, 8), LOWER);
    switch (below(self, 12)) {
    case 0: snprintf(secret, SECRET_BYTES, "%s.%s@%s.example.org", b, a, b); break;
    case 1:
        snprintf(secret, SECRET_BYTES, "%u.%u.%u.%u", (unsigned)below(self, 256), (unsigned)below(self, 256),
                 (unsigned)below(self, 256), (unsigned)below(self, 256));
        break;
    case 2:
        snprintf(secret, SECRET_BYTES, "2001:db8::%x:%x", (unsigned)below(self, 65536), (unsigned)below(self, 65536));
        break;
    case 3: make_card(self, secret); break;
    case 4: make_card(self, plain), group(plain, below(self, 2) == 0 ? ' ' : '-', secret); break;
    case 5: make_iban(self, secret); break;
    case 6: make_iban(self, plain), group(plain, ' ', secret); break;
    case 7:
        snprintf(secret, SECRET_BYTES, "%s7%s_%s", a, b, b);
        snprintf(text, SECRET_BYTES, "Bearer %s", secret);
        return;
    case 8:
        snprintf(secret, SECRET_BYTES, "%s:%s7", b, a);
        snprintf(text, SECRET_BYTES, "https://%s:%s@db.example/x", b, secret);
        return;
    case 9: letters(self, a, 16, UPPER DIGITS), snprintf(secret, SECRET_BYTES, "AKIA%s", a); break;
    case 10:
        letters(self, a, 30, LOWER UPPER DIGITS "-_");
        snprintf(secret, SECRET_BYTES, "eyJ%s.eyJ%s.%s", a, a, a);
        break;
    default: letters(self, a, 6, DIGITS), snprintf(secret, SECRET_BYTES, "ORD-%s", a); break;
    }
    snprintf(text, SECRET_BYTES, "%s", secret);
}

/* --- lines -------------------------------------------------------------------------- */

static void put(struct maker *self, const char *text)
{
    size_t len = strlen(text);

    assert_true(self->len + len < sizeof(self->line));
    memcpy(self->line + self->len, text, len + 1);
    self->len += len;
}

/* As the inside of a JSON string; now and then a character as \u00XX. */
static void put_inside(struct maker *self, const char *text, unsigned levels)
{
    for (; *text != '\0'; text++) {
        char piece[16] = { *text };

        if ((unsigned char)*text < 0x80 && below(self, 40) == 0 && levels == 1)
            snprintf(piece, sizeof(piece), "\\u%04x", (unsigned char)*text);
        else if (*text == '"' || *text == '\\')
            snprintf(piece, sizeof(piece), levels == 1 ? "\\%c" : *text == '"' ? "\\\\\\%c" : "\\\\\\\\", *text);
        else if (*text == '\n')
            snprintf(piece, sizeof(piece), "%s", levels == 1 ? "\\n" : "\\\\n");
        put(self, piece);
    }
}

static const char *const fillers[] = { "user", "logged in", "from",      "the",   "order", "caf\xc3\xa9",
                                       "x",    "7",         "12:30:45",  "a \"b", "c\\d",  "/v/p",
                                       "main", "42.50",     "std::fade", "\n ",   "#1 @ ", NULL };
static const char *const befores[] = { " ", " \"", " '", " (", " <", ", ", " =", " /", " [", "\n", " |", NULL };
static const char *const behinds[] = { " ", "\" ", "' ", ") ", "> ", ", ", "; ", "|", "] ", "\n", ". ", NULL };

static void put_words(struct maker *self, unsigned levels)
{
    for (uint64_t n = below(self, 4); n > 0; n--) {
        put_inside(self, one_of(self, fillers), levels);
        put_inside(self, " ", levels);
    }
}

static void put_text(struct maker *self, unsigned levels)
{
    char text[SECRET_BYTES];

    put_words(self, levels);
    if (self->planting && self->count < SECRETS_MAX && below(self, 2) == 0) {
        make_secret(self, self->secrets[self->count++], text);
        put_inside(self, one_of(self, befores), levels);
        put_inside(self, text, levels);
        put_inside(self, one_of(self, behinds), levels);
    }
    if (self->planting && self->count < SECRETS_MAX && below(self, 4) == 0) {
        char *secret = self->secrets[self->count++];

        letters(self, secret, 8 + below(self, 12), LOWER UPPER DIGITS "!$%*+");
        put_inside(self, one_of(self, (const char *const[]){ " password=", " api_key: ", " \"password\": \"", NULL }),
                   levels);
        put_inside(self, secret, levels);
        put_inside(self, one_of(self, (const char *const[]){ " ", "\" ", NULL }), levels);
    }
    put_words(self, levels);
}

static void put_value(struct maker *self, unsigned depth);

static void put_key_member(struct maker *self)
{
    char *secret = self->secrets[self->count++];
    bool nested = below(self, 3) == 0;

    letters(self, secret, 8 + below(self, 12), LOWER UPPER DIGITS " ,;{}[]:'");
    put(self, one_of(self, (const char *const[]){ "\"password\":", "\"API_KEY\" : ", "\"pass\\u0077ord\":", NULL }));
    put(self, nested ? "{\"x\":[1,\"" : "\"");
    put_inside(self, secret, 1);
    put(self, nested ? "\"]}" : "\"");
}

static void put_object(struct maker *self, unsigned depth)
{
    const char *comma = "";
    char name[16];

    put(self, "{");
    for (uint64_t n = below(self, 4); n > 0; n--) {
        put(self, comma);
        comma = below(self, 4) == 0 ? " , " : ",";
        if (self->planting && self->count < SECRETS_MAX && below(self, 5) == 0) {
            put_key_member(self);
            continue;
        }
        snprintf(name, sizeof(name), "\"k%u\":", (unsigned)below(self, 100));
        put(self, name);
        put_value(self, depth + 1);
    }
    put(self, "}");
}

static void put_value(struct maker *self, unsigned depth)
{
    switch (below(self, depth < 4 ? 8 : 5)) {
    case 0: put(self, one_of(self, (const char *const[]){ "0", "-1.50", "true", "null", "12e3", "[]", NULL })); return;
    case 1:
        if (self->planting && self->count < SECRETS_MAX) {
            make_card(self, self->secrets[self->count]);
            put(self, self->secrets[self->count++]);
            return;
        }
        put(self, "17");
        return;
    case 2:
        put(self, "\"");
        put_text(self, 2);
        put(self, "\"");
        return;
    case 5:
        put(self, "[");
        put_value(self, depth + 1);
        put(self, ", ");
        put_value(self, depth + 1);
        put(self, "]");
        return;
    case 6:
    case 7: put_object(self, depth); return;
    default:
        put(self, "\"");
        put_text(self, 1);
        put(self, "\"");
    }
}

static void make_line(struct maker *self)
{
    char name[16];
    uint64_t members = below(self, 50) == 0 ? 600 : below(self, 6);

    self->len = 0;
    self->count = 0;
    put(self, "{\"message\":\"");
    put_text(self, below(self, 3) == 0 ? 2 : 1);
    put(self, "\"");
    for (uint64_t i = 0; i < members && self->len < LINE_MAX_BYTES / 2; i++) {
        snprintf(name, sizeof(name), ",\"f%u\":", (unsigned)i);
        put(self, name);
        put_value(self, members > 50 ? 4 : 0);
    }
    if (self->planting && self->count < SECRETS_MAX && below(self, 3) == 0) {
        put(self, ",");
        put_key_member(self);
    }
    put(self, below(self, 30) == 0 ? "" : "}");
}

/* --- what must hold ---------------------------------------------------------------------- */

static void open_filter(struct lb_test_filter *filter, const char *with)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "[{redact: {with: %s, key: k, patterns: [email, ipv4, ipv6, card, iban, bearer, password_url, aws_key, "
             "jwt], keys: [password, api_key, Authorization], match: {order: 'ORD-[0-9]{6}'}}}]",
             with);
    if (!lb_test_filter_open(filter, text)) {
        lb_diag_print(&filter->diag, stderr);
        fail();
    }
}

static void check_hidden(const struct maker *self, struct lb_str written, uint64_t seed)
{
    static char plain[4 * LINE_MAX_BYTES];
    size_t len;

    assert_true(written.len < sizeof(plain));
    len = lb_json_unescape(written, plain);
    for (unsigned i = 0; i < self->count; i++) {
        const char *secret = self->secrets[i];

        if (memmem(written.ptr, written.len, secret, strlen(secret)) != NULL ||
            memmem(plain, len, secret, strlen(secret)) != NULL)
            fail_msg("LB_SEED=%llu: \"%s\" is still there\n in  %.*s\n out " LB_STR_FMT, (unsigned long long)seed,
                     secret, (int)self->len, self->line, LB_STR_ARG(written));
    }
}

static void no_format_writes_a_secret(void **state)
{
    static struct maker maker;

    (void)state;
    for (unsigned way = 0; way < 3; way++) {
        struct lb_test_filter filter;
        unsigned planted = 0;

        maker.random = lb_seed() + way;
        maker.planting = true;
        open_filter(&filter, ways[way]);
        for (unsigned round = 0; round < ROUNDS / 3; round++) {
            uint64_t seed = maker.random;

            make_line(&maker);
            planted += maker.count;
            lb_test_filter_run(&filter, (struct lb_str){ maker.line, maker.len });
            for (int format = LB_FORMAT_JSON; format <= LB_FORMAT_RAW; format++)
                check_hidden(&maker, lb_test_filter_written(&filter, (enum lb_format)format), seed);
            assert_true(lb_json_valid(lb_test_filter_written(&filter, LB_FORMAT_JSON)));
        }
        assert_true(planted > ROUNDS / 3);
        lb_test_filter_close(&filter);
    }
}

static void what_holds_no_secret_is_written_as_it_was(void **state)
{
    static struct maker maker;
    struct lb_test_filter filter;
    struct lb_test_filter none;

    (void)state;
    maker.random = lb_seed();
    open_filter(&filter, "mask");
    assert_true(lb_test_filter_open(&none, "[]"));
    for (unsigned round = 0; round < ROUNDS; round++) {
        make_line(&maker);
        lb_test_filter_run(&filter, (struct lb_str){ maker.line, maker.len });
        lb_test_filter_run(&none, (struct lb_str){ maker.line, maker.len });
        for (int format = LB_FORMAT_JSON; format <= LB_FORMAT_RAW; format++) {
            struct lb_str got = lb_test_filter_written(&filter, (enum lb_format)format);
            struct lb_str was = lb_test_filter_written(&none, (enum lb_format)format);

            if (!lb_str_equal(got, was))
                fail_msg("round %u: was " LB_STR_FMT "\n got " LB_STR_FMT, round, LB_STR_ARG(was), LB_STR_ARG(got));
        }
    }
    lb_test_filter_close(&filter);
    lb_test_filter_close(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_format_writes_a_secret),
        cmocka_unit_test(what_holds_no_secret_is_written_as_it_was),
    };

    return cmocka_run_group_tests_name("property/redact", tests, NULL, NULL);
}
