/* Several threads: for one image, each walks its own list of operations, which are its shares of the same steps; of
 * many images, each takes the next block until none is left.
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

/* What `run` is called with. */
typedef struct {
    const Operation *operations;
    int64_t count;
    char *arena;
    const char *tables;
    const float *images;
    float *logits;
} Job;

/* A share of the work on one image. */
typedef struct {
    Job job;
    Meeting *meeting;
} Part;

/* Blocks of images, of which one thread takes some. */
typedef struct {
    Job job;
    int64_t blocks, image_floats, logit_floats;
    int64_t *next;
} Worker;

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
    const Job job = part->job;
    for (int64_t i = 0; i < job.count; i++) {
        run_operation(job.operations + i, job.arena, job.tables, job.images, job.logits);
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

/* Start threads for all but the first of `parts` arguments, `size` bytes each; return how many parts have a thread. */
static int64_t start(pthread_t *threads, int64_t parts, void *(*work)(void *), char *arguments, int64_t size)
{
    pthread_attr_t attributes;
    int64_t started = 1;
    pthread_attr_init(&attributes);
    keep_apart(&attributes, parts);
    for (; started < parts; started++) {
        char *argument = arguments + started * size;
        /* Where the processors are refused, any will do. */
        if (pthread_create(threads + started, &attributes, work, argument) != 0 &&
            pthread_create(threads + started, 0, work, argument) != 0)
            break;
    }
    pthread_attr_destroy(&attributes);
    return started;
}

/* `operations` holds `parts` lists of `count` operations, at most MOST_PARTS. Without threads, one computes all. */
void run_shared(const Operation *operations, int64_t count, int64_t parts, char *arena, const char *tables,
                const float *images, float *logits)
{
    pthread_t threads[MOST_PARTS];
    Part shares[MOST_PARTS];
    Meeting meeting = {.parts = (int)parts};
    for (int64_t p = 0; p < parts; p++)
        shares[p] = (Part){{operations + p * count, count, arena, tables, images, logits}, &meeting};
    const int64_t started = start(threads, parts, run_part, (char *)shares, sizeof *shares);
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

static void *run_worker(void *argument)
{
    const Worker *worker = argument;
    const Job job = worker->job;
    for (;;) {
        const int64_t block = __atomic_fetch_add(worker->next, 1, __ATOMIC_RELAXED);
        if (block >= worker->blocks)
            return 0;
        run(job.operations, job.count, job.arena, job.tables, job.images + block * worker->image_floats,
            job.logits + block * worker->logit_floats);
    }
}

/* Blocks of images, shared by at most MOST_PARTS threads that have an arena each. */
void run_blocks(const Operation *operations, int64_t count, int64_t parts, char *const *arenas, const char *tables,
                const float *images, float *logits, int64_t blocks, int64_t image_floats, int64_t logit_floats)
{
    pthread_t threads[MOST_PARTS];
    Worker workers[MOST_PARTS];
    int64_t next = 0;
    for (int64_t p = 0; p < parts; p++)
        workers[p] = (Worker){{operations, count, arenas[p], tables, images, logits},
                              blocks, image_floats, logit_floats, &next};
    const int64_t started = start(threads, parts, run_worker, (char *)workers, sizeof *workers);
    run_worker(workers);
    for (int64_t p = 1; p < started; p++)
        pthread_join(threads[p], 0);
}
