/*
 * Arguments and results of every class through wrapped calls: each function is called by others of
 * its unit, is given random values, and must return what the caller has worked out itself. Prints
 * how many calls of functions named w_* there were.
 */
#include <alloca.h>
#include <complex.h>
#include <stdarg.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "expect.h"
#include "wrapped.h"

#define ROUNDS 50

static int calls;
#define CALL(call) (calls++, call)

/* A block whose contents outlive a nested call, in every function. */
static inline void draw(void)
{
    unsigned char *block = opaque(malloc(24));
    fill(block, 24, 3);
    EXPECT(filled(block, 24, 3) && arena_scope_active());
    free(block);
}

struct pair {
    double a, b;
};
struct mixed {
    long a;
    double b;
};
struct large {
    long values[9];
};

WRAPPED long w_nine(long a, long b, long c, long d, long e, long f, long g, long h, long i)
{
    draw();
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i;
}

WRAPPED double w_doubles(double a, double b, double c, double d, double e, double f, double g,
                         double h, double i, double j, int k)
{
    draw();
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + k;
}

WRAPPED long w_by_value(struct large large, struct mixed mixed, struct pair pair)
{
    draw();
    long sum = mixed.a + (long)(mixed.b + pair.a + pair.b);
    for (int i = 0; i < 9; i++)
        sum += large.values[i] * (i + 1);
    return sum;
}

WRAPPED struct large w_large(long seed)
{
    draw();
    struct large result;
    for (int i = 0; i < 9; i++)
        result.values[i] = seed * i;
    return result;
}

WRAPPED struct mixed w_mixed(long a, double b)
{
    draw();
    return (struct mixed){a + 1, b + 2};
}

WRAPPED struct pair w_pair(float a, double b)
{
    draw();
    return (struct pair){(double)a * 2, b * 2};
}

WRAPPED double w_variadic(int count, ...)
{
    va_list list;
    double sum = 0;
    draw();
    va_start(list, count);
    for (int i = 0; i < count; i++)
        sum += i % 2 ? va_arg(list, double) : (double)va_arg(list, long);
    va_end(list);
    return sum;
}

WRAPPED long double w_long_double(long double a, int b, long double c)
{
    draw();
    return a / 3 + b * c;
}

WRAPPED double complex w_complex(double complex a, float complex b)
{
    draw();
    return a * 2 + (double complex)b;
}

WRAPPED long double complex w_long_complex(long double complex a)
{
    draw();
    return a * 3;
}

WRAPPED __int128 w_128(__int128 a, unsigned long b)
{
    draw();
    return a * (__int128)b;
}

WRAPPED char *w_alloca(size_t size)
{
    draw();
    unsigned char *space = opaque(alloca(size));
    fill(space, size, 9);
    char *copy = malloc(size);
    memcpy(copy, space, size);
    EXPECT(filled(space, size, 9));
    return copy;
}

WRAPPED size_t w_buffer(const char *text)
{
    char buffer[64];
    draw();
    strcpy(opaque(buffer), text);
    return strlen(opaque(buffer));
}

/* Uses few registers: the compiler may keep values of its callers in the others. */
WRAPPED static long w_leaf(long a)
{
    __asm__ volatile("" : "+r"(a));
    return a ^ 5;
}

static long around_leaf(long a, long b, long c, long d, long e, long f, double x, double y)
{
    long before = a + b + c + d + e + f;
    long g = a * 3, h = b * 5, i = c * 7;
    double z = x * y, u = x + 4;
    long leaf = CALL(w_leaf(a));
    return before + g + h + i + a + b + c + d + e + f + leaf + (long)(x + y + z + u);
}

static long without_leaf(long a, long b, long c, long d, long e, long f, double x, double y)
{
    return 2 * (a + b + c + d + e + f) + a * 3 + b * 5 + c * 7 + (a ^ 5) +
           (long)(x + y + x * y + x + 4);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) WRAPPED __m256i w_vector(__m256i a, __m256i b, int c)
{
    draw();
    return _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_set1_epi32(c));
}

__attribute__((target("avx2"))) static void vectors(int seed)
{
    int got[8];
    __m256i a = _mm256_setr_epi32(seed, 2, 3, 4, 5, 6, 7, seed + 8);
    __m256i b = _mm256_set1_epi32(seed * 3), c = CALL(w_vector(a, b, 11));
    _mm256_storeu_si256((__m256i *)got, c);
    for (int i = 1; i < 7; i++)
        EXPECT(got[i] == i + 1 + seed * 3 + 11);
    EXPECT(got[0] == 4 * seed + 11 && got[7] == 4 * seed + 19);
}
#endif

static void numbers(long n)
{
    double x = (double)n / 8;
    EXPECT(CALL(w_nine(n, 2, 3, 4, 5, 6, n + 7, 8, n)) == 17 * n + 4 + 9 + 16 + 25 + 36 + 49 + 64);
    EXPECT(CALL(w_doubles(x, 1, 1, 1, 1, 1, 1, 1, x, 2, (int)n)) == 10 * x + 35 + 20 + (double)n);
    EXPECT(CALL(w_variadic(3, n, 0.5, n)) == 2 * (double)n + 0.5);
    EXPECT(CALL(w_variadic(14, n, x, 1L, x, 2L, x, 3L, x, 4L, x, 5L, x, 6L, x)) ==
           (double)n + 7 * x + 21);
    EXPECT(CALL(w_long_double(3 * (long double)n, 2, 0.25L)) == (long double)n + 0.5L);
    double complex c = CALL(w_complex(x + 2 * I, 1.0f + 3.0f * I));
    EXPECT(__real__ c == 2 * x + 1 && __imag__ c == 7);
    long double complex d = CALL(w_long_complex((long double)n + 5 * I));
    EXPECT(__real__ d == 3 * (long double)n && __imag__ d == 15);
    EXPECT(CALL(w_128(((__int128)n << 80) + 1, 3)) == ((__int128)(3 * n) << 80) + 3);
    EXPECT(around_leaf(n, 2, 3, n + 4, 5, 6, x, 2) == without_leaf(n, 2, 3, n + 4, 5, 6, x, 2));
}

static void structures(long n)
{
    struct large large = CALL(w_large(n));
    for (int i = 0; i < 9; i++)
        EXPECT(large.values[i] == n * i);
    EXPECT(CALL(w_by_value(large, (struct mixed){n, 2}, (struct pair){3, 4})) == n * 240 + n + 9);
    struct mixed mixed = CALL(w_mixed(n, 0.5));
    EXPECT(mixed.a == n + 1 && mixed.b == 2.5);
    struct pair pair = CALL(w_pair(1.5f, (double)n));
    EXPECT(pair.a == 3 && pair.b == 2 * (double)n);
    EXPECT(CALL(w_buffer("some text")) == 9);
}

int main(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        numbers(round * 1000 - 7000);
        structures(round - 20);
        size_t size = 100 + (size_t)round * 50;
        char *copy = CALL(w_alloca(size));
        /* With `reset` the block is gone, but nobody has written there yet. */
        EXPECT(filled(copy, size, 9));
        if (!getenv("CLASSES_RESET"))
            free(copy);
#ifdef __x86_64__
        if (__builtin_cpu_supports("avx2"))
            vectors(round);
#endif
    }
    printf("%d\n", calls);
    return expect_failures > 0;
}
