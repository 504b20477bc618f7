// What Swift cannot import of OpenSSL: function-like macros. Every name of ours begins with cdc_.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

static inline int cdc_ctx_set_min_version(SSL_CTX *context, int version) {
  return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline void cdc_ctx_set_mode(SSL_CTX *context, long mode) { (void)SSL_CTX_set_mode(context, mode); }

/// Renegotiation would let reading depend on writing, and compression leaks secrets; HTTP/2 forbids both (RFC 9113 §9.2).
static inline void cdc_ctx_forbid_renegotiation_and_compression(SSL_CTX *context) {
  (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

static inline void cdc_ctx_disable_session_cache(SSL_CTX *context) {
  (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

/// The name that a client sends in the clear so that the server can choose a certificate (RFC 6066 §3).
static inline int cdc_ssl_set_sni(SSL *ssl, const char *name) {
  return (int)SSL_set_tlsext_host_name(ssl, name);
}

/// The host names and addresses of a certificate, comma-separated, cut to the buffer; the names come from a peer.
static inline void cdc_certificate_names(X509 *certificate, char *buffer, size_t size) {
  buffer[0] = 0;
  size_t used = 0;
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, 0, 0);
  for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    char text[256] = "";
    if (name->type == GEN_DNS) {
      int length = ASN1_STRING_length(name->d.dNSName);
      if (length <= 0 || length >= (int)sizeof text) continue;
      memcpy(text, ASN1_STRING_get0_data(name->d.dNSName), (size_t)length);
    } else if (name->type == GEN_IPADD) {
      const unsigned char *octets = ASN1_STRING_get0_data(name->d.iPAddress);
      int length = ASN1_STRING_length(name->d.iPAddress);
      if (length == 4) {
        BIO_snprintf(text, sizeof text, "%d.%d.%d.%d", octets[0], octets[1], octets[2], octets[3]);
      } else if (length == 16) {
        for (int group = 0; group < 8; group++) {
          size_t end = strlen(text);
          BIO_snprintf(text + end, sizeof text - end, group ? ":%x" : "%x",
                       octets[2 * group] << 8 | octets[2 * group + 1]);
        }
      } else {
        continue;
      }
    } else {
      continue;
    }
    size_t length = strlen(text);
    if (length == 0 || used + length + 3 > size) continue;
    if (used > 0) {
      memcpy(buffer + used, ", ", 2);
      used += 2;
    }
    memcpy(buffer + used, text, length);
    used += length;
    buffer[used] = 0;
  }
  sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
}
