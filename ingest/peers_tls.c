/*
 * peers_tls.c - certificates, and connections that are encrypted.
 *
 * The handshake runs in libevent's buffer, like reading and writing; a peer that never ends it is closed as one that
 * stalls. What OpenSSL says of a bad file is in the error, for its own words are what one searches for.
 */
#include "peers.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lb_loop.h"

#define TLS(name) offsetof(struct peers, tls.name)

const struct lb_option peers_tls_options[] = {
    { .name = "cert",
      .kind = LB_OPTION_STRING,
      .offset = TLS(cert),
      .help = "our certificate (PEM), with those between it and the root behind it",
      .flags = LB_OPTION_PATH },
    { .name = "key",
      .kind = LB_OPTION_STRING,
      .offset = TLS(key),
      .help = "its private key (PEM)",
      .flags = LB_OPTION_PATH },
    { .name = "ca",
      .kind = LB_OPTION_STRING,
      .offset = TLS(ca),
      .help = "certificates (PEM) that those of senders must come from",
      .flags = LB_OPTION_PATH },
    { .name = "verify_client",
      .kind = LB_OPTION_BOOL,
      .offset = TLS(verify_client),
      .help = "refuse senders without a certificate from `ca`" },
    { .name = NULL },
};

static bool refuse(const struct lb_section *section, const char *option, const char *what, struct lb_diag *diag)
{
    char reason[256];
    unsigned long code = ERR_get_error();

    ERR_error_string_n(code, reason, sizeof(reason));
    lb_diag_error(diag, lb_section_place(section, option), "cannot use the %s: %s", what,
                  code != 0 ? reason : "unknown reason");
    ERR_clear_error();
    return false;
}

static bool load(SSL_CTX *ssl, const struct peers_tls *tls, const struct lb_section *section, struct lb_diag *diag)
{
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    if (SSL_CTX_use_certificate_chain_file(ssl, tls->cert.ptr) != 1)
        return refuse(section, "tls.cert", "certificate", diag);
    if (SSL_CTX_use_PrivateKey_file(ssl, tls->key.ptr, SSL_FILETYPE_PEM) != 1)
        return refuse(section, "tls.key", "private key", diag);
    if (SSL_CTX_check_private_key(ssl) != 1)
        return refuse(section, "tls.key", "private key, it is not that of the certificate", diag);
    if (tls->ca.len > 0 && SSL_CTX_load_verify_locations(ssl, tls->ca.ptr, NULL) != 1)
        return refuse(section, "tls.ca", "certificates of senders", diag);
    if (tls->verify_client)
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

struct ssl_ctx_st *peers_tls_open(const struct peers_tls *tls, const struct lb_section *section, struct lb_diag *diag)
{
    if (tls->cert.len == 0 || tls->key.len == 0) {
        lb_diag_error(diag, lb_section_place(section, "tls"),
                      "tls:// needs a certificate: tls: {cert: FILE, key: FILE}");
        return NULL;
    }
    if (tls->verify_client && tls->ca.len == 0) {
        lb_diag_error(diag, lb_section_place(section, "tls"),
                      "\"verify_client\" needs \"ca\": whose certificates are good");
        return NULL;
    }
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    if (ssl != NULL && load(ssl, tls, section, diag))
        return ssl;
    SSL_CTX_free(ssl);
    return NULL;
}

void peers_tls_close(struct ssl_ctx_st *ssl)
{
    SSL_CTX_free(ssl);
}

struct bufferevent *peers_tls_accept(struct ssl_ctx_st *context, struct lb_loop *loop, int fd)
{
    SSL *ssl = SSL_new(context);
    struct bufferevent *transport;

    if (ssl == NULL)
        return NULL;
    transport = bufferevent_openssl_socket_new(lb_loop_base(loop), fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                               BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (transport == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(transport, 1);
    return transport;
}
