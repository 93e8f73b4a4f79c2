/* json_test.c - the reader: what it notes, what it refuses, and the corpus of JSON documents. */
#include "json.c"

#include "lb_test.h"

#include <dirent.h>

enum { FIELDS = 16 };

struct reading {
    struct lb_field fields[FIELDS];
    struct lb_json_object object;
    enum lb_err err;
    char *text;
};

/* The text ends where an allocation ends. */
static void read_text(struct reading *reading, const char *text, size_t len, uint32_t field_max)
{
    reading->text = malloc(len > 0 ? len : 1);
    memcpy(reading->text, text, len);
    reading->object = (struct lb_json_object){ .fields = reading->fields, .field_max = field_max };
    reading->err = lb_json_read_object((struct lb_str){ reading->text, len }, &reading->object);
}

static struct lb_str bytes_of(struct lb_value value)
{
    return (struct lb_str){ value.ptr, value.len };
}

static void members_are_noted_where_they_stand(void **state)
{
    static const char text[] =
        " { \"a\" : \"x\", \"b\":-1.5e+3,\"c\":[1,{\"d\":\"]\"}] , \"e\":{}, \"f\":true,\"g\":null} ";
    static const struct {
        const char *key;
        const char *value;
        enum lb_value_kind kind;
    } expected[] = {
        { "a", "x", LB_VALUE_CLEAN },
        { "b", "-1.5e+3", LB_VALUE_NUMBER },
        { "c", "[1,{\"d\":\"]\"}]", LB_VALUE_ARRAY },
        { "e", "{}", LB_VALUE_OBJECT },
        { "f", "true", LB_VALUE_BOOL },
        { "g", "null", LB_VALUE_NULL },
    };
    struct reading reading;

    (void)state;
    read_text(&reading, text, sizeof(text) - 1, FIELDS);
    assert_int_equal(reading.err, LB_OK);
    assert_int_equal(reading.object.field_count, 6);
    assert_int_equal(reading.object.end, sizeof(text) - 2);
    for (size_t i = 0; i < 6; i++) {
        assert_text(bytes_of(reading.fields[i].key), expected[i].key);
        assert_text(bytes_of(reading.fields[i].value), expected[i].value);
        assert_int_equal(reading.fields[i].value.kind, expected[i].kind);
    }
    free(reading.text);
}

static void strings_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        uint8_t kind;
        uint8_t flags;
    } cases[] = {
        { "plain", LB_VALUE_CLEAN, 0 },
        { "", LB_VALUE_CLEAN, 0 },
        { "caf\xc3\xa9 \xf0\x9f\x98\x80", LB_VALUE_CLEAN, 0 },
        { "a\\nb", LB_VALUE_ESCAPED, 0 },
        { "\\u00e9\\\"", LB_VALUE_ESCAPED, 0 },
        { "bad \xff", LB_VALUE_ESCAPED, LB_VALUE_BAD_UTF8 },
        { "\xed\xa0\x80", LB_VALUE_ESCAPED, LB_VALUE_BAD_UTF8 },
        { "\xc3", LB_VALUE_ESCAPED, LB_VALUE_BAD_UTF8 },
        { "\\t\xc0\x80", LB_VALUE_ESCAPED, LB_VALUE_BAD_UTF8 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reading reading;
        char text[128];
        int len = snprintf(text, sizeof(text), "{\"k\":\"%s\"}", cases[i].text);

        read_text(&reading, text, (size_t)len, FIELDS);
        assert_int_equal(reading.err, LB_OK);
        assert_text(bytes_of(reading.fields[0].value), cases[i].text);
        assert_int_equal(reading.fields[0].value.kind, cases[i].kind);
        assert_int_equal(reading.fields[0].value.flags, cases[i].flags);
        free(reading.text);
    }
}

static void bad_utf8_inside_nested_values_is_marked(void **state)
{
    static const char text[] = "{\"a\":[\"\xff\"],\"b\":[\"ok\"],\"c\":{\"x\":{\"\xff\":1}},\"d\":{}}";
    struct reading reading;

    (void)state;
    read_text(&reading, text, sizeof(text) - 1, FIELDS);
    assert_int_equal(reading.err, LB_OK);
    assert_int_equal(reading.fields[0].value.flags, LB_VALUE_BAD_UTF8);
    assert_int_equal(reading.fields[1].value.flags, 0);
    assert_int_equal(reading.fields[2].value.flags, LB_VALUE_BAD_UTF8);
    assert_int_equal(reading.fields[3].value.flags, 0);
    free(reading.text);
}

static void what_is_no_object_is_refused_with_the_place(void **state)
{
    static const struct {
        const char *text;
        const char *reason;
        size_t at;
    } cases[] = {
        { "", "expected an object", 0 },
        { "  ", "expected an object", 2 },
        { "[1]", "expected an object", 0 },
        { "{", "expected a quoted key", 1 },
        { "{\"a", "expected a closing quote", 3 },
        { "{a:1}", "expected a quoted key", 1 },
        { "{\"a\"}", "expected a colon behind the key", 4 },
        { "{\"a\":}", "expected a value", 5 },
        { "{\"a\":", "expected a value", 5 },
        { "{\"a\":1", "expected a comma or a closing bracket", 6 },
        { "{\"a\":1,}", "expected a quoted key", 7 },
        { "{\"a\":01}", "expected a number without leading zeroes", 5 },
        { "{\"a\":-}", "expected a digit", 6 },
        { "{\"a\":1.}", "expected a digit", 7 },
        { "{\"a\":1e}", "expected a digit", 7 },
        { "{\"a\":tru}", "expected a value", 5 },
        { "{\"a\":\"\\x\"}", "expected a valid escape sequence", 6 },
        { "{\"a\":\"\\u12g4\"}", "expected a valid escape sequence", 6 },
        { "{\"a\":\"\n\"}", "expected no control character inside a string", 6 },
        { "{\"a\":[1 2]}", "expected a comma or a closing bracket", 8 },
        { "{\"a\":[1}", "expected a comma or a closing bracket", 7 },
        { "{\"a\":{\"b\":1]}", "expected a comma or a closing bracket", 11 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reading reading;

        read_text(&reading, cases[i].text, strlen(cases[i].text), FIELDS);
        assert_int_equal(reading.err, LB_BAD_INPUT);
        if (strcmp(reading.object.reason, cases[i].reason) != 0 || reading.object.reason_at != cases[i].at)
            fail_msg("%s: %s at %zu", cases[i].text, reading.object.reason, reading.object.reason_at);
        free(reading.text);
    }
}

static void members_past_the_maximum_become_the_rest(void **state)
{
    static const char text[] = "{\"a\":1,\"b\":2, \"c\":\"3\" , \"d\":[4]}";
    struct reading reading;

    (void)state;
    read_text(&reading, text, sizeof(text) - 1, 2);
    assert_int_equal(reading.err, LB_OK);
    assert_int_equal(reading.object.field_count, 2);
    assert_text(reading.object.rest, "\"c\":\"3\" , \"d\":[4]");
    free(reading.text);
    read_text(&reading, "{\"a\":1,\"b\":2,\"c\":}", 18, 2);
    assert_int_equal(reading.err, LB_BAD_INPUT);
    free(reading.text);
}

static void what_follows_the_object_is_the_callers(void **state)
{
    struct reading reading;

    (void)state;
    read_text(&reading, "{\"a\":1}}}", 9, FIELDS);
    assert_int_equal(reading.err, LB_OK);
    assert_int_equal(reading.object.end, 7);
    free(reading.text);
}

/* Strings of every length at every place, so that they end in each bit of each word and past the window. */
static void strings_of_any_length_are_found(void **state)
{
    (void)state;
    for (size_t before = 0; before < 70; before += 3) {
        for (size_t len = 0; len < 300; len++) {
            struct reading reading;
            char text[512] = "{\"";

            memset(text + 2, 'k', before);
            memcpy(text + 2 + before, "\":\"", 3);
            memset(text + 5 + before, 'v', len);
            memcpy(text + 5 + before + len, "\",\"z\":0}", 8);
            read_text(&reading, text, before + len + 13, FIELDS);
            assert_int_equal(reading.err, LB_OK);
            assert_int_equal(reading.object.field_count, 2);
            assert_int_equal(reading.fields[0].key.len, before);
            assert_int_equal(reading.fields[0].value.len, len);
            free(reading.text);
        }
    }
}

static void texts_beyond_the_window_are_read(void **state)
{
    enum { MEMBERS = 2000, ROOM = MEMBERS * 40 };
    char *text = malloc(ROOM);
    struct lb_field *fields = malloc(MEMBERS * sizeof(*fields));
    struct lb_json_object object = { .fields = fields, .field_max = MEMBERS };
    size_t len = 0;

    (void)state;
    for (int i = 0; i < MEMBERS; i++)
        len += (size_t)snprintf(text + len, ROOM - len, "%c\"key%d\":\"%s%d\"", i == 0 ? '{' : ',', i,
                                i % 7 == 0 ? "caf\xc3\xa9 " : "value ", i);
    text[len++] = '}';
    assert_int_equal(lb_json_read_object((struct lb_str){ text, len }, &object), LB_OK);
    assert_int_equal(object.field_count, MEMBERS);
    for (int i = 0; i < MEMBERS; i++) {
        char expected[32];

        snprintf(expected, sizeof(expected), "%s%d", i % 7 == 0 ? "caf\xc3\xa9 " : "value ", i);
        assert_text(bytes_of(fields[i].value), expected);
        assert_int_equal(fields[i].value.kind, LB_VALUE_CLEAN);
    }
    free(fields);
    free(text);
}

static void nesting_is_bounded(void **state)
{
    enum { DEPTH = LB_JSON_DEPTH_MAX };
    char text[2 * DEPTH + 16];

    (void)state;
    for (size_t depth = DEPTH - 2; depth <= DEPTH; depth++) {
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', depth);
        memset(text + 5 + depth, ']', depth);
        text[5 + 2 * depth] = '}';
        assert_int_equal(lb_json_valid((struct lb_str){ text, 6 + 2 * depth }), depth < DEPTH - 1);
    }
    memset(text, '[', sizeof(text));
    assert_false(lb_json_valid((struct lb_str){ text, sizeof(text) }));
}

static void elements_come_one_by_one(void **state)
{
    static const char *const expected[] = { "1", "b c", "[2, 3]", "{\"d\":4}", "null" };
    struct lb_str array = LB_STR("[ 1, \"b c\" ,[2, 3],{\"d\":4},null ]");
    struct lb_value element;
    size_t at = 1;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(lb_json_next_element(array, &at, &element), LB_OK);
        assert_text(bytes_of(element), expected[i]);
    }
    assert_int_equal(lb_json_next_element(array, &at, &element), LB_END);
    at = 1;
    assert_int_equal(lb_json_next_element(LB_STR("[]"), &at, &element), LB_END);
    at = 1;
    assert_int_equal(lb_json_next_element(LB_STR("[x]"), &at, &element), LB_BAD_INPUT);
}

static void members_come_one_by_one(void **state)
{
    static const struct lb_str texts[] = { LB_STR("{\"a\":1, \"b\" : \"x\"}"), LB_STR("\"a\":1, \"b\" : \"x\"") };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct lb_field member;
        size_t at = 1 - i;

        assert_int_equal(lb_json_next_member(texts[i], &at, &member), LB_OK);
        assert_text(bytes_of(member.key), "a");
        assert_int_equal(lb_json_next_member(texts[i], &at, &member), LB_OK);
        assert_text(bytes_of(member.value), "x");
        assert_int_equal(lb_json_next_member(texts[i], &at, &member), LB_END);
    }
}

/* --- the corpus --------------------------------------------------------------- */

static bool file_is_valid(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    size_t size = 0;

    assert_non_null(file);
    if (getdelim(&bytes, &size, EOF, file) < 0) {
        (void)fclose(file);
        free(bytes);
        return lb_json_valid(LB_STR(""));
    }
    size_t len = (size_t)ftell(file);
    (void)fclose(file);
    char *exact = malloc(len);
    memcpy(exact, bytes, len);
    bool valid = lb_json_valid((struct lb_str){ exact, len });
    free(exact);
    free(bytes);
    return valid;
}

/* Returns how many files there were; 0: no corpus. */
static int check_folder(const char *folder, bool expected, bool either)
{
    const char *root = getenv("LB_CORPUS");
    char path[4096];
    int count = 0;

    snprintf(path, sizeof(path), "%s/json/%s", root != NULL ? root : "../shared/corpus", folder);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        printf("[ SKIPPED  ] corpus folder %s is absent; set LB_CORPUS\n", path);
        return 0;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char file[8192];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (file_is_valid(file) != expected && !either)
            fail_msg("%s must be %s", file, expected ? "taken" : "refused");
        count++;
    }
    closedir(directory);
    return count;
}

static void the_corpus_is_taken_and_refused(void **state)
{
    (void)state;
    int count = check_folder("accept", true, false) + check_folder("transform", true, false) +
                check_folder("reject", false, false) + check_folder("either", true, true);
    if (count == 0)
        skip();
    printf("[ CORPUS   ] %d JSON documents\n", count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_noted_where_they_stand),
        cmocka_unit_test(strings_are_told_apart),
        cmocka_unit_test(bad_utf8_inside_nested_values_is_marked),
        cmocka_unit_test(what_is_no_object_is_refused_with_the_place),
        cmocka_unit_test(members_past_the_maximum_become_the_rest),
        cmocka_unit_test(what_follows_the_object_is_the_callers),
        cmocka_unit_test(strings_of_any_length_are_found),
        cmocka_unit_test(texts_beyond_the_window_are_read),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(elements_come_one_by_one),
        cmocka_unit_test(members_come_one_by_one),
        cmocka_unit_test(the_corpus_is_taken_and_refused),
    };

    return cmocka_run_group_tests_name("parse/json", tests, NULL, NULL);
}
