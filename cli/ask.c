/* ask.c - asks the running daemon of a configuration; see ask.h. */
#include "ask.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ADDRESS_SIZE = 4096, HEADER_SIZE = 8192, TIMEOUT_SECONDS = 30 };

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct lb_buffer *out = context;

    lb_buffer_append(out, bytes, size * count);
    return out->failed ? 0 : size * count;
}

static bool may_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat status;

    if (strlen(path) >= sizeof(address.sun_path) || lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0)
        close(fd);
    return connected;
}

static void set_address(CURL *curl, const struct lb_config *config, const char *path, bool by_socket)
{
    char address[ADDRESS_SIZE];
    bool v6 = !by_socket && memchr(config->http_host.ptr, ':', config->http_host.len) != NULL;

    if (by_socket)
        snprintf(address, sizeof(address), "http://logboom%s", path);
    else
        snprintf(address, sizeof(address), "http://%s%s%s:%u%s", v6 ? "[" : "", config->http_host.ptr, v6 ? "]" : "",
                 config->http_port, path);
    curl_easy_setopt(curl, CURLOPT_URL, address); /* curl copies it */
}

static struct curl_slist *headers_of(const struct lb_config *config, bool by_socket)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char token[HEADER_SIZE];

    snprintf(token, sizeof(token), "Authorization: Bearer " LB_STR_FMT, LB_STR_ARG(config->http_token));
    return by_socket || config->http_token.len == 0 ? headers : curl_slist_append(headers, token);
}

static long perform(CURL *curl, const char *method, struct lb_str body, struct lb_buffer *out)
{
    long status = 0;

    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.len > 0 ? body.ptr : "");
    }
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static long nobody(const struct lb_config *config, const char *socket_path, bool has_http)
{
    fprintf(stderr, "logboom: nobody answers on %s", socket_path);
    if (has_http)
        fprintf(stderr, " or " LB_STR_FMT, LB_STR_ARG(config->http_listen));
    fprintf(stderr, "; is logboom running with this configuration (-c), and may you use its data_dir%s?\n",
            has_http ? "" : " (without http.listen there is no other way)");
    return 0;
}

long ask_daemon(const struct lb_config *config, const char *method, const char *path, struct lb_str body,
                struct lb_buffer *out)
{
    char socket_path[PATH_MAX];
    bool has_http = config->http_listen.len > 0;

    snprintf(socket_path, sizeof(socket_path), LB_STR_FMT "/control", LB_STR_ARG(config->data_dir));
    bool by_socket = may_connect(socket_path);
    CURL *curl = by_socket || has_http ? curl_easy_init() : NULL;

    if (curl == NULL)
        return nobody(config, socket_path, has_http);
    struct curl_slist *headers = headers_of(config, by_socket);

    lb_buffer_reset(out);
    set_address(curl, config, path, by_socket);
    if (by_socket)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    long status = perform(curl, method, body, out);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return status != 0 ? status : nobody(config, socket_path, has_http);
}

void ask_escape(struct lb_buffer *out, struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                     c == '_' || c == '.' || c == '~';

        if (plain)
            lb_buffer_append_char(out, c);
        else
            lb_buffer_print(out, "%%%02X", (unsigned char)c);
    }
}
