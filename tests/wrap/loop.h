/*
 * The code of a function int name(int count) whose first instruction is the head of a loop: it
 * cannot be overwritten. Returns 42. For assembly in C.
 */
#ifdef __aarch64__
#define LOOP_CODE(name)                                                                            \
    name ":\n.Lhead_" name ":\nsub w0, w0, 1\ncmp w0, 0\nb.gt .Lhead_" name "\nmov w0, 42\nret\n"
#else
#define LOOP_CODE(name)                                                                            \
    name ":\n.Lhead_" name ":\nmov $42, %eax\ndec %edi\njg .Lhead_" name "\nret\n"
#endif
#define LOOP(name)                                                                                 \
    __asm__(".text\n.globl " name "\n.type " name                                                  \
            ", @function\n" LOOP_CODE(name) ".size " name ", . - " name "\n");
