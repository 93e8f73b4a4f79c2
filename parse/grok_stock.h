/*
 * grok_stock.h - the rows of the stock of grok patterns, in tables: of
 * general things, and of logs of servers, firewalls and so on.
 */
#ifndef GROK_STOCK_H
#define GROK_STOCK_H

#include "grok.h"

struct grok_stock_row {
    const char *name; /* NULL at the end */
    const char *meaning;
    const char *ecs; /* the same with the names of ECS; NULL: no difference */
};

extern const struct grok_stock_row grok_stock_servers[];
extern const struct grok_stock_row grok_stock_network[];
extern const struct grok_stock_row grok_stock_cisco[];
extern const struct grok_stock_row grok_stock_monitor[];
extern const struct grok_stock_row grok_stock_zeek[];
extern const struct grok_stock_row grok_stock_bacula[];

#endif
