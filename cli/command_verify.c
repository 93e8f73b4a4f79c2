/*
 * command_verify.c - `logboom verify`: whether archives are what was written.
 *
 * Files are held against MANIFEST.jsonl of the directory above them that has
 * one. A file that differs from it is then read block by block, to say where.
 * A running logboom seals and deletes meanwhile: what does not fit is held
 * against what the manifest says by then, too.
 */
#include "command.h"

#include "archive_scan.h"
#include "manifest.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_json.h"
#include "lb_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOTS_MAX = 256, READ_BYTES = 256 * 1024 };
enum { TOLD_WITHIN = 3, TOLD_PAUSE_US = 50000 }; /* seconds from a seal to its line in the manifest */
enum depth { QUICK, USUAL, DEEP };

struct verify {
    enum depth depth;
    bool json;
    struct manifest roots[ROOTS_MAX];
    size_t root_count;
    struct lb_archive_decoder *decoder;
    struct progress progress;
    uint64_t files, bytes, problems;
    bool failed;
};

static void problem(struct verify *self, const char *kind, const char *path, const char *detail)
{
    struct lb_buffer out;

    self->problems++;
    progress_hide(&self->progress);
    if (!self->json) {
        printf("%s: %s\n", path, detail);
        return;
    }
    lb_buffer_init(&out, 64 * 1024);
    lb_buffer_print(&out, "{\"problem\":\"%s\",\"path\":", kind);
    lb_json_write_value(&out, lb_value_text(lb_str_from(path)));
    lb_buffer_append_str(&out, LB_STR(",\"detail\":"));
    lb_json_write_value(&out, lb_value_text(lb_str_from(detail)));
    printf(LB_STR_FMT "}\n", LB_STR_ARG(lb_buffer_str(&out)));
    lb_buffer_free(&out);
}

static void cannot(struct verify *self, const char *path, const char *why)
{
    progress_hide(&self->progress);
    fprintf(stderr, "logboom: %s: %s\n", path, why);
    self->failed = true;
}

static void manifest_line(void *context, const char *file, size_t line, const char *what)
{
    char detail[256];

    snprintf(detail, sizeof(detail), "line %zu: %s", line, what);
    problem(context, "manifest", file, detail);
}

/* The manifest in the nearest directory above `path` that has one, or NULL. `path` is absolute. */
static struct manifest *root_of(struct verify *self, const char *path)
{
    char directory[PATH_MAX];

    snprintf(directory, sizeof(directory), "%s", path);
    for (;;) {
        for (size_t i = 0; i < self->root_count; i++) {
            if (strcmp(self->roots[i].root, directory) == 0)
                return &self->roots[i];
        }
        if (self->root_count < ROOTS_MAX &&
            manifest_load(&self->roots[self->root_count], directory, manifest_line, self))
            return &self->roots[self->root_count++];
        char *slash = strrchr(directory, '/');
        if (slash == NULL || slash == directory)
            return NULL;
        *slash = '\0';
    }
}

/* --- one file -------------------------------------------------------------------- */

/* The last bytes of a sealed file are those of its seek table. */
static bool is_sealed(int fd, uint64_t size)
{
    unsigned char bytes[4];

    return size >= 9 && pread(fd, bytes, 4, (off_t)(size - 4)) == 4 && memcmp(bytes, "\xb1\xea\x92\x8f", 4) == 0;
}

static bool hash_file(struct verify *self, int fd, char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    char *bytes = lb_alloc(READ_BYTES);
    bool fine = context != NULL && bytes != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    off_t at = 0;

    while (fine) {
        ssize_t got = pread(fd, bytes, READ_BYTES, at);

        if (got < 0 && errno == EINTR)
            continue;
        fine = got >= 0 && EVP_DigestUpdate(context, bytes, (size_t)got) == 1;
        if (got <= 0)
            break;
        at += got;
        progress_add(&self->progress, (uint64_t)got);
    }
    fine = fine && EVP_DigestFinal_ex(context, digest, &size) == 1;
    for (unsigned int i = 0; fine && i < size; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(context);
    lb_free(bytes);
    return fine;
}

static uint64_t count_lines(struct lb_str text)
{
    uint64_t lines = 0;
    uint32_t ends[256];

    while (text.len > 0) {
        size_t found = lb_scan_lines(text.ptr, text.len, ends, 256);

        if (found == 0)
            break;
        lines += found;
        text = (struct lb_str){ text.ptr + ends[found - 1] + 1, text.len - ends[found - 1] - 1 };
    }
    return lines;
}

struct reading {
    struct verify *self;
    const char *path;
    uint64_t lines;
    bool damaged;
};

static void read_blocks(struct reading *reading, struct lb_archive *archive)
{
    const struct lb_archive_summary *summary = lb_archive_summary(archive);
    char what[BLOCK_TEXT_SIZE];
    char detail[BLOCK_TEXT_SIZE + 256];

    for (uint32_t i = 0; i < summary->block_count; i++) {
        const struct lb_archive_block *block = &lb_archive_blocks(archive)[i];
        lb_archive_reason reason = NULL;
        struct lb_str text;
        enum lb_err err = reading->self->depth == DEEP
                              ? lb_archive_check(archive, reading->self->decoder, i, &text, &reason)
                              : lb_archive_read(archive, reading->self->decoder, i, true, &text, &reason);

        progress_add(&reading->self->progress, block->packed);
        if (err == LB_OK) {
            uint64_t lines = count_lines(text);

            reading->lines += lines;
            if (block->first_ns > block->last_ns || lines == block->lines)
                continue;
            reason = "it holds another number of lines than the index says";
        }
        reading->damaged = true;
        snprintf(detail, sizeof(detail), "%s, %" PRIu32 " bytes, is damaged: %s", block_text(block, what),
                 block->packed, reason != NULL ? reason : lb_err_name(err));
        problem(reading->self, "block", reading->path, detail);
    }
}

static void read_stream(struct reading *reading, struct lb_archive *archive)
{
    lb_archive_reason reason = NULL;
    struct lb_str text;
    enum lb_err err;

    while ((err = lb_archive_next(archive, reading->self->decoder, &text, &reason)) == LB_OK)
        reading->lines += count_lines(text);
    progress_add(&reading->self->progress, lb_archive_summary(archive)->packed_bytes);
    if (err == LB_END)
        return;
    reading->damaged = true;
    problem(reading->self, "damaged", reading->path, reason != NULL ? reason : lb_err_name(err));
}

/* What of the index is not looked at by opening the file. */
static void check_index(struct reading *reading, const struct lb_archive *archive)
{
    lb_archive_reason reason = NULL;
    enum lb_err err = lb_archive_check_index(archive, &reason);

    if (err == LB_OK)
        return;
    if (err == LB_BAD_INPUT) {
        reading->damaged = true;
        problem(reading->self, "index", reading->path, reason);
        return;
    }
    cannot(reading->self, reading->path, strerror(err == LB_IO ? errno : ENOMEM));
}

/* Reads the file: all of its text with `decode`, or only what opening it looks at. True: it is whole. */
static bool read_file(struct verify *self, const char *path, bool decode, uint64_t *lines)
{
    struct reading reading = { .self = self, .path = path };
    struct lb_archive *archive = NULL;
    lb_archive_reason reason = NULL;
    enum lb_err err = lb_archive_open(&archive, path, &reason);

    if (err == LB_IO || err == LB_NOMEM) {
        cannot(self, path, strerror(err == LB_IO ? errno : ENOMEM));
        return false;
    }
    if (err != LB_OK || reason != NULL) {
        reading.damaged = true;
        problem(self, err != LB_OK ? "damaged" : "index", path, reason != NULL ? reason : lb_err_name(err));
    }
    if (archive != NULL)
        check_index(&reading, archive);
    if (archive != NULL && decode && lb_archive_summary(archive)->kind == LB_ARCHIVE_STREAM)
        read_stream(&reading, archive);
    else if (archive != NULL && decode)
        read_blocks(&reading, archive);
    if (archive != NULL)
        lb_archive_close(archive);
    *lines = reading.lines;
    return !reading.damaged;
}

/* A file that the manifest knows. */
static void check_entry(struct verify *self, const char *path, int fd, uint64_t size,
                        const struct manifest_entry *entry)
{
    char sum[SHA256_TEXT_SIZE] = "";
    char detail[160];
    bool differs = false;
    uint64_t lines = 0;

    if (size != entry->bytes) {
        snprintf(detail, sizeof(detail), "it has %" PRIu64 " bytes; %" PRIu64 " were sealed (manifest line %zu)", size,
                 entry->bytes, entry->line);
        problem(self, "size", path, detail);
        differs = true;
    } else if (self->depth != QUICK && entry->sha256[0] != '\0') {
        if (!hash_file(self, fd, sum)) {
            cannot(self, path, "it cannot be read to its end");
            return;
        }
        differs = strcmp(sum, entry->sha256) != 0;
        if (differs) {
            snprintf(detail, sizeof(detail), "its bytes are not those that were sealed (manifest line %zu)",
                     entry->line);
            problem(self, "changed", path, detail);
        }
    }
    bool decode = differs || self->depth == DEEP;
    bool whole = read_file(self, path, decode, &lines);
    if (decode && whole && entry->lines > 0 && lines != entry->lines) {
        snprintf(detail, sizeof(detail), "it has %" PRIu64 " lines; %" PRIu64 " were sealed (manifest line %zu)", lines,
                 entry->lines, entry->line);
        problem(self, "lines", path, detail);
    }
}

/* Sealed, and its line is still to come. */
static bool is_just_sealed(const struct stat *status)
{
    return lb_clock_now() - (status->st_ctim.tv_sec * LB_SECOND + status->st_ctim.tv_nsec) < TOLD_WITHIN * LB_SECOND;
}

/* NULL: the manifest does not know it. */
static struct manifest_entry *find_entry(struct manifest *root, const char *real, int fd, const struct stat *status)
{
    const char *path = real + strlen(root->root) + 1;
    struct manifest_entry *entry = manifest_find(root, path);

    while ((entry == NULL || entry->deleted) && is_sealed(fd, (uint64_t)status->st_size)) {
        bool waits = is_just_sealed(status);

        if (manifest_refresh(root))
            entry = manifest_find(root, path);
        else if (waits)
            usleep(TOLD_PAUSE_US);
        else
            break;
    }
    return entry;
}

/* `beneath`: it was found in a directory, and may have expired since. */
static void check_file(struct verify *self, const char *path, bool beneath)
{
    char real[PATH_MAX];
    struct stat status;
    uint64_t lines;

    if (strcmp(path, "-") == 0) {
        self->files++;
        read_file(self, "/dev/stdin", true, &lines);
        return;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || realpath(path, real) == NULL) {
        if (errno != ENOENT || !beneath) /* what it finds missing check_missing() tells */
            cannot(self, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    struct manifest *root = root_of(self, real);
    struct manifest_entry *entry = root != NULL ? find_entry(root, real, fd, &status) : NULL;

    self->files++;
    self->bytes += (uint64_t)status.st_size;
    if (entry != NULL && !entry->deleted) {
        entry->seen = true;
        check_entry(self, path, fd, (uint64_t)status.st_size, entry);
    } else {
        if (root != NULL && is_sealed(fd, (uint64_t)status.st_size))
            problem(self, "extra", path,
                    entry != NULL ? "it was deleted as the manifest says, and is here again"
                                  : "the manifest does not know this sealed file");
        read_file(self, path, self->depth != QUICK, &lines);
    }
    close(fd);
}

/* --- what should be there ----------------------------------------------------------- */

static bool is_beneath(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Sealed files beneath `directory` that no file was found for. */
static void check_missing_of(struct verify *self, struct manifest *root, const char *directory)
{
    char detail[96];
    char path[PATH_MAX + 256];

    for (size_t i = 0; i < root->count; i++) {
        struct manifest_entry *entry = &root->entries[i];

        snprintf(path, sizeof(path), "%s/%s", root->root, entry->path);
        if (entry->seen || entry->deleted || !is_beneath(path, directory) || access(path, F_OK) == 0)
            continue;
        if (manifest_refresh(root)) { /* what expires is told before it goes */
            check_missing_of(self, root, directory);
            return;
        }
        entry->seen = true;
        snprintf(detail, sizeof(detail), "it was sealed (manifest line %zu) and is gone", entry->line);
        problem(self, "missing", path, detail);
    }
}

static void check_missing(struct verify *self, const char *directory)
{
    for (size_t i = 0; i < self->root_count; i++)
        check_missing_of(self, &self->roots[i], directory);
}

static void verify_paths(struct verify *self, const struct archive_paths *paths, int argc, char **argv)
{
    char real[PATH_MAX];
    uint64_t total = 0;

    for (size_t i = 0; i < paths->count; i++)
        total += paths->items[i].bytes;
    progress_start(&self->progress, "verify", self->depth == QUICK ? 0 : total);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && realpath(argv[i], real) != NULL)
            (void)root_of(self, real);
    }
    for (size_t i = 0; i < paths->count; i++)
        check_file(self, paths->items[i].name, paths->items[i].beneath);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && realpath(argv[i], real) != NULL)
            check_missing(self, real);
    }
    progress_hide(&self->progress);
}

static int tell(struct verify *self)
{
    char size[SIZE_TEXT_SIZE];

    if (self->json)
        printf("{\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"problems\":%" PRIu64 "}\n", self->files, self->bytes,
               self->problems);
    else
        printf("%" PRIu64 " %s, %s: %s\n", self->files, self->files == 1 ? "file" : "files",
               size_text(self->bytes, size), self->problems > 0 ? "not as they were written" : "all fine");
    if (self->failed)
        return EXIT_USAGE;
    return self->problems > 0 ? EXIT_NO : EXIT_OK;
}

static int run(int argc, char **argv)
{
    static struct verify self;
    struct archive_paths paths = { 0 };
    int code = EXIT_USAGE;

    self.depth = USUAL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            self.depth = QUICK;
        else if (strcmp(argv[i], "--deep") == 0)
            self.depth = DEEP;
        else if (strcmp(argv[i], "--json") == 0)
            self.json = true;
        else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            archive_paths_free(&paths);
            return usage_error(&command_verify, "unexpected \"%s\"", argv[i]);
        } else
            archive_paths_add(&paths, argv[i]);
    }
    if (paths.given == 0)
        return usage_error(&command_verify, "which files or directories?");
    self.failed = paths.failed;
    self.decoder = lb_archive_decoder_new();
    if (self.decoder == NULL) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
    } else {
        verify_paths(&self, &paths, argc, argv);
        code = tell(&self);
        lb_archive_decoder_free(self.decoder);
    }
    for (size_t i = 0; i < self.root_count; i++)
        manifest_free(&self.roots[i]);
    archive_paths_free(&paths);
    return code;
}

const struct command command_verify = {
    .name = "verify",
    .summary = "find what is damaged, changed, missing or extra in archives",
    .help =
        "logboom verify [--quick | --deep] [--json] PATH…\n\n"
        "Holds archives against MANIFEST.jsonl in their root directory, which has a line for each file that was\n"
        "sealed or deleted, each with the hash of the line before. Finds a changed or damaged file and the block in\n"
        "it, a missing or extra file, a manifest line that was changed or taken out. Files that expired are fine.\n"
        "The last lines of a manifest can be cut without a trace: keep its last line elsewhere to see that too.\n\n"
        "  --quick  manifest, sizes and the index of each file; no content is read\n"
        "           (without either: SHA-256 of each file; checksums of the blocks of files without one)\n"
        "  --deep   unpacks everything, counts lines, and holds each index against what its blocks hold\n"
        "  --json   a line of JSON for each problem, and one with the sums\n\n"
        "Exit code: 0 all fine, 1 problems, 2 something could not be read.\n\n"
        "  logboom verify /var/log/logboom\n",
    .run = run,
};
