/*
 * prop_tail.c - random lives of a log: lines in pieces, renames, copies with
 * truncation, truncation alone, deletion and another file in its place (with
 * its inode, where the file system gives it), compression of old ones, read
 * or half read, a link that is switched, pauses, kills with and without commits, reads that fail
 * or stop early, rotations in the middle of a look at the directory; against a model that says which lines each
 * generation of the log had. Every consumer must have every line once, and those of one generation in order. LB_RUNS
 * says how many lives.
 *
 * What is removed before it was read is lost, so the model lets both
 * consumers have all before it removes anything.
 */
#include "tail_world.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <zlib.h>
#include <zstd.h>

enum { RUNS = 100, STEPS = 80, GENERATIONS_MAX = 64, LINE_MAX_BYTES = 10000, FAULTS_PER_100 = 3, MORE_LINES = 60 };
enum { COMPRESSED_MAX = 2 * 1024 * 1024 };
enum { MEDDLES_PER_1000 = 50, MEDDLES_MAX = 4 };

/* --- calls between which the world goes on ------------------------------------------ */

static bool looking; /* the tail is at work, and others may meddle */
static void meddle(void);

int stat(const char *path, struct stat *status)
{
    meddle();
    return fstatat(AT_FDCWD, path, status, 0);
}

int lstat(const char *path, struct stat *status)
{
    meddle();
    return fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

struct dirent *readdir(DIR *directory)
{
    struct dirent *(*next)(DIR * directory);

    *(void **)&next = dlsym(RTLD_NEXT, "readdir");
    meddle();
    return next(directory);
}

DIR *opendir(const char *path)
{
    DIR *(*call)(const char *path);

    *(void **)&call = dlsym(RTLD_NEXT, "opendir");
    meddle();
    return call(path);
}

int access(const char *path, int mode)
{
    meddle();
    return faccessat(AT_FDCWD, path, mode, 0);
}

char *realpath(const char *path, char *resolved)
{
    char *(*call)(const char *path, char *resolved);

    *(void **)&call = dlsym(RTLD_NEXT, "realpath");
    meddle();
    return call(path, resolved);
}

char *__realpath_chk(const char *path, char *resolved, size_t room);

char *__realpath_chk(const char *path, char *resolved, size_t room)
{
    assert_true(room >= PATH_MAX);
    return realpath(path, resolved);
}

/* --- calls that fail -------------------------------------------------------------- */

static bool failing;
static uint64_t faults;

static unsigned fault(void)
{
    return failing && lb_random(&faults) % 100 < FAULTS_PER_100 ? 1 + (unsigned)(lb_random(&faults) % 4) : 0;
}

/* 0: errno says why it fails; else how much of it is read. */
static size_t read_share(size_t len)
{
    switch (len > 0 ? fault() : 0) {
    case 0: return len;
    case 1: errno = EIO; return 0;
    case 2: errno = EINTR; return 0;
    default: return 1 + lb_random(&faults) % len;
    }
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    size_t share = read_share(len);

    return share == 0 && len > 0 ? -1 : syscall(SYS_pread64, fd, bytes, share, offset);
}

ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t offset, size_t room);

ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t offset, size_t room)
{
    assert_true(len <= room);
    return pread(fd, bytes, len, offset);
}

/* The first part that is not empty: a read may stop anywhere. */
ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (fault() == 0)
        return syscall(SYS_preadv, fd, parts, (long)count, (long)offset, 0L);
    int i = 0;
    while (i < count && parts[i].iov_len == 0)
        i++;
    return i < count ? pread(fd, parts[i].iov_base, parts[i].iov_len, offset) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    meddle();
    bool logs = (flags & (O_ACCMODE | O_DIRECTORY)) == O_RDONLY && strstr(path, "/ledger") == NULL;
    unsigned wrong = logs ? fault() : 0;
    if (wrong == 1 || wrong == 2) {
        errno = wrong == 1 ? EMFILE : EIO;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* The model's own, which never fails. */
static int open_well(const char *path, int flags)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    return fd;
}

static int gzip(const char *text, size_t len, char *out, uLongf *size)
{
    z_stream stream = {
        .next_in = (Bytef *)text, .avail_in = (uInt)len, .next_out = (Bytef *)out, .avail_out = (uInt)*size
    };

    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -1;
    int result = deflate(&stream, Z_FINISH);
    *size = stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? 0 : -1;
}

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

/* --- the model ----------------------------------------------------------------------- */

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
    bool linked;  /* the log is a symbolic link, and switched */
    bool shifts;  /* app.log.1 becomes app.log.2, and so on */
    bool meddled; /* logs are written and rotated while the tail looks */
    uint64_t random;
    uint64_t meddles;
    unsigned meddles_left;
    bool meddling;
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

/* Until `looking` is false again, and not for ever: each thing that happens makes the tail look once more. */
static void let_meddle(struct model *model)
{
    looking = model->meddled;
    model->meddles_left = MEDDLES_MAX;
}

static void start(struct model *model)
{
    let_meddle(model);
    world_start(&model->world);
    looking = false;
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
    let_meddle(model);
    world_run(&model->world);
    looking = false;
}

static void run_alone(struct model *model)
{
    bool meddled = model->meddled;

    model->meddled = false;
    run(model);
    model->meddled = meddled;
}

/* Ticks as they come once a second. */
static void wait_seconds(struct model *model, unsigned seconds)
{
    for (unsigned i = 0; model->running && i < seconds; i++) {
        lb_clock_set(lb_clock_monotonic() + LB_SECOND);
        let_meddle(model);
        lb_tail_tick(model->world.tail);
        looking = false;
        run(model);
    }
}

static bool any_half(const struct model *model)
{
    for (unsigned i = 0; i < model->count; i++)
        if (model->generations[i].half)
            return true;
    return false;
}

/* But not while a rotated log lacks the end of a line: it would be taken as it is after some seconds. */
static void pause_some(struct model *model)
{
    if (!any_half(model))
        wait_seconds(model, 1 + below(model, 40));
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
    struct generation *generation = &model->generations[model->count];

    *generation = (struct generation){ .name = "log/app.log" };
    model->count++;
    if (!model->linked)
        return;
    snprintf(generation->name, sizeof(generation->name), "real/%u", model->count);
    const char *path = world_path(&model->world, generation->name);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    assert_int_equal(symlink(path, world_path(&model->world, "log/next")), 0);
    world_rename(&model->world, "log/next", "log/app.log");
}

static bool may_rotate(struct model *model)
{
    return newest(model)->lines > 0 && model->count < GENERATIONS_MAX;
}

static void rename_to(struct model *model, struct generation *generation, const char *name)
{
    world_rename(&model->world, generation->name, name);
    snprintf(generation->name, sizeof(generation->name), "%s", name);
}

/* The name that a rotated log gets. */
static void make_room(struct model *model, char *name, size_t size)
{
    snprintf(name, size, "log/app.log.%u", model->shifts ? 1 : model->count);
    for (unsigned i = 0; model->shifts && i + 1 < model->count; i++) {
        struct generation *generation = &model->generations[i];
        char next[64];

        snprintf(next, sizeof(next), "log/app.log.%u", model->count - i);
        if (!generation->deleted)
            rename_to(model, generation, next);
    }
}

static void rotate_by_rename(struct model *model)
{
    char name[64];

    if (!may_rotate(model))
        return;
    make_room(model, name, sizeof(name));
    rename_to(model, newest(model), name);
    begin_generation(model);
}

/* A link that is switched twice before anybody looks leads past a file that nobody knows of. */
static void switch_link(struct model *model)
{
    if (!may_rotate(model) || !model->running)
        return;
    run(model);
    if (below(model, 3) == 0)
        restart(model);
    begin_generation(model);
    if (!model->running)
        start(model);
    run(model);
}

static void rotate_by_copy(struct model *model)
{
    struct generation *generation = newest(model);
    char name[64];
    char buffer[4096];
    ssize_t len;

    if (!may_rotate(model) || generation->half)
        return;
    make_room(model, name, sizeof(name));
    int from = open(world_path(&model->world, generation->name), O_RDWR | O_CLOEXEC);
    int to = open(world_path(&model->world, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    while ((len = read(from, buffer, sizeof(buffer))) > 0) /* which never fails here */
        assert_int_equal(write(to, buffer, (size_t)len), len);
    if (!model->meddling && below(model, 3) == 0)
        run_alone(model); /* the copy is there, the original not yet cut */
    assert_int_equal(ftruncate(from, 0), 0);
    close(from);
    close(to);
    snprintf(generation->name, sizeof(generation->name), "%s", name);
    begin_generation(model);
}

/* --- removing ---------------------------------------------------------------------------- */

/* Both consumers have everything. Files that may be copies are held for some seconds, so time passes. */
static void settle(struct model *model)
{
    bool meddled = model->meddled;

    model->meddled = false;
    if (!model->running)
        start(model);
    run(model);
    wait_seconds(model, 6);
    bool failed = failing;
    failing = false; /* a disk that is mended in the end */
    wait_seconds(model, 1);
    failing = failed;
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        world_commit(&model->world, consumer);
    model->meddled = meddled;
}

static bool may_remove(struct model *model, struct generation *generation)
{
    if (generation->deleted || generation->half || generation->lines == 0 || any_half(model))
        return false;
    settle(model);
    if (below(model, 2) == 0)
        restart(model); /* it happens while logboom is down */
    return true;
}

static void delete_old(struct model *model)
{
    struct generation *generation = &model->generations[below(model, model->count)];

    if (generation == newest(model) || !may_remove(model, generation))
        return;
    assert_int_equal(unlink(world_path(&model->world, generation->name)), 0);
    generation->deleted = true;
}

/* As gzip and zstd do it: the packed one beside it first, with all of it; then the plain one goes. */
static void compress_file(struct model *model, struct generation *generation)
{
    static char text[COMPRESSED_MAX];
    static char packed[COMPRESSED_MAX + COMPRESSED_MAX / 8];
    bool zstd = below(model, 2) == 0;
    uLongf size = sizeof(packed);
    char name[80];

    int from = open_well(world_path(&model->world, generation->name), O_RDONLY);
    long len = syscall(SYS_read, from, text, sizeof(text));
    assert_in_range(len, 1, sizeof(text) - 1);
    close(from);
    if (zstd)
        size = ZSTD_compress(packed, sizeof(packed), text, (size_t)len, 1);
    else
        assert_int_equal(gzip(text, (size_t)len, packed, &size), 0);
    snprintf(name, sizeof(name), "%s.%s", generation->name, zstd ? "zst" : "gz");
    int to = open_well(world_path(&model->world, name), O_WRONLY | O_CREAT | O_TRUNC);
    assert_int_equal(write(to, packed, size), size);
    close(to);
    assert_int_equal(unlink(world_path(&model->world, generation->name)), 0);
    generation->deleted = true;
}

static void compress_old(struct model *model)
{
    struct generation *generation = &model->generations[below(model, model->count)];

    if (generation != newest(model) && may_remove(model, generation))
        compress_file(model, generation);
}

/* It is being read, and its name goes: the descriptor leads to the rest. Where opening may fail there may be none. */
static void compress_half_read(struct model *model)
{
    struct generation *generation = &model->generations[below(model, model->count)];

    if (failing || generation == newest(model) || generation->deleted || generation->lines == 0 || any_half(model))
        return;
    settle(model);
    unsigned wanted = generation->lines + MORE_LINES;
    while (generation->lines < wanted || generation->half)
        write_lines(model, (unsigned)(generation - model->generations));
    model->world.tail->scan_wanted = true;
    model->world.tail->scan_after_ns = 0;
    uint32_t before = lb_queue_depth(&model->world.queue);
    for (unsigned i = 0; i < 20 && lb_queue_depth(&model->world.queue) == before; i++)
        (void)lb_tail_turn(model->world.tail);
    if (lb_queue_depth(&model->world.queue) == before)
        return;
    compress_file(model, generation);
    settle(model); /* a kill before would lose what only the descriptor leads to */
}

static void truncate_newest(struct model *model)
{
    struct generation *generation = newest(model);

    if (!may_rotate(model) || !may_remove(model, generation))
        return;
    assert_int_equal(truncate(world_path(&model->world, generation->name), 0), 0);
    generation->deleted = true;
    begin_generation(model);
}

static void replace_newest(struct model *model)
{
    struct generation *generation = newest(model);

    if (!may_rotate(model) || !may_remove(model, generation))
        return;
    assert_int_equal(unlink(world_path(&model->world, generation->name)), 0);
    generation->deleted = true;
    begin_generation(model);
    write_lines(model, model->count - 1);
}

/* --- a life --------------------------------------------------------------------------------- */

/* Some slabs are read, and it is killed before anybody has them. */
static void die_with_a_full_queue(struct model *model)
{
    if (!model->running)
        return;
    for (unsigned i = below(model, 4); i > 0; i--)
        (void)lb_tail_turn(model->world.tail);
    restart(model);
}

static void rotate(struct model *model, char letter)
{
    if (model->linked)
        switch_link(model);
    else if (letter == 'r')
        rotate_by_rename(model);
    else
        rotate_by_copy(model);
}

static struct model *meddler;

/* Both consumers have all of it for good: nobody needs it any more. */
static bool is_committed(const struct model *model, unsigned index)
{
    char head[32];
    size_t len = (size_t)snprintf(head, sizeof(head), "generation %u ", index);

    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++) {
        const struct world_lines *lines = &model->world.committed[consumer];
        unsigned count = 0;

        for (size_t i = 0; i < lines->count; i++)
            count += strncmp(lines->items[i].text, head, len) == 0;
        if (count < model->generations[index].lines)
            return false;
    }
    return true;
}

static void remove_old(struct model *model)
{
    unsigned index = below(model, model->count);
    struct generation *generation = &model->generations[index];

    if (generation == newest(model) || generation->deleted || generation->half || generation->lines == 0 ||
        !is_committed(model, index))
        return;
    if (below(model, 2) == 0) {
        compress_file(model, generation);
        return;
    }
    assert_int_equal(unlink(world_path(&model->world, generation->name)), 0);
    generation->deleted = true;
}

/* Half a line must not be left in a log that may be rotated while time passes: see pause_some(). */
static void write_whole(struct model *model)
{
    do
        write_lines(model, model->count - 1);
    while (newest(model)->half);
}

/* Before a call of the tail: whatever it has seen until now may be another by then. */
static void meddle(void)
{
    int error = errno;

    if (!looking || meddler->meddles_left == 0 || lb_random(&meddler->meddles) % 1000 >= MEDDLES_PER_1000)
        return;
    looking = false;
    meddler->meddling = true;
    meddler->meddles_left--;
    bool failed = failing;
    failing = false;
    write_whole(meddler);
    if (below(meddler, 3) > 0)
        rotate_by_rename(meddler);
    else
        rotate_by_copy(meddler);
    if (below(meddler, 3) == 0)
        remove_old(meddler);
    if (below(meddler, 2) > 0)
        write_whole(meddler);
    failing = failed;
    meddler->meddling = false;
    looking = true;
    errno = error;
}

static void step(struct model *model, unsigned at)
{
    static const char letters[] = "wwwwwwoorruuuuuccccdzZTDCCkxKp";
    char letter = letters[below(model, sizeof(letters) - 1)];

    model->history[at] = letter;
    LB_DEBUG("prop", "step=%c generations=%u lines=%u half=%d running=%d", letter, model->count, newest(model)->lines,
             newest(model)->half, model->running);
    switch (letter) {
    case 'w': write_lines(model, model->count - 1); break;
    case 'o': write_lines(model, below(model, model->count)); break;
    case 'r':
    case 'C': rotate(model, letter); break;
    case 'u': run(model); break;
    case 'c': commit(model); break;
    case 'd': delete_old(model); break;
    case 'z': compress_old(model); break;
    case 'Z': compress_half_read(model); break;
    case 'T': truncate_newest(model); break;
    case 'D': replace_newest(model); break;
    case 'K': die_with_a_full_queue(model); break;
    case 'p': pause_some(model); break;
    default: restart(model); break;
    }
}

/* --- the verdict ----------------------------------------------------------------- */

static void say(const struct model *model, uint32_t consumer, unsigned generation, unsigned got, unsigned due)
{
    fail_msg(
        "seed %llu run %u pattern %s %s%s%s%s%s steps %s: consumer %u, generation %u of %u: line %u where %u was due",
        (unsigned long long)lb_seed(), model->number, model->world.patterns[0], model->polled ? "polled" : "watched",
        model->linked ? " linked" : "", model->shifts ? " shifts" : "", failing ? " failing" : "",
        model->meddled ? " meddled" : "", model->history, consumer, generation, model->count, got, due);
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
    model->linked = model->number % 5 == 4;
    model->shifts = model->number % 7 < 3;
    meddler = model;
    model->meddles = model->random ^ 0x5DEECE66D;
    world_init(&model->world, patterns[model->linked ? 0 : model->number % 3]);
    assert_int_equal(mkdir(world_path(&model->world, "real"), 0755), 0);
    lb_clock_set(lb_clock_now());
    begin_generation(model);
    do
        write_lines(model, 0);
    while (model->generations[0].half);
    start(model);
    run(model);
    faults = model->random;
    failing = model->number % 2 == 1;
    model->meddled =
        !model->linked && model->number % 11 < 4; /* only now: logs from before our time are none of ours */
    for (unsigned i = 0; i < STEPS; i++)
        step(model, i);
    if (!model->running)
        start(model);
    run(model);
    for (unsigned i = 0; i < model->count; i++)
        while (model->generations[i].half)
            write_lines(model, i);
    settle(model);
    bool failed = failing;
    bool meddled = model->meddled;
    failing = false;
    model->meddled = false;
    world_stop(&model->world);
    failing = failed; /* for say() */
    model->meddled = meddled;
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        check_consumer(model, consumer);
    failing = false;
    world_free(&model->world);
}

static void every_line_reaches_every_consumer_once_and_in_order(void **state)
{
    const char *only = getenv("LB_RUN"); /* with LB_SEED: repeats one run, and says what it does */
    const char *wanted = getenv("LB_RUNS");
    unsigned runs = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : RUNS;
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned i = 0; i < runs; i++) {
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
