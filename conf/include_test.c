/* include_test.c - several files as one configuration. */
#include "include.c"

#include "lb_fake_modules.h"
#include "lb_test.h"

#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64];
    struct lb_diag diag;
    struct lb_config *config;
};

static void write_file(const struct folder *self, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", self->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_folder(struct folder *self)
{
    char path[256];

    *self = (struct folder){ .path = "/tmp/lb_include_XXXXXX" };
    assert_non_null(mkdtemp(self->path));
    snprintf(path, sizeof(path), "%s/conf.d", self->path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void load(struct folder *self)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/main.yaml", self->path);
    self->config = lb_config_load(path, &self->diag);
}

static void forget(struct folder *self)
{
    char command[256];

    lb_config_free(self->config);
    lb_diag_free(&self->diag);
    snprintf(command, sizeof(command), "rm -r '%s'", self->path);
    assert_int_equal(system(command), 0);
}

/* All that was told, the folder's name left out. */
static void expect_told(struct folder *self, const char *expected)
{
    char *out = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&out, &size);
    char short_text[4096] = "";
    size_t len = 0;

    lb_diag_print(&self->diag, file);
    fclose(file);
    for (const char *ptr = out; *ptr != '\0' && len + 1 < sizeof(short_text);) {
        if (strncmp(ptr, self->path, strlen(self->path)) == 0)
            ptr += strlen(self->path) + 1;
        else
            short_text[len++] = *ptr++;
    }
    short_text[len] = '\0';
    if (strcmp(short_text, expected) != 0)
        fail_msg("expected\n%sgot\n%s", expected, short_text);
    free(out);
}

static void merges_sections_in_order_of_file_names(void **state)
{
    struct folder folder;

    (void)state;
    make_folder(&folder);
    write_file(&folder, "main.yaml",
               "include: conf.d/*.yaml\nsources: {a: {type: stdin}}\nroutes: [{to: one}]\n"
               "sinks: {one: {type: archive, path: /x}}\n"
               "alerting: {rules: {r1: {to: one}}, routes: [{to: one}]}\n");
    write_file(&folder, "conf.d/20.yaml", "routes: [{to: three}]\nsinks: {three: {type: archive, path: /x}}\n");
    write_file(&folder, "conf.d/10.yaml",
               "sources: {b: {type: file, include: /y, parse: p, tls: {cert: x.pem}}}\n"
               "parsers: {p: {type: regex, pattern: x}}\nroutes: [{to: two}]\nfilters: [{drop: x}]\n"
               "sinks: {two: {type: archive, path: /x}}\nalerting: {rules: {r2: {to: two}}, routes: [{to: two}]}\n"
               "workers: 3\n");
    write_file(&folder, "conf.d/empty.yaml", "# nothing\n");
    load(&folder);
    expect_told(&folder, "");
    assert_non_null(folder.config);
    assert_int_equal(folder.config->workers, 3);
    assert_int_equal(folder.config->source_count, 2);
    assert_int_equal(folder.config->sink_count, 3);
    assert_text(folder.config->sinks[1].section.name, "two");
    assert_int_equal(folder.config->plan.filter_count, 1);
    assert_int_equal(folder.config->plan.route_count, 3);
    assert_int_equal(folder.config->plan.routes[1].sinks, 2);
    assert_int_equal(folder.config->plan.routes[2].sinks, 4);
    assert_int_equal(folder.config->alerting.rule_count, 2);
    const struct fake_source *source = folder.config->sources[1].state;
    assert_non_null(strstr(source->cert.ptr, "/conf.d/x.pem"));
    forget(&folder);
}

static void tells_both_places_of_a_name(void **state)
{
    struct folder folder;

    (void)state;
    make_folder(&folder);
    write_file(&folder, "main.yaml",
               "include: [conf.d/*.yaml, conf.d/a.yaml]\nsources: {a: {type: stdin}}\n"
               "routes: [{to: one}]\nsinks: {one: {type: archive, path: /x}}\nworkers: 2\n");
    write_file(&folder, "conf.d/a.yaml", "sinks:\n  one: {type: archive, path: /y}\nworkers: 3\nroutes: {to: one}\n");
    load(&folder);
    assert_null(folder.config);
    expect_told(&folder, "conf.d/a.yaml:2:3: error: \"one\" stands twice; the first is at main.yaml:4:9\n"
                         "conf.d/a.yaml:3:1: error: \"workers\" stands twice; the first is at main.yaml:5:1\n"
                         "conf.d/a.yaml:4:9: error: \"routes\": expected a list, got a map\n");
    forget(&folder);
}

static void tells_faults_of_included_files(void **state)
{
    struct folder folder;

    (void)state;
    make_folder(&folder);
    write_file(&folder, "main.yaml",
               "include: [conf.d/*.yaml, none/*.yaml]\nsources: {a: {type: stdin}}\n"
               "routes: [{to: one}]\nsinks: {one: {type: archive, path: /x}}\n");
    write_file(&folder, "conf.d/a.yaml", "a: b: c\n");
    write_file(&folder, "conf.d/b.yaml", "- a\n");
    write_file(&folder, "conf.d/c.yaml", "include: x.yaml\n");
    write_file(&folder, "conf.d/d.yaml", "sorces: {}\n");
    load(&folder);
    assert_null(folder.config);
    expect_told(&folder,
                "conf.d/a.yaml:1:5: error: a second \": \" on this line; quote the value if it is a part of it\n"
                "conf.d/b.yaml:1:1: error: expected a map of sections, got a list\n"
                "conf.d/c.yaml:1:10: error: \"include\" works only in the main file\n"
                "conf.d/d.yaml:1:1: error: unknown key \"sorces\"; did you mean \"sources\"?\n"
                "main.yaml:1:26: warning: \"include\": no file matches \"none/*.yaml\"\n");
    forget(&folder);
}

static void a_file_that_is_missing_is_told(void **state)
{
    struct lb_diag diag = { 0 };

    (void)state;
    assert_null(lb_config_load("/no/such.yaml", &diag));
    assert_string_equal(diag.entries[0].text, "cannot be read: No such file or directory");
    assert_string_equal(diag.entries[0].place.file, "/no/such.yaml");
    lb_diag_free(&diag);
    assert_null(lb_config_load("/tmp", &diag));
    assert_string_equal(diag.entries[0].text, "cannot be read: Is a directory");
    lb_diag_free(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_sections_in_order_of_file_names),
        cmocka_unit_test(tells_both_places_of_a_name),
        cmocka_unit_test(tells_faults_of_included_files),
        cmocka_unit_test(a_file_that_is_missing_is_told),
    };

    return cmocka_run_group_tests_name("conf/include", tests, NULL, NULL);
}
