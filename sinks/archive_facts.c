/* archive_facts.c - what the lines of a block say: times, levels, services. */
#include "archive_facts.h"

#include "lb_clock.h"

enum { NAMES_BYTES = ARCHIVE_SERVICES_MAX * ARCHIVE_SERVICE_BYTES * 2 };

bool archive_facts_open(struct archive_facts *facts)
{
    *facts = (struct archive_facts){ 0 };
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

/* The time of `record` is that of its line on any day. */
static bool is_certain(struct archive_facts *facts, struct lb_str line, const struct lb_record *record)
{
    static const struct lb_str lead = { "{\"timestamp\":\"", 14 };
    struct lb_record other;

    if (has_year(line, 0) || (lb_str_starts(line, lead) && has_year(line, lead.len)))
        return true;
    facts->later.last_ns = facts->lines.last_ns;
    lb_line_records_read(&facts->later, line, &other);
    return other.time_ns == record->time_ns && other.level == record->level;
}

static void add_time(struct lb_archive_block *block, int64_t first_ns, int64_t last_ns)
{
    block->first_ns = first_ns < block->first_ns ? first_ns : block->first_ns;
    block->last_ns = last_ns > block->last_ns ? last_ns : block->last_ns;
}

static void read_line(struct archive_facts *facts, struct lb_str line, struct lb_archive_block *block,
                      struct archive_block_more *more)
{
    struct lb_record record;

    lb_line_records_read(&facts->lines, line, &record);
    block->lines++;
    block->levels[record.level < LB_LEVEL_COUNT ? record.level : LB_LEVEL_COUNT]++;
    facts->lines.scratch.used = 0;
    more->services |= service_bit(facts, lb_value_str(record.service, &facts->lines.scratch));
    if ((record.flags & LB_RECORD_NO_TIME) != 0 || !is_certain(facts, line, &record))
        add_time(block, INT64_MIN, INT64_MAX);
    else
        add_time(block, record.time_ns, record.time_ns);
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
