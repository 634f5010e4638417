/* SIGSEGV in a program with a handler of its own: handlers before|after|sent. */
#include <signal.h>
#include <unistd.h>

#include "expect.h"

static void on_fault(int number)
{
    (void)number;
    (void)!write(STDOUT_FILENO, "handled", 7);
    _exit(3);
}

/* Before the shim starts: it starts with the constructors of the libraries, or the first scope. */
__attribute__((section(".preinit_array"), used)) static void (*const early)(int, char **, char **);

static void install(int argc, char **argv, char **environment)
{
    (void)environment;
    if (argc > 1 && strcmp(argv[1], "before") == 0)
        signal(SIGSEGV, on_fault);
}

static void (*const early)(int, char **, char **) = install;

int main(int argc, char **argv)
{
    volatile char *kept = NULL;
    if (argc > 1 && strcmp(argv[1], "after") == 0)
        signal(SIGSEGV, on_fault);
    ARENA_SCOPE("faulting") {
        kept = opaque(malloc(24));
    }
    if (argc > 1 && strcmp(argv[1], "sent") == 0)
        raise(SIGSEGV);
    return *kept;
}
