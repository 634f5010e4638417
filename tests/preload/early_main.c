/* A program in which somebody allocates early: early_main prints how much of it was checked. */
#include "expect.h"

int early_check(void) __attribute__((weak));

#ifdef EARLY_IFUNC
int early_answer(void);
#endif

int main(void)
{
    arena_learn();
    ARENA_SCOPE("early") {
        EXPECT(in_arena(opaque(malloc(10))));
    }
#ifdef EARLY_IFUNC
    EXPECT(early_answer() == 4711);
#endif
    if (early_check)
        printf("%d early blocks\n", early_check());
    return expect_failures > 0;
}
