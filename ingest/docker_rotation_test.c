/* docker_rotation_test.c - how long unread lines of a container are there, by made-up numbers and a made-up container.
 */
#include "docker_rotation.c"

#include "lb_test.h"
#include "tail_world.h"

#define K 1024
#define DAY DOCKER_LEFT_MAX

static const struct {
    const char *what;
    struct docker_backlog backlog;
    int64_t left;
} cases[] = {
    { "never rotated", { .unread = { 5000 }, .written = 100, .live_bytes = 5000 }, DAY },
    { "nothing is written", { { 10 * K, 3 }, .live_bytes = 9 * K, .unread = { 9 * K } }, DAY },
    { "nothing is unread", { { 10 * K, 3 }, .live_bytes = 9 * K, .written = 100 }, DAY },
    { "one file, nobody reads", { { 10 * K, 1 }, .live_bytes = 8 * K, .unread = { 8 * K }, .written = 256 }, 8 },
    { "three files, nobody reads", { { 10 * K, 3 }, .live_bytes = 8 * K, .unread = { 8 * K }, .written = 1 * K }, 22 },
    { "the oldest file is not read",
      { { 10 * K, 3 }, .live_bytes = 8 * K, .unread = { 8 * K, 10 * K, 1 * K }, .written = 1 * K },
      2 },
    { "it is read in time, and so is all that follows",
      { { 10 * K, 3 }, .live_bytes = 8 * K, .unread = { 8 * K, 10 * K, 1 * K }, .written = 1 * K, .read = 2 * K },
      DAY },
    { "the oldest is read in time, the next is not",
      { { 10 * K, 3 }, .live_bytes = 8 * K, .unread = { 8 * K, 10 * K, 1 * K }, .written = 1 * K, .read = 600 },
      12 },
    { "reading is slower for good: four more files, then one is taken",
      { { 10 * K, 3 }, .live_bytes = 0, .unread = { 0, 8 * K }, .written = 1 * K, .read = 0.75 * K },
      50 },
    { "who is a little behind keeps up",
      { { 10 * K, 3 }, .live_bytes = 8 * K, .unread = { 2 * K }, .written = 1 * K, .read = 0.9 * K },
      DAY },
    { "more than the file holds already",
      { { 10 * K, 1 }, .live_bytes = 12 * K, .unread = { 12 * K }, .written = 1 },
      0 },
};

static void says_when_the_first_unread_line_goes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t left = docker_rotation_left(&cases[i].backlog);

        if (left != cases[i].left)
            fail_msg("%s: %lld, expected %lld", cases[i].what, (long long)left, (long long)cases[i].left);
    }
}

/* Against a life from rotation to rotation: what it says is right to one file. */
static void says_what_a_life_in_steps_shows(void **state)
{
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned run = 0; run < 2000; run++) {
        uint64_t size = 20 * K + lb_random(&random) % (100 * K);
        uint32_t files = 1 + (uint32_t)(lb_random(&random) % 5);
        double written = 100 + (double)(lb_random(&random) % 3000);
        double read = (double)(lb_random(&random) % 3000);
        uint64_t total =
            (uint64_t)(written * 6) + lb_random(&random) % (size * files); /* until now; all of it unread: */
        struct docker_backlog backlog = { { size, files }, .written = written, .read = read };

        if (total >= size * files)
            continue;
        backlog.live_bytes = total % size;
        for (uint32_t i = 0; i <= total / size; i++)
            backlog.unread[i] = i == 0 ? total % size : size;
        double expected = DOCKER_LEFT_MAX;
        for (uint64_t n = total / size + 1; expected == DOCKER_LEFT_MAX; n++) {
            double t = ((double)(n * size) - (double)total) / written; /* of the n-th rotation since all began */

            if (t >= DOCKER_LEFT_MAX || (read > written && (double)total / (read - written) <= t))
                break; /* all is read by then */
            if (n + 1 > files && t * read < (double)(n + 1 - files) * (double)size)
                expected = t;
        }
        double left = (double)docker_rotation_left(&backlog);
        if (fabs(left - expected) > 2 + (double)size / written)
            fail_msg("seed %llu run %u: %.0f, expected %.0f (size %llu files %u written %.0f read %.0f total %llu)",
                     (unsigned long long)lb_seed(), run, left, expected, (unsigned long long)size, files, written, read,
                     (unsigned long long)total);
    }
}

static const struct {
    const char *text;
    bool found;
    struct docker_limits limits;
} texts[] = {
    { "{\"Binds\":null,\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-file\":\"3\",\"max-size\":\"10m\"}}}",
      true,
      { 10 * K * K, 3 } },
    { "{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"1G\"}}}", true, { UINT64_C(1) << 30, 1 } },
    { "{\"LogConfig\":{\"Config\":{\"max-size\":\"512\",\"max-file\":\"900\"}}}", true, { 512, DOCKER_FILES_MAX } },
    { "{\"LogConfig\":{\"Config\":{\"max-size\":\"1.5k\",\"max-file\":\"5\",\"compress\":\"true\"}}}",
      true,
      { 1536, 1 } },
    { "{\"HostConfig\":{\"LogConfig\":{\"Config\":{\"max-size\":\"1k\",\"max-file\":\"2\"}}}}", true, { K, 2 } },
    { "{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{}}}", true, { 0, 1 } },
    { "{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":null}}", true, { 0, 1 } },
    { "{\"LogConfig\":{\"Config\":{\"max-size\":\"-1\"}}}", true, { 0, 1 } },
    { "{\"LogConfig\":{\"Config\":{\"max-size\":\"lots\"}}}", true, { 0, 1 } },
    { "{\"Binds\":null}", false, { 0, 0 } },
    { "{\"LogConfig\":{\"Config\":{\"max-size\":\"1", false, { 0, 0 } },
    { "", false, { 0, 0 } },
};

static void reads_what_the_driver_was_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct docker_limits limits = { 0 };

        if (docker_limits_read(lb_str_from(texts[i].text), &limits) != texts[i].found ||
            limits.file_bytes != texts[i].limits.file_bytes || limits.files != texts[i].limits.files)
            fail_msg("%s: %llu bytes, %u files", texts[i].text, (unsigned long long)limits.file_bytes, limits.files);
    }
}

/* Ten seconds in which a container writes 1 KiB each, and `read` bytes of each are read. */
static int64_t live_ten_seconds(struct world *world, struct docker_rotation *rotation, uint64_t read)
{
    static char text[K + 1];
    int64_t now = LB_SECOND;
    struct lb_tail_file file = { .path = (char *)world_path(world, "log/c1-json.log") };
    struct lb_tail_file *files[] = { &file };
    struct lb_tail tail = { .files = files, .file_count = 1 };
    struct stat status;

    memset(text, 'x', K);
    for (int second = 0; second <= 10; second++, now += LB_SECOND) {
        world_write(world, "log/c1-json.log", text);
        assert_int_equal(stat(file.path, &status), 0);
        file.size = (uint64_t)status.st_size;
        file.identity.inode = status.st_ino;
        docker_rotation_look(rotation, &tail, now);
        file.offset += read;
    }
    return lb_metric_find("logboom_rotation_left_seconds", "source=\"test\"")->value;
}

static void tells_of_a_container_that_is_behind(void **state)
{
    struct world world;
    struct lb_buffer out;

    (void)state;
    for (int reading = 0; reading <= 1; reading++) {
        world_init(&world, "*.log");
        world_write(&world, "log/hostconfig.json",
                    "{\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-file\":\"3\",\"max-size\":\"20k\"}}}");
        struct docker_rotation *rotation = docker_rotation_new(&world.source);
        int64_t left = live_ten_seconds(&world, rotation, reading ? K : 0);
        /* 11 KiB are written, 60 KiB are kept, and each second brings one. */
        assert_int_equal(left, reading ? DOCKER_LEFT_MAX : 49);
        lb_buffer_init(&out, SIZE_MAX);
        docker_rotation_status(rotation, &out);
        lb_buffer_append_char(&out, '\0');
        assert_string_equal(out.ptr, reading ? "" : ",\"rotation_left_seconds\":49,\"rotation_container\":\"log\"");
        lb_buffer_free(&out);
        if (!reading) { /* a look while it is rotated: renamed, and no other one made yet */
            struct lb_tail_file file = { .path = (char *)world_path(&world, "log/c1-json.log.1"), .size = 11 * K };
            struct lb_tail_file *files[] = { &file };
            struct lb_tail tail = { .files = files, .file_count = 1 };

            world_rename(&world, "log/c1-json.log", "log/c1-json.log.1");
            docker_rotation_look(rotation, &tail, 12 * LB_SECOND);
            assert_true(lb_metric_find("logboom_rotation_left_seconds", "source=\"test\"")->value < 60);
        }
        docker_rotation_free(rotation);
        nftw(world.dir, world_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_when_the_first_unread_line_goes),
        cmocka_unit_test(says_what_a_life_in_steps_shows),
        cmocka_unit_test(reads_what_the_driver_was_told),
        cmocka_unit_test(tells_of_a_container_that_is_behind),
    };

    lb_log_level = LB_LEVEL_CRITICAL;
    return cmocka_run_group_tests_name("ingest/docker_rotation", tests, NULL, NULL);
}
