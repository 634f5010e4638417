/*
 * Runs a fuzz target over files where there is no libFuzzer: main FILE...
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

int main(int argc, char **argv)
{
    static uint8_t data[1 << 16];
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        /* An exact copy: a checker sees reads past its end. */
        uint8_t *copy = malloc(size > 0 ? size : 1);
        if (!copy)
            return EXIT_FAILURE;
        for (size_t k = 0; k < size; k++)
            copy[k] = data[k];
        LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
    printf("%d inputs\n", argc - 1);
    return EXIT_SUCCESS;
}
