/*
 * regex_match.c - the PCRE2 calls.
 *
 * Matching needs memory: offsets and a stack for JIT code. Both belong to the thread, are made at its first match and
 * freed when it ends, so a record costs no allocation and a compiled pattern stays constant. The work of one match is
 * bounded by match_limit and the stack's size: a catastrophic pattern fails, it does not hang.
 */
#include "regex_match.h"

#include "lb_alloc.h"

#include <pthread.h>

enum { JIT_STACK_START = 32 * 1024, JIT_STACK_MAX = 512 * 1024, HEAP_KIB_MAX = 4 * 1024 };

struct thread_memory {
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
};

static _Thread_local struct thread_memory *own;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static pcre2_general_context *general;

static void *allocate(size_t size, void *unused)
{
    (void)unused;
    return lb_alloc(size);
}

static void release(void *ptr, void *unused)
{
    (void)unused;
    lb_free(ptr);
}

static void free_thread_memory(void *context)
{
    struct thread_memory *memory = context;

    pcre2_match_data_free(memory->data);
    pcre2_jit_stack_free(memory->stack);
    lb_free(memory);
    own = NULL;
}

static void prepare(void)
{
    /* The main thread runs no destructors of keys; its memory goes with the process. */
    (void)pthread_key_create(&at_thread_end, free_thread_memory);
    general = pcre2_general_context_create(allocate, release, NULL);
}

static struct thread_memory *thread_memory(void)
{
    struct thread_memory *memory = own;

    if (memory != NULL)
        return memory;
    memory = lb_alloc(sizeof(*memory));
    if (memory == NULL)
        return NULL;
    memory->data = pcre2_match_data_create(REGEX_GROUPS_MAX + 1, general);
    memory->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, general);
    if (memory->data == NULL || memory->stack == NULL || pthread_setspecific(at_thread_end, memory) != 0) {
        free_thread_memory(memory);
        return NULL;
    }
    own = memory;
    return memory;
}

static pcre2_jit_stack *stack_of_thread(void *unused)
{
    (void)unused;
    return own->stack;
}

/* With (*UTF) subjects that are not UTF-8 must be safe too: that needs an option of its own. */
static pcre2_code *compile(struct lb_str pattern, uint32_t options, int *error, size_t *at)
{
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    pcre2_code *code;
    uint32_t all = 0;

    if (context == NULL) {
        *error = PCRE2_ERROR_NOMEMORY;
        return NULL;
    }
    code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, error, at, context);
    if (code != NULL)
        (void)pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &all);
    if ((all & PCRE2_UTF) != 0 && (options & PCRE2_MATCH_INVALID_UTF) == 0) {
        pcre2_code_free(code);
        code =
            pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options | PCRE2_MATCH_INVALID_UTF, error, at, context);
    }
    pcre2_compile_context_free(context);
    return code;
}

enum lb_err regex_compile(struct regex *regex, struct lb_str pattern, uint32_t match_limit, int *error, size_t *at)
{
    /* The subject is one event: a dot matches its line ends too, and $ is its end. */
    static const uint32_t options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;

    *regex = (struct regex){ 0 };
    *at = 0;
    if (pthread_once(&once, prepare) != 0 || general == NULL)
        return LB_NOMEM;
    regex->code = compile(pattern, options, error, at);
    if (regex->code == NULL)
        return *error == PCRE2_ERROR_NOMEMORY ? LB_NOMEM : LB_BAD_CONF;
    regex->context = pcre2_match_context_create(general);
    if (regex->context == NULL) {
        regex_free(regex);
        return LB_NOMEM;
    }
    (void)pcre2_set_match_limit(regex->context, match_limit);
    (void)pcre2_set_depth_limit(regex->context, match_limit);
    (void)pcre2_set_heap_limit(regex->context, HEAP_KIB_MAX);
    pcre2_jit_stack_assign(regex->context, stack_of_thread, NULL);
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    return LB_OK;
}

void regex_free(struct regex *regex)
{
    pcre2_match_context_free(regex->context);
    pcre2_code_free(regex->code);
    *regex = (struct regex){ 0 };
}

static const char *reason_of(int error)
{
    switch (error) {
    case PCRE2_ERROR_NOMATCH: return "the pattern does not match";
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT: return "the pattern needed more steps than match_limit allows";
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_JIT_STACKLIMIT: return "the pattern needed more memory than a match may take";
    default: return "the pattern could not be run";
    }
}

const size_t *regex_match(const struct regex *regex, struct lb_str subject, const char **reason)
{
    struct thread_memory *memory = thread_memory();
    int count;

    if (memory == NULL) {
        *reason = "no memory to match";
        return NULL;
    }
    if (regex->jit)
        count = pcre2_jit_match(regex->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, 0, memory->data, regex->context);
    else
        count = pcre2_match(regex->code, (PCRE2_SPTR)subject.ptr, subject.len, 0, 0, memory->data, regex->context);
    if (count < 0) {
        *reason = reason_of(count);
        return NULL;
    }
    return pcre2_get_ovector_pointer(memory->data);
}
