#include "cli/elf_file.h"

#include <link.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* The identification and the two fields after it lie alike in Elf32_Ehdr and Elf64_Ehdr. */
#define IDENTITY_SIZE offsetof(Elf64_Ehdr, e_version)
_Static_assert(IDENTITY_SIZE == offsetof(Elf32_Ehdr, e_version), "common start of the ELF header");

static bool read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, buffer, size, (off_t)offset) == (ssize_t)size;
}

bool elf_identify(int fd, struct elf_identity *identity)
{
    Elf64_Ehdr header;
    if (!read_at(fd, &header, IDENTITY_SIZE, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    *identity = (struct elf_identity){
        .class = header.e_ident[EI_CLASS],
        .data = header.e_ident[EI_DATA],
        .machine = header.e_machine,
        .type = header.e_type,
    };
    return true;
}

/* True when the dynamic section in `segment` names the file as a library. */
static bool has_soname(int fd, const ElfW(Phdr) * segment)
{
    ElfW(Dyn) entry;
    for (uint64_t at = 0; at + sizeof entry <= segment->p_filesz; at += sizeof entry) {
        if (!read_at(fd, &entry, sizeof entry, segment->p_offset + at) || entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_SONAME)
            return true;
    }
    return false;
}

bool elf_is_static(int fd)
{
    ElfW(Ehdr) header;
    if (!read_at(fd, &header, sizeof header, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_phentsize != sizeof(ElfW(Phdr)) || header.e_phnum == 0)
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(fd, &segment, sizeof segment, header.e_phoff + i * sizeof segment) ||
            segment.p_type == PT_INTERP)
            return false;
        /* The dynamic linker, run as a program, names no other one and does preload. */
        if (segment.p_type == PT_DYNAMIC && has_soname(fd, &segment))
            return false;
    }
    return true;
}
