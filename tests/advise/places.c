/*
 * What advise/places.h knows of a place:
 *
 *     places function MODULE OFFSET         entry, name, file and line, spec, whether it is called
 *     places frames MODULE FUNCTION OFFSET  name, file and line of each, the innermost first
 */
#include "advise/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_place(const struct place *place)
{
    const char *slash = place->file ? strrchr(place->file, '/') : NULL;
    printf("%s %s:%u", place->name, slash ? slash + 1 : "-", place->line);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "function") == 0) {
        uint64_t offset = strtoull(argv[3], NULL, 0), entry = places_entry(argv[2], offset);
        struct place place;
        places_function(argv[2], entry, &place);
        printf("0x%" PRIx64 " ", entry);
        print_place(&place);
        char *spec = places_spec(&place, false);
        printf(" %s %s\n", spec,
               places_is_start(argv[2], offset)    ? "start"
               : places_is_called(argv[2], offset) ? "called"
                                                   : "part");
        free(spec);
        places_free(&place);
        return 0;
    }
    if (argc == 5 && strcmp(argv[1], "frames") == 0) {
        struct place frames[8];
        size_t count = places_frames(argv[2], strtoull(argv[3], NULL, 0),
                                     strtoull(argv[4], NULL, 0), frames, 8);
        for (size_t i = 0; i < count; i++) {
            print_place(&frames[i]);
            puts("");
            places_free(&frames[i]);
        }
        return 0;
    }
    fputs("usage: places function MODULE OFFSET | frames MODULE FUNCTION OFFSET\n", stderr);
    return 2;
}
