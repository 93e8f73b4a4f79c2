/*
 * host_machine.c - processor, memory and load of the whole machine.
 *
 * Counters of the kernel may go backwards for a moment (iowait, a processor
 * that was taken out): such a step counts as none.
 */
#include "host.h"

#include <errno.h>
#include <stdio.h>

/* --- processor --------------------------------------------------------------------- */

enum { STATE_IDLE = 3, STATE_IOWAIT = 4 };

static const char *const state_names[HOST_CPU_STATES] = { "cpu_user_pct",    "cpu_nice_pct",   "cpu_system_pct",
                                                          "cpu_idle_pct",    "cpu_iowait_pct", "cpu_irq_pct",
                                                          "cpu_softirq_pct", "cpu_steal_pct" };

struct stat_file {
    uint64_t ticks[HOST_CPU_STATES];
    uint64_t cores;
    uint64_t running;
    uint64_t blocked;
    bool has_ticks;
    bool has_running;
    bool has_blocked;
};

static void read_cpu_line(struct lb_str line, struct stat_file *stat)
{
    size_t i = 0;

    while (i < HOST_CPU_STATES && host_take_number(&line, &stat->ticks[i]))
        i++;
    stat->has_ticks = i > STATE_IDLE; /* old kernels know no more states than that */
}

static bool read_stat(struct lb_str root, struct stat_file *stat)
{
    struct host_file file;
    struct lb_str line;

    *stat = (struct stat_file){ 0 };
    if (!host_open(&file, root, "/proc/stat"))
        return false;
    while (host_line(&file, &line)) {
        struct lb_str word = host_take_word(&line);

        if (lb_str_is(word, "cpu"))
            read_cpu_line(line, stat);
        else if (lb_str_starts(word, LB_STR("cpu")))
            stat->cores++;
        else if (lb_str_is(word, "procs_running"))
            stat->has_running = host_take_number(&line, &stat->running);
        else if (lb_str_is(word, "procs_blocked"))
            stat->has_blocked = host_take_number(&line, &stat->blocked);
    }
    host_close(&file);
    if (!stat->has_ticks)
        errno = EBADMSG;
    return stat->has_ticks;
}

static void remember(struct host_cpu *cpu, const struct stat_file *stat)
{
    memcpy(cpu->ticks, stat->ticks, sizeof(cpu->ticks));
    cpu->known = true;
}

void host_prepare_cpu(struct host_source *self)
{
    struct stat_file stat;

    if (read_stat(self->root, &stat))
        remember(&self->cpu, &stat);
}

/* Percent of each state since the last time; false if nothing went by. */
static bool compare(const struct host_cpu *cpu, const struct stat_file *stat, double percent[HOST_CPU_STATES])
{
    double total = 0;

    for (size_t i = 0; cpu->known && i < HOST_CPU_STATES; i++) {
        percent[i] = stat->ticks[i] > cpu->ticks[i] ? (double)(stat->ticks[i] - cpu->ticks[i]) : 0;
        total += percent[i];
    }
    for (size_t i = 0; total > 0 && i < HOST_CPU_STATES; i++)
        percent[i] = 100 * percent[i] / total;
    return total > 0;
}

struct loads {
    double average[3];
    uint64_t processes;
    bool known;
};

static struct loads read_loads(struct lb_str root)
{
    struct loads loads = { 0 };
    struct host_file file;
    struct lb_str line;
    char text[128];
    unsigned long long running;
    unsigned long long processes;

    if (!host_open(&file, root, "/proc/loadavg"))
        return loads;
    if (host_line(&file, &line)) {
        snprintf(text, sizeof(text), LB_STR_FMT, LB_STR_ARG(line));
        int found = sscanf(text, "%lf %lf %lf %llu/%llu", &loads.average[0], &loads.average[1], &loads.average[2],
                           &running, &processes);
        loads.known = found >= 3;
        loads.processes = found == 5 ? processes : 0;
    }
    host_close(&file);
    return loads;
}

static void report_loads(struct host_source *self, const struct loads *loads)
{
    if (!loads->known)
        return;
    reporter_number(&self->reporter, "load1", loads->average[0]);
    reporter_number(&self->reporter, "load5", loads->average[1]);
    reporter_number(&self->reporter, "load15", loads->average[2]);
}

bool host_report_cpu(struct host_source *self)
{
    struct reporter *out = &self->reporter;
    double percent[HOST_CPU_STATES] = { 0 };
    struct stat_file stat;

    if (!read_stat(self->root, &stat)) {
        host_trouble(self, HOST_CPU, "/proc/stat");
        return true;
    }
    host_well(self, HOST_CPU);
    bool known = compare(&self->cpu, &stat, percent);
    remember(&self->cpu, &stat);
    if (!known)
        return true;
    struct loads loads = read_loads(self->root);
    double busy = 100 - percent[STATE_IDLE] - percent[STATE_IOWAIT];

    reporter_begin(out, lb_clock_now(), LB_LEVEL_INFO);
    reporter_print(out, "message", "CPU %.1f %% busy on %llu cores", busy, (unsigned long long)stat.cores);
    reporter_text(out, "event", LB_STR("cpu"));
    reporter_number(out, "cpu_pct", busy);
    for (size_t i = 0; i < HOST_CPU_STATES; i++)
        reporter_number(out, state_names[i], percent[i]);
    reporter_count(out, "cores", stat.cores);
    report_loads(self, &loads);
    reporter_end(out);
    return true;
}

/* --- load ------------------------------------------------------------------------------- */

bool host_report_load(struct host_source *self)
{
    struct reporter *out = &self->reporter;
    struct loads loads = read_loads(self->root);
    struct stat_file stat;
    uint64_t uptime;

    if (!loads.known) {
        errno = errno != 0 ? errno : EBADMSG;
        host_trouble(self, HOST_LOAD, "/proc/loadavg");
        return true;
    }
    host_well(self, HOST_LOAD);
    bool known = read_stat(self->root, &stat);
    reporter_begin(out, lb_clock_now(), LB_LEVEL_INFO);
    reporter_print(out, "message", "load %.2f over 1 min, %.2f over 5 min, %.2f over 15 min", loads.average[0],
                   loads.average[1], loads.average[2]);
    reporter_text(out, "event", LB_STR("load"));
    report_loads(self, &loads);
    if (known && stat.cores > 0) {
        reporter_count(out, "cores", stat.cores);
        reporter_number(out, "load1_per_core", loads.average[0] / (double)stat.cores);
    }
    if (loads.processes > 0)
        reporter_count(out, "processes", loads.processes);
    if (known && stat.has_running)
        reporter_count(out, "processes_running", stat.running);
    if (known && stat.has_blocked)
        reporter_count(out, "processes_blocked", stat.blocked);
    if (host_number(self->root, &uptime, "/proc/uptime"))
        reporter_count(out, "uptime_s", uptime);
    reporter_end(out);
    return true;
}

/* --- memory ---------------------------------------------------------------------------------- */

enum memory_line { TOTAL, AVAILABLE, FREE, BUFFERS, CACHED, SWAP_TOTAL, SWAP_FREE, MEMORY_LINES };

static const char *const memory_names[MEMORY_LINES] = { "MemTotal:", "MemAvailable:", "MemFree:", "Buffers:",
                                                        "Cached:",   "SwapTotal:",    "SwapFree:" };

struct memory {
    uint64_t bytes[MEMORY_LINES];
    bool known[MEMORY_LINES];
};

static void read_memory_line(struct lb_str line, struct memory *memory)
{
    struct lb_str word = host_take_word(&line);
    uint64_t kilobytes;

    for (size_t i = 0; i < MEMORY_LINES; i++) {
        if (lb_str_is(word, memory_names[i]) && host_take_number(&line, &kilobytes) && kilobytes < UINT64_MAX / 1024) {
            memory->bytes[i] = kilobytes * 1024;
            memory->known[i] = true;
        }
    }
}

/* Kernels before 3.14 do not say what is available. */
static void guess_available(struct memory *memory)
{
    if (memory->known[AVAILABLE] || !memory->known[FREE])
        return;
    memory->bytes[AVAILABLE] = memory->bytes[FREE] + memory->bytes[BUFFERS] + memory->bytes[CACHED];
    memory->known[AVAILABLE] = true;
}

static bool read_memory(struct lb_str root, struct memory *memory)
{
    struct host_file file;
    struct lb_str line;

    *memory = (struct memory){ 0 };
    if (!host_open(&file, root, "/proc/meminfo"))
        return false;
    while (host_line(&file, &line))
        read_memory_line(line, memory);
    host_close(&file);
    guess_available(memory);
    errno = EBADMSG;
    return memory->known[TOTAL] && memory->known[AVAILABLE] && memory->bytes[TOTAL] > 0 &&
           memory->bytes[AVAILABLE] <= memory->bytes[TOTAL];
}

static double part_used(uint64_t total, uint64_t left)
{
    return 100.0 * (double)(total - left) / (double)total;
}

static void report_swap(struct host_source *self, const struct memory *memory)
{
    uint64_t total = memory->bytes[SWAP_TOTAL];
    uint64_t left = memory->bytes[SWAP_FREE];

    if (!memory->known[SWAP_TOTAL] || !memory->known[SWAP_FREE] || left > total)
        return;
    reporter_count(&self->reporter, "swap_total", total);
    reporter_count(&self->reporter, "swap_used", total - left);
    reporter_number(&self->reporter, "swap_pct", total > 0 ? part_used(total, left) : 0);
}

/* How many processes the kernel has killed for want of memory since it runs, and since the last record. */
static void report_kills(struct host_source *self)
{
    uint64_t kills;

    if (!host_keyed(self->root, "/proc/vmstat", "oom_kill", &kills))
        return;
    reporter_count(&self->reporter, "oom_kills", kills);
    if (self->memory.known)
        reporter_count(&self->reporter, "oom_kills_new",
                       kills > self->memory.oom_kills ? kills - self->memory.oom_kills : 0);
    self->memory.oom_kills = kills;
    self->memory.known = true;
}

bool host_report_memory(struct host_source *self)
{
    struct reporter *out = &self->reporter;
    char word[REPORT_WORD_BYTES];
    struct memory memory;

    if (!read_memory(self->root, &memory)) {
        host_trouble(self, HOST_MEMORY, "/proc/meminfo");
        return true;
    }
    host_well(self, HOST_MEMORY);
    uint64_t total = memory.bytes[TOTAL];
    uint64_t available = memory.bytes[AVAILABLE];

    reporter_begin(out, lb_clock_now(), LB_LEVEL_INFO);
    reporter_print(out, "message", "memory %.1f %% used, %s available", part_used(total, available),
                   report_size(available, word));
    reporter_text(out, "event", LB_STR("memory"));
    reporter_number(out, "mem_pct", part_used(total, available));
    reporter_count(out, "mem_total", total);
    reporter_count(out, "mem_available", available);
    reporter_count(out, "mem_used", total - available);
    report_swap(self, &memory);
    report_kills(self);
    reporter_end(out);
    return true;
}
