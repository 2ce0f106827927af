/* The interpreter of a network: it walks the operations and calls the kernel of each.
 *
 * This file is compiled once for each vector width. Networks are tables, so no network needs the compiler.
 */
#include <math.h>
#include <string.h>

#include "program.h"
#include "vectors.h"

typedef void Pack(const Operation *, const char *source, char *packed, const char *tables);

#define LANES 1
#include "templates.h"
#undef LANES
#if VECTOR > 1
#define LANES 2
#include "templates.h"
#undef LANES
#define LANES 4
#include "templates.h"
#undef LANES
#endif
#if VECTOR >= 8
#define LANES 8
#include "templates.h"
#undef LANES
#endif
#if VECTOR >= 16
#define LANES 16
#include "templates.h"
#undef LANES
#endif

#define LANES VECTOR
#include "elementwise.inc"
#include "rounding.inc"
#undef LANES

#if VECTOR >= 16
#define CASE_16(name) case 16: return JOIN(name, 16);
#else
#define CASE_16(name)
#endif
#if VECTOR >= 8
#define CASE_8(name) case 8: return JOIN(name, 8);
#else
#define CASE_8(name)
#endif
#if VECTOR > 1
#define CASE_4(name) case 4: return JOIN(name, 4);
#define CASE_2(name) case 2: return JOIN(name, 2);
#else
#define CASE_4(name)
#define CASE_2(name)
#endif
#define BY_WIDTH(width, name) \
    switch (width) { CASE_16(name) CASE_8(name) CASE_4(name) CASE_2(name) default: return JOIN(name, 1); }

typedef void Kernel(const Operation *, char *arena, const char *tables, Pack *);

static Kernel *find_convolution(int64_t width) { BY_WIDTH(width, convolve) }
static Kernel *find_depthwise(int64_t width) { BY_WIDTH(width, depthwise) }
static Kernel *find_pool(int64_t width) { BY_WIDTH(width, pool) }
static Kernel *find_maximum(int64_t width) { BY_WIDTH(width, maximum) }
static Pack *find_shifted(int64_t width) { BY_WIDTH(width, pack_shifted) }
static Pack *find_permuted(int64_t width) { BY_WIDTH(width, pack_permuted) }
static Pack *find_whole(int64_t width) { BY_WIDTH(width, pack_whole) }

static Pack *find_pack(const Operation *op)
{
    switch (op->pack) {
    case PACK_SHIFTED: return find_shifted(op->pack_width);
    case PACK_PERMUTED: return find_permuted(op->pack_width);
    case PACK_WHOLE: return find_whole(op->pack_width);
    default: return 0;
    }
}

INLINE float apply(int64_t function, float slope, float x)
{
    switch (function) {
    case SIGMOID: return 1.0f / (1.0f + expf(-x));
    case SILU: return x / (1.0f + expf(-x));
    case HARDSIGMOID: return at_most1(6.0f, at_least1(0.0f, x + 3.0f)) / 6.0f;
    case HARDSWISH: return x * at_most1(6.0f, at_least1(0.0f, x + 3.0f)) / 6.0f;
    case TANH: return tanhf(x);
    default: return x < 0.0f ? slope * x : x;
    }
}

static void unary(const Operation *op, char *arena)
{
    const float *source = (const float *)(arena + op->source);
    float *target = (float *)(arena + op->target);
#define LOOP(name) \
    case name: for (int64_t i = 0; i < op->size; i++) target[i] = apply(name, op->slope, source[i]); break;
    switch (op->function) {
    case RELU: JOIN(limit_values, VECTOR)(op, arena); break;
    case ROUND: JOIN(round_values, VECTOR)(op, arena); break;
    case SCALE: JOIN(scale_values, VECTOR)(op, arena); break;
    LOOP(SIGMOID)
    LOOP(SILU)
    LOOP(HARDSIGMOID)
    LOOP(HARDSWISH)
    LOOP(TANH)
    LOOP(LEAKY_RELU)
    }
#undef LOOP
}

/* Two values of the same shape, or one value and one number for each of its channels. */
static void binary(const Operation *op, char *arena)
{
    if (op->channels == 0) {
        JOIN(add_or_multiply, VECTOR)(op, arena);
        return;
    }
    for (int64_t channel = 0; channel < op->channels; channel++) {
        const float *source = (const float *)(arena + op->source + channel * op->source_plane);
        float *target = (float *)(arena + op->target + channel * op->target_plane);
        const float *other = (const float *)(arena + op->other) + channel * op->width;
        for (int64_t i = 0; i < op->size; i += op->width)
            for (int64_t lane = 0; lane < op->width; lane++) {
                float x = source[i + lane], y = other[lane];
                x = op->function == ADD ? x + y : x * y;
                target[i + lane] = finish1(x, op->slope, op->low, op->high);
            }
    }
}

/* Images [lanes, channels, pixels] to maps [channels, pixels, lanes], and back. */
static void import_images(const Operation *op, char *arena, const float *images)
{
    const int64_t lanes = op->width, pixels = op->size;
    for (int64_t channel = 0; channel < op->channels; channel++) {
        float *target = (float *)(arena + op->target + channel * op->target_plane);
        const float *source = images + channel * pixels;
        if (lanes == 1) {
            memcpy(target, source, 4 * pixels);
            continue;
        }
        /* In squares, so that a line of the cache is complete before it is left. */
        for (int64_t first = 0; first < pixels; first += 16)
            for (int64_t lane = 0; lane < lanes; lane++)
                for (int64_t i = first; i < first + 16 && i < pixels; i++)
                    target[i * lanes + lane] = source[lane * op->channels * pixels + i];
    }
}

static void export_logits(const Operation *op, const char *arena, float *logits)
{
    const int64_t lanes = op->width, pixels = op->size;
    for (int64_t channel = 0; channel < op->channels; channel++) {
        const float *source = (const float *)(arena + op->source + channel * op->source_plane);
        for (int64_t i = 0; i < pixels; i++)
            for (int64_t lane = 0; lane < lanes; lane++)
                logits[(lane * op->channels + channel) * pixels + i] = source[i * lanes + lane];
    }
}

/* One operation. Images and logits are read and written by the first and the last. */
static void run_operation(const Operation *op, char *arena, const char *tables, const float *images, float *logits)
{
    switch (op->kind) {
    case IMPORT: import_images(op, arena, images); break;
    case EXPORT: export_logits(op, arena, logits); break;
    case CONVOLUTION: find_convolution(op->width)(op, arena, tables, find_pack(op)); break;
    case MAXIMUM: find_maximum(op->width)(op, arena, tables, find_pack(op)); break;
    case DEPTHWISE: find_depthwise(op->width)(op, arena, tables, 0); break;
    case PACK: find_pack(op)(op, arena + op->source, arena + op->packed, tables); break;
    case POOL: find_pool(op->width)(op, arena, tables, 0); break;
    case UNARY: unary(op, arena); break;
    case BINARY: binary(op, arena); break;
    case RESCALE: JOIN(rescale, VECTOR)(op, arena, tables); break;
    case COPY: memcpy(arena + op->target, arena + op->source, 4 * op->size); break;
    }
}

void run(const Operation *operations, int64_t count, char *arena, const char *tables, const float *images, float *logits)
{
    for (const Operation *op = operations; op < operations + count; op++)
        run_operation(op, arena, tables, images, logits);
}
