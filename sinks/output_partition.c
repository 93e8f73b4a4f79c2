/*
 * output_partition.c - which file a record belongs to.
 *
 * A path is rendered once per service and date, not per record: a small
 * direct-mapped cache leads from the bytes of the service and the date's slot
 * to the partition. A path that no file system takes, and partitions past the
 * bound, are the sender's doing; those records go to one common partition.
 */
#include "output.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <limits.h>
#include <xxhash.h>

#define DAY (24 * 3600 * LB_SECOND)

/* The event's time; the arrival's if that is missing or more than a day off. */
static int64_t time_of(const struct lb_batch *batch, const struct lb_record *record)
{
    int64_t time = record->time_ns;

    if ((record->flags & LB_RECORD_NO_TIME) != 0 || time < batch->arrival_ns - DAY || time > batch->arrival_ns + DAY)
        return batch->arrival_ns;
    return time;
}

static struct output_partition *find(const struct output *self, struct lb_str path, uint64_t hash)
{
    struct output_partition *partition = self->buckets[hash % OUTPUT_BUCKETS];

    while (partition != NULL && (partition->hash != hash || partition->path_len != path.len ||
                                 memcmp(partition->path, path.ptr, path.len) != 0))
        partition = partition->next;
    return partition;
}

struct output_partition *output_partition_get(struct output *self, struct lb_str path)
{
    uint64_t hash = XXH3_64bits(path.ptr, path.len);
    struct output_partition *partition = find(self, path, hash);

    if (partition != NULL)
        return partition;
    partition = lb_alloc(sizeof(*partition) + path.len + 1);
    if (partition == NULL)
        return NULL;
    /* One line may be as long as escaping can make it, on top of what is there already. */
    lb_buffer_init(&partition->buffer, (size_t)8 * LB_LINE_BYTES_MAX);
    partition->hash = hash;
    partition->path_len = path.len;
    memcpy(partition->path, path.ptr, path.len);
    partition->next = self->buckets[hash % OUTPUT_BUCKETS];
    self->buckets[hash % OUTPUT_BUCKETS] = partition;
    self->partition_count++;
    return partition;
}

static bool is_possible(struct lb_str path)
{
    size_t component = 0;

    if (path.len + OUTPUT_NAME_MAX >= PATH_MAX)
        return false;
    for (size_t i = 0; i < path.len; i++) {
        component = path.ptr[i] == '/' ? 0 : component + 1;
        if (component > OUTPUT_NAME_MAX || path.ptr[i] == '\0')
            return false;
    }
    return true;
}

static bool render(struct output *self, const struct lb_record *record, int64_t time)
{
    lb_buffer_reset(&self->path);
    self->scratch.used = 0;
    lb_template_write(self->template, LB_TEMPLATE_TIME | LB_TEMPLATE_PATH, record, time, &self->scratch, &self->path);
    return !self->path.failed;
}

static struct output_partition *common_partition(struct output *self, int64_t time)
{
    struct lb_record other = { .time_ns = time,
                               .level = LB_LEVEL_NONE,
                               .service = lb_value_of(LB_STR("_other"), LB_VALUE_CLEAN) };

    LB_WARN("sink", "too many files or too long a name: records go to service _other sink=" LB_STR_FMT " files=%u",
            LB_STR_ARG(self->sink->section.name), self->partition_count);
    if (!render(self, &other, time))
        return NULL;
    return output_partition_get(self, lb_buffer_str(&self->path));
}

bool output_service_note(struct output *self, const char *path)
{
    enum { SLOTS = 2 * OUTPUT_SERVICES_MAX };
    struct lb_str service = output_pattern_service(&self->pattern, path);
    uint64_t hash = XXH3_64bits(service.ptr, service.len) | 1; /* 0: an empty slot */

    if (self->services == NULL || service.len == 0)
        return true;
    for (uint64_t i = hash;; i++) {
        uint64_t *slot = &self->services[i % SLOTS];

        if (*slot == hash)
            return true;
        if (*slot != 0)
            continue;
        if (self->service_count == OUTPUT_SERVICES_MAX)
            return false;
        *slot = hash;
        self->service_count++;
        return true;
    }
}

static struct output_partition *look_up(struct output *self, const struct lb_record *record, int64_t time)
{
    if (!render(self, record, time))
        return NULL;

    struct lb_str path = lb_buffer_str(&self->path);

    if (!is_possible(path))
        return common_partition(self, time);

    struct output_partition *partition = find(self, path, XXH3_64bits(path.ptr, path.len));

    if (partition != NULL)
        return partition;
    lb_buffer_append_char(&self->path, '\0');
    if (self->path.failed)
        return NULL;
    if (self->partition_count >= OUTPUT_PARTITIONS_MAX || !output_service_note(self, self->path.ptr))
        return common_partition(self, time);
    return output_partition_get(self, (struct lb_str){ self->path.ptr, path.len });
}

static bool is_entry_of(const struct output_cache_entry *entry, const struct lb_value *service, int64_t slot)
{
    return entry->partition != NULL && entry->slot == slot && entry->len == service->len &&
           entry->kind == service->kind &&
           (service->len == 0 || memcmp(entry->service, service->ptr, service->len) == 0);
}

struct output_partition *output_partition_of(struct output *self, const struct lb_batch *batch,
                                             const struct lb_record *record)
{
    int64_t time = time_of(batch, record);
    const struct lb_value *service = &record->service;

    if (!self->pattern.by_service || service->len > OUTPUT_CACHED_NAME)
        return look_up(self, record, time);

    int64_t slot = time / self->pattern.granularity_ns;
    uint64_t hash = XXH3_64bits_withSeed(service->ptr, service->len, (uint64_t)slot);
    struct output_cache_entry *entry = &self->cache[hash & (OUTPUT_CACHE - 1)];

    if (is_entry_of(entry, service, slot))
        return entry->partition;
    entry->partition = look_up(self, record, time);
    entry->slot = slot;
    entry->kind = service->kind;
    entry->len = (uint8_t)service->len;
    if (service->len > 0)
        memcpy(entry->service, service->ptr, service->len);
    return entry->partition;
}

static void free_partition(struct output *self, struct output_partition *partition)
{
    self->held -= partition->buffer.capacity;
    self->buffered -= partition->buffer.len;
    self->partition_count--;
    lb_buffer_free(&partition->buffer);
    lb_free(partition);
}

void output_partitions_prune(struct output *self)
{
    memset(self->cache, 0, sizeof(self->cache));
    for (size_t i = 0; i < OUTPUT_BUCKETS; i++) {
        struct output_partition **link = &self->buckets[i];

        while (*link != NULL) {
            struct output_partition *partition = *link;

            if (partition->file != NULL || partition->buffer.len > 0 || partition->full) {
                link = &partition->next;
                continue;
            }
            *link = partition->next;
            free_partition(self, partition);
        }
    }
}

void output_partitions_free(struct output *self)
{
    for (size_t i = 0; i < OUTPUT_BUCKETS; i++) {
        while (self->buckets[i] != NULL) {
            struct output_partition *partition = self->buckets[i];

            self->buckets[i] = partition->next;
            free_partition(self, partition);
        }
    }
}
