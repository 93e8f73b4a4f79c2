/*
 * regex_match.h - PCRE2 for parsers: compiled once, run by any number of
 * threads with memory of their own.
 */
#ifndef REGEX_MATCH_H
#define REGEX_MATCH_H

#define PCRE2_CODE_UNIT_WIDTH 8

#include "lb_err.h"
#include "lb_str.h"

#include <pcre2.h>
#include <stdint.h>

enum { REGEX_GROUPS_MAX = 255 };

struct regex {
    pcre2_code *code;
    pcre2_match_context *context;
    bool jit;
};

/* On LB_BAD_CONF `*error` is PCRE2's code and `*at` the byte of the pattern. */
enum lb_err regex_compile(struct regex *regex, struct lb_str pattern, uint32_t match_limit, int *error,
                          size_t *at) LB_MUST_USE;
void regex_free(struct regex *regex);

/*
 * Pairs of offsets by group, valid until the thread's next match; PCRE2_UNSET for a group that took no part. NULL with
 * `*reason` (a literal) when it does not match or a bound was reached.
 */
const size_t *regex_match(const struct regex *regex, struct lb_str subject, const char **reason);

#endif
