#include "watch/prove.h"

void prove_start(struct named_host *host)
{
    (void)host;
}

void prove_draw(struct note *note)
{
    note->context = 0;
}

void prove_free(struct note *note)
{
    (void)note;
}

void prove_resize(struct note *note, size_t old)
{
    (void)note, (void)old;
}

void prove_stranger(void)
{
}

void prove_forked(void)
{
}
