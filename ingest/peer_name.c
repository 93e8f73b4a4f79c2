/* peer_name.c - names, keys and texts of peers. */
#include "peer_name.h"

#include "tls_server.h"
#include "lb_alloc.h"

#include <arpa/inet.h>
#include <stdio.h>

size_t peer_host_text(const struct sockaddr_storage *address, char *out)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    const char *text = NULL;

    if (address->ss_family == AF_INET)
        text = inet_ntop(AF_INET, &v4->sin_addr, out, PEER_HOST_BYTES);
    else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        text = inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, out, PEER_HOST_BYTES);
    else if (address->ss_family == AF_INET6)
        text = inet_ntop(AF_INET6, &v6->sin6_addr, out, PEER_HOST_BYTES);
    return text != NULL ? strlen(text) : 0;
}

uint16_t peer_port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

struct in6_addr peer_key_of(const struct sockaddr_storage *address)
{
    struct in6_addr out = { 0 };

    if (address->ss_family == AF_INET6)
        return ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (address->ss_family != AF_INET)
        return out;
    out.s6_addr[10] = out.s6_addr[11] = 0xff;
    memcpy(out.s6_addr + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    return out;
}

/* No address of the network: the block 0100::/64 is thrown away by routers (RFC 6666). */
struct in6_addr peer_user_key(uid_t user)
{
    struct in6_addr out = { .s6_addr = { 0x01 } };

    memcpy(out.s6_addr + 12, &user, sizeof(user));
    return out;
}

size_t peer_key_text(const struct in6_addr *key, char *out)
{
    struct in6_addr user = { .s6_addr = { 0x01 } };
    uint32_t number;

    if (memcmp(key, &user, 12) == 0) {
        memcpy(&number, key->s6_addr + 12, sizeof(number));
        return (size_t)snprintf(out, PEER_HOST_BYTES, "uid %u", number);
    }
    struct sockaddr_storage address = { 0 };
    *(struct sockaddr_in6 *)(void *)&address = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = *key };
    return peer_host_text(&address, out);
}

/* --- of a stream ------------------------------------------------------------------- */

void peer_name_stream(struct lb_stream *stream, const struct sockaddr_storage *address)
{
    char host[PEER_HOST_BYTES];
    struct lb_str text = { host, peer_host_text(address, host) };
    bool v6 = memchr(host, ':', text.len) != NULL;
    struct lb_str kept = lb_arena_copy(&stream->arena, text);

    if (kept.ptr != NULL && kept.len > 0)
        stream->host = lb_value_of(kept, LB_VALUE_CLEAN);
    stream->name = lb_arena_print(&stream->arena, "%s" LB_STR_FMT "%s:%u", v6 ? "[" : "", LB_STR_ARG(text),
                                  v6 ? "]" : "", peer_port_of(address));
    if (stream->name.ptr == NULL)
        stream->name = LB_STR("");
}

void peer_copy_name(struct lb_stream *stream, const struct lb_stream *from)
{
    stream->name = lb_arena_copy(&stream->arena, from->name);
    if (stream->name.ptr == NULL)
        stream->name = LB_STR("");
    if (from->host.len == 0)
        return;
    struct lb_str host = lb_arena_copy(&stream->arena, (struct lb_str){ from->host.ptr, from->host.len });
    if (host.ptr != NULL)
        stream->host = lb_value_of(host, LB_VALUE_CLEAN);
}

size_t peer_process_text(const char *own_host, const struct ucred *process, char *out)
{
    int length = snprintf(out, PEER_TEXT_BYTES, "%s\npeer_pid=%d\npeer_uid=%u", own_host, (int)process->pid,
                          (unsigned)process->uid);

    return length > 0 ? (size_t)length : 0;
}

bool peer_know_process(const char *own_host, int fd, struct lb_stream *stream, struct in6_addr *key, char **text)
{
    struct ucred process = { 0 };
    socklen_t size = sizeof(process);

    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &size);
    *key = peer_user_key(process.uid);
    *text = lb_alloc(PEER_TEXT_BYTES);
    stream->name = lb_arena_print(&stream->arena, "pid %d", (int)process.pid);
    if (*text == NULL || stream->name.ptr == NULL)
        return false;
    (void)peer_process_text(own_host, &process, *text);
    stream->host = lb_value_text(lb_arena_copy(&stream->arena, lb_str_from(own_host)));
    return stream->host.ptr != NULL;
}

bool peer_know_subject(const SSL *ssl, const struct lb_stream *stream, char **text)
{
    struct lb_str host = { stream->host.ptr, stream->host.len };
    char subject[PEER_TEXT_BYTES - PEER_HOST_BYTES - 32];
    size_t length = ssl != NULL ? tls_client_subject(ssl, subject, sizeof(subject)) : 0;

    if (length == 0)
        return true;
    for (size_t i = 0; i < length; i++)
        subject[i] = subject[i] == '\n' || subject[i] == '\0' ? ' ' : subject[i];
    *text = lb_alloc(PEER_TEXT_BYTES);
    if (*text != NULL)
        snprintf(*text, PEER_TEXT_BYTES, LB_STR_FMT "\npeer_subject=%.*s", LB_STR_ARG(host), (int)length, subject);
    return *text != NULL;
}
