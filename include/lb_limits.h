/*
 * lb_limits.h - every bound in logboom, on one page.
 *
 * Memory in use is at most the pool (slabs and what is derived from them),
 * the buffers of the sinks, and a constant, whatever the peers send.
 */
#ifndef LB_LIMITS_H
#define LB_LIMITS_H

enum {
    LB_SLAB_SMALL = 4 * 1024, /* a quiet stream */
    LB_SLAB_MEDIUM = 64 * 1024,
    LB_SLAB_LARGE = 256 * 1024, /* a busy file */
    LB_POOL_BYTES = 8 * 1024 * 1024,

    LB_LINE_BYTES = 1024 * 1024,          /* `max_line` unless told otherwise */
    LB_LINE_BYTES_MAX = 16 * 1024 * 1024, /* and at most */

    LB_RECORD_FIELDS_MAX = 512, /* further JSON members stay unread in `rest`, and are written out */
    LB_JSON_DEPTH_MAX = 512,
    LB_NAME_PARTS_MAX = 8,  /* a.b.c in an expression */
    LB_KEY_BYTES_MAX = 256, /* a partition key, an alert key, a topic */
    LB_SCRATCH_BYTES = 64 * 1024,

    LB_SINKS_MAX = 63, /* and the alert engine: one bit each in a uint64_t */
    LB_ROUTES_MAX = 256,
    LB_FILTERS_MAX = 256,
    LB_RULES_MAX = 256,
    LB_MAINTENANCE_MAX = 256,
    LB_SILENCES_MAX = 10000, /* with those that have ended and are kept for a while */
    LB_SOURCES_MAX = 256,
    LB_CONNECTIONS_MAX = 65536, /* of one listening source, whatever is configured */
    LB_WORKERS_MAX = 64,

    LB_CONF_BYTES_MAX = 16 * 1024 * 1024,  /* of one configuration file */
    LB_CONF_ARENA_MAX = 256 * 1024 * 1024, /* of one configuration, all files and what is made of them */
    LB_CONF_FILES_MAX = 256,
    LB_CONF_NODES_MAX = 200 * 1000, /* values in all files; an alias counts as what it stands for */
    LB_CONF_DEPTH_MAX = 64,
    LB_CONF_ANCHORS_MAX = 256,           /* of one file */
    LB_CONF_VARIABLE_BYTES = 256 * 1024, /* of a value after its variables are replaced, and of a ${file:} */
    LB_PARSERS_MAX = 256,
    LB_NAME_BYTES_MAX = 64, /* of a source, parser or sink */

    LB_DIAGS_MAX = 100, /* faults reported in one run of check */
};

#endif
