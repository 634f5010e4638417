/* An exponential that is wrong: preloaded, it changes what the decay kernel writes. */
double exp(double exponent);

double exp(double exponent)
{
    return 1 + exponent;
}
