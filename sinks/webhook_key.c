/* webhook_key.c - base64 that is strict, and HMAC by OpenSSL 3. */
#include "webhook_key.h"

#include <openssl/evp.h>
#include <openssl/params.h>

enum { SIGNATURE_BYTES = 32 };

/* Padded base64 (RFC 4648 section 4), nothing else. Returns the length, or 0. `out` has room for WEBHOOK_KEY_BYTES_MAX
 * + 3. */
static size_t decode_base64(struct lb_str text, unsigned char *out)
{
    size_t padding = 0;

    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i + padding < text.len; i++) {
        char c = text.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alphanumeric && c != '+' && c != '/')
            return 0;
    }
    if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > WEBHOOK_KEY_BYTES_MAX + 3)
        return 0;
    int len = EVP_DecodeBlock(out, (const unsigned char *)text.ptr, (int)text.len);
    return len > (int)padding ? (size_t)len - padding : 0;
}

bool webhook_key_read(struct webhook_key *key, struct lb_str secret)
{
    static const struct lb_str prefix = { "whsec_", 6 };

    key->len = 0;
    if (secret.len > 0 && lb_str_starts(secret, prefix)) {
        key->len = decode_base64((struct lb_str){ secret.ptr + prefix.len, secret.len - prefix.len }, key->bytes);
        return key->len >= WEBHOOK_KEY_BYTES_MIN && key->len <= WEBHOOK_KEY_BYTES_MAX;
    }
    if (secret.len == 0 || secret.len > WEBHOOK_SECRET_BYTES_MAX)
        return false;
    memcpy(key->bytes, secret.ptr, secret.len);
    key->len = secret.len;
    return true;
}

bool webhook_key_sign(const struct webhook_key *key, struct lb_str head, struct lb_str body,
                      char out[WEBHOOK_SIGNATURE_BYTES])
{
    unsigned char digest[SIGNATURE_BYTES];
    size_t len = sizeof(digest);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    char name[] = "SHA256";
    OSSL_PARAM parameters[] = { OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_construct_end() };
    bool done = context != NULL && EVP_MAC_init(context, key->bytes, key->len, parameters) == 1 &&
                EVP_MAC_update(context, (const unsigned char *)head.ptr, head.len) == 1 &&
                EVP_MAC_update(context, (const unsigned char *)body.ptr, body.len) == 1 &&
                EVP_MAC_final(context, digest, &len, sizeof(digest)) == 1;

    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    if (done)
        EVP_EncodeBlock((unsigned char *)out, digest, (int)len);
    return done;
}
