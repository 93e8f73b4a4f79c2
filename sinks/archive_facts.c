/* archive_facts.c - what the lines of a block say: times, levels, services. */
#include "archive_facts.h"

#include "lb_clock.h"

enum { NAMES_BYTES = ARCHIVE_SERVICES_MAX * ARCHIVE_SERVICE_BYTES * 2 };

bool archive_facts_open(struct archive_facts *facts)
{
    *facts = (struct archive_facts){ .last_ns = LB_TIME_NONE };
    lb_arena_init(&facts->names, NAMES_BYTES);
    bool fine = lb_line_records_open(&facts->lines);
    fine = lb_line_records_open(&facts->later) && fine;
    facts->later.batch.arrival_ns += 400 * 24 * 3600 * LB_SECOND;
    return fine;
}

void archive_facts_close(struct archive_facts *facts)
{
    lb_line_records_close(&facts->lines);
    lb_line_records_close(&facts->later);
    lb_arena_free(&facts->names);
}

/* The bit of a service; the name is noted when it is new. */
static uint64_t service_bit(struct archive_facts *facts, struct lb_str name)
{
    if (facts->service_count > 0 && lb_str_equal(facts->services[facts->service_last], name))
        return UINT64_C(1) << facts->service_last;
    for (uint32_t i = 0; i < facts->service_count; i++) {
        if (lb_str_equal(facts->services[i], name)) {
            facts->service_last = i;
            return UINT64_C(1) << i;
        }
    }
    if (facts->service_count == ARCHIVE_SERVICES_MAX || name.len > ARCHIVE_SERVICE_BYTES)
        return ARCHIVE_SERVICE_OTHER;
    struct lb_str copy = lb_arena_copy(&facts->names, name);
    if (copy.ptr == NULL)
        return ARCHIVE_SERVICE_OTHER;
    facts->services[facts->service_count] = copy;
    facts->service_last = facts->service_count++;
    return UINT64_C(1) << facts->service_last;
}

/* "2026-": a year at `at`. */
static bool has_year(struct lb_str line, size_t at)
{
    for (size_t i = at; i < at + 4; i++) {
        if (i >= line.len || line.ptr[i] < '0' || line.ptr[i] > '9')
            return false;
    }
    return at + 4 < line.len && line.ptr[at + 4] == '-';
}

static void add_time(struct lb_archive_block *block, int64_t first_ns, int64_t last_ns)
{
    block->first_ns = first_ns < block->first_ns ? first_ns : block->first_ns;
    block->last_ns = last_ns > block->last_ns ? last_ns : block->last_ns;
}

/* Without what the line before says. False: it has no time of its own. */
static bool read_alone(struct lb_line_records *lines, struct lb_str line, struct lb_record *record)
{
    lb_line_records_begin(lines);
    lb_line_records_read(lines, line, record);
    return (record->flags & LB_RECORD_NO_TIME) == 0;
}

/* The line says the same on any day. `timed`: it has a time of its own. */
static bool is_certain(struct archive_facts *facts, struct lb_str line, const struct lb_record *record, bool timed)
{
    static const struct lb_str lead = { "{\"timestamp\":\"", 14 };
    struct lb_record other;

    if (timed && (has_year(line, 0) || (lb_str_starts(line, lead) && has_year(line, lead.len))))
        return true;
    return read_alone(&facts->later, line, &other) == timed && (!timed || other.time_ns == record->time_ns) &&
           other.level == record->level;
}

/* A line without a time has that of the line before, certain or not. */
static void note_time(struct archive_facts *facts, const struct lb_record *record, bool timed, bool certain)
{
    if (timed)
        facts->last_ns = record->time_ns;
    if (timed || !certain)
        facts->unsure = !certain;
}

static void read_line(struct archive_facts *facts, struct lb_str line, struct lb_archive_block *block,
                      struct archive_block_more *more)
{
    struct lb_record record;
    bool timed = read_alone(&facts->lines, line, &record);

    note_time(facts, &record, timed, is_certain(facts, line, &record, timed));
    if (facts->unsure || facts->last_ns == LB_TIME_NONE)
        add_time(block, INT64_MIN, INT64_MAX);
    else
        add_time(block, facts->last_ns, facts->last_ns);
    block->lines++;
    block->levels[record.level < LB_LEVEL_COUNT ? record.level : LB_LEVEL_COUNT]++;
    facts->lines.scratch.used = 0;
    more->services |= service_bit(facts, lb_value_str(record.service, &facts->lines.scratch));
}

void archive_facts_read(struct archive_facts *facts, struct lb_str text, struct lb_archive_block *block,
                        struct archive_block_more *more)
{
    block->raw = (uint32_t)text.len;
    block->first_ns = INT64_MAX;
    block->last_ns = INT64_MIN;
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        size_t used = len + (end != NULL);

        read_line(facts, (struct lb_str){ text.ptr, len }, block, more);
        text = (struct lb_str){ text.ptr + used, text.len - used };
    }
}

void archive_facts_damaged(struct lb_archive_block *block, struct archive_block_more *more)
{
    block->first_ns = INT64_MIN;
    block->last_ns = INT64_MAX;
    more->services = ARCHIVE_SERVICE_OTHER;
    more->flags = ARCHIVE_BLOCK_UNSURE | ARCHIVE_BLOCK_IDS | ARCHIVE_BLOCK_WORDS | ARCHIVE_BLOCK_DAMAGED;
}
