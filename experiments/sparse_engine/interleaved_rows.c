/* One image and maps of one pixel: rows one by one, as the engine computes them, beside four rows interleaved.
 *
 *     cc -O2 -march=native experiments/sparse_engine/interleaved_rows.c && ./a.out
 *
 * Interleaved rows are sorted by their number of weights and filled up to the longest of four, so that four sums advance
 * together without an addition across lanes. Prints picoseconds of a weight, the fastest of 40 turns of 20 calls.
 */
#define _POSIX_C_SOURCE 199309L
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef float floats4 __attribute__((vector_size(16), aligned(4), may_alias));

enum { MOST_ROWS = 1280, MOST_COLUMNS = 4608, MOST = 1 << 20, TURNS = 40, CALLS = 20 };

static int32_t starts[MOST_ROWS + 1], groups[MOST_ROWS / 4 + 1], order[MOST_ROWS], offsets[MOST];
static float weights[MOST], mixed[2 * MOST], input[MOST_COLUMNS], output[MOST_ROWS], other[MOST_ROWS];
static uint16_t places[2 * MOST];

static floats4 pick(const int32_t *offset)
{
    return (floats4){input[offset[0]], input[offset[1]], input[offset[2]], input[offset[3]]};
}

__attribute__((noinline)) static void one_by_one(int rows)
{
    for (int row = 0; row < rows; row++) {
        const float *weight = weights + starts[row], *const end = weights + starts[row + 1];
        const int32_t *offset = offsets + starts[row];
        floats4 sums = {0}, more = {0};
        for (; weight + 8 <= end; weight += 8, offset += 8) {
            sums += *(const floats4 *)weight * pick(offset);
            more += *(const floats4 *)(weight + 4) * pick(offset + 4);
        }
        sums += more;
        float sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        for (; weight < end; weight++, offset++)
            sum += *weight * input[*offset];
        output[row] = sum;
    }
}

__attribute__((noinline)) static void interleaved(int rows)
{
    for (int group = 0; group < rows / 4; group++) {
        float sums[4] = {0};
        const uint16_t *place = places + 4 * groups[group];
        const float *weight = mixed + 4 * groups[group], *const end = mixed + 4 * groups[group + 1];
        for (; weight < end; weight += 4, place += 4) {
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                sums[i] += weight[i] * input[place[i]];
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            other[order[4 * group + i]] = sums[i];
    }
}

static int by_length(const void *left, const void *right)
{
    const int a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (starts[a + 1] - starts[a]) - (starts[b + 1] - starts[b]);
}

static void draw(int rows, int columns, double density)
{
    int count = 0;
    srand(1);
    for (int row = 0; row < rows; row++) {
        order[row] = row;
        starts[row] = count;
        for (int column = 0; column < columns; column++)
            if (rand() < density * RAND_MAX) {
                weights[count] = rand() / (float)RAND_MAX - 0.5f;
                offsets[count++] = column;
            }
    }
    starts[rows] = count;
    for (int column = 0; column < columns; column++)
        input[column] = rand() / (float)RAND_MAX;
    qsort(order, rows, sizeof *order, by_length);
    for (int group = 0; group < rows / 4; group++) {
        const int longest = order[4 * group + 3];
        const int length = starts[longest + 1] - starts[longest];
        groups[group + 1] = groups[group] + length;
        for (int i = 0; i < 4; i++) {
            const int row = order[4 * group + i];
            for (int j = 0; j < length; j++) {
                const int inside = starts[row] + j < starts[row + 1], to = 4 * (groups[group] + j) + i;
                mixed[to] = inside ? weights[starts[row] + j] : 0;
                places[to] = inside ? offsets[starts[row] + j] : 0;
            }
        }
    }
}

static double fastest(void (*kernel)(int), int rows)
{
    double best = INFINITY;
    for (int turn = 0; turn < TURNS; turn++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int call = 0; call < CALLS; call++)
            kernel(rows);
        clock_gettime(CLOCK_MONOTONIC, &to);
        best = fmin(best, (to.tv_sec - from.tv_sec) + 1e-9 * (to.tv_nsec - from.tv_nsec));
    }
    return best / CALLS;
}

int main(void)
{
    static const int shapes[][2] = {{1280, 320}, {160, 960}, {960, 160}, {512, 4608}};
    static const double densities[] = {0.05, 0.1, 0.3};
    printf("| rows | columns | density | one by one, ps | interleaved, ps |\n|---:|---:|---:|---:|---:|\n");
    for (int s = 0; s < 4; s++)
        for (int d = 0; d < 3; d++) {
            const int rows = shapes[s][0];
            draw(rows, shapes[s][1], densities[d]);
            const double count = starts[rows];
            const double single = fastest(one_by_one, rows), four = fastest(interleaved, rows);
            for (int row = 0; row < rows; row++)
                if (fabsf(output[row] - other[row]) > 1e-3f)
                    return 1;
            printf("| %d | %d | %.2f | %.0f | %.0f |\n", rows, shapes[s][1], densities[d], 1e12 * single / count,
                   1e12 * four / count);
        }
    return 0;
}
