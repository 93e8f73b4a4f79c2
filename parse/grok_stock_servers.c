/*
 * grok_stock_servers.c - what the names of grok patterns for logs of servers mean; see grok_stock.c.
 */
#include "grok_stock.h"

const struct grok_stock_row grok_stock_servers[] = {
    /* HAProxy */
    { "HAPROXYTIME", "(?<![0-9])%{HOUR:haproxy_hour}:%{MINUTE:haproxy_minute}:%{SECOND:haproxy_second}(?![0-9])",
      "(?<![0-9])%{HOUR}:%{MINUTE}:%{SECOND}(?![0-9])" },
    { "HAPROXYDATE",
      "%{MONTHDAY:haproxy_monthday}/%{MONTH:haproxy_month}/%{YEAR:haproxy_year}:"
      "%{HAPROXYTIME:haproxy_time}\\.%{INT:haproxy_milliseconds}",
      "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{HAPROXYTIME}\\.%{INT}" },
    { "HAPROXYCAPTUREDREQUESTHEADERS", "%{DATA:captured_request_headers}",
      "%{DATA:[haproxy][http][request][captured_headers]}" },
    { "HAPROXYCAPTUREDRESPONSEHEADERS", "%{DATA:captured_response_headers}",
      "%{DATA:[haproxy][http][response][captured_headers]}" },
    { "HAPROXYURI", "(?:%{URIPROTO}://)?(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
      "(?:%{URIPROTO:[url][scheme]}://)?(?:%{USER:[url][username]}(?::[^@]*)?@)?(?:"
      "%{IPORHOST:[url][domain]}(?::%{POSINT:[url][port]:int})?)?(?:%{URIPATH:[url][path]}(?:\\?"
      "%{URIQUERY:[url][query]})?)?" },
    { "HAPROXYHTTPBASE",
      "%{IP:client_ip}:%{INT:client_port} \\[%{HAPROXYDATE:accept_date}\\] %{NOTSPACE:frontend_name} "
      "%{NOTSPACE:backend_name}/%{NOTSPACE:server_name} (?:<BADREQ>|%{INT:time_request})/"
      "%{INT:time_queue}/%{INT:time_backend_connect}/%{INT:time_backend_response}/"
      "%{NOTSPACE:time_duration} %{INT:http_status_code} %{NOTSPACE:bytes_read} "
      "%{DATA:captured_request_cookie} %{DATA:captured_response_cookie} %{NOTSPACE:termination_state} "
      "%{INT:actconn}/%{INT:feconn}/%{INT:beconn}/%{INT:srvconn}/%{NOTSPACE:retries} %{INT:srv_queue}/"
      "%{INT:backend_queue} (?:\\{%{HAPROXYCAPTUREDREQUESTHEADERS}\\} )?(?:\\{"
      "%{HAPROXYCAPTUREDRESPONSEHEADERS}\\} )?\"(?:<BADREQ>|(?:%{WORD:http_verb} (?:"
      "%{URIPROTO:http_proto}://)?(?:%{USER:http_user}(?::[^@]*)?@)?(?:%{URIHOST:http_host})?(?:"
      "%{URIPATHPARAM:http_request})?(?: HTTP/%{NUMBER:http_version})?))?\"",
      "%{IP:[source][address]}:%{INT:[source][port]:int} \\[%{HAPROXYDATE:[haproxy][request_date]}\\] "
      "%{NOTSPACE:[haproxy][frontend_name]} %{NOTSPACE:[haproxy][backend_name]}/(?:<NOSRV>|"
      "%{NOTSPACE:[haproxy][server_name]}) (?:<BADREQ>|-1|"
      "%{INT:[haproxy][http][request][time_wait_ms]:int})/(?:-1|"
      "%{INT:[haproxy][total_waiting_time_ms]:int})/(?:-1|%{INT:[haproxy][connection_wait_time_ms]:int})/"
      "(?:-1|%{INT:[haproxy][http][request][time_wait_without_data_ms]:int})/"
      "%{NOTSPACE:[haproxy][total_time_ms]} %{INT:[http][response][status_code]:int} "
      "%{INT:[source][bytes]:int} (?:-|%{DATA:[haproxy][http][request][captured_cookie]}) (?:-|"
      "%{DATA:[haproxy][http][response][captured_cookie]}) %{NOTSPACE:[haproxy][termination_state]} "
      "%{INT:[haproxy][connections][active]:int}/%{INT:[haproxy][connections][frontend]:int}/"
      "%{INT:[haproxy][connections][backend]:int}/%{INT:[haproxy][connections][server]:int}/"
      "%{INT:[haproxy][connections][retries]:int} %{INT:[haproxy][server_queue]:int}/"
      "%{INT:[haproxy][backend_queue]:int} (?:\\{%{HAPROXYCAPTUREDREQUESTHEADERS}\\} )?(?:\\{"
      "%{HAPROXYCAPTUREDRESPONSEHEADERS}\\} )?\"(?:<BADREQ>|(?:%{WORD:[http][request][method]} "
      "%{HAPROXYURI:[url][original]}(?: HTTP/%{NUMBER:[http][version]})?))?\"" },
    { "HAPROXYHTTP",
      "(?:%{SYSLOGTIMESTAMP:syslog_timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) "
      "%{IPORHOST:syslog_server} %{SYSLOGPROG}: %{HAPROXYHTTPBASE}",
      "(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp}) %{IPORHOST:[host][hostname]} "
      "%{SYSLOGPROG}: %{HAPROXYHTTPBASE}" },
    { "HAPROXYTCP",
      "(?:%{SYSLOGTIMESTAMP:syslog_timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) "
      "%{IPORHOST:syslog_server} %{SYSLOGPROG}: %{IP:client_ip}:%{INT:client_port} \\["
      "%{HAPROXYDATE:accept_date}\\] %{NOTSPACE:frontend_name} %{NOTSPACE:backend_name}/"
      "%{NOTSPACE:server_name} %{INT:time_queue}/%{INT:time_backend_connect}/%{NOTSPACE:time_duration} "
      "%{NOTSPACE:bytes_read} %{NOTSPACE:termination_state} %{INT:actconn}/%{INT:feconn}/%{INT:beconn}/"
      "%{INT:srvconn}/%{NOTSPACE:retries} %{INT:srv_queue}/%{INT:backend_queue}",
      "(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp}) %{IPORHOST:[host][hostname]} "
      "%{SYSLOGPROG}: %{IP:[source][address]}:%{INT:[source][port]:int} \\["
      "%{HAPROXYDATE:[haproxy][request_date]}\\] %{NOTSPACE:[haproxy][frontend_name]} "
      "%{NOTSPACE:[haproxy][backend_name]}/(?:<NOSRV>|%{NOTSPACE:[haproxy][server_name]}) (?:-1|"
      "%{INT:[haproxy][total_waiting_time_ms]:int})/(?:-1|%{INT:[haproxy][connection_wait_time_ms]:int})/"
      "%{NOTSPACE:[haproxy][total_time_ms]} %{INT:[source][bytes]:int} "
      "%{NOTSPACE:[haproxy][termination_state]} %{INT:[haproxy][connections][active]:int}/"
      "%{INT:[haproxy][connections][frontend]:int}/%{INT:[haproxy][connections][backend]:int}/"
      "%{INT:[haproxy][connections][server]:int}/%{INT:[haproxy][connections][retries]:int} "
      "%{INT:[haproxy][server_queue]:int}/%{INT:[haproxy][backend_queue]:int}" },
    /* Amazon: load balancers, S3, CloudFront */
    { "ELB_URIPATHPARAM", "%{URIPATH:path}(?:%{URIPARAM:params})?",
      "%{URIPATH:[url][path]}(?:\\?%{URIQUERY:[url][query]})?" },
    { "ELB_URI", "%{URIPROTO:proto}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST:urihost})?(?:%{ELB_URIPATHPARAM})?",
      "%{URIPROTO:[url][scheme]}://(?:%{USER:[url][username]}(?::[^@]*)?@)?(?:%{IPORHOST:[url][domain]}(?"
      "::%{POSINT:[url][port]:int})?)?(?:%{ELB_URIPATHPARAM})?" },
    { "ELB_REQUEST_LINE", "(?:%{WORD:verb} %{ELB_URI:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})",
      "(?:%{WORD:[http][request][method]} %{ELB_URI:[url][original]}(?: HTTP/%{NUMBER:[http][version]})?)" },
    { "ELB_ACCESS_LOG",
      "%{TIMESTAMP_ISO8601:timestamp} %{NOTSPACE:elb} %{IP:clientip}:%{INT:clientport:int} (?:(?:"
      "%{IP:backendip}:?%{INT:backendport:int})|-) %{NUMBER:request_processing_time:float} "
      "%{NUMBER:backend_processing_time:float} %{NUMBER:response_processing_time:float} (?:"
      "%{INT:response:int}|-) (?:%{INT:backend_response:int}|-) %{INT:received_bytes:int} "
      "%{INT:bytes:int} \"%{ELB_REQUEST_LINE}\"",
      "%{TIMESTAMP_ISO8601:timestamp} %{NOTSPACE:[aws][elb][name]} %{IP:[source][ip]}:"
      "%{INT:[source][port]:int} (?:-|(?:%{IP:[aws][elb][backend][ip]}:"
      "%{INT:[aws][elb][backend][port]:int})) (?:-1|"
      "%{NUMBER:[aws][elb][request_processing_time][sec]:float}) (?:-1|"
      "%{NUMBER:[aws][elb][backend_processing_time][sec]:float}) (?:-1|"
      "%{NUMBER:[aws][elb][response_processing_time][sec]:float}) (?:-|"
      "%{INT:[http][response][status_code]:int}) (?:-|"
      "%{INT:[aws][elb][backend][http][response][status_code]:int}) "
      "%{INT:[http][request][body][bytes]:int} %{INT:[http][response][body][bytes]:int} \""
      "%{ELB_REQUEST_LINE}\"(?: \"(?:-|%{DATA:[user_agent][original]})\" (?:-|%{NOTSPACE:[tls][cipher]}) "
      "(?:-|%{NOTSPACE:[aws][elb][ssl_protocol]}))?" },
    { "S3_REQUEST_LINE", "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})",
      "(?:%{WORD:[http][request][method]} %{NOTSPACE:[url][original]}(?: HTTP/%{NUMBER:[http][version]})?"
      ")" },
    { "S3_ACCESS_LOG",
      "%{WORD:owner} %{NOTSPACE:bucket} \\[%{HTTPDATE:timestamp}\\] %{IP:clientip} %{NOTSPACE:requester} "
      "%{NOTSPACE:request_id} %{NOTSPACE:operation} %{NOTSPACE:key} (?:\"%{S3_REQUEST_LINE}\"|-) (?:"
      "%{INT:response:int}|-) (?:-|%{NOTSPACE:error_code}) (?:%{INT:bytes:int}|-) (?:"
      "%{INT:object_size:int}|-) (?:%{INT:request_time_ms:int}|-) (?:%{INT:turnaround_time_ms:int}|-) (?:"
      "%{QS:referrer}|-) (?:\"?%{QS:agent}\"?|-) (?:-|%{NOTSPACE:version_id})",
      "%{WORD:[aws][s3access][bucket_owner]} %{NOTSPACE:[aws][s3access][bucket]} \\[%{HTTPDATE:timestamp}"
      "\\] (?:-|%{IP:[client][ip]}) (?:-|%{NOTSPACE:[client][user][id]}) "
      "%{NOTSPACE:[aws][s3access][request_id]} %{NOTSPACE:[aws][s3access][operation]} (?:-|"
      "%{NOTSPACE:[aws][s3access][key]}) (?:-|\"%{S3_REQUEST_LINE:[aws][s3access][request_uri]}\") (?:-|"
      "%{INT:[http][response][status_code]:int}) (?:-|%{NOTSPACE:[aws][s3access][error_code]}) (?:-|"
      "%{INT:[aws][s3access][bytes_sent]:int}) (?:-|%{INT:[aws][s3access][object_size]:int}) (?:-|"
      "%{INT:[aws][s3access][total_time]:int}) (?:-|%{INT:[aws][s3access][turn_around_time]:int}) \"(?:-|"
      "%{DATA:[http][request][referrer]})\" \"(?:-|%{DATA:[user_agent][original]})\" (?:-|"
      "%{NOTSPACE:[aws][s3access][version_id]})(?: (?:-|%{NOTSPACE:[aws][s3access][host_id]}) (?:-|"
      "%{NOTSPACE:[aws][s3access][signature_version]}) (?:-|%{NOTSPACE:[tls][cipher]}) (?:-|"
      "%{NOTSPACE:[aws][s3access][authentication_type]}) (?:-|%{NOTSPACE:[aws][s3access][host_header]}) ("
      "?:-|%{NOTSPACE:[aws][s3access][tls_version]}))?" },
    { "CLOUDFRONT_DATE", "%{YEAR}-%{MONTHNUM}-%{MONTHDAY}\\t%{TIME}", NULL },
    { "CLOUDFRONT_ACCESS_LOG",
      "%{CLOUDFRONT_DATE:timestamp}\\t%{WORD:x_edge_location}\\t(?:%{NUMBER:sc_bytes:int}|-)\\t"
      "%{IPORHOST:clientip}\\t%{WORD:cs_method}\\t%{HOSTNAME:cs_host}\\t%{NOTSPACE:cs_uri_stem}\\t"
      "%{NUMBER:sc_status:int}\\t%{GREEDYDATA:referrer}\\t%{GREEDYDATA:agent}\\t"
      "%{GREEDYDATA:cs_uri_query}\\t%{GREEDYDATA:cookies}\\t%{WORD:x_edge_result_type}\\t"
      "%{NOTSPACE:x_edge_request_id}\\t%{HOSTNAME:x_host_header}\\t%{URIPROTO:cs_protocol}\\t"
      "%{INT:cs_bytes:int}\\t%{NUMBER:time_taken:float}\\t%{GREEDYDATA:x_forwarded_for}\\t"
      "%{GREEDYDATA:ssl_protocol}\\t%{GREEDYDATA:ssl_cipher}\\t%{GREEDYDATA:x_edge_response_result_type}",
      "%{CLOUDFRONT_DATE:timestamp}\\t%{WORD:[aws][cloudfront][x_edge_location]}\\t(?:-|"
      "%{INT:[destination][bytes]:int})\\t%{IPORHOST:[source][ip]}\\t%{WORD:[http][request][method]}\\t"
      "%{HOSTNAME:[url][domain]}\\t%{NOTSPACE:[url][path]}\\t(?:(?:000)|"
      "%{INT:[http][response][status_code]:int})\\t(?:-|%{DATA:[http][request][referrer]})\\t"
      "%{DATA:[user_agent][original]}\\t(?:-|%{DATA:[url][query]})\\t(?:-|"
      "%{DATA:[aws][cloudfront][http][request][cookie]})\\t%{WORD:[aws][cloudfront][x_edge_result_type]}"
      "\\t%{NOTSPACE:[aws][cloudfront][x_edge_request_id]}\\t"
      "%{HOSTNAME:[aws][cloudfront][http][request][host]}\\t%{URIPROTO:[network][protocol]}\\t(?:-|"
      "%{INT:[source][bytes]:int})\\t%{NUMBER:[aws][cloudfront][time_taken]:float}\\t(?:-|"
      "%{IP:[network][forwarded_ip]}|%{DATA:[aws][cloudfront][http][request][x_forwarded_for]})\\t(?:-|"
      "%{DATA:[aws][cloudfront][ssl_protocol]})\\t(?:-|%{NOTSPACE:[tls][cipher]})\\t"
      "%{WORD:[aws][cloudfront][x_edge_response_result_type]}" },
    /* MongoDB */
    { "MONGO3_SEVERITY", "\\w", NULL },
    { "MONGO3_COMPONENT", "%{WORD}", NULL },
    { "MONGO3_LOG",
      "%{TIMESTAMP_ISO8601:timestamp} %{MONGO3_SEVERITY:severity} (?:-|%{MONGO3_COMPONENT:component})"
      "%{SPACE}(?:\\[%{DATA:context}\\])? %{GREEDYDATA:message}",
      "%{TIMESTAMP_ISO8601:timestamp} %{MONGO3_SEVERITY:[log][level]} (?:-|"
      "%{MONGO3_COMPONENT:[mongodb][component]})%{SPACE}(?:\\[%{DATA:[mongodb][context]}\\])? "
      "%{GREEDYDATA:message}" },
    /* Redis */
    { "REDISMONLOG",
      "%{NUMBER:timestamp} \\[%{INT:database} %{IP:client}:%{POSINT:port}\\] \"%{WORD:command}\"\\s?"
      "%{GREEDYDATA:params}",
      "%{NUMBER:timestamp} \\[%{INT:[redis][database][id]} %{IP:[client][ip]}:"
      "%{POSINT:[client][port]:int}\\] \"%{WORD:[redis][command][name]}\"(?:%{SPACE}"
      "%{GREEDYDATA:[redis][command][args]})?" },
    /* Squid */
    { "SQUID3",
      "%{NUMBER:timestamp}\\s+%{NUMBER:duration}\\s%{IP:client_address}\\s%{WORD:cache_result}/"
      "%{NONNEGINT:status_code}\\s%{NUMBER:bytes}\\s%{WORD:request_method}\\s%{NOTSPACE:url}\\s"
      "%{NOTSPACE:user}\\s%{WORD:hierarchy_code}/(?:-|%{IPORHOST:server})\\s%{NOTSPACE:content_type}",
      "%{NUMBER:timestamp}\\s+%{INT:[squid][request][duration]:int}\\s%{IP:[source][ip]}\\s"
      "%{WORD:[event][action]}/(?:0|000|%{INT:[http][response][status_code]:int})\\s"
      "%{INT:[http][response][bytes]:int}\\s%{WORD:[http][request][method]}\\s%{NOTSPACE:[url][original]}"
      "\\s(?:-|%{NOTSPACE:[user][name]})\\s%{WORD:[squid][hierarchy_code]}/(?:-|"
      "%{IPORHOST:[destination][address]})\\s(?:-|%{NOTSPACE:[http][response][mime_type]})" },
    /* BIND */
    { "BIND9_TIMESTAMP", "%{MONTHDAY}-%{MONTH}-%{YEAR} %{TIME}", NULL },
    { "BIND9_DNSTYPE", "[A-Z0-9]+", NULL },
    { "BIND9_CATEGORY", "queries", NULL },
    { "BIND9_CLASS", "(?:IN|CH|HS)", NULL },
    { "BIND9_QUERYLOGBASE",
      "client(?: @0x[0-9A-Fa-f]+)? %{IP:clientip}#%{POSINT:clientport} \\(%{GREEDYDATA:query}\\): query: "
      "%{GREEDYDATA:query} IN %{GREEDYDATA:querytype} \\(%{IP:dns}\\)",
      "client(?: @0x[0-9A-Fa-f]+)? %{IP:[client][ip]}#%{POSINT:[client][port]:int} \\("
      "%{GREEDYDATA:[bind][log][question][name]}\\): query: %{GREEDYDATA:[dns][question][name]} "
      "%{BIND9_CLASS:[dns][question][class]} %{BIND9_DNSTYPE:[dns][question][type]} "
      "%{NOTSPACE:[bind][log][question][flags]} \\(%{IP:[server][ip]}\\)" },
    { "BIND9_QUERYLOG", "%{BIND9_TIMESTAMP:timestamp} queries: %{LOGLEVEL:loglevel}: %{BIND9_QUERYLOGBASE}",
      "%{BIND9_TIMESTAMP:timestamp} %{NOTSPACE:[bing][log][category]}: %{LOGLEVEL:[log][level]}: "
      "%{BIND9_QUERYLOGBASE}" },
    { "BIND9", "%{BIND9_QUERYLOG}", NULL },
    /* MCollective, Maven */
    { "MCOLLECTIVE", "., \\[%{TIMESTAMP_ISO8601:timestamp} #%{POSINT:pid}\\]%{SPACE}%{LOGLEVEL:event_level}",
      "., \\[%{TIMESTAMP_ISO8601:timestamp} #%{POSINT:[process][pid]:int}\\]%{SPACE}"
      "%{LOGLEVEL:[log][level]}" },
    { "MAVEN_VERSION", "[0-9]+(?:\\.[0-9]+){1,2}(?:[.-](?:RELEASE|SNAPSHOT))?", NULL },
    /* Rails */
    { "RUUID", "[0-9a-f]{32}", NULL },
    { "RAILS_TIMESTAMP", "%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{HOUR}:%{MINUTE}:%{SECOND} %{ISO8601_TIMEZONE}", NULL },
    { "RAILS3HEAD",
      "Started %{WORD:verb} \"%{URIPATHPARAM:request}\" for %{IPORHOST:clientip} at "
      "%{RAILS_TIMESTAMP:timestamp}",
      "Started %{WORD:[http][request][method]} \"%{RAILS_URL:[url][original]}\" for "
      "%{IPORHOST:[source][address]} at %{RAILS_TIMESTAMP:timestamp}" },
    { "RAILS_URL", "%{URIPATH}(?:\\?%{URIQUERY})?", NULL },
    { "RAILS3PROFILE",
      "(?:\\(Views: %{NUMBER:viewms}ms \\| ActiveRecord: %{NUMBER:activerecordms}ms|\\(ActiveRecord: "
      "%{NUMBER:activerecordms}ms)?",
      "(?:\\(Views: %{NUMBER:[rails][request][duration][view]:float}ms \\| ActiveRecord: "
      "%{NUMBER:[rails][request][duration][active_record]:float}ms|\\(ActiveRecord: "
      "%{NUMBER:[rails][request][duration][active_record]:float}ms)?" },
    { "RAILS3FOOT", "Completed %{POSINT:response}%{DATA} in %{NUMBER:totalms}ms %{RAILS3PROFILE}%{GREEDYDATA}",
      "Completed %{POSINT:[http][response][status_code]:int}%{DATA} in "
      "%{NUMBER:[rails][request][duration][total]:float}ms %{RAILS3PROFILE}%{GREEDYDATA}" },
    { "RAILS3",
      "%{RAILS3HEAD}(?:\\s+Processing by %{RAILS_CLASS:controller}#%{WORD:action} as %{NOTSPACE:format})?"
      "(?:\\s+Parameters: \\{%{DATA:params}\\}\\s+)?%{DATA:context}(?:%{RAILS3FOOT})?$",
      "%{RAILS3HEAD}(?:\\s+Processing by %{RAILS_CLASS:[rails][controller][class]}#"
      "%{WORD:[rails][controller][action]} as %{NOTSPACE:[rails][request][format]})?(?:\\s+Parameters: "
      "\\{%{DATA:[rails][request][params]}\\}\\s+)?%{DATA:[rails][request][explain]}(?:%{RAILS3FOOT})?$" },
    { "RAILS_CLASS", "[^#]+", NULL },
    /* Tomcat */
    { "TOMCAT_DATESTAMP", "(?:%{CATALINA8_DATESTAMP}|%{CATALINA7_DATESTAMP}|%{TOMCATLEGACY_DATESTAMP})", NULL },
    { "CATALINA7_DATESTAMP", "%{MONTH} %{MONTHDAY}, %{YEAR} %{HOUR}:%{MINUTE}:%{SECOND} (?:AM|PM)", NULL },
    { "CATALINA8_DATESTAMP", "%{MONTHDAY}-%{MONTH}-%{YEAR} %{HOUR}:%{MINUTE}:%{SECOND}", NULL },
    { "TOMCATLEGACY_DATESTAMP", "%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{HOUR}:%{MINUTE}:%{SECOND}(?: %{ISO8601_TIMEZONE})?",
      NULL },
    { "CATALINA7_LOG", "%{CATALINA7_DATESTAMP:timestamp} %{JAVACLASS:class} %{GREEDYDATA:logmessage}",
      "%{CATALINA7_DATESTAMP:timestamp} %{JAVACLASS:[java][log][origin][class][name]}(?: "
      "%{JAVAMETHOD:[log][origin][function]})?\\s*(?:%{LOGLEVEL:[log][level]}:)? %{GREEDYDATA:message}" },
    { "CATALINA8_LOG",
      "%{CATALINA8_DATESTAMP:timestamp} %{LOGLEVEL:level} \\[%{DATA:thread}\\] %{JAVACLASS:class} "
      "%{GREEDYDATA:logmessage}",
      "%{CATALINA8_DATESTAMP:timestamp} %{LOGLEVEL:[log][level]} \\["
      "%{DATA:[java][log][origin][thread][name]}\\] %{JAVACLASS:[java][log][origin][class][name]}\\.(?:"
      "%{JAVAMETHOD:[log][origin][function]})? %{GREEDYDATA:message}" },
    { "CATALINALOG", "(?:%{CATALINA8_LOG}|%{CATALINA7_LOG})", NULL },
    { "TOMCATLEGACY_LOG",
      "%{TOMCATLEGACY_DATESTAMP:timestamp} \\| %{LOGLEVEL:level} \\| %{JAVACLASS:class} - "
      "%{GREEDYDATA:logmessage}",
      "%{TOMCATLEGACY_DATESTAMP:timestamp} \\| %{LOGLEVEL:[log][level]} \\| "
      "%{JAVACLASS:[java][log][origin][class][name]} - %{GREEDYDATA:message}" },
    { "TOMCATLOG", "(?:%{TOMCATLEGACY_LOG}|%{CATALINALOG})", NULL },
    { "TOMCAT7_LOG", "%{CATALINA7_LOG}", NULL },
    { "TOMCAT8_LOG", "%{CATALINA8_LOG}", NULL },
    { "CATALINA_DATESTAMP", "(?:%{CATALINA8_DATESTAMP}|%{CATALINA7_DATESTAMP})", NULL },
    /* Ruby's Logger, Rails, MCollective */
    { "RUBY_LOGLEVEL", "(?:DEBUG|INFO|WARN|ERROR|FATAL)", NULL },
    { "RUBY_LOGGER",
      "[DIWEF], \\[%{TIMESTAMP_ISO8601:timestamp} #%{POSINT:pid}\\] *%{RUBY_LOGLEVEL:loglevel} -- +%{DATA:progname}: "
      "%{GREEDYDATA:message}",
      "[DIWEF], \\[%{TIMESTAMP_ISO8601:timestamp} #%{POSINT:[process][pid]:int}\\] *%{RUBY_LOGLEVEL:[log][level]} -- "
      "+%{DATA:[process][name]}: %{GREEDYDATA:message}" },
    { "RCONTROLLER", "%{RAILS_CLASS:controller}#%{WORD:action}",
      "%{RAILS_CLASS:[rails][controller][class]}#%{WORD:[rails][controller][action]}" },
    { "RPROCESSING",
      "\\W*Processing by %{RCONTROLLER} as %{NOTSPACE:format}(?:\\W*Parameters: \\{%{DATA:params}\\}\\W*)?",
      "\\W*Processing by %{RCONTROLLER} as %{NOTSPACE:[rails][request][format]}(?:\\W*Parameters: "
      "\\{%{DATA:[rails][request][params]}\\}\\W*)?" },
    { "MCOLLECTIVEAUDIT", "%{TIMESTAMP_ISO8601:timestamp}:", NULL },
    /* MongoDB until 2.6 */
    { "MONGO_WORDDASH", "\\b[\\w-]+\\b", NULL },
    { "MONGO_LOG", "%{SYSLOGTIMESTAMP:timestamp} \\[%{WORD:component}\\] %{GREEDYDATA:message}",
      "%{SYSLOGTIMESTAMP:timestamp} \\[%{WORD:[mongodb][component]}\\] %{GREEDYDATA:message}" },
    { "MONGO_QUERY", "\\{ .*? \\}(?= ntoreturn:)", NULL },
    { "MONGO_SLOWQUERY",
      "%{WORD} %{MONGO_WORDDASH:database}\\.%{MONGO_WORDDASH:collection} %{WORD}: %{MONGO_QUERY:query} "
      "ntoreturn:%{NONNEGINT:ntoreturn} ntoskip:%{NONNEGINT:ntoskip} nscanned:%{NONNEGINT:nscanned}.*? "
      "nreturned:%{NONNEGINT:nreturned}.* (?<duration>[0-9]+)ms",
      "%{WORD:[mongodb][profile][op]} %{MONGO_WORDDASH:[mongodb][database]}\\.%{MONGO_WORDDASH:[mongodb][collection]} "
      "%{WORD}: %{MONGO_QUERY:[mongodb][query][original]} ntoreturn:%{NONNEGINT:[mongodb][profile][ntoreturn]:int} "
      "ntoskip:%{NONNEGINT:[mongodb][profile][ntoskip]:int} nscanned:%{NONNEGINT:[mongodb][profile][nscanned]:int}.*? "
      "nreturned:%{NONNEGINT:[mongodb][profile][nreturned]:int}.* %{INT:[mongodb][profile][duration]:int}ms" },
    { "SQUID3_STATUS", "(?:%{POSINT:squid_status}|0|000)", "(?:%{POSINT:[http][response][status_code]:int}|0|000)" },
    { NULL, NULL, NULL },
};
