/*
 * forward_auth.c - who a sender is: HELO, PING and PONG with a shared key, and users where there are some.
 *
 * Nobody sends the key: both sides send SHA-512 of it with what the other cannot have foreseen. Digests are compared in
 * constant time, and a user that is unknown costs as much as a wrong password.
 */
#include "forward.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

enum { DIGEST_HEX = 128, PING_ITEMS = 6 };

/* SHA-512 over the parts one behind the other, in hexadecimal. */
static bool digest(const struct lb_str *parts, size_t count, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[DIGEST_HEX / 2];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha512(), NULL) == 1;

    for (size_t i = 0; i < count && good; i++)
        good = EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) == 1;
    good = good && EVP_DigestFinal_ex(context, bytes, NULL) == 1;
    EVP_MD_CTX_free(context);
    for (size_t i = 0; i < sizeof(bytes) && good; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    return good;
}

static bool is_digest(struct lb_str claimed, const struct lb_str *parts, size_t count)
{
    char hex[DIGEST_HEX];

    return digest(parts, count, hex) && claimed.len == DIGEST_HEX && CRYPTO_memcmp(claimed.ptr, hex, DIGEST_HEX) == 0;
}

static struct lb_str nonce_of(const struct forward_peer *self)
{
    return (struct lb_str){ self->nonce, FORWARD_NONCE };
}

/* --- HELO ------------------------------------------------------------------------------- */

bool forward_greet(struct forward_peer *self)
{
    struct lb_buffer out;
    bool users = forward_of(self)->users.count > 0;

    if (RAND_bytes((unsigned char *)self->nonce, FORWARD_NONCE) != 1 ||
        RAND_bytes((unsigned char *)self->salt, FORWARD_NONCE) != 1)
        return false;
    lb_buffer_init(&out, FORWARD_GREETING);
    msgpack_put_array(&out, 2);
    msgpack_put_text(&out, LB_STR("HELO"));
    msgpack_put_map(&out, 3);
    msgpack_put_text(&out, LB_STR("nonce"));
    msgpack_put_bytes(&out, nonce_of(self));
    msgpack_put_text(&out, LB_STR("auth"));
    msgpack_put_bytes(&out, (struct lb_str){ self->salt, users ? FORWARD_NONCE : 0 });
    msgpack_put_text(&out, LB_STR("keepalive"));
    msgpack_put_bool(&out, true);
    bool good = !out.failed;
    if (good)
        peer_send(&self->peer, lb_buffer_str(&out));
    lb_buffer_free(&out);
    return good;
}

/* --- PING --------------------------------------------------------------------------------- */

struct ping {
    struct lb_str host;
    struct lb_str salt;
    struct lb_str digest;
    struct lb_str user;
    struct lb_str password;
};

static bool read_ping(struct lb_str bytes, struct ping *ping)
{
    struct lb_str *const texts[] = { &ping->host, &ping->salt, &ping->digest, &ping->user, &ping->password };
    struct msgpack_reader reader = { bytes.ptr, bytes.ptr + bytes.len };
    struct msgpack_item item;

    if (msgpack_next(&reader, &item) != LB_OK || item.kind != MSGPACK_ARRAY || item.count != PING_ITEMS)
        return false;
    if (msgpack_next(&reader, &item) != LB_OK || item.kind != MSGPACK_TEXT || !lb_str_is(item.bytes, "PING"))
        return false;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (msgpack_next(&reader, &item) != LB_OK || (item.kind != MSGPACK_TEXT && item.kind != MSGPACK_NIL))
            return false;
        *texts[i] = item.kind == MSGPACK_TEXT ? item.bytes : LB_STR("");
    }
    return true;
}

static bool has_user(struct forward_peer *self, const struct ping *ping)
{
    const struct forward_source *source = forward_of(self);
    struct lb_str password = LB_STR("");
    bool known = false;

    for (size_t i = 0; i < source->users.count; i++) {
        if (lb_str_equal(source->users.items[i].name, ping->user)) {
            password = source->users.items[i].value;
            known = true;
        }
    }
    const struct lb_str parts[] = { { self->salt, FORWARD_NONCE }, ping->user, password };
    bool right = is_digest(ping->password, parts, 3);
    return known && right;
}

static const char *judge(struct forward_peer *self, const struct ping *ping)
{
    const struct forward_source *source = forward_of(self);
    const struct lb_str parts[] = { ping->salt, ping->host, nonce_of(self), source->shared_key };

    if (!is_digest(ping->digest, parts, 4))
        return "shared key mismatch";
    if (source->users.count > 0 && !has_user(self, ping))
        return "username/password mismatch";
    return NULL;
}

const char *forward_admit(struct forward_peer *self, struct lb_str bytes)
{
    const struct forward_source *source = forward_of(self);
    struct lb_str own = lb_str_from(source->own_host);
    struct lb_buffer out;
    struct ping ping;
    char hex[DIGEST_HEX];

    if (!read_ping(bytes, &ping))
        return "expected PING, for the source has a shared_key";
    const char *problem = judge(self, &ping);
    const struct lb_str parts[] = { ping.salt, own, nonce_of(self), source->shared_key };
    if (problem == NULL && !digest(parts, 4, hex))
        problem = "no memory";
    lb_buffer_init(&out, FORWARD_GREETING);
    msgpack_put_array(&out, 5);
    msgpack_put_text(&out, LB_STR("PONG"));
    msgpack_put_bool(&out, problem == NULL);
    msgpack_put_text(&out, problem != NULL ? lb_str_from(problem) : LB_STR(""));
    msgpack_put_text(&out, problem == NULL ? own : LB_STR(""));
    msgpack_put_text(&out, (struct lb_str){ hex, problem == NULL ? DIGEST_HEX : 0 });
    if (!out.failed)
        peer_send(&self->peer, lb_buffer_str(&out));
    lb_buffer_free(&out);
    return problem;
}
