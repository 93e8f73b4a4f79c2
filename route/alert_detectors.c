/*
 * alert_detectors.c - the detector types that there are.
 */
#include "alert_detector.h"

static const struct lb_alert_detector_type *const types[] = { NULL };

const struct lb_alert_detector_type *lb_alert_detector_find(struct lb_str name)
{
    for (int i = 0; types[i] != NULL; i++)
        if (lb_str_is(name, types[i]->name))
            return types[i];
    return NULL;
}

const struct lb_alert_detector_type *const *lb_alert_detector_types(void)
{
    return types;
}
