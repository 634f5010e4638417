/* Programs whose functions named w_* are wrapped. */
#ifndef TESTS_WRAP_WRAPPED_H
#define TESTS_WRAP_WRAPPED_H

#define WORDS_(number) #number
#define WORDS(number) WORDS_(number)
__asm__(".text\n\t.skip " WORDS(PADDING)); /* what lies behind has other addresses */

#define WRAPPED __attribute__((noinline))

#endif
