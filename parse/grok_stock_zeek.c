/*
 * grok_stock_zeek.c - what the names of grok patterns for logs of Zeek mean, and of what it was when it was called
 * Bro; see grok_stock.c.
 *
 * One column behind the other, divided by tabs, in the order that Zeek's documentation of its logs has. `-` is a value
 * that is not set, `(empty)` an empty one; the old names keep both as they are, those of ECS leave them out.
 */
#include "grok_stock.h"

#define TAB "\\t"
#define OLD(name) "%{ZEEK_CELL:" name "}"
#define COLUMN(type, name) "(?:-|%{" type ":" name "})"
#define NUMBERED(name) "(?:-|%{INT:" name ":int})"
#define CELL(name) "(?:-|\\(empty\\)|%{ZEEK_CELL:" name "})"

#define CONNECTION_OLD                                                                                                 \
    "%{NUMBER:ts}" TAB OLD("uid") TAB "%{IP:orig_h}" TAB "%{INT:orig_p}" TAB "%{IP:resp_h}" TAB "%{INT:resp_p}"
#define CONNECTION_ECS                                                                                                 \
    "%{NUMBER:timestamp}" TAB "%{ZEEK_CELL:[zeek][session_id]}" TAB "%{IP:[source][ip]}" TAB                           \
    "%{INT:[source][port]:int}" TAB "%{IP:[destination][ip]}" TAB "%{INT:[destination][port]:int}"

#define HTTP_SIZES_ECS                                                                                                 \
    NUMBERED("[http][request][body][bytes]")                                                                           \
    TAB NUMBERED("[http][response][body][bytes]") TAB NUMBERED("[http][response][status_code]")                        \
        TAB CELL("[zeek][http][status_msg]") TAB NUMBERED("[zeek][http][info_code]")                                   \
            TAB CELL("[zeek][http][info_msg]")
#define HTTP_USER_ECS CELL("[url][username]") TAB CELL("[url][password]") TAB CELL("[zeek][http][proxied]")

#define CONN_BEGIN_ECS                                                                                                 \
    CONNECTION_ECS TAB "%{WORD:[network][transport]}" TAB CELL("[network][protocol]") TAB                              \
        "(?:-|%{NUMBER:[zeek][connection][duration]:float})" TAB NUMBERED("[zeek][connection][orig_bytes]")            \
            TAB NUMBERED("[zeek][connection][resp_bytes]") TAB CELL("[zeek][connection][state]")                       \
                TAB COLUMN("ZEEK_BOOL", "[zeek][connection][local_orig]")
#define CONN_END_ECS                                                                                                   \
    NUMBERED("[zeek][connection][missed_bytes]")                                                                       \
    TAB CELL("[zeek][connection][history]") TAB NUMBERED("[source][packets]") TAB NUMBERED("[source][bytes]")          \
        TAB NUMBERED("[destination][packets]") TAB NUMBERED("[destination][bytes]")                                    \
            TAB CELL("[zeek][connection][tunnel_parents]")

/* Of several hosts the first is the one that ECS has room for. */
#define HOSTS(list, first) "(?:-|(?=%{ZEEK_HOSTS:" list "}" TAB ")%{IP:" first "}[^" TAB "]*|%{IP:" first "})"
#define FILES_BEGIN_ECS                                                                                                \
    "%{NUMBER:timestamp}" TAB "%{ZEEK_CELL:[zeek][files][fuid]}" TAB HOSTS("[zeek][files][tx_hosts]", "[server][ip]")  \
        TAB HOSTS("[zeek][files][rx_hosts]", "[client][ip]") TAB CELL("[zeek][files][session_ids]")                    \
            TAB CELL("[zeek][files][source]") TAB NUMBERED("[zeek][files][depth]")                                     \
                TAB CELL("[zeek][files][analyzers]") TAB CELL("[file][mime_type]") TAB CELL("[file][name]") TAB        \
        "(?:-|%{NUMBER:[zeek][files][duration]:float})" TAB COLUMN("ZEEK_BOOL", "[zeek][files][local_orig]")           \
            TAB COLUMN("ZEEK_BOOL", "[zeek][files][is_orig]") TAB NUMBERED("[zeek][files][seen_bytes]")                \
                TAB NUMBERED("[file][size]") TAB NUMBERED("[zeek][files][missing_bytes]")                              \
                    TAB NUMBERED("[zeek][files][overflow_bytes]") TAB COLUMN("ZEEK_BOOL", "[zeek][files][timedout]")   \
                        TAB CELL("[zeek][files][parent_fuid]") TAB CELL("[file][hash][md5]")                           \
                            TAB CELL("[file][hash][sha1]") TAB CELL("[file][hash][sha256]")                            \
                                TAB CELL("[zeek][files][extracted]")
#define FILES_ZEEK_ECS                                                                                                 \
    FILES_BEGIN_ECS TAB COLUMN("ZEEK_BOOL", "[zeek][files][extracted_cutoff]")                                         \
        TAB NUMBERED("[zeek][files][extracted_size]")

#define DNS_ECS CONNECTION_ECS TAB "%{WORD:[network][transport]}" TAB NUMBERED("[dns][id]")
#define DNS_QUESTION_ECS                                                                                               \
    CELL("[dns][question][name]")                                                                                      \
    TAB NUMBERED("[zeek][dns][qclass]") TAB CELL("[zeek][dns][qclass_name]") TAB NUMBERED("[zeek][dns][qtype]")        \
        TAB CELL("[dns][question][type]") TAB NUMBERED("[zeek][dns][rcode]") TAB CELL("[dns][response_code]")          \
            TAB COLUMN("ZEEK_BOOL", "[zeek][dns][AA]") TAB COLUMN("ZEEK_BOOL", "[zeek][dns][TC]")                      \
                TAB COLUMN("ZEEK_BOOL", "[zeek][dns][RD]") TAB COLUMN("ZEEK_BOOL", "[zeek][dns][RA]")                  \
                    TAB NUMBERED("[zeek][dns][Z]") TAB CELL("[zeek][dns][answers]") TAB CELL("[zeek][dns][TTLs]")      \
                        TAB COLUMN("ZEEK_BOOL", "[zeek][dns][rejected]")

const struct grok_stock_row grok_stock_zeek[] = {
    { "ZEEK_BOOL", "[TF]", NULL },
    { "BRO_BOOL", "[TF]", NULL },
    { "ZEEK_CELL", "[^\\t]+", NULL },
    { "BRO_DATA", "%{ZEEK_CELL}", NULL },
    { "ZEEK_DATA", "%{ZEEK_CELL}", NULL },
    { "ZEEK_HOSTS", "%{IP}(?:[, ]%{IP})+", NULL },

    { "BRO_HTTP",
      CONNECTION_OLD TAB "%{INT:trans_depth}" TAB OLD("method") TAB OLD("domain") TAB OLD("uri") TAB OLD("referrer")
          TAB OLD("user_agent") TAB OLD("request_body_len") TAB OLD("response_body_len") TAB OLD("status_code")
              TAB OLD("status_msg") TAB OLD("info_code") TAB OLD("info_msg") TAB OLD("filename") TAB OLD("bro_tags")
                  TAB OLD("username") TAB OLD("password") TAB OLD("proxied") TAB OLD("orig_fuids")
                      TAB OLD("orig_mime_types") TAB OLD("resp_fuids") TAB OLD("resp_mime_types"),
      CONNECTION_ECS TAB NUMBERED("[zeek][http][trans_depth]") TAB CELL("[http][request][method]")
          TAB CELL("[url][domain]") TAB CELL("[url][original]") TAB CELL("[http][request][referrer]")
              TAB CELL("[user_agent][original]") TAB HTTP_SIZES_ECS TAB CELL("[zeek][http][filename]")
                  TAB CELL("[zeek][http][tags]") TAB HTTP_USER_ECS TAB CELL("[zeek][http][orig_fuids]")
                      TAB CELL("[http][request][mime_type]") TAB CELL("[zeek][http][resp_fuids]")
                          TAB CELL("[http][response][mime_type]") },
    { "ZEEK_HTTP", "%{BRO_HTTP}",
      CONNECTION_ECS TAB NUMBERED("[zeek][http][trans_depth]") TAB CELL("[http][request][method]")
          TAB CELL("[url][domain]") TAB CELL("[url][original]") TAB CELL("[http][request][referrer]")
              TAB CELL("[http][version]") TAB CELL("[user_agent][original]") TAB CELL("[zeek][http][origin]")
                  TAB HTTP_SIZES_ECS TAB CELL("[zeek][http][tags]")
                      TAB HTTP_USER_ECS TAB CELL("[zeek][http][orig_fuids]") TAB CELL("[zeek][http][orig_filenames]")
                          TAB CELL("[http][request][mime_type]") TAB CELL("[zeek][http][resp_fuids]")
                              TAB CELL("[zeek][http][resp_filenames]") TAB CELL("[http][response][mime_type]") },

    /* Zeek has the round trip time behind the number, which Bro did not have. */
    { "BRO_DNS",
      CONNECTION_OLD TAB OLD("proto") TAB OLD("trans_id") TAB OLD("query") TAB OLD("qclass") TAB OLD("qclass_name")
          TAB OLD("qtype") TAB OLD("qtype_name") TAB OLD("rcode") TAB OLD("rcode_name") TAB OLD("AA") TAB OLD("TC")
              TAB OLD("RD") TAB OLD("RA") TAB OLD("Z") TAB OLD("answers") TAB OLD("TTLs") TAB OLD("rejected"),
      DNS_ECS "(?:" TAB "%{NUMBER:[zeek][dns][rtt]:float})?" TAB DNS_QUESTION_ECS },
    { "ZEEK_DNS", "%{BRO_DNS}", DNS_ECS TAB "(?:-|%{NUMBER:[zeek][dns][rtt]:float})" TAB DNS_QUESTION_ECS },

    { "BRO_CONN",
      CONNECTION_OLD TAB OLD("proto") TAB OLD("service") TAB OLD("duration") TAB OLD("orig_bytes") TAB OLD("resp_bytes")
          TAB OLD("conn_state") TAB OLD("local_orig") TAB OLD("missed_bytes") TAB OLD("history") TAB OLD("orig_pkts")
              TAB OLD("orig_ip_bytes") TAB OLD("resp_pkts") TAB OLD("resp_ip_bytes") TAB OLD("tunnel_parents"),
      CONN_BEGIN_ECS TAB CONN_END_ECS },
    { "ZEEK_CONN", "%{BRO_CONN}",
      CONN_BEGIN_ECS TAB COLUMN("ZEEK_BOOL", "[zeek][connection][local_resp]") TAB CONN_END_ECS
      "(?:" TAB COLUMN("COMMONMAC", "[source][mac]") TAB COLUMN("COMMONMAC", "[destination][mac]") ")?" },

    /* What more columns than these there are, the old name takes as a part of the source. */
    { "BRO_FILES",
      "%{NUMBER:ts}" TAB OLD("fuid") TAB OLD("tx_hosts") TAB OLD("rx_hosts") TAB OLD("conn_uids") TAB
      "%{GREEDYDATA:source}" TAB OLD("depth") TAB OLD("analyzers") TAB OLD("mime_type") TAB OLD("filename")
          TAB OLD("duration") TAB OLD("local_orig") TAB OLD("is_orig") TAB OLD("seen_bytes") TAB OLD("total_bytes")
              TAB OLD("missing_bytes") TAB OLD("overflow_bytes") TAB OLD("timedout") TAB OLD("parent_fuid")
                  TAB OLD("md5") TAB OLD("sha1") TAB OLD("sha256") TAB OLD("extracted"),
      FILES_BEGIN_ECS },
    { "ZEEK_FILES", "%{BRO_FILES}", FILES_ZEEK_ECS },
    { NULL, NULL, NULL },
};
