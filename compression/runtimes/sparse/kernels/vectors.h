/* Vectors of floats: as types of the compiler, so that one source serves AVX-512, AVX2, SSE and NEON.
 *
 * VECTOR is the widest vector, in floats: 16, 8, 4, or 1 for plain C. Maps smaller than it use narrower vectors.
 */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdint.h>

#ifndef VECTOR
#error "compile with -DVECTOR=1, 4, 8 or 16"
#endif

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#if VECTOR > 1
#error "vectors need GCC or Clang; compile with VECTOR 1"
#endif
#endif

#if VECTOR > 1
/* aligned(4): maps are packed without gaps, so a vector may begin at any float. */
#define DEFINE_VECTOR(lanes)                                                                                     \
    typedef float floats##lanes __attribute__((vector_size(4 * lanes), aligned(4), may_alias));                  \
    typedef int32_t ints##lanes __attribute__((vector_size(4 * lanes), aligned(4), may_alias));                  \
    INLINE floats##lanes select##lanes(ints##lanes which, floats##lanes yes, floats##lanes no)                   \
    {                                                                                                            \
        return (floats##lanes)((which & (ints##lanes)yes) | (~which & (ints##lanes)no));                         \
    }                                                                                                            \
    INLINE floats##lanes zero##lanes(void) { return (floats##lanes){0}; }

/* A comparison with NaN is false, so both keep a NaN, as PyTorch does. */
#define DEFINE_LIMITS(lanes)                                                                                     \
    INLINE floats##lanes at_least##lanes(float low, floats##lanes x)                                             \
    {                                                                                                            \
        floats##lanes bound = zero##lanes() + low;                                                               \
        return select##lanes(x < bound, bound, x);                                                               \
    }                                                                                                            \
    INLINE floats##lanes at_most##lanes(float high, floats##lanes x)                                             \
    {                                                                                                            \
        floats##lanes bound = zero##lanes() + high;                                                              \
        return select##lanes(x > bound, bound, x);                                                               \
    }                                                                                                            \
    INLINE floats##lanes larger##lanes(floats##lanes x, floats##lanes y) { return select##lanes(x < y, y, x); }

DEFINE_VECTOR(2)
DEFINE_LIMITS(2)
DEFINE_VECTOR(4)
#if VECTOR >= 8
DEFINE_VECTOR(8)
#endif
#if VECTOR >= 16
DEFINE_VECTOR(16)
#endif

#ifdef __SSE__
/* Compilers do not find the instruction for a maximum in the comparison above. The second operand wins for NaN. */
#include <immintrin.h>
#define DEFINE_X86_LIMITS(lanes, prefix, type)                                                                   \
    INLINE floats##lanes at_least##lanes(float low, floats##lanes x)                                             \
    {                                                                                                            \
        return (floats##lanes)prefix##_max_ps(prefix##_set1_ps(low), (type)x);                                   \
    }                                                                                                            \
    INLINE floats##lanes at_most##lanes(float high, floats##lanes x)                                             \
    {                                                                                                            \
        return (floats##lanes)prefix##_min_ps(prefix##_set1_ps(high), (type)x);                                  \
    }                                                                                                            \
    INLINE floats##lanes larger##lanes(floats##lanes x, floats##lanes y)                                         \
    {                                                                                                            \
        return (floats##lanes)prefix##_max_ps((type)y, (type)x);                                                 \
    }
DEFINE_X86_LIMITS(4, _mm, __m128)
#else
DEFINE_LIMITS(4)
#endif
/* Without the instructions of a width, the compiler splits its vectors. */
#if VECTOR >= 8
#ifdef __AVX__
DEFINE_X86_LIMITS(8, _mm256, __m256)
#else
DEFINE_LIMITS(8)
#endif
#endif
#if VECTOR >= 16
#ifdef __AVX512F__
DEFINE_X86_LIMITS(16, _mm512, __m512)
#else
DEFINE_LIMITS(16)
#endif
#endif
/* Four floats from four places. */
INLINE floats4 pick4(const char *base, const int32_t *offsets)
{
    return (floats4){*(const float *)(base + offsets[0]), *(const float *)(base + offsets[1]),
                     *(const float *)(base + offsets[2]), *(const float *)(base + offsets[3])};
}
#endif /* VECTOR > 1 */

/* One float is a vector of one lane, so that the same text serves it. */
typedef float floats1;
typedef int32_t ints1;
INLINE float zero1(void) { return 0.0f; }
INLINE float select1(int32_t which, float yes, float no) { return which ? yes : no; }
INLINE float at_least1(float low, float x) { return x < low ? low : x; }
INLINE float at_most1(float high, float x) { return x > high ? high : x; }
INLINE float larger1(float x, float y) { return x < y ? y : x; }

#define JOIN_(name, lanes) name##lanes
#define JOIN(name, lanes) JOIN_(name, lanes)
/* Name of a type or function at the width LANES, which a file sets before it includes a template. */
#define AT(name) JOIN(name, LANES)

#endif
