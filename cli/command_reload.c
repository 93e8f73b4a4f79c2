/*
 * command_reload.c - `logboom reload`: has the running daemon read its configuration again, and says what came of it.
 *
 * Over HTTP the answer is known; without a server only a signal is left, to the process that holds the lock on
 * data_dir.
 */
#include "command.h"

#include "lb_conf.h"
#include "lb_limits.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ADDRESS_SIZE = 512, HEADER_SIZE = 8192, TIMEOUT_SECONDS = 300, STATUS_OK = 200, STATUS_REFUSED = 422 };

static CURL *make_request(const struct lb_config *config, char *address, struct curl_slist **headers)
{
    char token[HEADER_SIZE];
    CURL *curl = curl_easy_init();
    bool v6 = memchr(config->http_host.ptr, ':', config->http_host.len) != NULL;

    if (curl == NULL)
        return NULL;
    snprintf(address, ADDRESS_SIZE, "http://%s%s%s:%u/api/v1/reload", v6 ? "[" : "", config->http_host.ptr,
             v6 ? "]" : "", config->http_port);
    *headers = curl_slist_append(*headers, "Accept: text/plain");
    snprintf(token, sizeof(token), "Authorization: Bearer " LB_STR_FMT, LB_STR_ARG(config->http_token));
    if (config->http_token.len > 0)
        *headers = curl_slist_append(*headers, token);
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, stdout);
    return curl;
}

/* The answer goes to stdout. Its status; 0: nobody answers. */
static long ask(const struct lb_config *config)
{
    char address[ADDRESS_SIZE];
    struct curl_slist *headers = NULL;
    CURL *curl = make_request(config, address, &headers);
    long status = 0;

    if (curl == NULL)
        return 0;
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return status;
}

/* Who holds the lock on data_dir; 0: nobody. */
static pid_t find_process(const struct lb_config *config)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT "/lock", LB_STR_ARG(config->data_dir));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    bool held = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held ? lock.l_pid : 0;
}

static int send_signal(const struct lb_config *config)
{
    pid_t process = find_process(config);

    if (process <= 0) {
        fprintf(stderr, "logboom: nobody runs with data_dir " LB_STR_FMT "; start it with `logboom run`\n",
                LB_STR_ARG(config->data_dir));
        return EXIT_USAGE;
    }
    if (kill(process, SIGHUP) != 0) {
        fprintf(stderr, "logboom: cannot signal process %d: %s\n", (int)process, strerror(errno));
        return EXIT_USAGE;
    }
    printf("sent HUP to process %d; its log says what came of it (with http.listen set, this command would)\n",
           (int)process);
    return EXIT_OK;
}

static int reload(const struct lb_config *config)
{
    long status = config->http_listen.len > 0 ? ask(config) : 0;

    if (status == 0)
        return send_signal(config);
    if (status == STATUS_OK)
        return EXIT_OK;
    if (status != STATUS_REFUSED)
        fprintf(stderr, "logboom: " LB_STR_FMT " answered %ld; is it this logboom, and is the token its own?\n",
                LB_STR_ARG(config->http_listen), status);
    return status == STATUS_REFUSED ? EXIT_NO : EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    const char *file = default_config();
    struct lb_diag diag = { 0 };

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") != 0)
            return usage_error(&command_reload, "unexpected \"%s\"", argv[i]);
        if (i + 1 == argc)
            return usage_error(&command_reload, "-c needs a value");
        file = argv[++i];
    }

    struct lb_config *config = lb_config_load(file, &diag);
    int code = EXIT_NO;

    if (config == NULL) {
        lb_diag_print(&diag, stderr);
        fprintf(stderr, "logboom: not reloaded; the configuration before goes on\n");
    } else {
        code = reload(config);
        lb_config_free(config);
    }
    lb_diag_free(&diag);
    return code;
}

const struct command command_reload = {
    .name = "reload",
    .summary = "have the running logboom read its configuration again",
    .help = "logboom reload [-c FILE]\n\n"
            "  -c FILE  the configuration; $LOGBOOM_CONFIG or /etc/logboom/logboom.yaml unless given\n\n"
            "The daemon loads and checks the file beside the one it runs with; what has not changed goes on\n"
            "undisturbed. With any fault in it everything stays as it was, and all faults are printed.\n"
            "Exit: 0 reloaded, 1 refused, 2 nobody runs or answers.\n",
    .run = run,
};
