#include "advise/folded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "advise/places.h"
#include "base/numbers.h"

#define INSIDE "_[i]"

/* The functions of a frame, the outermost first, with a semicolon behind each and the mark. */
static char *frame_text(const struct record *record, uint32_t at, const char *mark)
{
    enum { INLINED = 16 };
    const struct record_frame *frame = &record->frames[at];
    struct place places[INLINED];
    if (frame->module == 0)
        return need_text("(generated code)%s;", mark);
    size_t count = places_frames(record->modules[frame->module].path, frame->function,
                                 frame->offset, places, INLINED);
    char *text = need(strdup(""));
    while (count-- > 0) {
        const char *slash = strrchr(places[count].module, '/');
        bool is_bare = places[count].name[0] == '+';
        for (char *at_name = places[count].name; (at_name = strpbrk(at_name, ";\n"));)
            *at_name = ':';
        char *longer = need_text("%s%s%s%s%s;", text,
                                 is_bare ? (slash ? slash + 1 : places[count].module) : "",
                                 is_bare ? "!" : "", places[count].name, mark);
        free(text);
        text = longer;
        places_free(&places[count]);
    }
    return text;
}

/* What each frame is called, outside and inside of a bound; made when it is first asked for. */
struct names {
    const struct record *record;
    char **texts[2];
};

static const char *name_of(struct names *names, uint32_t frame, bool is_inside)
{
    char **text = &names->texts[is_inside][frame];
    if (!*text)
        *text = frame_text(names->record, frame, is_inside ? INSIDE : "");
    return *text;
}

static void print_stack(struct names *names, uint32_t leaf, uint32_t bound, uint64_t bytes,
                        FILE *file)
{
    uint32_t stack[RECORD_DEPTH + 1];
    size_t depth = 0;
    for (uint32_t at = leaf; at != 0 && depth < RECORD_DEPTH; at = names->record->frames[at].parent)
        stack[depth++] = at;
    bool is_inside = false;
    for (size_t i = depth; i-- > 0;) {
        const char *text = name_of(names, stack[i], is_inside);
        fprintf(file, "%.*s", (int)strlen(text) - (i == 0), text);
        is_inside = is_inside || stack[i] == bound;
    }
    fprintf(file, " %" PRIu64 "\n", bytes);
}

void folded_write(const struct advice *advice, FILE *file)
{
    const struct record *record = advice->sampled;
    if (!record)
        return;
    uint32_t frames = (uint32_t)lower(record->frames_used, RECORD_FRAMES);
    uint32_t lives = (uint32_t)lower(record->lives_used, RECORD_LIVES);
    struct names names = {
        record,
        {need(calloc(frames + 1, sizeof(char *))), need(calloc(frames + 1, sizeof(char *)))}};
    uint64_t *ended = need(calloc(frames + 1, sizeof *ended));
    for (uint32_t i = 1; i < lives; i++) {
        const struct record_life *life = &record->lives[i];
        if (life->leaf >= frames || life->bytes == 0)
            continue;
        ended[life->leaf] += life->bytes;
        print_stack(&names, life->leaf, life->end == LIFE_INSIDE ? life->bound : 0, life->bytes,
                    file);
    }
    for (uint32_t i = 1; i < frames; i++)
        if (record->frames[i].bytes > ended[i])
            print_stack(&names, i, 0, record->frames[i].bytes - ended[i], file);
    for (uint32_t i = 0; i < frames; i++) {
        free(names.texts[0][i]);
        free(names.texts[1][i]);
    }
    free(names.texts[0]);
    free(names.texts[1]);
    free(ended);
}
