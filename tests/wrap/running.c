/*
 * A library (LIBRARY) whose constructor starts a thread that calls two functions all the time, one
 * exported and one not, most of the time just behind their first instructions; and a program.
 */
#include <stddef.h>
#include <unistd.h>

extern volatile unsigned long r_rounds;
void r_copy(void *to, const void *from, unsigned long bytes);

#ifdef LIBRARY
#include <pthread.h>

#ifdef __aarch64__
#define CODE "cbz x2, 2f\n1: ldrb w3, [x1], 1\nstrb w3, [x0], 1\nsubs x2, x2, 1\nb.ne 1b\n2: ret\n"
#else
/* Two moves of a register and a repeated one: five bytes and a return. */
#define CODE "mov %rdx, %rcx\nrep movsb\nret\n"
#endif
#define COPY(name)                                                                                 \
    __asm__(".text\n.type " name ", @function\n" name ":\n" CODE ".size " name ", . - " name "\n")
COPY("r_copy");
COPY("r_hidden");
__asm__(".globl r_copy\n.globl r_hidden\n.hidden r_hidden\n");
void r_hidden(void *to, const void *from, unsigned long bytes);

static char a[1 << 20], b[1 << 20];
volatile unsigned long r_rounds;

static void *run(void *unused)
{
    for (;;) {
        r_copy(a, b, sizeof a);
        r_hidden(b, a, sizeof a);
        r_rounds++;
    }
    return unused;
}

__attribute__((constructor)) static void start(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, NULL);
    while (r_rounds < 2)
        usleep(100);
}
#else
#include <stdio.h>

__attribute__((noinline)) static int own(int n)
{
    __asm__ volatile("" : "+r"(n));
    return n + 1;
}

int main(void)
{
    unsigned long before = r_rounds;
    char to[16] = "", from[16] = "copied";
    r_copy(to, from, sizeof from);
    for (int i = 0; i < 1000 && r_rounds == before; i++)
        usleep(1000);
    printf("%s %d %s\n", to, own(41), r_rounds > before ? "goes on" : "stands still");
}
#endif
