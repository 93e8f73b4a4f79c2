/*
 * grok_stock_cisco.c - what the names of grok patterns for more messages of Cisco's ASA mean; see grok_stock.c. Written
 * after the messages as Cisco lists them by number.
 */
#include "grok_stock.h"

#define UNIT "\\((?:Primary|Secondary)\\) "
#define LEGACY_INTERFACE "[Ii]nterface %{GREEDYDATA:interface_name}"
#define ECS_INTERFACE "[Ii]nterface %{NOTSPACE:[network][interface][name]}"

/* `outside:192.0.2.1/443`, perhaps with who it is in parentheses. */
#define LEGACY_SIDE(side)                                                                                              \
    "%{DATA:" side "_interface}:%{IP:" side "_ip}/%{INT:" side "_port}"                                                \
    "(?:\\(%{DATA:" side "_fwuser}\\))?"
#define ECS_SIDE(way, side)                                                                                            \
    "%{NOTCOLON:[observer][" way "][interface][name]}:%{IP:[" side "][ip]}/%{INT:[" side "][port]:int}"                \
    "(?:\\(%{DATA:[" side "][user][name]}\\))?"

/* `inside/192.0.2.1(443)(LOCAL\al)` of access lists. */
#define LEGACY_LIST_SIDE(side)                                                                                         \
    "%{DATA:" side "_interface}/%{IP:" side "_ip}\\(%{INT:" side "_port}\\)(?:\\(%{DATA:" side "_fwuser}\\))?"
#define ECS_LIST_SIDE(way, side)                                                                                       \
    "%{NOTSLASH:[observer][" way "][interface][name]}/%{IP:[" side "][ip]}\\(%{INT:[" side "][port]:int}\\)"           \
    "(?:\\(%{DATA:[" side "][user][name]}\\))?"
#define LEGACY_HASHES "\\[%{DATA:hashcode1}, %{DATA:hashcode2}\\]"
#define ECS_HASHES "\\[%{DATA:[@metadata][cisco][asa][hashcode1]}, %{DATA:[@metadata][cisco][asa][hashcode2]}\\]"

/* `outside:192.0.2.1/443 (198.51.100.1/443)(al)` of connections. */
#define LEGACY_MAPPED_SIDE(side)                                                                                       \
    "%{DATA:" side "_interface}:%{IP:" side "_ip}/%{INT:" side "_port}"                                                \
    "(?: \\(%{IP:" side "_mapped_ip}/%{INT:" side "_mapped_port}\\))?(?:\\(%{DATA:" side "_fwuser}\\))?"
#define ECS_MAPPED_SIDE(way, side)                                                                                     \
    "%{NOTCOLON:[observer][" way "][interface][name]}:%{IP:[" side "][ip]}/%{INT:[" side "][port]:int}"                \
    "(?: \\(%{IP:[" side "][nat][ip]}/%{INT:[" side "][nat][port]:int}\\))?"                                           \
    "(?:\\(%{DATA:[" side "][user][name]}\\))?"

#define ECS_ACTION "%{CISCO_ACTION:[cisco][asa][outcome]}"
#define ECS_TRANSPORT "%{WORD:[cisco][asa][network][transport]}"
#define ECS_DIRECTION "%{CISCO_DIRECTION:[cisco][asa][network][direction]}"

const struct grok_stock_row grok_stock_cisco[] = {
    { "NOTCOLON", "[^:\\s]+", NULL },
    { "NOTSLASH", "[^/\\s]+", NULL },
    { "CISCO_INTERVAL", "(?:first hit|[0-9]+-second interval)", NULL },
    { "CISCO_XLATE_TYPE", "(?:static|dynamic)", NULL },
    { "CISCOFW104002", UNIT "Switching to STANDBY - %{GREEDYDATA:switch_reason}",
      UNIT "Switching to STANDBY - %{GREEDYDATA:[event][reason]}" },
    { "CISCOFW104003", UNIT "Switching to FAILED\\.", NULL },
    { "CISCOFW104004", UNIT "Switching to OK\\.", NULL },
    { "CISCOFW105003", UNIT "Monitoring on " LEGACY_INTERFACE " waiting",
      UNIT "Monitoring on " ECS_INTERFACE " waiting" },
    { "CISCOFW105004", UNIT "Monitoring on " LEGACY_INTERFACE " normal",
      UNIT "Monitoring on " ECS_INTERFACE " normal" },
    { "CISCOFW105005", UNIT "Lost Failover communications with mate on " LEGACY_INTERFACE,
      UNIT "Lost Failover communications with mate on " ECS_INTERFACE },
    { "CISCOFW105008", UNIT "Testing " LEGACY_INTERFACE, UNIT "Testing " ECS_INTERFACE },
    { "CISCOFW105009", UNIT "Testing on " LEGACY_INTERFACE " (?:Passed|Failed)",
      UNIT "Testing on " ECS_INTERFACE " (?:Passed|Failed)" },
    { "CISCOFW106001",
      "%{CISCO_DIRECTION:direction} %{WORD:protocol} connection %{CISCO_ACTION:action} from %{IP:src_ip}/"
      "%{INT:src_port} to %{IP:dst_ip}/%{INT:dst_port} flags %{GREEDYDATA:tcp_flags} on interface "
      "%{GREEDYDATA:interface}",
      ECS_DIRECTION " " ECS_TRANSPORT " connection " ECS_ACTION " from %{IP:[source][ip]}/%{INT:[source][port]:int} to "
                    "%{IP:[destination][ip]}/%{INT:[destination][port]:int} flags "
                    "%{GREEDYDATA:[cisco][asa][tcp_flags]} on interface "
                    "%{NOTSPACE:[observer][egress][interface][name]}" },
    { "CISCOFW106100",
      "access-list %{NOTSPACE:policy_id} %{CISCO_ACTION:action} %{WORD:protocol} " LEGACY_LIST_SIDE(
          "src") " -> " LEGACY_LIST_SIDE("dst") " hit-cnt %{INT:hit_count} %{CISCO_INTERVAL:interval} " LEGACY_HASHES,
      "access-list %{NOTSPACE:[cisco][asa][rule_name]} " ECS_ACTION " " ECS_TRANSPORT
      " " ECS_LIST_SIDE("ingress", "source") " -> " ECS_LIST_SIDE(
          "egress", "destination") " hit-cnt %{INT:[cisco][asa][hit_count]:int} "
                                   "%{CISCO_INTERVAL:[cisco][asa][interval]} " ECS_HASHES },
    { "CISCOFW106100_2_3",
      "access-list %{NOTSPACE:policy_id} %{CISCO_ACTION:action} %{WORD:protocol} for user '%{DATA:src_fwuser}' "
      "%{DATA:src_interface}/%{IP:src_ip}\\(%{INT:src_port}\\) -> " LEGACY_LIST_SIDE(
          "dst") " hit-cnt %{INT:hit_count} %{CISCO_INTERVAL:interval} " LEGACY_HASHES,
      "access-list %{NOTSPACE:[cisco][asa][rule_name]} " ECS_ACTION " " ECS_TRANSPORT
      " for user '%{DATA:[user][name]}' %{NOTSLASH:[observer][ingress][interface][name]}/%{IP:[source][ip]}\\("
      "%{INT:[source][port]:int}\\) -> " ECS_LIST_SIDE(
          "egress", "destination") " hit-cnt %{INT:[cisco][asa][hit_count]:int} "
                                   "%{CISCO_INTERVAL:[cisco][asa][interval]} " ECS_HASHES },
    { "CISCOFW302010", "%{INT:connection_count} in use, %{INT:connection_count_max} most used",
      "%{INT:[cisco][asa][connections][in_use]:int} in use, %{INT:[cisco][asa][connections][most_used]:int} most "
      "used" },
    { "CISCOFW302013_302014_302015_302016",
      "%{CISCO_ACTION:action}(?: %{CISCO_DIRECTION:direction})? %{WORD:protocol} connection %{INT:connection_id} "
      "for " LEGACY_MAPPED_SIDE("src") " to " LEGACY_MAPPED_SIDE(
          "dst") "(?: duration %{TIME:duration} bytes %{INT:bytes})?(?: %{CISCO_REASON:reason})?(?: "
                 "\\(%{DATA:user}\\))?",
      ECS_ACTION
      "(?: " ECS_DIRECTION ")? " ECS_TRANSPORT
      " connection %{INT:[cisco][asa][connection_id]} for " ECS_MAPPED_SIDE("ingress", "source") " to " ECS_MAPPED_SIDE(
          "egress", "destination") "(?: duration %{TIME:[cisco][asa][duration]} bytes %{INT:[network][bytes]:int})?"
                                   "(?: %{CISCO_REASON:[event][reason]})?(?: \\(%{DATA:[user][name]}\\))?" },
    { "CISCOFW305011",
      "%{CISCO_ACTION:action} %{CISCO_XLATE_TYPE:xlate_type} %{WORD:protocol} translation from %{DATA:src_interface}:"
      "%{IP:src_ip}(?:/%{INT:src_port})?(?:\\(%{DATA:src_fwuser}\\))? to %{DATA:src_xlated_interface}:"
      "%{IP:src_xlated_ip}/%{INT:src_xlated_port}",
      ECS_ACTION " %{CISCO_XLATE_TYPE} " ECS_TRANSPORT " translation from "
                 "%{NOTCOLON:[observer][ingress][interface][name]}:%{IP:[source][ip]}(?:/%{INT:[source][port]:int})?"
                 "(?:\\(%{DATA:[source][user][name]}\\))? to %{NOTCOLON:[observer][egress][interface][name]}:"
                 "%{IP:[source][nat][ip]}/%{INT:[source][nat][port]:int}" },
    { "CISCOFW321001", "Resource '%{DATA:resource_name}' limit of %{POSINT:resource_limit} reached for system",
      "Resource '%{DATA:[cisco][asa][resource][name]}' limit of %{POSINT:[cisco][asa][resource][limit]:int} reached "
      "for system" },
    { "CISCOFW402117",
      "%{WORD:protocol}: Received a non-IPSec packet \\(protocol= %{WORD:orig_protocol}\\) from %{IP:src_ip} to "
      "%{IP:dst_ip}",
      "%{WORD:[cisco][asa][network][type]}: Received a non-IPSec packet \\(protocol= " ECS_TRANSPORT
      "\\) from %{IP:[source][ip]} to %{IP:[destination][ip]}" },
    { "CISCOFW419001",
      "%{CISCO_ACTION:action} %{WORD:protocol} packet from " LEGACY_SIDE("src") " to " LEGACY_SIDE(
          "dst") ", reason: %{GREEDYDATA:reason}",
      ECS_ACTION " " ECS_TRANSPORT " packet from " ECS_SIDE("ingress", "source") " to " ECS_SIDE(
          "egress", "destination") ", reason: %{GREEDYDATA:[event][reason]}" },
    { "CISCOFW419002",
      "%{CISCO_REASON:reason} from " LEGACY_SIDE("src") " to " LEGACY_SIDE(
          "dst") " with different initial sequence number",
      "%{CISCO_REASON:[event][reason]} from " ECS_SIDE("ingress", "source") " to " ECS_SIDE(
          "egress", "destination") " with different initial sequence number" },
    { "CISCOFW500004",
      "%{CISCO_REASON:reason} for protocol=%{WORD:protocol}, from %{IP:src_ip}/%{INT:src_port} to %{IP:dst_ip}/"
      "%{INT:dst_port}",
      "%{CISCO_REASON:[event][reason]} for protocol=" ECS_TRANSPORT ", from %{IP:[source][ip]}/"
      "%{INT:[source][port]:int} to %{IP:[destination][ip]}/%{INT:[destination][port]:int}" },
    { "CISCOFW602303_602304",
      "%{WORD:protocol}: An %{CISCO_DIRECTION:direction} %{GREEDYDATA:tunnel_type} SA \\(SPI= %{DATA:spi}\\) between "
      "%{IP:src_ip} and %{IP:dst_ip} \\(user= %{DATA:user}\\) has been %{CISCO_ACTION:action}",
      "%{WORD:[cisco][asa][network][type]}: An " ECS_DIRECTION " %{DATA:[cisco][asa][ipsec][tunnel_type]} SA \\(SPI= "
      "%{DATA:[cisco][asa][ipsec][spi]}\\) between %{IP:[source][ip]} and %{IP:[destination][ip]} \\(user= "
      "%{DATA:[source][user][name]}\\) has been " ECS_ACTION },
    { NULL, NULL, NULL },
};
