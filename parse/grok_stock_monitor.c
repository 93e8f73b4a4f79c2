/*
 * grok_stock_monitor.c - what the names of grok patterns for logs of Nagios and of Exim mean; see grok_stock.c.
 */
#include "grok_stock.h"

/* The members of Nagios' lines are divided by semicolons. */
#define HOST_OLD "%{DATA:nagios_hostname};"
#define SERVICE_OLD "%{DATA:nagios_service};"
#define STATE_OLD "%{DATA:nagios_state};"
#define MESSAGE_OLD "%{GREEDYDATA:nagios_message}"
#define TYPE_OLD(name) "%{NAGIOS_TYPE_" name ":nagios_type}: "
#define HOST_ECS "%{DATA:[host][hostname]};"
#define SERVICE_ECS "%{DATA:[service][name]};"
#define STATE_ECS "%{DATA:[service][state]};"
#define MESSAGE_ECS "%{GREEDYDATA:message}"
#define TYPE_ECS(name) "%{NAGIOS_TYPE_" name ":[nagios][log][type]}: "
#define ATTEMPT_ECS "%{DATA:[nagios][log][state_type]};%{INT:[nagios][log][attempt]:int};"

const struct grok_stock_row grok_stock_monitor[] = {
    /* Nagios and Icinga: `[epoch] KIND: host;service;state;…;text` */
    { "NAGIOSTIME", "\\[%{NUMBER:nagios_epoch}\\]", "\\[%{NUMBER:timestamp}\\]" },
    { "NAGIOS_TYPE_CURRENT_SERVICE_STATE", "(?:CURRENT|INITIAL) SERVICE STATE", NULL },
    { "NAGIOS_TYPE_CURRENT_HOST_STATE", "(?:CURRENT|INITIAL) HOST STATE", NULL },
    { "NAGIOS_TYPE_SERVICE_NOTIFICATION", "SERVICE NOTIFICATION", NULL },
    { "NAGIOS_TYPE_HOST_NOTIFICATION", "HOST NOTIFICATION", NULL },
    { "NAGIOS_TYPE_SERVICE_ALERT", "SERVICE ALERT", NULL },
    { "NAGIOS_TYPE_HOST_ALERT", "HOST ALERT", NULL },
    { "NAGIOS_TYPE_SERVICE_FLAPPING_ALERT", "SERVICE FLAPPING ALERT", NULL },
    { "NAGIOS_TYPE_HOST_FLAPPING_ALERT", "HOST FLAPPING ALERT", NULL },
    { "NAGIOS_TYPE_SERVICE_DOWNTIME_ALERT", "SERVICE DOWNTIME ALERT", NULL },
    { "NAGIOS_TYPE_HOST_DOWNTIME_ALERT", "HOST DOWNTIME ALERT", NULL },
    { "NAGIOS_TYPE_PASSIVE_SERVICE_CHECK", "PASSIVE SERVICE CHECK", NULL },
    { "NAGIOS_TYPE_PASSIVE_HOST_CHECK", "PASSIVE HOST CHECK", NULL },
    { "NAGIOS_TYPE_SERVICE_EVENT_HANDLER", "SERVICE EVENT HANDLER", NULL },
    { "NAGIOS_TYPE_HOST_EVENT_HANDLER", "HOST EVENT HANDLER", NULL },
    { "NAGIOS_TYPE_EXTERNAL_COMMAND", "EXTERNAL COMMAND", NULL },
    { "NAGIOS_TYPE_TIMEPERIOD_TRANSITION", "TIMEPERIOD TRANSITION", NULL },

    { "NAGIOS_CURRENT_SERVICE_STATE",
      TYPE_OLD("CURRENT_SERVICE_STATE") HOST_OLD SERVICE_OLD STATE_OLD
      "%{DATA:nagios_statetype};%{DATA:nagios_statecode};" MESSAGE_OLD,
      TYPE_ECS("CURRENT_SERVICE_STATE") HOST_ECS SERVICE_ECS STATE_ECS ATTEMPT_ECS MESSAGE_ECS },
    { "NAGIOS_CURRENT_HOST_STATE",
      TYPE_OLD("CURRENT_HOST_STATE") HOST_OLD STATE_OLD
      "%{DATA:nagios_statetype};%{DATA:nagios_statecode};" MESSAGE_OLD,
      TYPE_ECS("CURRENT_HOST_STATE") HOST_ECS STATE_ECS ATTEMPT_ECS MESSAGE_ECS },
    { "NAGIOS_SERVICE_NOTIFICATION",
      TYPE_OLD("SERVICE_NOTIFICATION") "%{DATA:nagios_notifyname};" HOST_OLD SERVICE_OLD STATE_OLD
                                       "%{DATA:nagios_contact};" MESSAGE_OLD,
      TYPE_ECS("SERVICE_NOTIFICATION") "%{DATA:[user][name]};" HOST_ECS SERVICE_ECS STATE_ECS
                                       "%{DATA:[nagios][log][notification_command]};" MESSAGE_ECS },
    { "NAGIOS_HOST_NOTIFICATION",
      TYPE_OLD("HOST_NOTIFICATION") "%{DATA:nagios_notifyname};" HOST_OLD STATE_OLD
                                    "%{DATA:nagios_contact};" MESSAGE_OLD,
      TYPE_ECS("HOST_NOTIFICATION") "%{DATA:[user][name]};" HOST_ECS STATE_ECS
                                    "%{DATA:[nagios][log][notification_command]};" MESSAGE_ECS },
    { "NAGIOS_SERVICE_ALERT",
      TYPE_OLD("SERVICE_ALERT") HOST_OLD SERVICE_OLD STATE_OLD
      "%{DATA:nagios_statelevel};%{NUMBER:nagios_attempt};" MESSAGE_OLD,
      TYPE_ECS("SERVICE_ALERT") HOST_ECS SERVICE_ECS STATE_ECS ATTEMPT_ECS MESSAGE_ECS },
    { "NAGIOS_HOST_ALERT",
      TYPE_OLD("HOST_ALERT") HOST_OLD STATE_OLD "%{DATA:nagios_statelevel};%{NUMBER:nagios_attempt};" MESSAGE_OLD,
      TYPE_ECS("HOST_ALERT") HOST_ECS STATE_ECS ATTEMPT_ECS MESSAGE_ECS },
    { "NAGIOS_SERVICE_FLAPPING_ALERT", TYPE_OLD("SERVICE_FLAPPING_ALERT") HOST_OLD SERVICE_OLD STATE_OLD MESSAGE_OLD,
      TYPE_ECS("SERVICE_FLAPPING_ALERT") HOST_ECS SERVICE_ECS STATE_ECS MESSAGE_ECS },
    { "NAGIOS_HOST_FLAPPING_ALERT", TYPE_OLD("HOST_FLAPPING_ALERT") HOST_OLD STATE_OLD MESSAGE_OLD,
      TYPE_ECS("HOST_FLAPPING_ALERT") HOST_ECS STATE_ECS MESSAGE_ECS },
    { "NAGIOS_SERVICE_DOWNTIME_ALERT",
      TYPE_OLD("SERVICE_DOWNTIME_ALERT") HOST_OLD SERVICE_OLD STATE_OLD "%{GREEDYDATA:nagios_comment}",
      TYPE_ECS("SERVICE_DOWNTIME_ALERT") HOST_ECS SERVICE_ECS STATE_ECS "%{GREEDYDATA:[nagios][log][comment]}" },
    { "NAGIOS_HOST_DOWNTIME_ALERT", TYPE_OLD("HOST_DOWNTIME_ALERT") HOST_OLD STATE_OLD "%{GREEDYDATA:nagios_comment}",
      TYPE_ECS("HOST_DOWNTIME_ALERT") HOST_ECS STATE_ECS "%{GREEDYDATA:[nagios][log][comment]}" },
    { "NAGIOS_PASSIVE_SERVICE_CHECK",
      TYPE_OLD("PASSIVE_SERVICE_CHECK") HOST_OLD SERVICE_OLD STATE_OLD "%{GREEDYDATA:nagios_comment}",
      TYPE_ECS("PASSIVE_SERVICE_CHECK") HOST_ECS SERVICE_ECS STATE_ECS "%{GREEDYDATA:[nagios][log][comment]}" },
    { "NAGIOS_PASSIVE_HOST_CHECK", TYPE_OLD("PASSIVE_HOST_CHECK") HOST_OLD STATE_OLD "%{GREEDYDATA:nagios_comment}",
      TYPE_ECS("PASSIVE_HOST_CHECK") HOST_ECS STATE_ECS "%{GREEDYDATA:[nagios][log][comment]}" },
    { "NAGIOS_SERVICE_EVENT_HANDLER",
      TYPE_OLD("SERVICE_EVENT_HANDLER") HOST_OLD SERVICE_OLD STATE_OLD
      "%{DATA:nagios_statelevel};(?:%{INT};)?%{DATA:nagios_event_handler_name}$",
      TYPE_ECS("SERVICE_EVENT_HANDLER") HOST_ECS SERVICE_ECS STATE_ECS
      "%{DATA:[nagios][log][state_type]};(?:%{INT:[nagios][log][attempt]:int};)?"
      "%{DATA:[nagios][log][event_handler_name]}$" },
    { "NAGIOS_HOST_EVENT_HANDLER",
      TYPE_OLD("HOST_EVENT_HANDLER") HOST_OLD STATE_OLD
      "%{DATA:nagios_statelevel};(?:%{INT};)?%{DATA:nagios_event_handler_name}$",
      TYPE_ECS("HOST_EVENT_HANDLER") HOST_ECS STATE_ECS
      "%{DATA:[nagios][log][state_type]};(?:%{INT:[nagios][log][attempt]:int};)?"
      "%{DATA:[nagios][log][event_handler_name]}$" },
    { "NAGIOS_TIMEPERIOD_TRANSITION",
      TYPE_OLD("TIMEPERIOD_TRANSITION") SERVICE_OLD "%{INT:nagios_unknown1};%{INT:nagios_unknown2}",
      TYPE_ECS("TIMEPERIOD_TRANSITION") SERVICE_ECS
      "%{INT:[nagios][log][period_from]:int};%{INT:[nagios][log][period_to]:int}" },
    { "NAGIOS_EXTERNAL_COMMAND", TYPE_OLD("EXTERNAL_COMMAND") "%{WORD:nagios_command}(?:;" MESSAGE_OLD ")?",
      TYPE_ECS("EXTERNAL_COMMAND") "%{WORD:[nagios][log][command]}(?:;" MESSAGE_ECS ")?" },
    { "NAGIOS_WARNING", "Warning:%{SPACE}" MESSAGE_OLD, "Warning:%{SPACE}" MESSAGE_ECS },
    { "NAGIOSLOGLINE",
      "%{NAGIOSTIME} (?:%{NAGIOS_CURRENT_SERVICE_STATE}|%{NAGIOS_CURRENT_HOST_STATE}|%{NAGIOS_SERVICE_NOTIFICATION}"
      "|%{NAGIOS_HOST_NOTIFICATION}|%{NAGIOS_SERVICE_ALERT}|%{NAGIOS_HOST_ALERT}|%{NAGIOS_SERVICE_FLAPPING_ALERT}"
      "|%{NAGIOS_HOST_FLAPPING_ALERT}|%{NAGIOS_SERVICE_DOWNTIME_ALERT}|%{NAGIOS_HOST_DOWNTIME_ALERT}"
      "|%{NAGIOS_PASSIVE_SERVICE_CHECK}|%{NAGIOS_PASSIVE_HOST_CHECK}|%{NAGIOS_SERVICE_EVENT_HANDLER}"
      "|%{NAGIOS_HOST_EVENT_HANDLER}|%{NAGIOS_TIMEPERIOD_TRANSITION}|%{NAGIOS_EXTERNAL_COMMAND}|%{NAGIOS_WARNING})",
      NULL },

    /* Exim's main log: a message that arrives. Its members are `name=value`, in the order that its options have. */
    { "EXIM_MSGID", "[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})", NULL },
    { "EXIM_ARRIVED", "<=", NULL },
    { "EXIM_FLAGS", "(?:<=|=>|->|\\*>|\\*\\*|==|<>|>>)", NULL },
    { "EXIM_DATE",
      "(?<timestamp>%{YEAR:exim_year}-%{MONTHNUM:exim_month}-%{MONTHDAY:exim_day} %{TIME:exim_time})"
      "(?: %{ISO8601_TIMEZONE})?",
      "%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{TIME}(?: %{ISO8601_TIMEZONE})?" },
    { "EXIM_PID", "\\[%{POSINT:pid}\\]", "\\[%{POSINT:[process][pid]:int}\\]" },
    { "EXIM_EXCLUDE_TERMS",
      "(?:Message is frozen|(?:Start|End) queue run| Warning: | retry time not reached | no (?:IP address|host name) "
      "found for (?:IP address|host) | unexpected disconnection while reading SMTP command | no immediate delivery: "
      "|another process is handling this message)",
      NULL },
    { "EXIM_QT", "(?:[0-9]+[ywdhms])+", NULL },
    { "EXIM_REMOTE_HOST",
      "H=(?:%{NOTSPACE:remote_hostname} ){0,1}?(?:\\(%{DATA:remote_heloname}\\) )?\\[%{IP:remote_host}\\]"
      "(?::%{POSINT:remote_port})?",
      "H=(?:(?!\\()%{NOTSPACE:[source][address]} )?(?:\\(%{DATA:[exim][log][remote_address]}\\) )?"
      "\\[%{IP:[source][ip]}\\](?::%{POSINT:[source][port]:int})?" },
    { "EXIM_INTERFACE", "I=\\[%{IP:exim_interface}\\](?::%{POSINT:exim_interface_port})?",
      "I=\\[%{IP:[destination][ip]}\\](?::%{POSINT:[destination][port]:int})?" },
    { "EXIM_PROTOCOL", "P=%{NOTSPACE:protocol}", "P=%{NOTSPACE:[network][protocol]}" },
    { "EXIM_MSG_SIZE", "S=%{INT:exim_msg_size}", "S=%{INT:[exim][log][message][size]:int}" },
    { "EXIM_HEADER_ID", "id=%{NOTSPACE:exim_header_id}", "id=%{NOTSPACE:[exim][log][header_id]}" },
    { "EXIM_UNQUOTED", "(?:\\\\.|[^\"\\\\])*", NULL },
    { "EXIM_QUOTED", "\"%{EXIM_UNQUOTED}\"", NULL },
    { "EXIM_SUBJECT", "T=%{EXIM_QUOTED:exim_subject}", "T=\"%{EXIM_UNQUOTED:[exim][log][message][subject]}\"" },
    { "EXIM_OTHER_MEMBER", "[0-9A-Za-z_]+=(?:%{EXIM_QUOTED}|\\S*)", NULL },
    { "EXIM_MEMBERS",
      "(?: (?:%{EXIM_REMOTE_HOST}|%{EXIM_INTERFACE}|%{EXIM_PROTOCOL}|%{EXIM_MSG_SIZE}|%{EXIM_HEADER_ID}"
      "|%{EXIM_SUBJECT}|%{EXIM_OTHER_MEMBER}))+",
      NULL },
    { "EXIM",
      "%{EXIM_DATE} (?:%{EXIM_PID} )?%{EXIM_MSGID:exim_msgid} %{EXIM_ARRIVED:exim_flags} %{NOTSPACE:exim_sender_email}"
      "%{EXIM_MEMBERS}(?: for %{EMAILADDRESS:exim_recipient_email})?",
      "%{EXIM_DATE:timestamp} (?:%{EXIM_PID} )?%{EXIM_MSGID:[exim][log][message][id]} "
      "%{EXIM_ARRIVED:[exim][log][flags]} %{NOTSPACE:[exim][log][sender][email]}%{EXIM_MEMBERS}"
      "(?: from <%{DATA:[exim][log][sender][original]}>)?"
      "(?: for %{EMAILADDRESS:[exim][log][recipient][email]})?" },
    { NULL, NULL, NULL },
};
