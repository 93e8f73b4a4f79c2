/*
 * tail.h - following files: what the parts of tail*.c share.
 *
 * A tail follows every file that its globs match. It belongs to one source
 * and one thread, and nothing in it waits: lb_tail_turn() reads at most one
 * slab of each ready file, so 10,000 files share the loop fairly. A quiet
 * file costs this struct and its path; nothing is buffered for it: an
 * unfinished line stays in its file and is read again by offset.
 *
 * A file is known by device and inode and by what it begins with, never by
 * its name: renaming it changes nothing but `path`. In reading order:
 *   tail_glob   patterns          tail_identity  who a file is, its stream
 *   tail_scan   finding files     tail_rotate    renamed, deleted, truncated
 *   tail_watch  inotify           tail_siblings  copies, rotated logs
 *   tail_since  since when        tail_read      one slab
 *   tail_file   table of files    tail_packed    the same of a .gz, .zst
 *   tail_names  {name}            tail_unpack    what is in a .gz, .zst
 *   tail_lines  lines in a slab   tail_delete    `after: delete`
 *   tail        turns and ticks
 *   tail_source the loop around all this
 */
#ifndef LB_TAIL_H
#define LB_TAIL_H

#include "lb_encoding.h"
#include "lb_limits.h"
#include "lb_metrics.h"
#include "lb_source.h"
#include "tail_map.h"
#include "tail_unpack.h"

#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/types.h>

enum {
    LB_TAIL_HEAD_BYTES = 256,  /* the fingerprint covers so much of the front of a file */
    LB_TAIL_MARKER_BYTES = 64, /* and the marker so much of what was read last */
    LB_TAIL_FDS_MAX = 512,     /* descriptors held, but for files that only a descriptor can reach */
    LB_TAIL_EVENTS_MAX = LB_SLAB_LARGE / 64 + 16,
    LB_TAIL_SCRATCH_BYTES = 64 * 1024,
    LB_TAIL_FIND_TRIES = 10, /* of a file that is renamed while it is looked for */
    LB_TAIL_NAMES_MAX = 8,   /* `{name}` in one pattern */
};

enum lb_tail_from { LB_TAIL_FROM_HEAD, LB_TAIL_FROM_END };
enum lb_tail_after { LB_TAIL_AFTER_KEEP, LB_TAIL_AFTER_DELETE };

/* The first member of the state of every source that tails. */
struct lb_tail_options {
    struct lb_strs include;
    struct lb_strs exclude;
    int read_from; /* enum lb_tail_from, of files that are there at the first start */
    int64_t ignore_older_ns;
    int64_t poll_ns;
    int64_t line_timeout_ns; /* 0: a last line waits for its newline */
    int after;               /* enum lb_tail_after: what becomes of a file that everybody has */
};

struct lb_tail;

/* What differs between the sources. */
struct lb_tail_kind {
    /* Optional: adds to the static part of a new stream. `path` is the file as the glob found it. */
    void (*describe)(struct lb_stream *stream, const char *path);

    /*
     * Optional: how many of the batch's events, counted from the first, make a batch that needs no neighbour; the
     * source's `multiline:` is kept in mind. `scratch` has room for a number for each event. Without it events are
     * lines, which are put together here.
     */
    uint32_t (*whole)(const struct lb_batch *batch, const struct lb_multiline *rule, uint32_t *scratch);

    /* Optional: a look at all files, once a second; `now` is monotonic. */
    void (*look)(const struct lb_tail *self, int64_t now);
};

/* The content that a file had when its identity was written, and where it was. `length` 0: none yet. */
struct lb_tail_identity {
    uint64_t device;
    uint64_t inode;
    uint64_t fingerprint; /* XXH64 of the first `length` bytes */
    uint32_t length;
    uint64_t start;  /* positions before it are not ours: `read_from: end` */
    int64_t born_ns; /* Unix time at which its stream was made */
    uint64_t done;   /* of a compressed file that everybody has: its size then; 0: it has to be read */
};

struct lb_tail_file {
    struct lb_tail_identity identity;
    uint64_t id; /* of the stream that the ledger knows for it; 0: a new one */
    struct lb_stream *stream;
    char *path;       /* where it is, symbolic links resolved */
    char *name;       /* as it was found */
    uint64_t offset;  /* all before it was pushed; of a compressed file, in its text */
    uint64_t pushed;  /* behind the last event of this run, or where it began: blank lines move no mark */
    uint64_t size;    /* as last seen */
    uint64_t scanned; /* no line ends in [offset, scanned) */
    uint64_t marker;  /* XXH64 of the `marker_len` bytes before `offset` */
    int64_t modified_ns;
    int64_t changed_ns;  /* monotonic: when it was last seen to grow */
    int64_t open_ns;     /* monotonic: since when a run of parts waits for its end; 0: none */
    int64_t hold_ns;     /* monotonic: not read before, it may be a copy of another file; 0: read it */
    uint32_t index;      /* in tail->files */
    uint32_t wanted;     /* bytes of the next slab, at least */
    uint32_t generation; /* of the scan that saw it last */
    int fd;
    uint8_t marker_len;
    bool ready;
    bool fresh;      /* its stream was opened just now */
    bool checked;    /* it is no copy of another, or was one before we came */
    bool rotated;    /* it lost its name: nobody should write to it for much longer */
    bool gone;       /* no path leads to it; only the descriptor does */
    bool unreadable; /* told once; tried again at each tick */
    bool finished;   /* compressed: read to its end, until it changes */
    bool bad;        /* and that was none */
    bool kept;       /* it cannot be deleted; told once */
    uint8_t packed;  /* enum lb_unpack_kind */
    TAILQ_ENTRY(lb_tail_file) ready_link;
    TAILQ_ENTRY(lb_tail_file) fd_link;
};

TAILQ_HEAD(lb_tail_queue, lb_tail_file);

/* An identity of the ledger for which no file was found yet. */
struct lb_tail_known {
    uint64_t id;
    struct lb_tail_identity identity;
    char *path;
    bool claimed;
};

struct lb_tail_dir {
    char *path;
    int wd;
    uint32_t generation;
    bool search; /* for logs that were missed */
};

struct lb_tail_watch {
    int fd;                     /* -1: inotify is not to be had */
    struct lb_tail_map by_path; /* of struct lb_tail_dir */
    struct lb_tail_map by_wd;   /* one wd may have several paths */
    bool missed;                /* events, since the last scan */
    bool blind;                 /* some directory can only be polled */
    bool complained;
};

struct lb_tail_metrics {
    struct lb_metric *files;
    struct lb_metric *bytes;
    struct lb_metric *lines;
    struct lb_metric *truncated;
    struct lb_metric *rotations;
    struct lb_metric *lag;
};

struct lb_tail {
    struct lb_source *source;
    struct lb_tail_options options; /* patterns made absolute; owned */
    const struct lb_tail_kind *kind;
    struct lb_arena arena; /* of the patterns */

    struct lb_tail_file **files;
    uint32_t file_count;
    size_t file_capacity;
    struct lb_tail_map by_inode;
    struct lb_tail_map by_path; /* by lb_tail_file.path */
    struct lb_tail_queue ready;
    struct lb_tail_queue fds; /* oldest use first */
    uint32_t fd_count;

    struct lb_tail_watch watch;
    struct lb_tail_known *known;
    uint32_t known_count;
    struct lb_tail_map known_by_inode;
    struct lb_tail_map known_by_path;
    struct lb_tail_map known_by_log; /* by the path that a log has, or had before it was rotated */
    bool starting;                   /* what is found now was there before us */
    bool scan_wanted;
    int64_t scan_after_ns; /* monotonic: scans must not eat the loop */
    int64_t scan_due_ns;   /* and the next one that comes by time alone */
    int64_t started_ns;    /* Unix time */
    int64_t *since_ns;     /* Unix time since when each pattern is followed; 0: not known yet */
    bool returned;         /* some pattern was followed by an earlier run */
    uint64_t since_gone;   /* the note of a pattern that is no more; 0: none */
    bool search_wanted;    /* some directory is to be searched for logs that were missed */
    bool unopened;         /* some stream could not be opened: try again at the next tick */
    bool refused;          /* by the ledger, or for want of memory */
    uint32_t generation;

    struct lb_tail_packed *packed; /* the compressed file that is being read; NULL: there was none yet */

    uint32_t event_bytes; /* recent average: how much to read until the event table is full */
    struct lb_tail_metrics metrics;
    uint32_t ends[LB_TAIL_EVENTS_MAX];
    char scratch[LB_TAIL_SCRATCH_BYTES];
};

/* --- tail.c ---------------------------------------------------------------- */

/* What is left to do after a turn. */
enum lb_tail_next {
    LB_TAIL_DONE, /* every file is read as far as it can be */
    LB_TAIL_MORE, /* call again at once */
    LB_TAIL_SOON, /* call again in some milliseconds */
    LB_TAIL_WAIT, /* no credit: lb_share_on_credit() will call */
};

/* NULL: out of memory. `options` are copied. */
struct lb_tail *lb_tail_new(struct lb_source *source, const struct lb_tail_options *options,
                            const struct lb_tail_kind *kind);
void lb_tail_free(struct lb_tail *self);

/* Loads what the ledger knows, finds all files, and takes up each where it was left. */
void lb_tail_start(struct lb_tail *self);
enum lb_tail_next lb_tail_turn(struct lb_tail *self);

/* Once a second: what became ready by time alone. */
void lb_tail_tick(struct lb_tail *self);
void lb_tail_ready(struct lb_tail *self, struct lb_tail_file *file);

/* --- tail_glob.c ------------------------------------------------------------ */

/* Visits every directory that can hold a match (`path` ends without a slash) and every matching entry. */
struct lb_glob_visitor {
    void (*directory)(void *context, const char *path);
    void (*match)(void *context, const char *path);
    void *context;
};

void lb_glob_walk(const char *pattern, const struct lb_glob_visitor *visitor);
bool lb_glob_match(const char *pattern, const char *path);

/* Length of the part of `pattern` before its first component with a wildcard, without the last slash. */
size_t lb_glob_base(const char *pattern);

/* The ending by which `path` is that of a compressed file; NULL: none. */
const char *lb_tail_packed(const char *path);

/* True when the patterns cover that path, be it the name of a compressed file or not. */
bool lb_tail_covers(const struct lb_tail_options *options, const char *path);

/* True when a tail with these options would read a file of that path. */
bool lb_tail_matches(const struct lb_tail_options *options, const char *path);
bool lb_tail_excludes(const struct lb_tail_options *options, const char *path);

/* --- tail_names.c ------------------------------------------------------------------- */

struct lb_tail_name {
    struct lb_str name;
    struct lb_str value;
};

struct lb_tail_names {
    struct lb_tail_name items[LB_TAIL_NAMES_MAX];
    uint32_t count;
};

/* Of the `{name}` that `text` begins with; 0: it begins with none. */
size_t lb_tail_name_length(const char *text);

/* What the names of `pattern` stand for in `path`; slices of both. False: the pattern does not match. */
bool lb_tail_read_names(const char *pattern, const char *path, struct lb_tail_names *names);

/* The names become static parts of the file's stream. */
void lb_tail_describe_names(const struct lb_tail *self, const struct lb_tail_file *file);
void lb_tail_check_names(const struct lb_source *source, const struct lb_strs *include, struct lb_diag *diag);

/* --- tail_scan.c ------------------------------------------------------------- */

void lb_tail_scan(struct lb_tail *self); /* all globs, all known files */

/* Something may have happened at `path`: a new file, a renamed one, a removed one. */
void lb_tail_look(struct lb_tail *self, const char *path);

/* --- tail_watch.c -------------------------------------------------------------- */

void lb_tail_watch_open(struct lb_tail *self);
void lb_tail_watch_close(struct lb_tail *self);
void lb_tail_watch_directory(struct lb_tail *self, const char *path);
void lb_tail_watch_parent(struct lb_tail *self, const char *path); /* the directory that `path` is in */
void lb_tail_watch_search(struct lb_tail *self, const char *path); /* wants the directory of `path` searched */
void lb_tail_watch_search_all(struct lb_tail *self);
void lb_tail_watch_searches(struct lb_tail *self); /* searches all that are wanted */
void lb_tail_watch_sweep(struct lb_tail *self);    /* drops those that the last scan did not meet */
void lb_tail_watch_drain(struct lb_tail *self);    /* acts on all events that wait */

/* --- tail_identity.c ------------------------------------------------------------ */

void lb_tail_load_known(struct lb_tail *self);

/* Gives `file` the stream of the known identity that it matches. */
bool lb_tail_adopt(struct lb_tail *self, struct lb_tail_file *file);

/* True when the ledger had a file of that path at the start. */
bool lb_tail_is_known(const struct lb_tail *self, const char *path);

/* At the start, when all files are found: looks for the rest where rotation puts it, forgets what is surely gone. */
void lb_tail_settle_known(struct lb_tail *self);

/* Opens the streams of ready files that have none, `max` at most, with one fsync. */
void lb_tail_open_streams(struct lb_tail *self, uint32_t max);

/* Tells the ledger what the file is now called and begins with. */
void lb_tail_identify(struct lb_tail_file *file);

/* What a look at some bytes says. What cannot be read now is no other file: taking it for one would read all again. */
enum lb_tail_match { LB_TAIL_OTHER, LB_TAIL_SAME, LB_TAIL_UNKNOWN };

/* Are the first bytes behind `fd` still those of the identity? */
enum lb_tail_match lb_tail_match_head(const struct lb_tail_identity *identity, int fd);

/* The same for the file that `path` leads to. */
enum lb_tail_match lb_tail_match_path(const struct lb_tail_identity *identity, const char *path);

/* Are the bytes before file->offset those that were read? */
enum lb_tail_match lb_tail_match_marker(const struct lb_tail_file *file, int fd);

/*
 * As far as there is enough of it now, lets the fingerprint cover more. True when it changed. `read`, or NULL: what was
 * read of the file last. Where the file holds something else by now, it was truncated, and the fingerprint stays.
 */
bool lb_tail_grow_head(struct lb_tail_identity *identity, int fd, const struct lb_batch *read);

/* --- tail_rotate.c ---------------------------------------------------------------- */

/* `path` leads to the file now. */
void lb_tail_renamed(struct lb_tail *self, struct lb_tail_file *file, const char *path);

/* file->path leads to it no more: looks for it under another name; if it has none it is `gone`. */
void lb_tail_missing(struct lb_tail *self, struct lb_tail_file *file);

/* It is shorter than it was, or begins otherwise: a new log in the same file. */
void lb_tail_truncated(struct lb_tail *self, struct lb_tail_file *file);

/* --- tail_siblings.c ---------------------------------------------------------------- */

/* Finds, in the directory of `path`, the file with that inode. `found` has room for PATH_MAX bytes. */
bool lb_tail_find_inode(const char *path, const struct lb_tail_identity *identity, char *found);

/*
 * Finds a copy of at least `size` bytes, beside `path`, of what was the file of that identity. `marked`, or NULL: the
 * file whose marker the copy must have.
 */
struct lb_tail_file *lb_tail_find_copy(struct lb_tail *self, const char *path, const struct lb_tail_identity *identity,
                                       uint64_t size, const struct lb_tail_file *marked);

/*
 * Finds a file without a stream, of at least `size` bytes, that begins as `known` did, and whose path ends most like
 * the one that `known` had, at least in the name: what was copied or moved from another host or disk. NULL: there is
 * none, or several are as near.
 */
struct lb_tail_file *lb_tail_find_moved(struct lb_tail *self, const struct lb_tail_known *known, uint64_t size);

/*
 * Would `path` be a rotated log of ours? app.log.1, app.log-20260101, app.1.log and app-20260101.log are names of
 * app.log, whose path goes to `log` (room for PATH_MAX bytes).
 */
bool lb_tail_log_name(const struct lb_tail *self, const char *path, char *log);

/* True when the new file behind `fd` begins like one that is read: it may be a copy in the making. */
bool lb_tail_is_copy(const struct lb_tail *self, const struct lb_tail_file *file, int fd);

/* A log that `file` may be a copy of was truncated, and that was not seen: its stream may yet go over to `file`. */
bool lb_tail_may_take_over(struct lb_tail *self, const struct lb_tail_file *file);

/* Takes up logs of ours that were rotated in that directory before we saw them. */
void lb_tail_find_missed(struct lb_tail *self, const char *directory);

/* The clock by which file systems stamp changes; it ticks behind lb_clock_now(), and no test sets it. */
int64_t lb_tail_file_time(void);

/* Remembers, for each log, the first of its streams that is still known. */
void lb_tail_note_log(struct lb_tail *self, struct lb_tail_known *known);

/* When the first stream of a log was made that is still known; INT64_MAX: none is. */
int64_t lb_tail_log_born(const struct lb_tail *self, const char *log);

/* --- tail_since.c ------------------------------------------------------------------- */

/* True when an identity of the ledger is a note of since when a pattern is followed. */
bool lb_tail_read_since(struct lb_tail *self, uint64_t id, struct lb_str note);

/* At the start: notes it for the patterns that are new. */
void lb_tail_note_since(struct lb_tail *self);

/* What was written to a log before is none of ours. */
int64_t lb_tail_followed_since(const struct lb_tail *self, const char *log);

/* --- tail_file.c -------------------------------------------------------------------- */

/* NULL: out of memory; logged. */
struct lb_tail_file *lb_tail_add(struct lb_tail *self, const char *path, const struct stat *status);

/* Lets go of a file; its position stays in the ledger. */
void lb_tail_release(struct lb_tail *self, struct lb_tail_file *file);

/* The same for one of which nothing can ever be read again: its position is forgotten. */
void lb_tail_drop(struct lb_tail *self, struct lb_tail_file *file);
struct lb_tail_file *lb_tail_find(struct lb_tail *self, uint64_t device, uint64_t inode);
struct lb_tail_file *lb_tail_find_path(struct lb_tail *self, const char *path);
bool lb_tail_set_path(struct lb_tail *self, struct lb_tail_file *file, const char *path);

/* Sees to it that file->fd is open. False: not now, or never again if the file is gone. */
bool lb_tail_file_open(struct lb_tail *self, struct lb_tail_file *file);
void lb_tail_file_close(struct lb_tail *self, struct lb_tail_file *file);

/* To be read. What fails for a moment only is tried again; below 0: errno says why. */
int lb_tail_open_path(const char *path);

/* The same where `path` leads to that file; else -1 with ESTALE: it was renamed since that was seen. */
int lb_tail_open_inode(const char *path, uint64_t device, uint64_t inode);

/* Reads `length` bytes, fewer only where the file ends, however little the kernel gives at once. Below 0: not now. */
ssize_t lb_tail_pread(int fd, char *bytes, size_t length, uint64_t offset);

/* True when a path leads to the file of that identity. */
bool lb_tail_leads_to(const char *path, const struct lb_tail_identity *identity);
int64_t lb_tail_mtime(const struct stat *status);

/* Makes room for `bytes` in the arena of a stream, in a chunk of just that size: there may be 10,000 streams. */
void lb_tail_reserve(struct lb_stream *stream, size_t bytes);

/* --- tail_read.c --------------------------------------------------------------------- */

enum lb_tail_step {
    LB_TAIL_STEP_MORE,
    LB_TAIL_STEP_IDLE,
    LB_TAIL_STEP_NO_CREDIT,
};

/* Pushes at most one batch. */
enum lb_tail_step lb_tail_read(struct lb_tail *self, struct lb_tail_file *file);

/*
 * Pushes the batch, or gives it back when it has no event; either way the file goes on at `end`. How many events of a
 * batch need nothing of what is not read yet.
 */
void lb_tail_hand_on(struct lb_tail *self, struct lb_tail_file *file, struct lb_batch *batch, uint64_t end);
uint32_t lb_tail_count_whole(struct lb_tail *self, struct lb_batch *batch);

/* Says once that the file cannot be read now; nothing of it is given up. */
void lb_tail_read_failed(struct lb_tail *self, struct lb_tail_file *file);

/* --- tail_packed.c -------------------------------------------------------------------- */

enum lb_tail_step lb_tail_read_packed(struct lb_tail *self, struct lb_tail_file *file);

/* Each tick: what waits for the others, or for bytes that are missing; and notes what everybody has. */
void lb_tail_tick_packed(struct lb_tail *self, struct lb_tail_file *file);

/* Bytes of a compressed file that were not looked at yet. */
uint64_t lb_tail_packed_unread(const struct lb_tail *self, const struct lb_tail_file *file);
void lb_tail_packed_let_go(struct lb_tail *self, const struct lb_tail_file *file); /* the file goes, or begins anew */
void lb_tail_packed_free(struct lb_tail *self);
void lb_tail_check_packed(const struct lb_source *source, const struct lb_strs *include, struct lb_diag *diag);

/* --- tail_delete.c -------------------------------------------------------------------- */

/* Each tick: with `after: delete`, removes the file when everybody has all of it. True: it was let go. */
bool lb_tail_delete(struct lb_tail *self, struct lb_tail_file *file, int64_t now);

/* --- tail_lines.c ---------------------------------------------------------------------- */

/* Events that a slab may hold, so that the arena of small lines stays in proportion; and the bytes beside them. */
uint32_t lb_lines_max(uint32_t capacity);
size_t lb_lines_room(uint32_t capacity);
size_t lb_lines_slab(size_t bytes); /* the slab to ask for so that `bytes` fit */

/*
 * Notes the complete lines of bytes[0, length), without their CR LF; empty ones are left out, longer ones than
 * `max_line` cut. `ends` has room for LB_TAIL_EVENTS_MAX. Returns the index behind the last line; `full` when it
 * stopped for want of events.
 */
size_t lb_lines_note(struct lb_batch *batch, size_t length, size_t max_line, uint32_t *ends, bool *full);

/* The same where line ends are two or four bytes wide. */
size_t lb_lines_note_wide(struct lb_batch *batch, size_t length, size_t max_line, const struct lb_encoding *encoding,
                          bool *full);

/* Notes bytes[start, start + length), which no newline ends, as one event; nothing if it is empty. */
void lb_lines_note_rest(struct lb_batch *batch, size_t start, size_t length, size_t max_line);

/*
 * Puts the lines that are one event together in the table. An event never exceeds `max_line`: what would be longer goes
 * on as another. Returns how many are surely whole: all, or all but the last.
 */
uint32_t lb_lines_join(struct lb_batch *batch, const struct lb_multiline *rule, size_t max_line);

/* Length to which a line is cut, at most `max_line`, not inside a UTF-8 sequence. */
size_t lb_lines_cut(const char *line, size_t max_line);

/* --- tail_source.c ------------------------------------------------------------------------ */

struct lb_tail_state {
    struct lb_tail_options options;
    struct lb_str encoding_name; /* of text files; empty: UTF-8 */
    struct lb_encoding encoding;
    struct lb_tail_runner *runner;
};

extern const char *const lb_tail_from_words[];

/* The options that all of them take besides `include`. */
#define LB_TAIL_OPTIONS                                                                                                \
    { .name = "exclude",                                                                                               \
      .kind = LB_OPTION_STRINGS,                                                                                       \
      .offset = offsetof(struct lb_tail_state, options.exclude),                                                       \
      .help = "patterns of files to leave out; one without a slash is compared with the last part of the path" },      \
        { .name = "read_from",                                                                                         \
          .kind = LB_OPTION_CHOICE,                                                                                    \
          .offset = offsetof(struct lb_tail_state, options.read_from),                                                 \
          .fallback = "head",                                                                                          \
          .help = "where to begin in files that exist at the first start; later ones are read from their head",        \
          .choices = lb_tail_from_words },                                                                             \
        { .name = "ignore_older",                                                                                      \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = offsetof(struct lb_tail_state, options.ignore_older_ns),                                           \
          .fallback = "0s",                                                                                            \
          .help = "of files not changed for so long, skip what they hold; 0s reads all",                               \
          .max = INT64_MAX },                                                                                          \
    {                                                                                                                  \
        .name = "poll", .kind = LB_OPTION_DURATION, .offset = offsetof(struct lb_tail_state, options.poll_ns),         \
        .fallback = "1s",                                                                                              \
        .help = "how often to look for changes where inotify cannot tell of them, as on network file systems",         \
        .min = 100 * LB_MILLISECOND, .max = 3600 * LB_SECOND                                                           \
    }

enum lb_err lb_tail_source_open(struct lb_source *source, const struct lb_tail_kind *kind, struct lb_diag *diag);
enum lb_err lb_tail_source_check(struct lb_source *source, struct lb_diag *diag);
bool lb_tail_source_reads(const struct lb_source *source, const char *path);
void lb_tail_source_stop(struct lb_source *source);
void lb_tail_source_resume(struct lb_source *source);
void lb_tail_source_close(struct lb_source *source);

#endif
