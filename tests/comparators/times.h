/* Durations: kept while something is measured, printed afterwards as one line for programs. */
#ifndef TIMES_H
#define TIMES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIMES_MAX 2000

struct times {
    const char *name;
    unsigned int n;
    uint64_t ns[TIMES_MAX];
};

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void note(struct times *times, uint64_t ns)
{
    if (times->n < TIMES_MAX)
        times->ns[times->n++] = ns;
}

static inline int ascending(const void *left, const void *right)
{
    uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;
    return (l > r) - (l < r);
}

/* Nearest rank, as for our own figures. Prints nothing where nothing was measured. */
static inline void print_times(const char *mark, struct times *times)
{
    unsigned int n = times->n;
    if (n == 0)
        return;
    qsort(times->ns, n, sizeof(times->ns[0]), ascending);
#define RANK(per_mille) ((unsigned long long)times->ns[(n * (per_mille) + 999) / 1000 - 1])
    printf("%s times name=%s n=%u min_ns=%llu p50_ns=%llu p90_ns=%llu p99_ns=%llu p999_ns=%llu max_ns=%llu\n",
           mark, times->name, n, (unsigned long long)times->ns[0], RANK(500), RANK(900), RANK(990),
           RANK(999), (unsigned long long)times->ns[n - 1]);
#undef RANK
    fflush(stdout);
    times->n = 0;
}

#endif
