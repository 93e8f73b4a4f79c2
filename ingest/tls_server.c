/*
 * tls_server.c - contexts of OpenSSL for sources that listen.
 *
 * Sessions are not kept and no tickets given: connections of log senders last, and a ticket would be one more thing to
 * write on a connection that is only read.
 */
#include "tls_server.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>

const char *tls_problem(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason != NULL ? reason : "the connection was closed";
}

static void refuse(struct lb_diag *diag, const struct lb_section *section, const char *option, const char *what,
                   struct lb_str file)
{
    lb_diag_error(diag, lb_section_place(section, option), "source \"" LB_STR_FMT "\": \"%s\": %s '" LB_STR_FMT "': %s",
                  LB_STR_ARG(section->name), option, what, LB_STR_ARG(file), tls_problem());
}

static bool use_files(SSL_CTX *context, const struct tls_settings *settings, const struct lb_section *section,
                      struct lb_diag *diag)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, settings->cert.ptr) != 1) {
        refuse(diag, section, "tls.cert", "expected a certificate as PEM in", settings->cert);
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(context, settings->key.ptr, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        refuse(diag, section, "tls.key", "expected the private key of tls.cert, as PEM and without a password, in",
               settings->key);
        return false;
    }
    if (settings->ca.len == 0)
        return true;
    if (SSL_CTX_load_verify_file(context, settings->ca.ptr) != 1) {
        refuse(diag, section, "tls.ca", "expected certificates as PEM in", settings->ca);
        return false;
    }
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings->ca.ptr));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (settings->verify_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    return true;
}

static SSL_CTX *new_context(const struct tls_settings *settings, const struct lb_section *section, struct lb_diag *diag)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    if (settings->cert.len == 0 || settings->key.len == 0) {
        lb_diag_error(diag, lb_section_place(section, "tls"),
                      "source \"" LB_STR_FMT "\": TLS needs tls: {cert: server.pem, key: server.key}",
                      LB_STR_ARG(section->name));
        return NULL;
    }
    if (settings->verify_client && settings->ca.len == 0) {
        lb_diag_error(diag, lb_section_place(section, "tls.verify_client"),
                      "source \"" LB_STR_FMT "\": \"tls.verify_client\" needs tls.ca, the authorities of clients",
                      LB_STR_ARG(section->name));
        return NULL;
    }
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        lb_diag_error(diag, lb_section_place(section, "tls"), "no memory for TLS");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, versions[settings->min_version]);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (use_files(context, settings, section, diag))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

bool tls_server_open(SSL_CTX **context, const struct lb_strs *listen, const struct tls_settings *settings,
                     const struct lb_section *section, struct lb_diag *diag)
{
    bool wanted = false;

    *context = NULL;
    for (size_t i = 0; i < listen->count; i++)
        wanted |= lb_str_starts(listen->items[i], LB_STR("tls://"));
    if (wanted) {
        *context = new_context(settings, section, diag);
        return *context != NULL;
    }
    if (settings->cert.len == 0)
        return true;
    lb_diag_error(diag, lb_section_place(section, "tls"),
                  "source \"" LB_STR_FMT "\": \"tls\" is set and nothing listens on tls://HOST:PORT",
                  LB_STR_ARG(section->name));
    return false;
}

size_t tls_client_subject(const SSL *ssl, char *out, size_t size)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    BIO *memory;
    int length = 0;

    if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK || size > INT_MAX)
        return 0;
    memory = BIO_new(BIO_s_mem());
    if (memory == NULL)
        return 0;
    if (X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
        length = BIO_read(memory, out, (int)size);
    BIO_free(memory);
    ERR_clear_error();
    return length > 0 ? (size_t)length : 0;
}
