/* daemon_cpu.c - the number of workers: the CPUs this process may use, by affinity and by cgroup quota. */
#include "daemon.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

/* cgroup v2 writes "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static double cgroup_quota(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    double quota = 0;
    double period = 0;

    if (file == NULL)
        return 0;
    int fields = fscanf(file, "%lf %lf", &quota, &period);
    fclose(file);
    return fields == 2 && period > 0 ? quota / period : 0;
}

uint32_t worker_count_allowed(void)
{
    double quota = cgroup_quota();
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    if (quota > 0 && quota < count)
        count = quota < 1 ? 1 : (int)quota;
    return count > LB_WORKERS_MAX ? LB_WORKERS_MAX : (uint32_t)count;
}
