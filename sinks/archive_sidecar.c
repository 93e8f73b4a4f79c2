/* archive_sidecar.c - an index beside a file that is not ours: FILE.lbx. */
#include "archive_reader.h"

enum lb_err archive_sidecar_find(struct archive_index **index, const char *path, int fd, lb_archive_reason *reason)
{
    (void)path;
    (void)fd;
    (void)reason;
    *index = NULL;
    return LB_END;
}

enum lb_err lb_archive_index(const char *path, lb_archive_reason *reason)
{
    (void)path;
    *reason = "this build has no index";
    return LB_BAD_INPUT;
}

void archive_terms_free(struct archive_terms *terms)
{
    (void)terms;
}
