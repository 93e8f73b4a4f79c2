/*
 * prop_tail_drop.c - random lives of a directory where files are dropped and
 * removed when they were read (`after: delete`): plain ones that grow, .gz and
 * .zst of several members that come whole, in pieces, or under another name
 * until they are whole; renames, pauses, kills with and without commits. Every
 * consumer must have each line once and in order, a file goes only when both
 * have all of it, and in the end all are gone. LB_RUNS says how many lives,
 * LB_SEED and LB_RUN repeat one.
 */
#include "tail_world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

enum { RUNS = 60, STEPS = 60, PATIENCE = 8, FILES_MAX = 40, TEXT_MAX = 400 * 1024, LINE_MAX_BYTES = 6000 };

enum kind { PLAIN, GZIP, ZSTD, KINDS };

struct file {
    enum kind kind;
    unsigned lines; /* that are whole in the file as it is now */
    char name[64];
    char *bytes; /* a packed one: all of it */
    size_t len;
    size_t written;
    size_t ends[3]; /* of its members: there it would be whole, though the last line may lack its end */
    unsigned quiet; /* for so many seconds nothing was added */
    bool gone;
};

struct model {
    struct world world;
    struct file files[FILES_MAX];
    unsigned count;
    unsigned number;
    uint64_t random;
    bool running;
    char history[STEPS + 1];
};

/* A kill leaves what the kernel has; and thousands of lives are to be lived. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int fsync(int fd)
{
    (void)fd;
    return 0;
}

static unsigned below(struct model *model, unsigned n)
{
    return (unsigned)(lb_random(&model->random) % n);
}

static void fail_life(const struct model *model, const char *what, unsigned file, unsigned line)
{
    fail_msg("seed %llu run %u steps %s: %s: file %u line %u", (unsigned long long)lb_seed(), model->number,
             model->history, what, file, line);
}

/* --- what is in them ------------------------------------------------------------------------- */

static size_t line_text(unsigned file, unsigned line, char *text)
{
    size_t filler = (file * 7919 + line * 104729) % 97;

    if (filler < 2)
        filler = 2000 + line % 3000;
    size_t head = (size_t)sprintf(text, "file %u line %u ", file, line);
    for (size_t i = 0; i < filler; i++)
        text[head + i] = (char)('a' + (file + line * 31 + i * i * 7) % 26);
    text[head + filler] = '\n';
    return head + filler + 1;
}

static size_t write_text(unsigned file, unsigned from, unsigned count, char *text)
{
    size_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += line_text(file, from + i, text + len);
    return len;
}

static size_t gzip(const char *text, size_t len, char *out, size_t room)
{
    z_stream stream = {
        .next_in = (Bytef *)text, .avail_in = (uInt)len, .next_out = (Bytef *)out, .avail_out = (uInt)room
    };

    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t size = stream.total_out;
    deflateEnd(&stream);
    return size;
}

/* One to three members or frames, which need not end where a line does. */
static void pack(struct model *model, struct file *file, const char *text, size_t len)
{
    size_t room = len + 4096;
    unsigned parts = 1 + below(model, 3);
    size_t from = 0;

    file->bytes = malloc(room);
    for (unsigned i = 0; i < parts; i++) {
        size_t to = i + 1 == parts ? len : from + below(model, (unsigned)(len - from) + 1);

        if (file->kind == GZIP)
            file->len += gzip(text + from, to - from, file->bytes + file->len, room - file->len);
        else
            file->len += ZSTD_compress(file->bytes + file->len, room - file->len, text + from, to - from, 3);
        file->ends[i] = file->len;
        from = to;
    }
}

/* --- steps --------------------------------------------------------------------------------------- */

static void append(struct model *model, const char *name, const char *bytes, size_t len)
{
    int fd = open(world_path(&model->world, name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

static void run(struct model *model)
{
    if (!model->running)
        return;
    model->world.tail->scan_wanted = true;
    model->world.tail->scan_after_ns = 0;
    world_run(&model->world);
}

static unsigned had(const struct model *model, uint32_t consumer, unsigned file)
{
    const struct world_lines *lines = &model->world.committed[consumer];
    unsigned count = 0;
    unsigned number;

    for (size_t i = 0; i < lines->count; i++)
        count += sscanf(lines->items[i].text, "file %u ", &number) == 1 && number == file;
    return count;
}

/* Who is gone was whole, and both have committed all of it. */
static void look_for_gone(struct model *model)
{
    for (unsigned i = 0; i < model->count; i++) {
        struct file *file = &model->files[i];

        if (file->gone || file->name[0] == '\0' || access(world_path(&model->world, file->name), F_OK) == 0)
            continue;
        file->gone = true;
        if (file->written < file->len)
            fail_life(model, "it was removed before it was whole", i, file->lines);
        for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
            if (had(model, consumer, i) != file->lines)
                fail_life(model, "it was removed before all had it", i, had(model, consumer, i));
    }
}

static size_t no_end(const struct file *file, size_t written)
{
    for (unsigned i = 0; i < 3; i++)
        written += written == file->ends[i] && written < file->len;
    return written;
}

static void drop_file(struct model *model)
{
    static const char *const endings[] = { "log", "log.gz", "log.zst" };
    static char text[TEXT_MAX];
    unsigned number = model->count;
    struct file *file = &model->files[number];
    unsigned count = below(model, 8) == 0 ? 600 : 1 + below(model, 40);

    if (number == FILES_MAX)
        return;
    *file = (struct file){ .kind = (enum kind)below(model, KINDS) };
    snprintf(file->name, sizeof(file->name), "log/%u.%s", number, endings[file->kind]);
    size_t len = write_text(number, 0, count, text);
    model->count++;
    file->lines = count;
    if (file->kind == PLAIN) {
        append(model, file->name, text, len);
        return;
    }
    pack(model, file, text, len);
    file->written = below(model, 2) == 0 ? file->len : no_end(file, below(model, (unsigned)file->len));
    append(model, file->name, file->bytes, file->written);
}

static struct file *any_file(struct model *model)
{
    struct file *file = model->count > 0 ? &model->files[below(model, model->count)] : NULL;

    return file != NULL && !file->gone ? file : NULL;
}

static void go_on(struct model *model, struct file *file, size_t len)
{
    if (len == 0)
        return;
    append(model, file->name, file->bytes + file->written, len);
    file->written += len;
    file->quiet = 0;
}

/* After ten seconds in which nothing comes a half file is read as it is, and what comes then is another record. */
static void hurry(struct model *model, bool all)
{
    for (unsigned i = 0; i < model->count; i++) {
        struct file *file = &model->files[i];

        if (!file->gone && file->written < file->len && (all || ++file->quiet > PATIENCE))
            go_on(model, file, file->len - file->written);
    }
}

static void wait_seconds(struct model *model, unsigned seconds)
{
    for (unsigned i = 0; model->running && i < seconds; i++) {
        hurry(model, false);
        lb_clock_set(lb_clock_monotonic() + LB_SECOND);
        lb_tail_tick(model->world.tail);
        look_for_gone(model);
        run(model);
    }
}

static void grow(struct model *model)
{
    static char text[TEXT_MAX];
    struct file *file = any_file(model);

    if (file == NULL)
        return;
    if (file->kind != PLAIN) {
        size_t to = file->written + below(model, (unsigned)(file->len - file->written) + 1);

        go_on(model, file, no_end(file, to) - file->written);
        return;
    }
    unsigned count = 1 + below(model, 10);
    size_t len = write_text((unsigned)(file - model->files), file->lines, count, text);
    append(model, file->name, text, len);
    file->lines += count;
}

static void rename_one(struct model *model)
{
    struct file *file = any_file(model);
    char name[64];

    if (file == NULL)
        return;
    snprintf(name, sizeof(name), "log/moved-%s", file->name + 4);
    world_rename(&model->world, file->name, name);
    snprintf(file->name, sizeof(file->name), "%s", name);
}

static void restart(struct model *model)
{
    if (model->running)
        world_crash(&model->world);
    else
        world_start(&model->world);
    model->running = !model->running;
}

static void commit(struct model *model)
{
    if (model->running)
        world_commit(&model->world, below(model, WORLD_CONSUMERS));
}

static void die_in_the_middle(struct model *model)
{
    if (!model->running)
        return;
    for (unsigned i = below(model, 5); i > 0; i--)
        (void)lb_tail_turn(model->world.tail);
    restart(model);
}

static void step(struct model *model, unsigned at)
{
    static const char letters[] = "nnngggguuuuuccccccpppxxkmt";
    char letter = letters[below(model, sizeof(letters) - 1)];

    model->history[at] = letter;
    LB_DEBUG("prop", "step=%c files=%u running=%d", letter, model->count, model->running);
    switch (letter) {
    case 'n': drop_file(model); break;
    case 'g': grow(model); break;
    case 'u': run(model); break;
    case 'c': commit(model); break;
    case 'p': wait_seconds(model, 1 + below(model, 5)); break;
    case 't': wait_seconds(model, 12 + below(model, 30)); break;
    case 'k': die_in_the_middle(model); break;
    case 'm': rename_one(model); break;
    default: restart(model); break;
    }
    look_for_gone(model);
}

/* --- the verdict ------------------------------------------------------------------------------------ */

static void check_consumer(struct model *model, uint32_t consumer)
{
    const struct world_lines *lines = &model->world.committed[consumer];
    unsigned seen[FILES_MAX] = { 0 };
    static char text[LINE_MAX_BYTES];

    for (size_t i = 0; i < lines->count; i++) {
        unsigned file = 0;
        unsigned line = 0;

        assert_int_equal(sscanf(lines->items[i].text, "file %u line %u ", &file, &line), 2);
        assert_true(file < model->count);
        text[line_text(file, line, text) - 1] = '\0';
        if (line != seen[file] || strcmp(lines->items[i].text, text) != 0)
            fail_life(model, "another line was due", file, line);
        seen[file]++;
    }
    for (unsigned i = 0; i < model->count; i++)
        if (seen[i] != model->files[i].lines)
            fail_life(model, "lines are missing", i, seen[i]);
}

/* Everything becomes whole, is read, committed, and goes. */
static void finish(struct model *model)
{
    hurry(model, true);
    if (!model->running)
        restart(model);
    for (unsigned round = 0; round < 3; round++) {
        run(model);
        wait_seconds(model, 3);
        for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
            world_commit(&model->world, consumer);
        wait_seconds(model, 3);
    }
}

static void live(struct model *model)
{
    static const char *const endings[] = { "*.log", "*.log.gz", "*.log.zst" };
    static char paths[KINDS][128];
    struct lb_str include[KINDS];

    world_init(&model->world, "*");
    for (unsigned i = 0; i < KINDS; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/log/%s", model->world.dir, endings[i]);
        include[i] = lb_str_from(paths[i]);
    }
    model->world.options.include = (struct lb_strs){ include, KINDS };
    model->world.options.after = LB_TAIL_AFTER_DELETE;
    lb_clock_set(lb_clock_now());
    restart(model);
    for (unsigned i = 0; i < STEPS; i++)
        step(model, i);
    finish(model);
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        check_consumer(model, consumer);
    for (unsigned i = 0; i < model->count; i++) {
        if (!model->files[i].gone)
            fail_life(model, "it is read and stays", i, model->files[i].lines);
        free(model->files[i].bytes);
    }
    world_stop(&model->world);
    world_free(&model->world);
}

static void every_dropped_file_is_read_once_and_then_removed(void **state)
{
    const char *only = getenv("LB_RUN");
    const char *wanted = getenv("LB_RUNS");
    unsigned runs = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : RUNS;
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned i = 0; i < runs; i++) {
        static struct model model;

        model = (struct model){ .random = lb_random(&random), .number = i };
        if (only != NULL && strtoul(only, NULL, 10) != i)
            continue;
        lb_log_level = only != NULL ? LB_LEVEL_DEBUG : LB_LEVEL_CRITICAL; /* files in pieces are told as errors */
        live(&model);
    }
}

/* What was there ended with a member, so it was whole, and everybody had it. */
static void a_member_that_is_added_while_it_is_down_is_read(void **state)
{
    static struct model model;
    static char text[TEXT_MAX];
    char bytes[8192];

    (void)state;
    model = (struct model){ 0 };
    world_init(&model.world, "*.gz");
    lb_clock_set(lb_clock_now());
    append(&model, "log/a.gz", bytes, gzip(text, write_text(0, 0, 3, text), bytes, sizeof(bytes)));
    restart(&model);
    run(&model);
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        world_commit(&model.world, consumer);
    wait_seconds(&model, 1);
    world_commit(&model.world, 0); /* which takes the identity along */
    restart(&model);
    append(&model, "log/a.gz", bytes, gzip(text, write_text(0, 3, 2, text), bytes, sizeof(bytes)));
    restart(&model);
    world_stop(&model.world);
    assert_int_equal(had(&model, 0, 0), 5);
    assert_int_equal(had(&model, 1, 0), 5);
    world_free(&model.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_is_added_while_it_is_down_is_read),
        cmocka_unit_test(every_dropped_file_is_read_once_and_then_removed),
    };

    return cmocka_run_group_tests_name("property/tail_drop", tests, NULL, NULL);
}
