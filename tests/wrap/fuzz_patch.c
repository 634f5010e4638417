/*
 * Plans a patch of every function of the files that are named, and checks each copy against the
 * original (copies.h), and, for where instructions begin and branches go, against what objdump says
 * of the whole file.
 *
 * usage: fuzz_patch FILE...    prints what was found, a line for each error; exits 1 when there is
 * any
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/wrap/copies.h"
#include "tests/wrap/library.h"

/* What is accepted of the functions that have the room, in percent; a few are always refused (the
 * linker's stubs are a loop, as it were). */
#define ACCEPTED_MIN 90
#define FEW 2

static const char *path;
static unsigned long errors;

static void error(uintptr_t function, const char *what)
{
    printf("%s: %#" PRIxPTR ": %s\n", path, function, what);
    errors++;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static void check_copy(const struct patch *patch, uintptr_t function, uintptr_t base,
                       uintptr_t address, const struct listed *listed, bool far)
{
    unsigned char bytes[PATCH_COPY_MAX];
    bool reckons = false;
    struct copy copy = {.bytes = bytes, .address = address, .base = base};
    copy.length = patch_copy(patch, address, bytes);
    const char *wrong = copies_judge(patch, &copy, listed, &reckons);
    if (wrong)
        error(function, wrong);
    if ((copy.length == 0) != (far && reckons))
        error(function, far ? "a copy far away" : "there is no copy");
}

/* ---- what objdump says ----------------------------------------------------------------------- */

/* For each byte of the file's addresses: what is listed there. */
static struct listed *disassemble(const struct library *library)
{
    char command[4096], line[1024];
    struct listed *listed = calloc(library->end, sizeof *listed);
    unsigned long instructions = 0;
    snprintf(command, sizeof command, "objdump -d -w --no-show-raw-insn '%s'", path);
    FILE *lines = popen(command, "r");
    if (!listed || !lines)
        abort();
    while (fgets(line, sizeof line, lines)) {
        char *end;
        uintptr_t address = strtoul(line, &end, 16);
        if (end == line || *end != ':' || address >= library->end)
            continue;
        listed[address].begins = true;
        instructions++;
        char *text = strtok(end + 1, "\n");
        uintptr_t target = text ? copies_list(&listed[address], text) : 0;
        if (target != 0 && target < library->end)
            listed[target].is_target = true;
    }
    if (pclose(lines) != 0 || instructions == 0) {
        printf("%s: objdump failed\n", path);
        errors++;
    }
    return listed;
}

static void check_boundaries(const struct patch *patch, uintptr_t base, const struct listed *listed)
{
    uintptr_t entry = patch->entry - base;
    for (size_t i = 1; i < patch->length; i++)
        if (listed[entry + i].is_target)
            error(entry, "objdump sees a branch to the overwritten bytes");
    bool joined = false; /* to objdump, a part of the one before */
    for (size_t done = 0; done < patch->length;) {
        if (!listed[entry + done].begins && !joined) {
            error(entry, "objdump sees no instruction where one is copied");
            return;
        }
        size_t length = copies_step(patch, done, &joined);
        if (length == 0)
            return; /* padding follows */
        done += length;
    }
}

/* ---- a file ---------------------------------------------------------------------------------- */

static struct reason {
    const char *text;
    unsigned long count;
} reasons[16];

static void count_reason(const char *text)
{
    int i = 0;
    while (reasons[i].text && strcmp(reasons[i].text, text) != 0)
        i++;
    reasons[i].text = text;
    reasons[i].count++;
}

static void check_file(void)
{
    struct library library;
    unsigned long accepted = 0, refused = 0, small = 0, roomy = 0, nops = 0, unseen = 0, parts = 0;
    library_read(&library, path);
    uintptr_t base = library_map(&library);
    struct listed *listed = disassemble(&library);
    memset(reasons, 0, sizeof reasons);

    for (size_t i = 0; i < library.count; i++) {
        const struct library_function *known = &library.functions[i];
        struct patch_function function = {
            base + known->start,    known->size, base + known->text_start,
            base + known->text_end, 0,           0};
        struct patch patch;
        const char *reason = patch_plan(&function, &patch);
        if (known->size < JUMP_BYTES)
            small++;
        if (reason) {
            refused++;
            parts += !known->named && strstr(reason, "part of another");
            count_reason(reason);
            continue;
        }
        accepted++;
        nops += patch.nops;
        roomy += known->size >= JUMP_BYTES;
        if (!known->named && !listed[known->start].begins)
            unseen++;
        else
            check_boundaries(&patch, base, listed);
        if (!patch.nops) {
            const struct listed *entry = &listed[patch.entry - base];
            check_copy(&patch, known->start, base, base - 4096, entry, false);
            check_copy(&patch, known->start, base, patch.entry + ((uintptr_t)1 << 40), entry, true);
        }
    }
    printf("%s: %zu functions (%lu below a jump), %lu accepted (%lu of nops), %lu refused\n", path,
           library.count, small, accepted, nops, refused);
    for (int i = 0; reasons[i].text; i++)
        printf("    %6lu %s\n", reasons[i].count, reasons[i].text);
    printf("    %6lu parts without a symbol in which objdump sees no instructions\n", unseen);
    if (unseen > FEW + library.count / 1000)
        error(0, "too little is compared");
    if (accepted + refused != library.count)
        error(0, "the counts do not add up");
    if ((roomy + FEW) * 100 < (library.count - small - parts) * ACCEPTED_MIN)
        error(0, "too few are accepted");
    patch_planned();
    free(listed);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        path = argv[i];
        check_file();
    }
    return errors != 0 || argc < 2;
}
