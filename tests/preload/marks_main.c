/* The program around marks.c and marks.cc, which may lie in a library: marks ACTIVE LONGJMPS */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C"
#endif
    int
    marks(int active, int longjmps);

int main(int argc, char **argv)
{
    if (argc != 3 || marks(atoi(argv[1]), atoi(argv[2])) > 0)
        return 1;
    if (dlerror()) /* a mark that looked for the shim in vain has left something behind */
        return 2;
    return fflush(stdout) == 0 ? 0 : 1;
}
