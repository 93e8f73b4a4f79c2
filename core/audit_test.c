/* audit_test.c - the chain goes on over crashes, full files and other writers; what is changed shows. */
#include "audit.c"

#include "lb_file.h"
#include "lb_test.h"

#include <sys/wait.h>

struct fixture {
    char directory[64];
    char path[80];
};

struct seen {
    size_t lines;
    size_t problems;
    size_t first_problem; /* its line */
    const char *what;
    uint64_t last;
    char text[400]; /* of the last line */
};

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));

    snprintf(self->directory, sizeof(self->directory), "/tmp/lb_audit_test.XXXXXX");
    assert_non_null(mkdtemp(self->directory));
    snprintf(self->path, sizeof(self->path), "%s/audit.log", self->directory);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", self->directory);
    int status = system(command);
    free(self);
    return status;
}

static void look(void *context, const struct lb_audit_line *line)
{
    struct seen *seen = context;

    seen->lines++;
    seen->last = line->sequence;
    snprintf(seen->text, sizeof(seen->text), LB_STR_FMT, LB_STR_ARG(line->text));
    if (line->problem == NULL)
        return;
    if (seen->problems++ == 0) {
        seen->first_problem = line->number;
        seen->what = line->problem;
    }
}

static struct seen read_all(const struct fixture *self)
{
    struct seen seen = { 0 };

    assert_true(lb_audit_read(self->path, look, &seen));
    return seen;
}

static void append(const struct fixture *self, const char *members)
{
    assert_int_equal(lb_audit_append(self->path, lb_str_from(members)), LB_OK);
}

static void a_line_follows_the_line_before(void **state)
{
    const struct fixture *self = *state;

    append(self, "\"action\":\"a\"");
    append(self, "\"action\":\"b\"");
    append(self, "\"action\":\"c\"");
    struct seen seen = read_all(self);

    assert_int_equal(seen.lines, 3);
    assert_int_equal(seen.problems, 0);
    assert_int_equal(seen.last, 3);
    assert_int_equal(strncmp(seen.text, "{\"sequence\":3,\"action\":\"c\",\"prev\":\"", 35), 0);
}

static void what_a_crash_left_is_cut(void **state)
{
    const struct fixture *self = *state;
    FILE *file;

    append(self, "\"action\":\"a\"");
    file = fopen(self->path, "a");
    fputs("{\"sequence\":2,\"act", file);
    fclose(file);
    assert_int_equal(read_all(self).lines, 1);
    append(self, "\"action\":\"b\"");
    struct seen seen = read_all(self);

    assert_int_equal(seen.lines, 2);
    assert_int_equal(seen.problems, 0);
}

/* Changes the file's text with sed. */
static void edit(const struct fixture *self, const char *script)
{
    char command[256];

    snprintf(command, sizeof(command), "sed -i '%s' %s", script, self->path);
    assert_int_equal(system(command), 0);
}

static void whatever_is_changed_shows_and_where(void **state)
{
    const struct fixture *self = *state;
    static const struct {
        const char *script;
        size_t line;
        const char *what;
    } rows[] = {
        { "2s/two/TWO/", 3, "`prev` is not the hash" },
        { "3d", 3, "`prev` is not the hash" },
        { "1d", 0, NULL },
        { "2s/^/x/", 2, "no line of an audit log" },
        { "2s/:2,/:7,/", 2, "its number does not follow" },
        { "2p", 3, "`prev` is not the hash" },
        { "1s/:\"0000/:\"0001/", 1, "before the first" },
        { "5s/}$//", 5, "no line of an audit log" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unlink(self->path);
        append(self, "\"word\":\"one\"");
        append(self, "\"word\":\"two\"");
        append(self, "\"word\":\"three\"");
        append(self, "\"word\":\"four\"");
        append(self, "\"word\":\"five\"");
        edit(self, rows[i].script);
        struct seen seen = read_all(self);

        if (seen.first_problem != rows[i].line)
            fail_msg("row %zu: line %zu: %s", i, seen.first_problem, seen.what != NULL ? seen.what : "");
        if (rows[i].what != NULL)
            assert_non_null(strstr(seen.what, rows[i].what));
    }
}

/* The last file is nearly full already. */
static void fill(const struct fixture *self)
{
    char *members = calloc(1, LB_AUDIT_MEMBERS_MAX + 1);

    memset(members, 'x', LB_AUDIT_MEMBERS_MAX);
    memcpy(members, "\"a\":\"", 5);
    members[LB_AUDIT_MEMBERS_MAX - 1] = '"';
    for (int i = 0; i < 8 * 1024 / 60 + 2; i++)
        append(self, members);
    free(members);
}

static void the_chain_goes_on_in_the_next_file(void **state)
{
    const struct fixture *self = *state;
    char renamed[128];

    fill(self);
    snprintf(renamed, sizeof(renamed), "%s/audit.0000000001.log", self->directory);
    assert_int_equal(access(renamed, F_OK), 0);
    struct seen seen = read_all(self);

    assert_int_equal(seen.problems, 0);
    assert_int_equal(seen.lines, seen.last);
    /* Renamed, and then the power failed. */
    unlink(self->path);
    append(self, "\"action\":\"on\"");
    assert_int_equal(read_all(self).problems, 0);
    /* The last line of the file before is taken out. */
    assert_int_equal(truncate(renamed, 7 * 1024 * 1024), 0);
    assert_int_equal(read_all(self).problems, 1);
    /* All of it: what is left begins later, and holds together. */
    unlink(renamed);
    assert_int_equal(read_all(self).problems, 0);
}

static void many_write_at_once(void **state)
{
    const struct fixture *self = *state;

    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            for (int j = 0; j < 20; j++)
                if (lb_audit_append(self->path, LB_STR("\"action\":\"x\"")) != LB_OK)
                    _exit(1);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status;

        wait(&status);
        assert_int_equal(status, 0);
    }
    struct seen seen = read_all(self);

    assert_int_equal(seen.lines, 80);
    assert_int_equal(seen.problems, 0);
}

static void refuses_what_is_too_long_and_what_cannot_be_kept(void **state)
{
    const struct fixture *self = *state;
    struct lb_str members = { zeros, LB_AUDIT_MEMBERS_MAX + 1 };
    struct seen seen;

    assert_int_equal(lb_audit_append(self->path, members), LB_LIMIT);
    assert_int_equal(lb_audit_append("/nonexistent/audit.log", LB_STR("\"a\":1")), LB_IO);
    assert_false(lb_audit_read(self->path, look, &seen));
    assert_int_equal(errno, ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_follows_the_line_before),
        TEST(what_a_crash_left_is_cut),
        TEST(whatever_is_changed_shows_and_where),
        TEST(the_chain_goes_on_in_the_next_file),
        TEST(many_write_at_once),
        TEST(refuses_what_is_too_long_and_what_cannot_be_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
