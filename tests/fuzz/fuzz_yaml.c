/*
 * fuzz_yaml.c - any bytes as a configuration: no crash, bounded memory, and
 * every place that is told lies inside the text.
 *
 * The modules are the fake ones: every kind of option, nothing behind them.
 * Input that names files outside is left out, so that a run depends on its
 * input only.
 */
#include "lb_fake_modules.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static uint32_t count_lines(struct lb_str text)
{
    uint32_t lines = 1;

    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r' || (unsigned char)text.ptr[i] >= 0x80;
    return lines;
}

static bool names_files(struct lb_str text)
{
    return memmem(text.ptr, text.len, "include:", 8) != NULL || memmem(text.ptr, text.len, "${file:", 7) != NULL;
}

static void check_places(const struct lb_diag *diag, struct lb_str text)
{
    uint32_t lines = count_lines(text);

    for (uint32_t i = 0; i < diag->count; i++) {
        const struct lb_place *place = &diag->entries[i].place;

        if (place->file == NULL || strcmp(place->file, "fallback") == 0)
            continue;
        assert(place->line >= 1 && place->line <= lines + 1);
        assert(place->column >= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct lb_str text = { (const char *)bytes, len };
    struct lb_diag diag = { 0 };

    if (len > 64 * 1024 || names_files(text))
        return 0;
    struct lb_config *config = lb_config_parse("a.yaml", text, &diag);
    assert(config != NULL || diag.errors > 0);
    assert(config == NULL || config->arena.bytes_held <= LB_CONF_ARENA_MAX);
    check_places(&diag, text);
    lb_config_free(config);
    lb_diag_free(&diag);
    return 0;
}
