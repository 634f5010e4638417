/* A second function "twin", for tests/advise/places.sh. */
int placed_handle(int n);
int placed_other(int n);

static __attribute__((noinline, noclone)) int twin(int n)
{
    return placed_handle(n) + 2;
}

int placed_other(int n)
{
    return twin(n + 1);
}
