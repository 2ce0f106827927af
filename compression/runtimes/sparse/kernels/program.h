/* The program that `run` walks: a list of operations over one arena of floats, and tables of constants. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdint.h>

/* All places are in bytes: in the arena for values, in the tables for constants. Python writes the same layout
 * (OPERATION in encoding/structures.py). */
typedef struct {
    int64_t kind;
    int64_t width; /* floats in a vector */
    int64_t source, target;
    int64_t other;                      /* a second source: what is added, or -1 */
    int64_t groups, channels, rows;     /* source channels and output channels of one group */
    int64_t source_plane, target_plane; /* from one channel to the next */
    int64_t tiles, tile_table;
    int64_t weights, offsets, starts, bias;
    int64_t units; /* what sums are multiplied with, or -1 */
    int64_t pack, pack_width, pieces, piece_table; /* how a source is laid out again before it is read */
    int64_t packed, packed_plane;
    int64_t size, function;
    int64_t columns, stride; /* of a depthwise convolution of rows */
    int64_t together; /* of a convolution: ROWS_TOGETHER rows with one list of offsets, or 1 row */
    int64_t all_rows; /* of a convolution: rows of the whole layer, of which this operation may compute a share */
    float low, high; /* limits of the result; infinite if there are none */
    float fill, slope; /* what packing writes beyond the edges; the slope of a leaky ReLU below 0, or the factor before a rounding */
} Operation;

enum { IMPORT, EXPORT, CONVOLUTION, MAXIMUM, POOL, UNARY, BINARY, COPY, DEPTHWISE, PACK, RESCALE, NOTHING };
enum { RELU, SIGMOID, SILU, HARDSIGMOID, HARDSWISH, TANH, LEAKY_RELU, ROUND, SCALE };
enum { ADD, MULTIPLY };
enum { DEPTHWISE_PLANES, DEPTHWISE_SMALL, DEPTHWISE_LANES, DEPTHWISE_ROWS };
enum { PACK_NOTHING, PACK_SHIFTED, PACK_PERMUTED, PACK_WHOLE };
#define ROWS_TOGETHER 4

/* Up to 8 vectors of one output channel: where each is read and written, relative to the plane. */
typedef struct {
    int32_t vectors, contiguous; /* contiguous: vectors follow one another, in the source and in the target */
    int32_t source[8], target[8];
} Tile;

/* A tap of a depthwise kernel and the pixel that it meets, relative to the plane. */
typedef struct {
    int32_t tap, offset;
} Tap;

/* One vector of a packed plane: the two windows of the source plane that hold its values. */
typedef struct {
    int32_t first, second;
} Piece;

#endif
