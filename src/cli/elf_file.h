/*
 * The little of an ELF file that decides whether a library can be preloaded into it.
 *
 * Files are read, not mapped: one that is truncated, changing or no ELF file at all gives false,
 * never a fault.
 */
#ifndef CLI_ELF_FILE_H
#define CLI_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

/* Who can execute or load the file. Equal in both word sizes of the format. */
struct elf_identity {
    unsigned char class; /* ELFCLASS32 or ELFCLASS64 */
    unsigned char data;  /* ELFDATA2LSB or ELFDATA2MSB */
    uint16_t machine;    /* EM_*; in this machine's byte order when `data` is this machine's */
    uint16_t type;       /* ET_*; likewise */
};

/* False when `fd` is not an ELF file or cannot be read. */
bool elf_identify(int fd, struct elf_identity *identity);

/* True when `fd` is a program of this machine's format that names no dynamic linker (static and
 * static-pie alike). False also when its headers cannot be read. */
bool elf_is_static(int fd);

/* The C library that the program or library `fd` is for: by the dynamic linker that it names, or is
 * (then by the file's `path`), else by the libraries that it needs. NULL when none of them is known
 * for that, or the headers cannot be read. */
const char *elf_libc(int fd, const char *path);

/* The sanitizer whose runtime brings a malloc of its own into the program `fd` and tolerates none
 * before it: linked into the program, or a library that insists on being the first. NULL when there
 * is none such (the thread and leak sanitizers of GCC are content to come second), or the headers
 * or symbols cannot be read. */
const char *elf_sanitizer(int fd);

/* The same for a library by its file name: the sanitizer whose runtime, which must come first, it
 * is. */
const char *elf_sanitizer_library(const char *file);

#endif
