/* report_alerts.h - how often alerts fired, from the history of notices. */
#ifndef REPORT_ALERTS_H
#define REPORT_ALERTS_H

#include "lb_report.h"

/* `notices`: a JSON array, as the history writes it. Those of [since, until) are counted, each alert once. */
void report_count_alerts(struct lb_str notices, int64_t since, int64_t until, struct lb_report_alerts *alerts);

#endif
