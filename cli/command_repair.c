/* command_repair.c - `logboom repair`, `logboom recover`, `logboom index`: what is done to files one by one. */
#include "command.h"

#include "archive_scan.h"
#include "fresh.h"

#include "lb_json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MS = 2000 };

struct mending {
    const struct command *command;
    bool dry_run;
    bool json;
    int code;
};

static void json_text(const char *key, const char *text)
{
    struct lb_buffer out;

    lb_buffer_init(&out, 64 * 1024);
    lb_json_write_value(&out, lb_value_text(lb_str_from(text)));
    printf("\"%s\":" LB_STR_FMT, key, LB_STR_ARG(lb_buffer_str(&out)));
    lb_buffer_free(&out);
}

static void failed(struct mending *self, const char *path, enum lb_err err, lb_archive_reason reason)
{
    if (reason == NULL)
        reason = err == LB_IO ? strerror(errno) : lb_err_name(err);
    fprintf(stderr, "logboom: %s: %s\n", path, reason);
    self->code = EXIT_USAGE;
}

/* --- repair -------------------------------------------------------------------- */

/* Every block that cannot be read, told one by one. Returns how many; their bytes are added to `*bytes`. */
static uint32_t list_damage(struct mending *self, const char *path, struct lb_archive *archive, uint64_t *bytes)
{
    const struct lb_archive_summary *summary = lb_archive_summary(archive);
    struct lb_archive_decoder *decoder = lb_archive_decoder_new();
    char what[BLOCK_TEXT_SIZE];
    uint32_t damaged = 0;

    if (decoder == NULL) {
        failed(self, path, LB_NOMEM, strerror(ENOMEM));
        return 0;
    }
    for (uint32_t i = 0; i < summary->block_count; i++) {
        const struct lb_archive_block *block = &lb_archive_blocks(archive)[i];
        lb_archive_reason reason = NULL;
        struct lb_str text;

        if (lb_archive_read(archive, decoder, i, true, &text, &reason) == LB_OK)
            continue;
        damaged++;
        *bytes += block->packed;
        if (!self->json)
            printf("%s: %s, %" PRIu32 " bytes, %s lost: %s\n", path, block_text(block, what), block->packed,
                   self->dry_run ? "would be" : "is", reason != NULL ? reason : "it cannot be read");
    }
    lb_archive_decoder_free(decoder);
    return damaged;
}

static void tell_repair(const struct mending *self, const char *path, uint32_t blocks, uint64_t bytes, bool index)
{
    if (self->json) {
        putchar('{');
        json_text("path", path);
        printf(",\"blocks_lost\":%" PRIu32 ",\"bytes_lost\":%" PRIu64 ",\"changed\":%s}\n", blocks, bytes,
               (blocks > 0 || index) && !self->dry_run ? "true" : "false");
    } else if (blocks == 0) {
        printf("%s: nothing to repair\n", path);
    } else {
        printf("%s: %" PRIu32 " %s, %" PRIu64 " bytes, %s passed over; all others are whole\n", path, blocks,
               blocks == 1 ? "block" : "blocks", bytes, self->dry_run ? "would be" : "are now");
    }
}

/* Whether the index is damaged, or of no use, so that a repair should look at it. */
static bool has_bad_index(const char *path)
{
    struct lb_archive *archive = NULL;
    lb_archive_reason reason = NULL;
    bool bad = false;

    if (lb_archive_open(&archive, path, &reason) == LB_OK) {
        bad = reason != NULL || lb_archive_check_index(archive, &reason) == LB_BAD_INPUT;
        lb_archive_close(archive);
    }
    return bad;
}

static void mend_file(struct mending *self, const char *path, uint32_t blocks, uint64_t bytes)
{
    lb_archive_reason reason = NULL;
    bool index = has_bad_index(path);

    if ((blocks > 0 || index) && !self->dry_run) {
        enum lb_err err = lb_archive_repair(path, &blocks, &bytes, &reason);

        if (err != LB_OK) {
            failed(self, path, err, reason);
            return;
        }
    }
    if ((blocks > 0 || index) && self->dry_run && self->code == EXIT_OK)
        self->code = EXIT_NO;
    if (reason != NULL && !self->json)
        printf("%s: %s\n", path, reason);
    if (blocks > 0 || reason == NULL || self->json)
        tell_repair(self, path, blocks, bytes, reason != NULL);
}

static void repair(struct mending *self, const char *path)
{
    struct lb_archive *archive = archive_open(path);
    uint32_t blocks = 0;
    uint64_t bytes = 0;

    if (archive == NULL) {
        self->code = EXIT_USAGE;
        return;
    }
    bool by_blocks = lb_archive_summary(archive)->kind != LB_ARCHIVE_STREAM;
    if (by_blocks)
        blocks = list_damage(self, path, archive, &bytes);
    lb_archive_close(archive);
    if (by_blocks)
        mend_file(self, path, blocks, bytes);
    else
        failed(self, path, LB_BAD_INPUT, "it is not made of independent frames, so there is nothing to leave out");
}

/* --- recover -------------------------------------------------------------------- */

/* Whether a running logboom writes the file: it holds a lock on what it has open. */
static bool is_in_use(const char *path)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool locked = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    /* A lease is refused while anybody else has the file open at all. */
    if (!locked && fcntl(fd, F_SETLEASE, F_WRLCK) != 0)
        locked = errno == EAGAIN;
    close(fd);
    return locked;
}

static bool is_zstd(const char *path)
{
    size_t length = strlen(path);

    return length > 4 && strcmp(path + length - 4, ".zst") == 0;
}

static void recover(struct mending *self, const char *path)
{
    lb_archive_reason reason = NULL;
    uint64_t bytes = 0;

    if (!is_zstd(path))
        return;
    if (is_in_use(path) || fresh_flush(path, ANSWER_MS)) {
        failed(self, path, LB_AGAIN, "another process has it open; stop logboom first (it recovers its files itself)");
        return;
    }
    enum lb_err err = lb_archive_recover(path, &bytes, &reason);
    if (err != LB_OK) {
        failed(self, path, err, reason);
        return;
    }
    if (self->json) {
        putchar('{');
        json_text("path", path);
        printf(",\"bytes_cut\":%" PRIu64 "}\n", bytes);
    } else if (bytes > 0) {
        printf("%s: %" PRIu64 " bytes of an unfinished frame cut off\n", path, bytes);
    }
}

/* --- index ---------------------------------------------------------------------- */

static void make_index(struct mending *self, const char *path)
{
    lb_archive_reason reason = NULL;
    enum lb_err err = lb_archive_index(path, &reason);

    if (err != LB_OK)
        failed(self, path, err, reason);
    else if (!self->json)
        printf("%s.lbx\n", path);
}

/* --- options ---------------------------------------------------------------------- */

static int mend(const struct command *command, void (*one)(struct mending *, const char *), int argc, char **argv)
{
    struct mending self = { .command = command };
    struct archive_paths paths = { 0 };
    struct progress progress;
    uint64_t total = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            self.json = true;
        else if (strcmp(argv[i], "--dry-run") == 0 && command == &command_repair)
            self.dry_run = true;
        else if (argv[i][0] == '-') {
            archive_paths_free(&paths);
            return usage_error(command, "unexpected \"%s\"", argv[i]);
        } else
            archive_paths_add(&paths, argv[i]);
    }
    if (paths.given == 0)
        return usage_error(command, "which files?");
    for (size_t i = 0; i < paths.count; i++)
        total += paths.items[i].bytes;
    progress_start(&progress, command->name, total);
    for (size_t i = 0; i < paths.count; i++) {
        progress_hide(&progress);
        one(&self, paths.items[i].name);
        progress_add(&progress, paths.items[i].bytes);
    }
    progress_hide(&progress);
    if (paths.failed)
        self.code = EXIT_USAGE;
    archive_paths_free(&paths);
    return self.code;
}

static int run_repair(int argc, char **argv)
{
    return mend(&command_repair, repair, argc, argv);
}

static int run_recover(int argc, char **argv)
{
    return mend(&command_recover, recover, argc, argv);
}

static int run_index(int argc, char **argv)
{
    return mend(&command_index, make_index, argc, argv);
}

const struct command command_repair = {
    .name = "repair",
    .summary = "make damaged blocks of archives skippable, so that ordinary tools read the rest",
    .help = "logboom repair [--dry-run] [--json] PATH…\n\n"
            "zstdcat and rg -z stop at the first damaged block. This overwrites the first 8 bytes of each damaged\n"
            "block, in place, so that they pass over it, and says exactly what is lost. The index of a sealed archive\n"
            "knows then that the block is gone; one that is damaged itself is made anew.\n"
            "Copy the file first if somebody may want to look at the damage.\n\n"
            "  --dry-run  only say what would be lost\n"
            "  --json     a line of JSON for each file\n\n"
            "Exit code: 0 repaired or nothing to do, 1 with --dry-run when there is damage, 2 not possible.\n",
    .run = run_repair,
};

const struct command command_recover = {
    .name = "recover",
    .summary = "cut what a crash left half-written at the end of live archives",
    .help = "logboom recover [--json] PATH…\n\n"
            "After a power cut a live archive may end in the middle of a frame; zstdcat then complains, and rg -z\n"
            "shows nothing of the file. This cuts the file behind its last whole frame. `logboom run` does so itself\n"
            "when it starts; use this where it will not start again. Files that a process has open are refused.\n\n"
            "  --json  a line of JSON for each file\n\n"
            "Exit code: 0, or 2 when something could not be done.\n",
    .run = run_recover,
};

const struct command command_index = {
    .name = "index",
    .summary = "write an index FILE.lbx beside .zst files that logboom did not make",
    .help = "logboom index [--json] PATH…\n\n"
            "Writes FILE.lbx beside a .zst of several frames, so that `logboom grep`, `cat` and `hist` need not\n"
            "unpack what cannot match. Sealed archives have theirs inside. Make it anew when FILE changes.\n\n"
            "Exit code: 0, or 2 when something could not be indexed (a single frame, .gz, plain text).\n",
    .run = run_index,
};
