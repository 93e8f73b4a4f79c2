/*
 * grok_stock_zeek.c - what the names of grok patterns for logs of Zeek mean, and of what it was when it was called
 * Bro; see grok_stock.c.
 *
 * One column behind the other, divided by tabs, in the order that Zeek's documentation of its logs has. `-` is a value
 * that is not set, `(empty)` an empty one; the old names keep both as they are, those of ECS leave them out.
 */
#include "grok_stock.h"

/* Pieces of one text, which clang-format does not know. */
/* clang-format off */
#define OLD(name) "\\t%{ZEEK_CELL:" name "}"
#define COLUMN(type, name) "\\t(?:-|%{" type ":" name "})"
#define NUMBERED(name) "\\t(?:-|%{INT:" name ":int})"
#define CELL(name) "\\t(?:-|\\(empty\\)|%{ZEEK_CELL:" name "})"

#define CONNECTION_OLD "%{NUMBER:ts}" OLD("uid") "\\t%{IP:orig_h}\\t%{INT:orig_p}\\t%{IP:resp_h}\\t%{INT:resp_p}"
#define CONNECTION_ECS \
    "%{NUMBER:timestamp}\\t%{ZEEK_CELL:[zeek][session_id]}\\t%{IP:[source][ip]}\\t%{INT:[source][port]:int}" \
    "\\t%{IP:[destination][ip]}\\t%{INT:[destination][port]:int}"

#define HTTP_SIZES_ECS \
    NUMBERED("[http][request][body][bytes]") NUMBERED("[http][response][body][bytes]") \
    NUMBERED("[http][response][status_code]") CELL("[zeek][http][status_msg]") \
    NUMBERED("[zeek][http][info_code]") CELL("[zeek][http][info_msg]")
#define HTTP_USER_ECS CELL("[url][username]") CELL("[url][password]") CELL("[zeek][http][proxied]")

#define CONN_BEGIN_ECS \
    CONNECTION_ECS "\\t%{WORD:[network][transport]}" CELL("[network][protocol]") \
    "\\t(?:-|%{NUMBER:[zeek][connection][duration]:float})" NUMBERED("[zeek][connection][orig_bytes]") \
    NUMBERED("[zeek][connection][resp_bytes]") CELL("[zeek][connection][state]") \
    COLUMN("ZEEK_BOOL", "[zeek][connection][local_orig]")
#define CONN_END_ECS \
    NUMBERED("[zeek][connection][missed_bytes]") CELL("[zeek][connection][history]") \
    NUMBERED("[source][packets]") NUMBERED("[source][bytes]") NUMBERED("[destination][packets]") \
    NUMBERED("[destination][bytes]") CELL("[zeek][connection][tunnel_parents]")

/* Of several hosts the first is the one that ECS has room for. */
#define HOSTS(list, first) "\\t(?:-|(?=%{ZEEK_HOSTS:" list "}\\t)%{IP:" first "}[^\\t]*|%{IP:" first "})"
#define FILES_BEGIN_ECS \
    "%{NUMBER:timestamp}\\t%{ZEEK_CELL:[zeek][files][fuid]}" HOSTS("[zeek][files][tx_hosts]", "[server][ip]") \
    HOSTS("[zeek][files][rx_hosts]", "[client][ip]") CELL("[zeek][files][session_ids]") \
    CELL("[zeek][files][source]") NUMBERED("[zeek][files][depth]") CELL("[zeek][files][analyzers]") \
    CELL("[file][mime_type]") CELL("[file][name]") "\\t(?:-|%{NUMBER:[zeek][files][duration]:float})" \
    COLUMN("ZEEK_BOOL", "[zeek][files][local_orig]") COLUMN("ZEEK_BOOL", "[zeek][files][is_orig]") \
    NUMBERED("[zeek][files][seen_bytes]") NUMBERED("[file][size]") NUMBERED("[zeek][files][missing_bytes]") \
    NUMBERED("[zeek][files][overflow_bytes]") COLUMN("ZEEK_BOOL", "[zeek][files][timedout]") \
    CELL("[zeek][files][parent_fuid]") CELL("[file][hash][md5]") CELL("[file][hash][sha1]") \
    CELL("[file][hash][sha256]") CELL("[zeek][files][extracted]")
#define FILES_ZEEK_ECS \
    FILES_BEGIN_ECS COLUMN("ZEEK_BOOL", "[zeek][files][extracted_cutoff]") \
    NUMBERED("[zeek][files][extracted_size]")

#define DNS_ECS CONNECTION_ECS "\\t%{WORD:[network][transport]}" NUMBERED("[dns][id]")
#define DNS_QUESTION_ECS \
    CELL("[dns][question][name]") NUMBERED("[zeek][dns][qclass]") CELL("[zeek][dns][qclass_name]") \
    NUMBERED("[zeek][dns][qtype]") CELL("[dns][question][type]") NUMBERED("[zeek][dns][rcode]") \
    CELL("[dns][response_code]") COLUMN("ZEEK_BOOL", "[zeek][dns][AA]") COLUMN("ZEEK_BOOL", "[zeek][dns][TC]") \
    COLUMN("ZEEK_BOOL", "[zeek][dns][RD]") COLUMN("ZEEK_BOOL", "[zeek][dns][RA]") NUMBERED("[zeek][dns][Z]") \
    CELL("[zeek][dns][answers]") CELL("[zeek][dns][TTLs]") COLUMN("ZEEK_BOOL", "[zeek][dns][rejected]")

const struct grok_stock_row grok_stock_zeek[] = {
    { "ZEEK_BOOL", "[TF]", NULL },
    { "BRO_BOOL", "[TF]", NULL },
    { "ZEEK_CELL", "[^\\t]+", NULL },
    { "BRO_DATA", "%{ZEEK_CELL}", NULL },
    { "ZEEK_DATA", "%{ZEEK_CELL}", NULL },
    { "ZEEK_HOSTS", "%{IP}(?:[, ]%{IP})+", NULL },

    { "BRO_HTTP",
      CONNECTION_OLD "\\t%{INT:trans_depth}" OLD("method") OLD("domain") OLD("uri") OLD("referrer")
        OLD("user_agent") OLD("request_body_len") OLD("response_body_len") OLD("status_code") OLD("status_msg")
        OLD("info_code") OLD("info_msg") OLD("filename") OLD("bro_tags") OLD("username") OLD("password")
        OLD("proxied") OLD("orig_fuids") OLD("orig_mime_types") OLD("resp_fuids") OLD("resp_mime_types"),
      CONNECTION_ECS NUMBERED("[zeek][http][trans_depth]") CELL("[http][request][method]")
        CELL("[url][domain]") CELL("[url][original]") CELL("[http][request][referrer]")
        CELL("[user_agent][original]") HTTP_SIZES_ECS CELL("[zeek][http][filename]") CELL("[zeek][http][tags]")
        HTTP_USER_ECS CELL("[zeek][http][orig_fuids]") CELL("[http][request][mime_type]")
        CELL("[zeek][http][resp_fuids]") CELL("[http][response][mime_type]") },
    { "ZEEK_HTTP",
      "%{BRO_HTTP}",
      CONNECTION_ECS NUMBERED("[zeek][http][trans_depth]") CELL("[http][request][method]")
        CELL("[url][domain]") CELL("[url][original]") CELL("[http][request][referrer]") CELL("[http][version]")
        CELL("[user_agent][original]") CELL("[zeek][http][origin]") HTTP_SIZES_ECS CELL("[zeek][http][tags]")
        HTTP_USER_ECS CELL("[zeek][http][orig_fuids]") CELL("[zeek][http][orig_filenames]")
        CELL("[http][request][mime_type]") CELL("[zeek][http][resp_fuids]") CELL("[zeek][http][resp_filenames]")
        CELL("[http][response][mime_type]") },

    /* Zeek has the round trip time behind the number, which Bro did not have. */
    { "BRO_DNS",
      CONNECTION_OLD OLD("proto") OLD("trans_id") OLD("query") OLD("qclass") OLD("qclass_name") OLD("qtype")
        OLD("qtype_name") OLD("rcode") OLD("rcode_name") OLD("AA") OLD("TC") OLD("RD") OLD("RA") OLD("Z")
        OLD("answers") OLD("TTLs") OLD("rejected"),
      DNS_ECS "(?:\\t%{NUMBER:[zeek][dns][rtt]:float})?" DNS_QUESTION_ECS },
    { "ZEEK_DNS", "%{BRO_DNS}", DNS_ECS "\\t(?:-|%{NUMBER:[zeek][dns][rtt]:float})" DNS_QUESTION_ECS },

    { "BRO_CONN",
      CONNECTION_OLD OLD("proto") OLD("service") OLD("duration") OLD("orig_bytes") OLD("resp_bytes")
        OLD("conn_state") OLD("local_orig") OLD("missed_bytes") OLD("history") OLD("orig_pkts")
        OLD("orig_ip_bytes") OLD("resp_pkts") OLD("resp_ip_bytes") OLD("tunnel_parents"),
      CONN_BEGIN_ECS CONN_END_ECS },
    { "ZEEK_CONN",
      "%{BRO_CONN}",
      CONN_BEGIN_ECS COLUMN("ZEEK_BOOL", "[zeek][connection][local_resp]") CONN_END_ECS "(?:"
        COLUMN("COMMONMAC", "[source][mac]") COLUMN("COMMONMAC", "[destination][mac]") ")?" },

    /* What more columns than these there are, the old name takes as a part of the source. */
    { "BRO_FILES",
      "%{NUMBER:ts}" OLD("fuid") OLD("tx_hosts") OLD("rx_hosts") OLD("conn_uids") "\\t%{GREEDYDATA:source}"
        OLD("depth") OLD("analyzers") OLD("mime_type") OLD("filename") OLD("duration") OLD("local_orig")
        OLD("is_orig") OLD("seen_bytes") OLD("total_bytes") OLD("missing_bytes") OLD("overflow_bytes")
        OLD("timedout") OLD("parent_fuid") OLD("md5") OLD("sha1") OLD("sha256") OLD("extracted"),
      FILES_BEGIN_ECS },
    { "ZEEK_FILES", "%{BRO_FILES}", FILES_ZEEK_ECS },
    { NULL, NULL, NULL },
};
