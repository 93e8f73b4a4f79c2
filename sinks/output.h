/*
 * output.h - files that grow by commits: what the archive and the file sink
 * share.
 *
 *   record ─▶ partition (one per rendered path: a buffer) ─▶ file ─▶ commit
 *
 * A file is made under a hidden name with its first data. Before it takes its
 * real name, its length is in the ledger as 0; from then on each commit
 * notes how long it is, in one transaction with the marks. So after a crash
 * every file can be cut to what the marks stand for. A file that takes no
 * more is forgotten by the ledger, in the commit that holds its last bytes.
 *
 * Everything here belongs to the sink's thread, after open().
 */
#ifndef LB_OUTPUT_H
#define LB_OUTPUT_H

#include "lb_buffer.h"
#include "lb_format.h"
#include "lb_metrics.h"
#include "lb_sink.h"
#include "lb_template.h"

#include <sys/stat.h>
#include <sys/types.h>

enum {
    OUTPUT_CHUNK = 1024 * 1024,           /* the most raw bytes that go into one append, unless one line is longer */
    OUTPUT_PARTITIONS_MAX = 8192,         /* further ones are written together, as service `_other`, */
    OUTPUT_SERVICES_MAX = 4096,           /* and so are the records of further services */
    OUTPUT_FRAME_PADDING = 32,            /* at most so much stands behind a frame */
    OUTPUT_JOURNAL_MIN = 4 * 1024 * 1024, /* what is not synced: this, or `buffer` if that is larger */
    OUTPUT_BUCKETS = 2048,
    OUTPUT_CACHE = 64, /* a power of two */
    OUTPUT_CACHED_NAME = 64,
    OUTPUT_NAME_MAX = 200, /* of a path component; leaves room for a number */
};

struct output;
struct sealer;

/* A file on disk that may still grow. */
struct output_file {
    struct output_file *next;
    struct output_partition *partition; /* NULL: it takes no more */
    struct output_partition *home;      /* where its records come from, up to the commit that finishes it */
    char *path;                         /* NULL while hidden and without a number */
    char *base;                         /* while hidden: its path if it gets number 1 */
    char *temp;                         /* while hidden: its name */
    uint64_t path_hash;
    int fd; /* -1: closed, to be opened again */
    uint64_t inode;
    uint32_t number;
    uint64_t length;    /* of the data, always whole lines and frames */
    uint64_t end;       /* of the file: behind the reserve */
    uint64_t synced;    /* length that is safe on disk */
    uint64_t committed; /* length that the ledger knows */
    int64_t first_ns;   /* Unix time of its first byte */
    int64_t last_ns;    /* and of the last append */
    bool hidden;
    bool known;    /* in the ledger */
    bool dirty;    /* not fdatasynced */
    bool lost;     /* an fsync failed: only what was synced before is right, and it must be cut to that */
    bool fresh;    /* its directory entry is not synced */
    bool finished; /* with the next commit the ledger forgets it */
    bool renaming; /* and then it makes room for a successor */
};

/* All records of one rendered path. */
struct output_partition {
    struct output_partition *next; /* of its bucket */
    struct output_partition *next_full;
    uint64_t hash;
    struct lb_buffer buffer;
    struct output_file *file;
    int64_t oldest;       /* monotonic: when the first byte of the buffer came */
    uint64_t serial;      /* of the last write() that touched it, */
    size_t length_before; /* and the buffer's length before that */
    bool full;            /* in the list of full ones */
    size_t path_len;
    char path[];
};

/* What differs between archives and plain files. */
struct output_kind {
    bool numbered; /* a full file's successor gets the next number; otherwise the full one is renamed to it */
    size_t full;   /* a partition with so much in its buffer is written */

    /*
     * Appends whole lines; a reader never meets a half. `bytes`: what stands in the file for them, valid until the next
     * call. On false errno says why and the file is as it was.
     */
    bool (*append)(struct output *self, struct output_file *file, struct lb_str lines, struct lb_str *bytes);

    /* Appends such bytes to another file. */
    bool (*append_bytes)(struct output_file *file, struct lb_str bytes);

    /* Could we have written just the first `length` bytes of a file? */
    bool (*is_ours)(int fd, uint64_t length);

    /* Makes an open file of `size` bytes end with its first file->length; sets file->end. On false errno says why. */
    bool (*cut)(struct output_file *file, int fd, uint64_t size);
};

/* An append whose bytes are kept until its file is synced. */
struct output_entry {
    struct output_file *file;
    uint64_t offset; /* in the file */
    size_t start;    /* in the journal */
    size_t len;
};

/* An open directory, and a name in it. */
struct output_place {
    int directory;
    const char *name;
};

struct output_cache_entry {
    struct output_partition *partition; /* NULL: empty */
    int64_t slot;
    uint8_t kind;
    uint8_t len;
    char service[OUTPUT_CACHED_NAME];
};

/* A template's shape, to know the files that it makes. output_path.c */
struct output_pattern {
    char *text;             /* with codes for fields, digits and the number */
    size_t root_len;        /* of the leading components that are constant */
    size_t extension_len;   /* what stands behind the number */
    int64_t granularity_ns; /* the date in a path changes at most so often */
    char finest;            /* the letter of the shortest part of a date in it; NUL: there is none */
    bool by_service;        /* depends on nothing but date and service */
};

/* First member of a sink's state, so that option tables reach it. */
struct output {
    const struct lb_template *template;
    int format; /* enum lb_format */
    int64_t flush_ns;
    uint64_t rotate_size; /* 0: never */
    int64_t rotate_every_ns;
    int64_t keep_at_least_ns;
    int64_t keep_age_ns;
    uint64_t keep_size;
    uint64_t keep_count;
    uint64_t keep_free;
    int64_t keep_service_age_ns;
    uint64_t keep_service_size;
    uint64_t keep_service_count;
    uint64_t buffer_bytes; /* so many may wait in all partitions; their memory is at most twice that */
    uint64_t open_max;

    struct lb_sink *sink;
    const struct output_kind *kind;
    struct output_pattern pattern;
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    struct lb_buffer path; /* rendered */
    uint64_t serial;
    uint64_t temp_count;
    size_t buffered; /* bytes that wait in all partition buffers, */
    size_t held;     /* and the memory of these */
    struct output_partition *full;
    struct output_partition *buckets[OUTPUT_BUCKETS];
    uint32_t partition_count;
    uint64_t *services; /* hashes of those that were seen or have files; a table twice as large as may be in it */
    uint32_t service_count;
    struct output_cache_entry cache[OUTPUT_CACHE];
    struct output_file *files;
    struct output_file **files_tail;
    uint32_t open_count;
    uint32_t hidden_count;
    struct lb_ledger_txn intentions;
    int64_t flush_at;     /* monotonic: when the oldest buffered byte is due; INT64_MAX: nothing is buffered */
    int64_t retention_at; /* monotonic */
    bool root_durable;    /* the constant directory and those above it are on disk */
    bool stalled;         /* a write failed: nothing is taken until it succeeds */

    struct lb_buffer journal; /* bytes of the appends since the last sync, */
    size_t journal_max;       /* at most so many, */
    struct output_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    bool redo; /* some of them must be written again */

    struct sealer *sealer;      /* NULL: finished files stay as they are */
    struct lb_metric *deleted;  /* files */
    struct lb_metric *given_up; /* files */
    int64_t idle_at;            /* monotonic: when to look for files that are finished without a commit */
    int64_t around_at;          /* and for files that nobody sealed */
    bool disk_full;             /* the last write found it so */
};

/* --- output_retention.c: `keep`, of both sinks: their state begins with struct output ------ */

extern const struct lb_option output_keep_options[];

/* --- output.c: the life of a sink ------------------------------------------------ */

enum lb_err output_check(struct output *self, struct lb_sink *sink, struct lb_diag *diag);
enum lb_err output_open(struct output *self, struct lb_sink *sink, const struct output_kind *kind,
                        struct lb_diag *diag);
enum lb_err output_write(struct output *self, const struct lb_batch *batch, const struct lb_selection *selection);
int64_t output_tick(struct output *self, int64_t now);
enum lb_err output_commit(struct output *self, struct lb_ledger_txn *txn);
void output_committed(struct output *self);
void output_flush_now(struct output *self); /* a reader asks: what is buffered becomes visible */
void output_close(struct output *self);
bool output_writes(const struct output *self, const char *path);

/* Says that `what` failed for errno, and stalls the sink. Returns false. */
bool output_trouble(struct output *self, const char *what, const char *path);

/* --- output_control.c: tells readers of an archive whom to ask ------------------- */

void output_note_control(const struct output *self);

/* --- output_buffer.c: from partitions to files ------------------------------------ */

bool output_flush(struct output *self, struct output_partition *partition);
bool output_flush_all(struct output *self);
bool output_flush_aged(struct output *self, int64_t now); /* and publishes; sets flush_at */
bool output_relieve(struct output *self); /* writes what is full, and the largest while too much is held */

/* --- output_partition.c ------------------------------------------------------------ */

/* The partition of a record, or NULL: no memory. */
struct output_partition *output_partition_of(struct output *self, const struct lb_batch *batch,
                                             const struct lb_record *record);
struct output_partition *output_partition_get(struct output *self, struct lb_str path);
bool output_service_note(struct output *self, const char *path); /* false: it is one service too many */
void output_partitions_prune(struct output *self);               /* drops those without file and data */
void output_partitions_free(struct output *self);

/* --- output_file.c: making, opening and closing files -------------------------------- */

struct output_file *output_file_new(struct output *self);
void output_file_remove(struct output *self, struct output_file *file); /* from the list; closes and frees it */
bool output_file_create(struct output *self, struct output_partition *partition);
bool output_file_ready(struct output *self, struct output_partition *partition); /* there is an open file */
bool output_file_shut(struct output *self, struct output_file *file);            /* syncs and closes */
bool output_file_trim(struct output *self, struct output_file *file);            /* gives the reserve back */
void output_file_finish(struct output_file *file);
bool output_file_sync(struct output *self, struct output_file *file);    /* a file that fails is given up */
void output_file_written(struct output *self, struct output_file *file); /* after an append */
void output_file_close(struct output *self, struct output_file *file);
void output_file_unhide(struct output *self, struct output_file *file); /* removes it, while it is hidden */

/* --- output_name.c: real names ---------------------------------------------------------- */

bool output_publish(struct output *self);                                    /* hidden files get their names */
void output_file_rename_full(struct output *self, struct output_file *file); /* path → the next free number */
bool output_file_move_aside(struct output *self, struct output_file *file);  /* that too, before its commit */
bool output_set_aside(struct output *self, const struct output_file *file);  /* what stands under its path */
bool output_commit_intentions(struct output *self);
bool output_sync_directories(struct output *self);

/* --- output_journal.c: what is not synced --------------------------------------------------- */

bool output_journal_room(struct output *self, size_t size); /* before an append; syncs all when it is full */
void output_journal_add(struct output *self, struct output_file *file, uint64_t offset, struct lb_str bytes);
void output_journal_reset(struct output *self); /* all files are synced */
void output_journal_free(struct output *self);
bool output_sync_all(struct output *self);
void output_file_give_up(struct output *self, struct output_file *file);
bool output_redo(struct output *self); /* writes again what was in files that were given up */
void output_bury(struct output *self, struct output_file *file);

/* --- output_directory.c: the files' directories, without symbolic links ----------------------- */

/* False: errno says why. `make`: with all directories that are missing. */
bool output_place_open(const struct output *self, const char *path, bool make, struct output_place *place);
void output_place_close(struct output_place *place);
int output_open_at(const struct output *self, const char *path, int flags, bool make);
bool output_stat_at(const struct output *self, const char *path, struct stat *status);
bool output_unlink_at(const struct output *self, const char *path);
bool output_rename_at(const struct output *self, const char *from, const char *to); /* never over a file */
bool output_sync_parent(const struct output *self, const char *path); /* and those above it, from the constant one on */
bool output_sync_root(struct output *self);                           /* what is above the constant directory, once */

/* --- output_ledger.c: what the ledger knows of files ---------------------------------- */

void output_ledger_put(struct output *self, struct lb_ledger_txn *txn, const struct output_file *file, uint64_t length);
void output_ledger_delete(struct output *self, struct lb_ledger_txn *txn, const struct output_file *file);
bool output_ledger_knows(const struct output *self, const char *path); /* this or another sink writes it */
enum lb_err output_ledger_load(struct output *self, struct lb_diag *diag);

/* --- output_path.c: patterns and numbers ------------------------------------------------ */

bool output_pattern_open(struct output_pattern *pattern, const struct lb_template *template);
void output_pattern_free(struct output_pattern *pattern);
struct lb_str output_pattern_service(const struct output_pattern *pattern, const char *path);    /* empty: not in it */
bool output_pattern_same_date(const struct output_pattern *pattern, int64_t a_ns, int64_t b_ns); /* in the path */
bool output_pattern_matches(const struct output_pattern *pattern, const char *path);
bool output_component_matches(const char *component, const char *name); /* a part of the pattern between slashes */

/* "a.jsonl.zst", 2 → "a.2.jsonl.zst"; number 1 is the path itself. On the heap; NULL: no memory. */
char *output_path_numbered(const struct output_pattern *pattern, struct lb_str base, uint32_t number);

/* The other way; the slice has the length of the base in `buffer`, which is as long as `path`. */
struct lb_str output_path_base(const struct output_pattern *pattern, struct lb_str path, uint32_t number, char *buffer);

/* --- output_walk.c: the files there are --------------------------------------------------- */

struct output_found {
    const char *path;
    uint64_t inode;
    uint64_t bytes; /* on disk */
    int64_t written_ns;
    bool temporary; /* a hidden file that a crash left */
    bool writable;  /* by its mode; a sealed file is not */
    bool held;      /* `hold` or `.hold` stands beside it or above */
};

/* Visits each file below the constant directory that the template could have made. */
void output_walk(const struct output *self, void (*visit)(void *context, const struct output_found *found),
                 void *context);

/* The sink still writes it. */
bool output_is_in_use(const struct output *self, const struct output_found *found);

/* The names of this sink's hidden files begin with it. */
void output_temp_prefix(const struct output *self, char *out, size_t size);

/* --- output_retention.c --------------------------------------------------------------------- */

/* False: there is more to delete. */
bool output_retain(struct output *self);

/* --- output_finish.c: files that take no more -------------------------------------------------- */

void output_finish_due(struct output *self, struct output_file *file, int64_t now);
void output_retire(struct output *self, struct output_file *file); /* the ledger has forgotten it */
bool output_finish_idle(struct output *self);                      /* those that no commit would come to */
void output_look_around(struct output *self);                      /* gives unsealed files to the sealer */

#endif
