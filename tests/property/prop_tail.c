/*
 * prop_tail.c - random lives of a log: lines in pieces, renames, copies with
 * truncation, deletion, restarts with and without commits; against a model
 * that says which lines each generation of the log had. Every consumer must
 * have every line once, and those of one generation in order.
 */
#include "tail_world.h"

#include <fcntl.h>

enum { RUNS = 60, STEPS = 80, GENERATIONS_MAX = 64, LINE_MAX_BYTES = 10000 };

struct generation {
    unsigned lines;
    bool half; /* the last line has no newline yet */
    bool deleted;
    char name[64];
};

struct model {
    struct world world;
    struct generation generations[GENERATIONS_MAX];
    unsigned count;
    unsigned number;
    bool running;
    bool polled;
    uint64_t random;
    char history[STEPS + 1];
};

static const char *const patterns[] = { "app.log", "app.log*", "*" };

static unsigned below(struct model *model, unsigned n)
{
    return (unsigned)(lb_random(&model->random) % n);
}

static struct generation *newest(struct model *model)
{
    return &model->generations[model->count - 1];
}

static void start(struct model *model)
{
    world_start(&model->world);
    model->running = true;
    if (model->polled && model->world.tail->watch.fd >= 0) {
        close(model->world.tail->watch.fd);
        model->world.tail->watch.fd = -1;
        model->world.tail->watch.blind = true;
    }
}

static void run(struct model *model)
{
    if (!model->running)
        return;
    if (model->polled)
        model->world.tail->scan_wanted = true;
    model->world.tail->scan_after_ns = 0;
    world_run(&model->world);
}

static void commit(struct model *model)
{
    if (model->running)
        world_commit(&model->world, below(model, WORLD_CONSUMERS));
}

static void restart(struct model *model)
{
    if (!model->running) {
        start(model);
        return;
    }
    world_crash(&model->world);
    model->running = false;
}

/* The filler says by its length that nothing of it is missing. */
static size_t line_text(unsigned generation, unsigned line, char *text)
{
    size_t filler = (generation * 7919 + line * 104729) % 97;

    if (filler == 3)
        filler = 4000 + line % 5000;
    size_t head = (size_t)sprintf(text, "generation %u line %u ", generation, line);
    memset(text + head, 'x', filler);
    text[head + filler] = '\0';
    return head + filler;
}

static void write_lines(struct model *model, unsigned index)
{
    struct generation *generation = &model->generations[index];
    static char text[LINE_MAX_BYTES];
    unsigned count = 1 + below(model, 5);

    if (generation->deleted)
        return;
    int fd = open(world_path(&model->world, generation->name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < count; i++) {
        size_t len = line_text(index, generation->lines - generation->half, text);
        size_t from = generation->half ? len / 2 : 0;
        size_t to = len + 1;

        text[len] = '\n';
        generation->lines += !generation->half;
        generation->half = from == 0 && i + 1 == count && below(model, 3) == 0;
        if (generation->half)
            to = len / 2;
        assert_int_equal(write(fd, text + from, to - from), to - from);
    }
    close(fd);
}

static void begin_generation(struct model *model)
{
    model->generations[model->count] = (struct generation){ .name = "log/app.log" };
    model->count++;
}

static void rotate_by_rename(struct model *model)
{
    struct generation *generation = newest(model);
    char name[64];

    if (generation->lines == 0 || model->count == GENERATIONS_MAX)
        return;
    snprintf(name, sizeof(name), "log/app.log.%u", model->count);
    world_rename(&model->world, generation->name, name);
    snprintf(generation->name, sizeof(generation->name), "%s", name);
    begin_generation(model);
}

static void rotate_by_copy(struct model *model)
{
    struct generation *generation = newest(model);
    char name[64];
    char buffer[4096];
    ssize_t len;

    if (generation->lines == 0 || generation->half || model->count == GENERATIONS_MAX)
        return;
    snprintf(name, sizeof(name), "log/app.log.%u", model->count);
    int from = open(world_path(&model->world, generation->name), O_RDWR | O_CLOEXEC);
    int to = open(world_path(&model->world, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    while ((len = read(from, buffer, sizeof(buffer))) > 0)
        assert_int_equal(write(to, buffer, (size_t)len), len);
    if (below(model, 3) == 0)
        run(model); /* the copy is there, the original not yet cut */
    assert_int_equal(ftruncate(from, 0), 0);
    close(from);
    close(to);
    snprintf(generation->name, sizeof(generation->name), "%s", name);
    begin_generation(model);
}

/* Only what both consumers have: what is deleted before it is read is lost. */
static void delete_old(struct model *model)
{
    unsigned index = below(model, model->count);
    struct generation *generation = &model->generations[index];

    if (!model->running || index + 1 == model->count || generation->half || generation->deleted)
        return;
    run(model);
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        world_commit(&model->world, consumer);
    assert_int_equal(unlink(world_path(&model->world, generation->name)), 0);
    generation->deleted = true;
}

static void step(struct model *model, unsigned at)
{
    static const char letters[] = "wwwwworuuuucccddCkx";
    char letter = letters[below(model, sizeof(letters) - 1)];

    model->history[at] = letter;
    LB_DEBUG("prop", "step=%c generations=%u lines=%u half=%d running=%d", letter, model->count, newest(model)->lines,
             newest(model)->half, model->running);
    switch (letter) {
    case 'w': write_lines(model, model->count - 1); break;
    case 'o': write_lines(model, below(model, model->count)); break;
    case 'r': rotate_by_rename(model); break;
    case 'C': rotate_by_copy(model); break;
    case 'u': run(model); break;
    case 'c': commit(model); break;
    case 'd': delete_old(model); break;
    default: restart(model); break;
    }
}

/* --- the verdict ----------------------------------------------------------------- */

static void say(const struct model *model, uint32_t consumer, unsigned generation, unsigned got, unsigned due)
{
    fail_msg("seed %llu run %u pattern %s %s steps %s: consumer %u, generation %u of %u: line %u where %u was due",
             (unsigned long long)lb_seed(), model->number, model->world.patterns[0],
             model->polled ? "polled" : "watched", model->history, consumer, generation, model->count, got, due);
}

static void check_consumer(struct model *model, uint32_t consumer)
{
    const struct world_lines *lines = &model->world.committed[consumer];
    unsigned seen[GENERATIONS_MAX] = { 0 };
    static char text[LINE_MAX_BYTES];

    for (size_t i = 0; i < lines->count; i++) {
        unsigned generation = 0;
        unsigned line = 0;

        assert_int_equal(sscanf(lines->items[i].text, "generation %u line %u ", &generation, &line), 2);
        assert_true(generation < model->count);
        line_text(generation, line, text);
        if (line != seen[generation])
            say(model, consumer, generation, line, seen[generation]);
        assert_string_equal(lines->items[i].text, text);
        seen[generation]++;
    }
    for (unsigned i = 0; i < model->count; i++)
        if (seen[i] != model->generations[i].lines)
            say(model, consumer, i, seen[i], model->generations[i].lines);
}

static void live(struct model *model)
{
    model->polled = model->number % 4 == 3;
    world_init(&model->world, patterns[model->number % 3]);
    begin_generation(model);
    do
        write_lines(model, 0);
    while (model->generations[0].half);
    start(model);
    run(model);
    for (unsigned i = 0; i < STEPS; i++)
        step(model, i);
    if (!model->running)
        start(model);
    run(model);
    for (unsigned i = 0; i < model->count; i++)
        while (model->generations[i].half)
            write_lines(model, i);
    run(model);
    lb_clock_set(lb_clock_now() + 10 * LB_SECOND); /* files that might have been copies are no longer held */
    lb_tail_tick(model->world.tail);
    world_stop(&model->world);
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        check_consumer(model, consumer);
    world_free(&model->world);
}

static void every_line_reaches_every_consumer_once_and_in_order(void **state)
{
    const char *only = getenv("LB_RUN"); /* with LB_SEED: repeats one run, and says what it does */
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned i = 0; i < RUNS; i++) {
        static struct model model;

        model = (struct model){ .random = lb_random(&random), .number = i };
        if (only != NULL && strtoul(only, NULL, 10) != i)
            continue;
        lb_log_level = only != NULL ? LB_LEVEL_DEBUG : LB_LEVEL_ERROR;
        live(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_reaches_every_consumer_once_and_in_order),
    };

    return cmocka_run_group_tests_name("property/tail", tests, NULL, NULL);
}
