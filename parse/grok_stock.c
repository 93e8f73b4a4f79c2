/*
 * grok_stock.c - what the usual names of grok patterns mean.
 *
 * Made to match what others' patterns of the same name match, as far as records of what those do have shown. The
 * second text of a row is that with the names of ECS, where its captures differ. No row has a group without a name
 * of its own: groups are few.
 */
#include "grok_stock.h"

static const struct grok_stock_row general[] = {
    { "USERNAME", "[a-zA-Z0-9._-]+", NULL },
    { "USER", "%{USERNAME}", NULL },
    { "EMAILLOCALPART", "[a-zA-Z][a-zA-Z0-9_.+,:;<=/-]+",
      "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,62}){0,63}" },
    { "EMAILADDRESS", "%{EMAILLOCALPART}@%{HOSTNAME}", NULL },
    { "INT", "[+-]?[0-9]+", NULL },
    { "BASE10NUM", "(?<![0-9.+-])(?>[+-]?(?:[0-9]+(?:\\.[0-9]+)?|\\.[0-9]+))", NULL },
    { "NUMBER", "%{BASE10NUM}", NULL },
    { "BASE16NUM", "(?<![0-9A-Fa-f])[+-]?(?:0x)?[0-9A-Fa-f]+", NULL },
    { "BASE16FLOAT", "\\b(?<![0-9A-Fa-f.])[+-]?(?:0x)?(?:[0-9A-Fa-f]+(?:\\.[0-9A-Fa-f]*)?|\\.[0-9A-Fa-f]+)\\b", NULL },
    { "POSINT", "\\b[1-9][0-9]*\\b", NULL },
    { "NONNEGINT", "\\b[0-9]+\\b", NULL },
    { "WORD", "\\b\\w+\\b", NULL },
    { "NOTSPACE", "\\S+", NULL },
    { "SPACE", "\\s*", NULL },
    { "DATA", ".*?", NULL },
    { "GREEDYDATA", ".*", NULL },
    { "QUOTEDSTRING",
      "(?<!\\\\)(?>(?>\"(?>\\\\.|[^\\\\\"]+)+\")|\"\"|(?>'(?>\\\\.|[^\\\\']+)+')|''|(?>`(?>\\\\.|[^\\\\"
      "`]+)+`)|``)",
      NULL },
    { "QS", "%{QUOTEDSTRING}", NULL },
    { "UUID", "[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}", NULL },
    { "URN", "urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:(?:%[0-9a-fA-F]{2}|[0-9A-Za-z()+,.:=@;$_!*'/?#-])+", NULL },
    { "CISCOMAC", "(?:[A-Fa-f0-9]{4}\\.){2}[A-Fa-f0-9]{4}", NULL },
    { "WINDOWSMAC", "(?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2}", NULL },
    { "COMMONMAC", "(?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2}", NULL },
    { "MAC", "(?:%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC})", NULL },
    { "H16", "[0-9A-Fa-f]{1,4}", NULL },
    { "OCTET", "(?:[01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])", NULL },
    { "OCTET_STRICT", "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])", NULL },
    { "IPV4_STRICT", "%{OCTET_STRICT}(?:\\.%{OCTET_STRICT}){3}", NULL },
    /* A row for each number of groups before the gap, from none missing to all. */
    { "IPV6",
      "(?:(?:%{H16}:){7}(?:%{H16}|:)"
      "|(?:%{H16}:){6}(?::%{H16}|%{IPV4_STRICT}|:)"
      "|(?:%{H16}:){5}(?:(?::%{H16}){1,2}|:%{IPV4_STRICT}|:)"
      "|(?:%{H16}:){4}(?:(?::%{H16}){1,3}|(?::%{H16}){0,1}:%{IPV4_STRICT}|:)"
      "|(?:%{H16}:){3}(?:(?::%{H16}){1,4}|(?::%{H16}){0,2}:%{IPV4_STRICT}|:)"
      "|(?:%{H16}:){2}(?:(?::%{H16}){1,5}|(?::%{H16}){0,3}:%{IPV4_STRICT}|:)"
      "|(?:%{H16}:){1}(?:(?::%{H16}){1,6}|(?::%{H16}){0,4}:%{IPV4_STRICT}|:)"
      "|:(?:(?::%{H16}){1,7}|(?::%{H16}){0,5}:%{IPV4_STRICT}|:)"
      ")(?:%.+)?",
      NULL },
    { "IPV4", "(?<![0-9])%{OCTET}\\.%{OCTET}\\.%{OCTET}\\.%{OCTET}(?![0-9])", NULL },
    { "IP", "(?:%{IPV6}|%{IPV4})", NULL },
    { "HOSTNAME", "\\b(?:[0-9A-Za-z][0-9A-Za-z-]{0,62})(?:\\.(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}))*(?:\\.?|\\b)", NULL },
    { "IPORHOST", "(?:%{IP}|%{HOSTNAME})", NULL },
    { "HOST", "%{HOSTNAME}", NULL },
    { "HOSTPORT", "%{IPORHOST}:%{POSINT}", NULL },
    { "UNIXPATH", "(?:/[0-9A-Za-z\\x80-\\xff_%!$@:.,+~-]*)+", NULL },
    { "TTY", "/dev/(?:pts|tty[pq]?)\\w*/?[0-9]+", NULL },
    { "WINPATH", "(?>[A-Za-z]+:|\\\\)(?:\\\\[^\\\\?*]*)+", NULL },
    { "PATH", "(?:%{UNIXPATH}|%{WINPATH})", NULL },
    { "URIPROTO", "[A-Za-z](?:[A-Za-z0-9+\\-.])+", NULL },
    { "URIHOST", "%{IPORHOST}(?::%{POSINT:port})?", "%{IPORHOST:[url][domain]}(?::%{POSINT:[url][port]:int})?" },
    { "URIPATH", "(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_\\-]*)+", NULL },
    { "URIQUERY", "[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\\-\\[\\]<>]*", NULL },
    { "URIPARAM", "\\?%{URIQUERY}", "\\?%{URIQUERY:[url][query]}" },
    { "URIPATHPARAM", "%{URIPATH}(?:\\?%{URIQUERY})?", "%{URIPATH}(?:\\?%{URIQUERY:[url][query]})?" },
    { "URI", "%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATH}(?:\\?%{URIQUERY})?)?",
      "%{URIPROTO:[url][scheme]}://(?:%{USER:[url][username]}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATH:"
      "[url][path]}(?:\\?%{URIQUERY:[url][query]})?)?" },
    { "MONTH",
      "\\b(?:[Jj]an(?:uary|uar)?|[Ff]eb(?:ruary|ruar)?|[Mm](?:a|\\xc3\\xa4)?r(?:ch|z)?|[Aa]pr(?:il)?|[M"
      "m]a[yi]?|[Jj]un[ei]?|[Jj]ul[yi]?|[Aa]ug(?:ust)?|[Ss]ep(?:tember)?|[Oo][ck]?t(?:ober)?|[Nn]ov(?:e"
      "mber)?|[Dd]e[cz](?:ember)?)\\b",
      NULL },
    { "MONTHNUM", "(?:0?[1-9]|1[0-2])", NULL },
    { "MONTHNUM2", "(?:0[1-9]|1[0-2])", NULL },
    { "MONTHDAY", "(?:0[1-9]|[12][0-9]|3[01]|[1-9])", NULL },
    { "DAY", "(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)", NULL },
    { "YEAR", "(?>[0-9][0-9]){1,2}", NULL },
    { "HOUR", "(?:2[0-3]|[01]?[0-9])", NULL },
    { "MINUTE", "[0-5][0-9]", NULL },
    { "SECOND", "(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?", NULL },
    { "TIME", "(?<![0-9])%{HOUR}:%{MINUTE}:%{SECOND}(?![0-9])", NULL },
    { "DATE_US", "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}", NULL },
    { "DATE_EU", "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}", NULL },
    { "ISO8601_TIMEZONE", "(?:Z|[+-]%{HOUR}(?::?%{MINUTE}))", NULL },
    { "ISO8601_SECOND", "%{SECOND}", NULL },
    { "ISO8601_HOUR", "(?:2[0-3]|[01][0-9])", NULL },
    { "TIMESTAMP_ISO8601", "%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?%{ISO8601_TIMEZONE}?",
      NULL },
    { "DATE", "(?:%{DATE_US}|%{DATE_EU})", NULL },
    { "DATESTAMP", "%{DATE}[- ]%{TIME}", NULL },
    { "TZ", "(?:[APMCE][SD]T|UTC)", NULL },
    { "DATESTAMP_RFC822", "%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}", NULL },
    { "DATESTAMP_RFC2822", "%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}", NULL },
    { "DATESTAMP_OTHER", "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}", NULL },
    { "DATESTAMP_EVENTLOG", "%{YEAR}%{MONTHNUM2}%{MONTHDAY}%{HOUR}%{MINUTE}%{SECOND}", NULL },
    { "SYSLOGTIMESTAMP", "%{MONTH} +%{MONTHDAY} %{TIME}", NULL },
    { "PROG", "[\\x21-\\x5a\\x5c\\x5e-\\x7e]+", NULL },
    { "SYSLOGPROG", "%{PROG:program}(?:\\[%{POSINT:pid}\\])?",
      "%{PROG:[process][name]}(?:\\[%{POSINT:[process][pid]:int}\\])?" },
    { "SYSLOGHOST", "%{IPORHOST}", NULL },
    { "SYSLOGFACILITY", "<%{NONNEGINT:facility}.%{NONNEGINT:priority}>",
      "<%{NONNEGINT:[log][syslog][facility][code]:int}.%{NONNEGINT:[log][syslog][priority]:int}>" },
    { "HTTPDATE", "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}", NULL },
    { "LOGLEVEL",
      "(?:[Aa]lert|ALERT"
      "|[Tt]race|TRACE"
      "|[Dd]ebug|DEBUG"
      "|[Nn]otice|NOTICE"
      "|[Ii]nfo?(?:rmation)?|INFO?(?:RMATION)?"
      "|[Ww]arn?(?:ing)?|WARN?(?:ING)?"
      "|[Ee]rr?(?:or)?|ERR?(?:OR)?"
      "|[Cc]rit?(?:ical)?|CRIT?(?:ICAL)?"
      "|[Ff]atal|FATAL"
      "|[Ss]evere|SEVERE"
      "|[Ee]merg(?:ency)?|EMERG(?:ENCY)?)",
      NULL },
    { "SYSLOGBASE", "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:",
      "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:[host][hostname]} %{SYSLOGPROG}"
      ":" },
    { "SYSLOGBASE2",
      "(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) (?:%{SYSLOGFACILITY} )?"
      "%{SYSLOGHOST:logsource}(?: %{SYSLOGPROG}:|)",
      "(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp})(?: %{SYSLOGFACILITY})?"
      "(?: %{SYSLOGHOST:[host][hostname]})?(?: %{SYSLOGPROG}:)?" },
    { "SYSLOGLINE", "%{SYSLOGBASE2} %{GREEDYDATA:message}", NULL },
    { "SYSLOGPAMSESSION",
      "%{SYSLOGBASE} (?=%{GREEDYDATA:message})%{WORD:pam_module}\\(%{DATA:pam_caller}\\): session %{WOR"
      "D:pam_session_state} for user %{USERNAME:username}(?: by %{GREEDYDATA:pam_by})?",
      "%{SYSLOGBASE} (?=%{GREEDYDATA:message})%{WORD:[system][auth][pam][module]}\\(%{DATA:[system][aut"
      "h][pam][origin]}\\): session %{WORD:[system][auth][pam][session_state]} for user %{USERNAME:[use"
      "r][name]}(?: by %{GREEDYDATA})?" },
    { "CRON_ACTION", "[A-Z ]+", NULL },
    { "CRONLOG", "%{SYSLOGBASE} \\(%{USER:user}\\) %{CRON_ACTION:action} \\(%{DATA:message}\\)",
      "%{SYSLOGBASE} \\(%{USER:[user][name]}\\) %{CRON_ACTION:[system][cron][action]} \\(%{DATA:message"
      "}\\)" },
    { "SYSLOG5424PRINTASCII", "[!-~]+", NULL },
    { "SYSLOG5424PRI", "<%{NONNEGINT:syslog5424_pri}>", "<%{NONNEGINT:[log][syslog][priority]:int}>" },
    { "SYSLOG5424SD", "\\[%{DATA}\\]+", NULL },
    { "SYSLOG5424BASE",
      "%{SYSLOG5424PRI}%{NONNEGINT:syslog5424_ver} +(?:-|%{TIMESTAMP_ISO8601:syslog5424_ts}) +(?:-|%{IP"
      "ORHOST:syslog5424_host}) +(?:-|%{SYSLOG5424PRINTASCII:syslog5424_app}) +(?:-|%{POSINT:syslog5424"
      "_proc}) +(?:-|%{SYSLOG5424PRINTASCII:syslog5424_msgid}) +(?:-|%{SYSLOG5424SD:syslog5424_sd})?",
      "%{SYSLOG5424PRI}%{NONNEGINT:[system][syslog][version]} +(?:-|%{TIMESTAMP_ISO8601:timestamp}) +(?"
      ":-|%{IPORHOST:[host][hostname]}) +(?:-|%{SYSLOG5424PRINTASCII:[process][name]}) +(?:-|%{POSINT:["
      "process][pid]:int}) +(?:-|%{SYSLOG5424PRINTASCII:[event][code]}) +(?:-|%{SYSLOG5424SD:[system][s"
      "yslog][structured_data]})?" },
    { "SYSLOG5424LINE", "%{SYSLOG5424BASE} +%{GREEDYDATA:syslog5424_msg}", "%{SYSLOG5424BASE} +%{GREEDYDATA:message}" },
    { "HTTPDUSER", "(?:%{EMAILADDRESS}|%{USER})", NULL },
    { "HTTPDERROR_DATE", "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{YEAR}", NULL },
    { "HTTPD_COMMONLOG",
      "%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \\[%{HTTPDATE:timestamp}\\] \"(?:%{WOR"
      "D:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})\" (?:-|%{NUMBER:"
      "response}) (?:-|%{NUMBER:bytes})",
      "%{IPORHOST:[source][address]} (?:-|%{HTTPDUSER:[apache][access][user][identity]}) (?:-|%{HTTPDUS"
      "ER:[user][name]}) \\[%{HTTPDATE:timestamp}\\] \"(?:%{WORD:[http][request][method]} %{NOTSPACE:[u"
      "rl][original]}(?: HTTP/%{NUMBER:[http][version]})?|%{DATA})\" (?:-|%{INT:[http][response][status"
      "_code]:int}) (?:-|%{INT:[http][response][body][bytes]:int})" },
    { "HTTPD_COMBINEDLOG", "%{HTTPD_COMMONLOG} %{QS:referrer} %{QS:agent}",
      "%{HTTPD_COMMONLOG} \"(?:-|%{DATA:[http][request][referrer]})\" \"(?:-|%{DATA:[user_agent][origin"
      "al]})\"" },
    { "COMMONAPACHELOG", "%{HTTPD_COMMONLOG}", NULL },
    { "COMBINEDAPACHELOG", "%{HTTPD_COMBINEDLOG}", NULL },
    { "HTTPD20_ERRORLOG",
      "\\[%{HTTPDERROR_DATE:timestamp}\\] \\[%{LOGLEVEL:loglevel}\\] (?:\\[client %{IPORHOST:clientip}"
      "\\] )?%{GREEDYDATA:message}",
      "\\[%{HTTPDERROR_DATE:timestamp}\\] \\[%{LOGLEVEL:[log][level]}\\] (?:\\[client %{IPORHOST:[sourc"
      "e][address]}\\] )?%{GREEDYDATA:message}" },
    { "HTTPD24_ERRORLOG",
      "\\[%{HTTPDERROR_DATE:timestamp}\\] \\[(?:%{WORD:module})?:%{LOGLEVEL:loglevel}\\] \\[pid %{POSIN"
      "T:pid}(?::tid %{NUMBER:tid})?\\](?: \\(%{POSINT:proxy_errorcode}\\)%{DATA:proxy_message}:)?(?: "
      "\\[client %{IPORHOST:clientip}:%{POSINT:clientport}\\])?(?: %{DATA:errorcode}:)? %{GREEDYDATA:me"
      "ssage}",
      "\\[%{HTTPDERROR_DATE:timestamp}\\] \\[(?:%{WORD:[apache][error][module]})?:%{LOGLEVEL:[log][leve"
      "l]}\\] \\[pid %{POSINT:[process][pid]:int}(?::tid %{INT:[process][thread][id]:int})?\\](?: \\(%{"
      "POSINT:[apache][error][proxy][error][code]}\\)%{DATA:[apache][error][proxy][error][message]}:)?("
      "?: \\[client %{IPORHOST:[source][address]}(?::%{POSINT:[source][port]:int})?\\])?(?: %{DATA:[err"
      "or][code]}:)? %{GREEDYDATA:message}" },
    { "HTTPD_ERRORLOG", "(?:%{HTTPD20_ERRORLOG}|%{HTTPD24_ERRORLOG})", NULL },
    { "JAVACLASS", "(?:[a-zA-Z$_][a-zA-Z$_0-9]*\\.)*[a-zA-Z$_][a-zA-Z$_0-9]*", NULL },
    { "JAVATHREAD", "[A-Z]{2}-Processor[0-9]+", NULL },
    { "JAVALOGMESSAGE", "(?:.*)", NULL },
    { "JAVAFILE", "[a-zA-Z$_0-9. -]+", NULL },
    { "JAVAMETHOD", "(?:<(?:cl)?init>|[a-zA-Z$_][a-zA-Z$_0-9]*)", NULL },
    { "JAVASTACKTRACEPART",
      "%{SPACE}at %{JAVACLASS:class}\\.%{JAVAMETHOD:method}\\(%{JAVAFILE:file}(?::%{INT:line})?\\)",
      "%{SPACE}at %{JAVACLASS:[java][log][origin][class][name]}\\.%{JAVAMETHOD:[log][origin][function]}"
      "\\(%{JAVAFILE:[log][origin][file][name]}(?::%{INT:[log][origin][file][line]:int})?\\)" },
    { "POSTGRESQL", "%{DATESTAMP:timestamp} %{TZ} %{DATA:user_id} %{GREEDYDATA:connection_id} %{POSINT:pid}",
      "%{DATESTAMP:timestamp} %{TZ:[event][timezone]} %{DATA:[user][name]} %{GREEDYDATA:[postgresql][lo"
      "g][connection_id]} %{POSINT:[process][pid]:int}" },
    { "REDISTIMESTAMP", "%{MONTHDAY} %{MONTH} %{TIME}", NULL },
    { "REDISLOG", "\\[%{POSINT:pid}\\] %{REDISTIMESTAMP:timestamp} \\*",
      "\\[%{POSINT:[process][pid]:int}\\] %{REDISTIMESTAMP:timestamp} \\*" },
    { NULL, NULL, NULL },
};

const char *grok_stock(struct lb_str name, bool ecs)
{
    const struct grok_stock_row *const tables[] = { general,          grok_stock_servers, grok_stock_network,
                                                    grok_stock_cisco, grok_stock_monitor, grok_stock_zeek,
                                                    grok_stock_bacula };

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct grok_stock_row *row = tables[i]; row->name != NULL; row++)
            if (lb_str_is(name, row->name))
                return ecs && row->ecs != NULL ? row->ecs : row->meaning;
    return NULL;
}
