/*
 * grok_stock_network.c - what the names of grok patterns for logs of firewalls mean; see grok_stock.c.
 */
#include "grok_stock.h"

const struct grok_stock_row grok_stock_network[] = {
    /* Cisco ASA and PIX */
    { "CISCOTIMESTAMP", "%{MONTH} +%{MONTHDAY}(?: %{YEAR})? %{TIME}", NULL },
    { "CISCOTAG", "[A-Z0-9]+-%{INT}-[A-Z0-9_]+", NULL },
    { "CISCO_TAGGED_SYSLOG",
      "^<%{POSINT:syslog_pri}>%{CISCOTIMESTAMP:timestamp}(?: %{SYSLOGHOST:sysloghost})? ?: %"
      "%{CISCOTAG:ciscotag}:",
      "^<%{POSINT:[log][syslog][priority]:int}>%{CISCOTIMESTAMP:timestamp}(?: "
      "%{SYSLOGHOST:[host][hostname]})? ?: %%{CISCOTAG:[cisco][asa][tag]}:" },
    { "CISCO_ACTION",
      "(?:Built|Teardown|Denied|Deny|denied by ACL|denied|requested|permitted|discarded|est-allowed|Dropp"
      "ing|created|deleted)",
      NULL },
    { "CISCO_REASON",
      "(?:Duplicate TCP SYN|Failed to locate egress interface|Invalid transport field|No matching connect"
      "ion|DNS Response|DNS Query|(?:\\w+\\s*)*?)",
      NULL },
    { "CISCO_DIRECTION", "(?:[Ii]nbound|[Oo]utbound)", NULL },
    { "CISCOFW104001", "\\((?:Primary|Secondary)\\) Switching to ACTIVE - %{GREEDYDATA:switch_reason}",
      "\\((?:Primary|Secondary)\\) Switching to ACTIVE - %{GREEDYDATA:[event][reason]}" },
    { "CISCOFW106006_106007_106010",
      "%{CISCO_ACTION:action} %{CISCO_DIRECTION:direction} %{WORD:protocol} (?:from|src) %{IP:src_ip}/"
      "%{INT:src_port}(?:\\(%{DATA:src_fwuser}\\))? (?:to|dst) %{IP:dst_ip}/%{INT:dst_port}(?:\\("
      "%{DATA:dst_fwuser}\\))? (?:on interface %{DATA:interface}|due to %{CISCO_REASON:reason})",
      "%{CISCO_ACTION:[cisco][asa][outcome]} %{CISCO_DIRECTION:[cisco][asa][network][direction]} "
      "%{WORD:[cisco][asa][network][transport]} (?:from|src) %{IP:[source][ip]}/%{INT:[source][port]:int}"
      "(?:\\(%{DATA:[source][user][name]}\\))? (?:to|dst) %{IP:[destination][ip]}/"
      "%{INT:[destination][port]:int}(?:\\(%{DATA:[destination][user][name]}\\))? (?:on interface "
      "%{NOTSPACE:[observer][egress][interface][name]}|due to %{CISCO_REASON:[event][reason]})" },
    { "CISCOFW106014",
      "%{CISCO_ACTION:action} %{CISCO_DIRECTION:direction} %{WORD:protocol} src %{DATA:src_interface}:"
      "%{IP:src_ip}(?:\\(%{DATA:src_fwuser}\\))? dst %{DATA:dst_interface}:%{IP:dst_ip}(?:\\("
      "%{DATA:dst_fwuser}\\))? \\(type %{INT:icmp_type}, code %{INT:icmp_code}\\)",
      "%{CISCO_ACTION:[cisco][asa][outcome]} %{CISCO_DIRECTION:[cisco][asa][network][direction]} "
      "%{WORD:[cisco][asa][network][transport]} src %{DATA:[observer][ingress][interface][name]}:"
      "%{IP:[source][ip]}(?:\\(%{DATA:[source][user][name]}\\))? dst "
      "%{DATA:[observer][egress][interface][name]}:%{IP:[destination][ip]}(?:\\("
      "%{DATA:[destination][user][name]}\\))?\\s*\\(type %{INT:[cisco][asa][icmp_type]:int}, code "
      "%{INT:[cisco][asa][icmp_code]:int}\\)" },
    { "CISCOFW106015",
      "%{CISCO_ACTION:action} %{WORD:protocol} \\(%{DATA:policy_id}\\) from %{IP:src_ip}/%{INT:src_port} "
      "to %{IP:dst_ip}/%{INT:dst_port} flags %{DATA:tcp_flags} on interface %{GREEDYDATA:interface}",
      "%{CISCO_ACTION:[cisco][asa][outcome]} %{WORD:[cisco][asa][network][transport]} \\("
      "%{DATA:[cisco][asa][rule_name]}\\) from %{IP:[source][ip]}/%{INT:[source][port]:int} to "
      "%{IP:[destination][ip]}/%{INT:[destination][port]:int} flags %{DATA:[cisco][asa][tcp_flags]} on in"
      "terface %{NOTSPACE:[observer][egress][interface][name]}" },
    { "CISCOFW106021",
      "%{CISCO_ACTION:action} %{WORD:protocol} reverse path check from %{IP:src_ip} to %{IP:dst_ip} on in"
      "terface %{GREEDYDATA:interface}",
      "%{CISCO_ACTION:[cisco][asa][outcome]} %{WORD:[cisco][asa][network][transport]} reverse path check "
      "from %{IP:[source][ip]} to %{IP:[destination][ip]} on interface "
      "%{NOTSPACE:[observer][egress][interface][name]}" },
    { "CISCOFW106023",
      "%{CISCO_ACTION:action}(?: protocol)? %{WORD:protocol} src %{DATA:src_interface}:%{DATA:src_ip}(?:/"
      "%{INT:src_port})?(?:\\(%{DATA:src_fwuser}\\))? dst %{DATA:dst_interface}:%{DATA:dst_ip}(?:/"
      "%{INT:dst_port})?(?:\\(%{DATA:dst_fwuser}\\))?(?: \\(type %{INT:icmp_type}, code %{INT:icmp_code}"
      "\\))? by access-group \"?%{DATA:policy_id}\"? \\[%{DATA:hashcode1}, %{DATA:hashcode2}\\]",
      "%{CISCO_ACTION:[cisco][asa][outcome]}(?: protocol)? %{WORD:[cisco][asa][network][transport]} src "
      "%{DATA:[observer][ingress][interface][name]}:(?:%{IP:[source][ip]}|%{IPORHOST:[source][address]})("
      "?:/%{INT:[source][port]:int})?(?:\\(%{DATA:[source][user][name]}\\))? dst "
      "%{DATA:[observer][egress][interface][name]}:(?:%{IP:[destination][ip]}|"
      "%{IPORHOST:[destination][address]})(?:/%{INT:[destination][port]:int})?(?:\\("
      "%{DATA:[destination][user][name]}\\))?(?: \\(type %{INT:[cisco][asa][icmp_type]:int}, code "
      "%{INT:[cisco][asa][icmp_code]:int}\\))? by access-group \"?%{DATA:[cisco][asa][rule_name]}\"? \\["
      "%{DATA:[@metadata][cisco][asa][hashcode1]}, %{DATA:[@metadata][cisco][asa][hashcode2]}\\]" },
    { "CISCOFW304001", "%{IP:src_ip}(?:\\(%{DATA:src_fwuser}\\))? Accessed URL %{IP:dst_ip}:%{GREEDYDATA:dst_url}",
      "%{IP:[source][ip]}(?:\\(%{DATA:[source][user][name]}\\))? Accessed URL %{IP:[destination][ip]}:"
      "%{GREEDYDATA:[url][original]}" },
    { "CISCOFW110002",
      "%{CISCO_REASON:reason} for %{WORD:protocol} from %{DATA:src_interface}:%{IP:src_ip}/"
      "%{INT:src_port} to %{IP:dst_ip}/%{INT:dst_port}",
      "%{CISCO_REASON:[event][reason]} for %{WORD:[cisco][asa][network][transport]} from "
      "%{DATA:[observer][ingress][interface][name]}:%{IP:[source][ip]}/%{INT:[source][port]:int} to "
      "%{IP:[destination][ip]}/%{INT:[destination][port]:int}" },
    { "CISCOFW302020_302021",
      "%{CISCO_ACTION:action}(?: %{CISCO_DIRECTION:direction})? %{WORD:protocol} connection for faddr "
      "%{IP:dst_ip}/%{INT:icmp_seq_num}(?:\\(%{DATA:fwuser}\\))? gaddr %{IP:src_xlated_ip}/"
      "%{INT:icmp_code_xlated} laddr %{IP:src_ip}/%{INT:icmp_code}(?: \\(%{DATA:user}\\))?",
      "%{CISCO_ACTION:[cisco][asa][outcome]}(?: %{CISCO_DIRECTION:[cisco][asa][network][direction]})? "
      "%{WORD:[cisco][asa][network][transport]} connection for faddr %{IP:[destination][ip]}/"
      "%{INT:[cisco][asa][icmp_seq]:int}(?:\\(%{DATA:[destination][user][name]}\\))? gaddr "
      "%{IP:[source][nat][ip]}/%{INT:[cisco][asa][icmp_type]:int} laddr %{IP:[source][ip]}/%{INT}(?: \\("
      "%{DATA:[source][user][name]}\\))?" },
    { "CISCOFW313001_313004_313008",
      "%{CISCO_ACTION:action} %{WORD:protocol} type=%{INT:icmp_type}, code=%{INT:icmp_code} from "
      "%{IP:src_ip} on interface %{DATA:interface}(?: to %{IP:dst_ip})?",
      "%{CISCO_ACTION:[cisco][asa][outcome]} %{WORD:[cisco][asa][network][transport]} type="
      "%{INT:[cisco][asa][icmp_type]:int}, code=%{INT:[cisco][asa][icmp_code]:int} from "
      "%{IP:[source][ip]} on interface %{NOTSPACE:[observer][egress][interface][name]}(?: to "
      "%{IP:[destination][ip]})?" },
    { "CISCOFW313005",
      "%{CISCO_REASON:reason} for %{WORD:protocol} error message: %{WORD:err_protocol} src "
      "%{DATA:err_src_interface}:%{IP:err_src_ip}(?:\\(%{DATA:err_src_fwuser}\\))? dst "
      "%{DATA:err_dst_interface}:%{IP:err_dst_ip}(?:\\(%{DATA:err_dst_fwuser}\\))? \\(type "
      "%{INT:err_icmp_type}, code %{INT:err_icmp_code}\\) on %{DATA:interface} interface\\.\\s+Original I"
      "P payload: %{WORD:protocol} src %{IP:orig_src_ip}/%{INT:orig_src_port}(?:\\("
      "%{DATA:orig_src_fwuser}\\))? dst %{IP:orig_dst_ip}/%{INT:orig_dst_port}(?:\\("
      "%{DATA:orig_dst_fwuser}\\))?",
      "%{CISCO_REASON:[event][reason]} for %{WORD:[cisco][asa][network][transport]} error message: "
      "%{WORD} src %{DATA:[observer][ingress][interface][name]}:%{IP:[source][ip]}(?:\\("
      "%{DATA:[source][user][name]}\\))? dst %{DATA:[observer][egress][interface][name]}:"
      "%{IP:[destination][ip]}(?:\\(%{DATA:[destination][user][name]}\\))? \\(type "
      "%{INT:[cisco][asa][icmp_type]:int}, code %{INT:[cisco][asa][icmp_code]:int}\\) on %{DATA} interfac"
      "e\\.\\s+Original IP payload: %{WORD:[cisco][asa][original_ip_payload][network][transport]} src "
      "%{IP:[cisco][asa][original_ip_payload][source][ip]}/"
      "%{INT:[cisco][asa][original_ip_payload][source][port]:int}(?:\\("
      "%{DATA:[cisco][asa][original_ip_payload][source][user][name]}\\))? dst "
      "%{IP:[cisco][asa][original_ip_payload][destination][ip]}/"
      "%{INT:[cisco][asa][original_ip_payload][destination][port]:int}(?:\\("
      "%{DATA:[cisco][asa][original_ip_payload][destination][user][name]}\\))?" },
    { "CISCOFW402119",
      "%{WORD:protocol}: Received an %{WORD:orig_protocol} packet \\(SPI= %{DATA:spi}, sequence number= "
      "%{DATA:seq_num}\\) from %{IP:src_ip} \\(user= %{DATA:user}\\) to %{IP:dst_ip} that failed anti-rep"
      "lay checking",
      "%{WORD:[cisco][asa][network][type]}: Received an %{WORD:[cisco][asa][ipsec][protocol]} packet \\(S"
      "PI= %{DATA:[cisco][asa][ipsec][spi]}, sequence number= %{DATA:[cisco][asa][ipsec][seq_num]}\\) fro"
      "m %{IP:[source][ip]} \\(user= %{DATA:[source][user][name]}\\) to %{IP:[destination][ip]} that fail"
      "ed anti-replay checking" },
    { "CISCOFW710001_710002_710003_710005_710006",
      "%{WORD:protocol} (?:request|access) %{CISCO_ACTION:action} from %{IP:src_ip}/%{INT:src_port} to "
      "%{DATA:dst_interface}:%{IP:dst_ip}/%{INT:dst_port}",
      "%{WORD:[cisco][asa][network][transport]} (?:request|access) %{CISCO_ACTION:[cisco][asa][outcome]} "
      "from %{IP:[source][ip]}/%{INT:[source][port]:int} to %{DATA:[observer][egress][interface][name]}:"
      "%{IP:[destination][ip]}/%{INT:[destination][port]:int}" },
    { "CISCOFW713172",
      "Group = %{GREEDYDATA:group}, IP = %{IP:src_ip}, Automatic NAT Detection Status:\\s+Remote end\\s*"
      "%{DATA:is_remote_natted}\\s*behind a NAT device\\s+This\\s+end\\s*%{DATA:is_local_natted}\\s*behin"
      "d a NAT device",
      "Group = %{GREEDYDATA:[cisco][asa][source][group]}, IP = %{IP:[source][ip]}, Automatic NAT Detectio"
      "n Status:\\s+Remote end\\s*%{DATA:[@metadata][cisco][asa][remote_nat]}\\s*behind a NAT device\\s+T"
      "his\\s+end\\s*%{DATA:[@metadata][cisco][asa][local_nat]}\\s*behind a NAT device" },
    { "CISCOFW733100",
      "\\[\\s*%{DATA:drop_type}\\s*\\] drop %{DATA:drop_rate_id} exceeded\\. Current burst rate is "
      "%{INT:drop_rate_current_burst} per second, max configured rate is %{INT:drop_rate_max_burst}; Curr"
      "ent average rate is %{INT:drop_rate_current_avg} per second, max configured rate is "
      "%{INT:drop_rate_max_avg}; Cumulative total count is %{INT:drop_total_count}",
      "\\[\\s*%{DATA:[cisco][asa][burst][object]}\\s*\\] drop %{DATA:[cisco][asa][burst][id]} exceeded\\."
      " Current burst rate is %{INT:[cisco][asa][burst][current_rate]:int} per second, max configured rat"
      "e is %{INT:[cisco][asa][burst][configured_rate]:int}; Current average rate is "
      "%{INT:[cisco][asa][burst][avg_rate]:int} per second, max configured rate is "
      "%{INT:[cisco][asa][burst][configured_avg_rate]:int}; Cumulative total count is "
      "%{INT:[cisco][asa][burst][cumulative_count]:int}" },
    /* netfilter */
    { "IPTABLES_TCP_FLAGS", "(?:(?:CWR|ECE|URG|ACK|PSH|RST|SYN|FIN) )+", NULL },
    { "IPTABLES4_FRAG", "(?:CE|DF|MF)(?: (?:CE|DF|MF))*", NULL },
    { "IPTABLES_TCP_PART",
      "(?:SEQ=%{INT:[iptables][tcp][seq]:int}\\s+)?(?:ACK=%{INT:[iptables][tcp][ack]:int}\\s+)?WINDOW="
      "%{INT:[iptables][tcp][window]:int}\\s+RES=0x%{BASE16NUM:[iptables][tcp_reserved_bits]}\\s+"
      "%{IPTABLES_TCP_FLAGS:[iptables][tcp][flags]}",
      NULL },
    { "IPTABLES4_PART",
      "SRC=%{IPV4:[source][ip]}\\s+DST=%{IPV4:[destination][ip]}\\s+LEN=(?:%{INT:[iptables][length]:int})"
      "?\\s+TOS=(?:0x)?(?:%{BASE16NUM:[iptables][tos]})?\\s+PREC=(?:0x)?(?:"
      "%{BASE16NUM:[iptables][precedence_bits]})?\\s+TTL=(?:%{INT:[iptables][ttl]:int})?\\s+ID=(?:"
      "%{INT:[iptables][id]})?\\s+(?:%{IPTABLES4_FRAG:[iptables][fragment_flags]}\\s+)?",
      NULL },
    { "IPTABLES6_PART",
      "SRC=%{IPV6:[source][ip]}\\s+DST=%{IPV6:[destination][ip]}\\s+LEN=(?:%{INT:[iptables][length]:int})"
      "?\\s+TC=(?:0x)?(?:%{BASE16NUM:[iptables][tos]})?\\s+HOPLIMIT=(?:%{INT:[iptables][ttl]:int})?\\s+FL"
      "OWLBL=(?:%{INT:[iptables][flow_label]})?\\s+",
      NULL },
    { "IPTABLES",
      "IN=(?:%{NOTSPACE:[observer][ingress][interface][name]})?\\s+OUT=(?:"
      "%{NOTSPACE:[observer][egress][interface][name]})?\\s+(?:MAC=(?:%{COMMONMAC:[destination][mac]})?(?"
      "::%{COMMONMAC:[source][mac]})?(?::[A-Fa-f0-9]{2}:[A-Fa-f0-9]{2})?\\s+)?(?:%{IPTABLES4_PART}|"
      "%{IPTABLES6_PART}).*?PROTO=(?:%{WORD:[network][transport]})?\\s+SPT=(?:%{INT:[source][port]:int})?"
      "\\s+DPT=(?:%{INT:[destination][port]:int})?\\s+(?:%{IPTABLES_TCP_PART})?",
      NULL },
    { "SHOREWALL",
      "%{SYSLOGTIMESTAMP:timestamp} %{WORD:nf_host} .*?Shorewall:(?:%{WORD:nf_action1})?:(?:"
      "%{WORD:nf_action2})?.*?IN=(?:%{USERNAME:nf_in_interface})?.*?(?:OUT= *MAC=%{COMMONMAC:nf_dst_mac}:"
      "(?:%{COMMONMAC:nf_src_mac})?|OUT=%{USERNAME:nf_out_interface}).*?SRC=%{IPV4:nf_src_ip}.*?DST="
      "%{IPV4:nf_dst_ip}.*?LEN=%{WORD:nf_len}.*?TOS=%{WORD:nf_tos}.*?PREC=%{WORD:nf_prec}.*?TTL="
      "%{INT:nf_ttl}.*?ID=%{INT:nf_id}.*?PROTO=%{WORD:nf_protocol}.*?SPT=%{INT:nf_src_port}.*?DPT="
      "%{INT:nf_dst_port}",
      "%{SYSLOGTIMESTAMP:timestamp} %{SYSLOGHOST:[observer][hostname]} .*?Shorewall:(?:"
      "%{WORD:[shorewall][firewall][type]})?:(?:%{WORD:[shorewall][firewall][action]})?.*?%{IPTABLES}" },
    { "SFW2_LOG_PREFIX", "SFW2-INext-%{NOTSPACE:nf_action}", "SFW2-INext-%{NOTSPACE:[suse][firewall][action]}" },
    { "SFW2",
      "(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp})\\s*%{HOSTNAME}.*?"
      "%{SFW2_LOG_PREFIX}\\s*IN=(?:%{USERNAME:nf_in_interface})?.*?OUT=(?:%{USERNAME:nf_out_interface})?."
      "*?SRC=%{IP:nf_src_ip}.*?DST=%{IP:nf_dst_ip}.*?PROTO=%{WORD:nf_protocol}(?:.*?SPT="
      "%{INT:nf_src_port}.*?DPT=%{INT:nf_dst_port})?",
      "(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp})\\s*"
      "%{HOSTNAME:[observer][hostname]}.*?%{SFW2_LOG_PREFIX:[suse][firewall][log_prefix]}\\s*%{IPTABLES}" },
    /* Juniper */
    { "RT_FLOW_EVENT", "%{RT_FLOW_TAG}", NULL },
    { "RT_FLOW_TAG", "RT_FLOW_SESSION_(?:CREATE|CLOSE|DENY)", NULL },
    { "RT_FLOW1",
      "%{RT_FLOW_TAG:event}: %{GREEDYDATA:close-reason}: %{IP:src-ip}/%{INT:src-port}->%{IP:dst-ip}/"
      "%{INT:dst-port} %{DATA:service} %{IP:nat-src-ip}/%{INT:nat-src-port}->%{IP:nat-dst-ip}/"
      "%{INT:nat-dst-port} %{DATA:src-nat-rule-name} %{DATA:dst-nat-rule-name} %{INT:protocol-id} "
      "%{DATA:policy-name} %{DATA:from-zone} %{DATA:to-zone} %{INT:session-id} [0-9]+\\(%{DATA:sent}\\) ["
      "0-9]+\\(%{DATA:received}\\) %{INT:elapsed-time} .*",
      "%{RT_FLOW_TAG:[juniper][srx][tag]}: %{GREEDYDATA:[juniper][srx][reason]}: %{IP:[source][ip]}/"
      "%{INT:[source][port]:int}->%{IP:[destination][ip]}/%{INT:[destination][port]:int} "
      "%{DATA:[juniper][srx][service_name]} %{IP:[source][nat][ip]}/%{INT:[source][nat][port]:int}->"
      "%{IP:[destination][nat][ip]}/%{INT:[destination][nat][port]:int} (?:None|"
      "%{DATA:[juniper][srx][src_nat_rule_name]}) (?:None|%{DATA:[juniper][srx][dst_nat_rule_name]}) "
      "%{INT:[network][iana_number]} %{DATA:[rule][name]} %{DATA:[observer][ingress][zone]} "
      "%{DATA:[observer][egress][zone]} %{INT:[juniper][srx][session_id]} [0-9]+\\("
      "%{INT:[source][bytes]:int}\\) [0-9]+\\(%{INT:[destination][bytes]:int}\\) "
      "%{INT:[juniper][srx][elapsed_time]:int} .*" },
    { "RT_FLOW2",
      "%{RT_FLOW_TAG:event}: session created %{IP:src-ip}/%{INT:src-port}->%{IP:dst-ip}/%{INT:dst-port} "
      "%{DATA:service} %{IP:nat-src-ip}/%{INT:nat-src-port}->%{IP:nat-dst-ip}/%{INT:nat-dst-port} "
      "%{DATA:src-nat-rule-name} %{DATA:dst-nat-rule-name} %{INT:protocol-id} %{DATA:policy-name} "
      "%{DATA:from-zone} %{DATA:to-zone} %{INT:session-id} .*",
      "%{RT_FLOW_TAG:[juniper][srx][tag]}: session created %{IP:[source][ip]}/%{INT:[source][port]:int}->"
      "%{IP:[destination][ip]}/%{INT:[destination][port]:int} %{DATA:[juniper][srx][service_name]} "
      "%{IP:[source][nat][ip]}/%{INT:[source][nat][port]:int}->%{IP:[destination][nat][ip]}/"
      "%{INT:[destination][nat][port]:int} (?:None|%{DATA:[juniper][srx][src_nat_rule_name]}) (?:None|"
      "%{DATA:[juniper][srx][dst_nat_rule_name]}) %{INT:[network][iana_number]} %{DATA:[rule][name]} "
      "%{DATA:[observer][ingress][zone]} %{DATA:[observer][egress][zone]} "
      "%{INT:[juniper][srx][session_id]} .*" },
    { "RT_FLOW3",
      "%{RT_FLOW_TAG:event}: session denied %{IP:src-ip}/%{INT:src-port}->%{IP:dst-ip}/%{INT:dst-port} "
      "%{DATA:service} %{INT:protocol-id}\\([0-9]\\) %{DATA:policy-name} %{DATA:from-zone} "
      "%{DATA:to-zone} .*",
      "%{RT_FLOW_TAG:[juniper][srx][tag]}: session denied %{IP:[source][ip]}/%{INT:[source][port]:int}->"
      "%{IP:[destination][ip]}/%{INT:[destination][port]:int} %{DATA:[juniper][srx][service_name]} "
      "%{INT:[network][iana_number]}\\([0-9]\\) %{DATA:[rule][name]} %{DATA:[observer][ingress][zone]} "
      "%{DATA:[observer][egress][zone]} .*" },
    { "NETSCREENSESSIONLOG",
      "%{SYSLOGTIMESTAMP:date} %{IPORHOST:device} %{IPORHOST}: NetScreen device_id=%{WORD:device_id}"
      "%{DATA}: start_time=%{QUOTEDSTRING:start_time} duration=%{INT:duration} policy_id=%{INT:policy_id}"
      " service=%{DATA:service} proto=%{INT:proto} src zone=%{WORD:src_zone} dst zone=%{WORD:dst_zone} ac"
      "tion=%{WORD:action} sent=%{INT:sent} rcvd=%{INT:rcvd} src=%{IPORHOST:src_ip} dst="
      "%{IPORHOST:dst_ip} src_port=%{INT:src_port} dst_port=%{INT:dst_port} src-xlated ip="
      "%{IPORHOST:src_xlated_ip} port=%{INT:src_xlated_port} dst-xlated ip=%{IPORHOST:dst_xlated_ip} port"
      "=%{INT:dst_xlated_port} session_id=%{INT:session_id} reason=%{GREEDYDATA:reason}",
      "%{SYSLOGTIMESTAMP:timestamp} %{IPORHOST:[observer][hostname]} %{NOTSPACE:[observer][name]}: "
      "%{NETSCREEN_PRODUCT:[observer][product]} device_id=%{WORD:[netscreen][device_id]} .*?system-\\w+-"
      "%{NONNEGINT:[event][code]}\\(%{WORD:[netscreen][session][type]}\\): start_time=\""
      "%{DATA:[netscreen][session][start_time]}\" duration=%{INT:[netscreen][session][duration]:int} poli"
      "cy_id=%{INT:[netscreen][policy_id]} service=%{DATA:[netscreen][service]} proto="
      "%{INT:[netscreen][protocol_number]:int} src zone=%{WORD:[observer][ingress][zone]} dst zone="
      "%{WORD:[observer][egress][zone]} action=%{WORD:[event][action]} sent=%{INT:[source][bytes]:int} rc"
      "vd=%{INT:[destination][bytes]:int} src=%{IPORHOST:[source][address]} dst="
      "%{IPORHOST:[destination][address]}(?: src_port=%{INT:[source][port]:int} dst_port="
      "%{INT:[destination][port]:int})?(?: src-xlated ip=%{IP:[source][nat][ip]} port="
      "%{INT:[source][nat][port]:int} dst-xlated ip=%{IP:[destination][nat][ip]} port="
      "%{INT:[destination][nat][port]:int})?(?: session_id=%{INT:[netscreen][session][id]} reason="
      "%{GREEDYDATA:[netscreen][session][reason]})?" },
    { "NETSCREEN_PRODUCT", "NetScreen", NULL },
    { NULL, NULL, NULL },
};
