/*
 * tail_object.h - an object of JSON at the end of a message: `hello {"service":"shop","n":1}` of winston and Laravel.
 * Its members become fields; a time and a service among them are the record's where it has none.
 */
#ifndef TAIL_OBJECT_H
#define TAIL_OBJECT_H

#include "fill.h"
#include "zoned.h"

/* The message without the object; all of it where it ends with none. */
struct lb_str tail_object(struct fill *fill, const struct zoned *zone, struct lb_str message);

#endif
