/* lb_faults.h - loads and checks a configuration over the fake modules and gives back all that was said, word for word.
 */
#ifndef LB_FAULTS_H
#define LB_FAULTS_H

#include "lb_fake_modules.h"
#include "lb_test.h"

/* The source, the sink and the route of a configuration that has no fault, each on a line of its own. */
#define DATA_DIR "data_dir: /tmp\n"
#define SOURCES "sources: {app: {type: file, include: [/var/log/app.log]}}\n"
#define SINKS "sinks: {archive: {type: archive, path: /a/x.zst}}\n"
#define ROUTES "routes: [{to: archive}]\n"
#define WHOLE DATA_DIR SOURCES SINKS ROUTES
#define NO_SOURCES DATA_DIR SINKS ROUTES
#define NO_SINKS DATA_DIR SOURCES ROUTES
#define NO_ROUTES DATA_DIR SOURCES SINKS
#define NO_DATA_DIR SOURCES SINKS ROUTES

struct fault {
    const char *text;
    const char *told;
};

/* The caller frees it. */
static inline char *faults_told(const char *text, size_t len)
{
    struct lb_diag diag = { 0 };
    char *out = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&out, &size);
    struct lb_config *config = lb_config_parse("a.yaml", (struct lb_str){ text, len }, &diag);

    if (config != NULL)
        lb_config_check(config, &diag);
    lb_diag_print(&diag, file);
    fclose(file);
    lb_config_free(config);
    lb_diag_free(&diag);
    return out;
}

static inline void faults_expect(const struct fault *faults, size_t count)
{
    int failed = 0;

    for (size_t i = 0; i < count; i++) {
        char *told = faults_told(faults[i].text, strlen(faults[i].text));

        if (strcmp(told, faults[i].told) != 0) {
            print_error("--- of\n%s--- expected\n%s--- was told\n%s", faults[i].text, faults[i].told, told);
            failed++;
        }
        free(told);
    }
    assert_int_equal(failed, 0);
}

#define EXPECT_FAULTS(faults) faults_expect(faults, sizeof(faults) / sizeof((faults)[0]))

#endif
