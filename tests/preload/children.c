/* Starts others and reports what they inherit: children [COMMAND]. */
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

static void scopes(int count)
{
    for (int i = 0; i < count; i++)
        ARENA_SCOPE("counted") {
            opaque(malloc(1));
        }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        scopes(1);
        return 0;
    }
    scopes(3);
    pid_t child = fork();
    if (child == 0) {
        scopes(2);
        exit(0);
    }
    EXPECT(waitpid(child, NULL, 0) == child);
    EXPECT(system(argv[1]) == 0);
    return expect_failures > 0;
}
