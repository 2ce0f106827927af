/* One image by several threads: each walks its own list of operations, which are its shares of the same steps.
 *
 * Threads live for one call: that costs 30 to 100 microseconds, and leaves nothing behind that a fork could break.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>

#include "run.c"

enum { MOST_PARTS = 64, SPINS = 1 << 14 };

/* Where all threads meet after each step. */
typedef struct {
    int parts, arrived, step;
} Meeting;

typedef struct {
    const Operation *operations;
    int64_t count;
    char *arena;
    const char *tables;
    const float *images;
    float *logits;
    Meeting *meeting;
} Part;

static void meet(Meeting *meeting)
{
    const int step = __atomic_load_n(&meeting->step, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&meeting->arrived, 1, __ATOMIC_ACQ_REL) == meeting->parts) {
        __atomic_store_n(&meeting->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&meeting->step, step + 1, __ATOMIC_RELEASE);
        return;
    }
    /* A short wait stays on the processor; in a long one, other processes may have it. */
    for (int64_t spins = 0; __atomic_load_n(&meeting->step, __ATOMIC_ACQUIRE) == step; spins++)
        if (spins > SPINS)
            sched_yield();
}

static void *run_part(void *argument)
{
    const Part *part = argument;
    for (int64_t i = 0; i < part->count; i++) {
        run_operation(part->operations + i, part->arena, part->tables, part->images, part->logits);
        meet(part->meeting);
    }
    return 0;
}

/* New threads often begin on the processor of the one that starts them. Where there are enough processors, they are
 * kept away from it, as far as glibc can. */
static void keep_apart(pthread_attr_t *attributes, int64_t parts)
{
#ifdef __GLIBC__
    cpu_set_t others;
    if (sched_getaffinity(0, sizeof others, &others) == 0 && CPU_COUNT(&others) >= parts) {
        CPU_CLR(sched_getcpu(), &others);
        pthread_attr_setaffinity_np(attributes, sizeof others, &others);
    }
#else
    (void)attributes, (void)parts;
#endif
}

/* Whether a thread was started, with these attributes or, where they are refused, without. */
static int start(pthread_t *thread, const pthread_attr_t *attributes, Part *part)
{
    return pthread_create(thread, attributes, run_part, part) == 0 || pthread_create(thread, 0, run_part, part) == 0;
}

/* `operations` holds `parts` lists of `count` operations, at most MOST_PARTS. Without threads, one computes all. */
void run_shared(const Operation *operations, int64_t count, int64_t parts, char *arena, const char *tables,
                const float *images, float *logits)
{
    pthread_t threads[MOST_PARTS];
    pthread_attr_t attributes;
    Part shares[MOST_PARTS];
    Meeting meeting = {.parts = (int)parts};
    int64_t started = 1;
    for (int64_t p = 0; p < parts; p++)
        shares[p] = (Part){operations + p * count, count, arena, tables, images, logits, &meeting};
    pthread_attr_init(&attributes);
    keep_apart(&attributes, parts);
    /* Threads that run wait at the first step until the number of parts is known to be right. */
    while (started < parts && start(threads + started, &attributes, shares + started))
        started++;
    pthread_attr_destroy(&attributes);
    if (started == parts) {
        run_part(shares);
    } else {
        for (int64_t i = 0; i < count; i++) {
            run_operation(operations + i, arena, tables, images, logits);
            for (int64_t p = started; p < parts; p++)
                run_operation(operations + p * count + i, arena, tables, images, logits);
            /* This thread arrives for those that are missing, too. */
            __atomic_add_fetch(&meeting.arrived, (int)(parts - started), __ATOMIC_ACQ_REL);
            meet(&meeting);
        }
    }
    for (int64_t p = 1; p < started; p++)
        pthread_join(threads[p], 0);
}
