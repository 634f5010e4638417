/* Decay of memory strengths: see decay.h. */
#include "decay.h"

#include <math.h>
#include <stdbool.h>

static bool all_usable(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]) || values[i] < 0)
            return false;
    return true;
}

enum kernel_status decay_strengths(const float *strengths, const float *ages, size_t count,
                                   float half_life, float *retained)
{
    if (!isfinite(half_life) || half_life <= 0)
        return KERNEL_BAD_ARGUMENT;
    if (count == 0)
        return KERNEL_OK;
    if (!strengths || !ages || !retained)
        return KERNEL_BAD_ARGUMENT;
    /* A pass of its own: an element found bad on the way would leave half an answer behind. */
    if (!all_usable(strengths, count) || !all_usable(ages, count))
        return KERNEL_BAD_ARGUMENT;

    /* In double: at an age of 100 half-lives a float quotient would cost 5e-6 of the result. */
    for (size_t i = 0; i < count; i++)
        retained[i] = (float)((double)strengths[i] * exp(-(double)ages[i] / (double)half_life));
    return KERNEL_OK;
}
