/*
 * lb_level.h - how bad a record is: the eight severities of syslog (RFC 5424
 * section 6.2.1), and trace. A smaller number is worse.
 */
#ifndef LB_LEVEL_H
#define LB_LEVEL_H

#include "lb_str.h"

#include <stdint.h>

enum lb_level {
    LB_LEVEL_EMERGENCY,
    LB_LEVEL_ALERT,
    LB_LEVEL_CRITICAL,
    LB_LEVEL_ERROR,
    LB_LEVEL_WARN,
    LB_LEVEL_NOTICE,
    LB_LEVEL_INFO,
    LB_LEVEL_DEBUG,
    LB_LEVEL_TRACE,
    LB_LEVEL_COUNT,
    LB_LEVEL_NONE = 255, /* not known */
};

/* "emergency" … "trace"; "" for LB_LEVEL_NONE. */
struct lb_str lb_level_name(uint8_t level);

/*
 * Any usual spelling in any case (err, WARNING, fatal, panic, crit, severe, verbose, silly, http, I, W0, klog
 * letters …) and numbers in text: 0-7 as syslog, 10-60 as pino and bunyan. LB_LEVEL_NONE if it is none of them.
 */
uint8_t lb_level_parse(struct lb_str word);

#endif
