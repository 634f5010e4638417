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

#endif
