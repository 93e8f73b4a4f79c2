/* fuzz_letters.c - any bytes as a file of dead letters: each line is due, kept or told, and never read behind its end.
 */
#include <assert.h>
#include <stdio.h>

/* What is told of each line would hide what the sanitizer tells. */
static FILE *quiet(void)
{
    static FILE *null;

    if (null == NULL)
        null = fopen("/dev/null", "we");
    assert(null != NULL);
    return null;
}

#undef stderr
#define stderr quiet()
#include "cli/replay_file.c"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct lb_sink sink = { .section.name = { "hook", 4 } };
    const struct lb_config config = { .sinks = &sink, .sink_count = 1 };
    const struct letter_choice choice = { .config = &config, .since_ns = 0, .until_ns = INT64_MAX };
    struct letter_file file = { .path = "letters", .fd = -1 };
    size_t bytes = 0;

    /* Exactly as long as it is, so that the sanitizer sees a byte that is read behind it. */
    file.text = lb_alloc(size > 0 ? size : 1);
    assert(file.text != NULL);
    memcpy(file.text, data, size);
    file.length = size;
    assert(read_letters(&file, &choice));
    for (size_t i = 0; i < file.count; i++) {
        const struct letter *letter = &file.letters[i];

        assert(letter->offset == bytes);
        bytes += letter->length + 1;
        if (letter->state != LETTER_DUE)
            continue;
        assert(letter->record.ptr > file.text + letter->offset && letter->record.len < letter->length);
        assert(letter->record.ptr[0] == '{' && lb_json_valid(letter->record));
    }
    assert(bytes == size || bytes == size + 1);
    letter_file_close(&file);
    return 0;
}
