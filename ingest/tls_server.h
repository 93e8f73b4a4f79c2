/*
 * tls_server.h - TLS at the side that listens: `tls:` to a context, and who a client is.
 */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include "lb_diag.h"
#include "net_settings.h"

#include <openssl/ssl.h>

/* What tls://HOST:PORT in `listen` needs; NULL where none is there. False with an error in `diag`, which says what is
 * wrong with which file. */
bool tls_server_open(SSL_CTX **context, const struct lb_strs *listen, const struct tls_settings *settings,
                     const struct lb_section *section, struct lb_diag *diag);

/* The subject of a client's certificate that was verified (RFC 2253: CN=web1,O=Example); its length, 0: there is none.
 */
size_t tls_client_subject(const SSL *ssl, char *out, size_t size);

/* Why the last call failed, of the thread's queue of errors, which is empty then. A literal. */
const char *tls_problem(void);

#endif
