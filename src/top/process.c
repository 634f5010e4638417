#include "top/process.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

/* ---- memory ---------------------------------------------------------------------------------- */

bool process_read_pieces(pid_t pid, const struct iovec *local, const struct iovec *remote,
                         size_t count)
{
    ssize_t wanted = 0;
    for (size_t i = 0; i < count; i++)
        wanted += (ssize_t)remote[i].iov_len;
    ssize_t got = process_vm_readv(pid, local, count, remote, count, 0);
    if (got >= 0 && got < wanted)
        errno = EFAULT;
    return got == wanted;
}

bool process_read(pid_t pid, uintptr_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)address, size};
    return process_read_pieces(pid, &local, &remote, 1);
}

/* ---- symbols --------------------------------------------------------------------------------- */

/* An object file in the process. */
struct object {
    pid_t pid;
    uintptr_t bias;    /* address of what is linked for 0 */
    uintptr_t dynamic; /* of the dynamic section */
    uintptr_t hash, symbols, strings;
};

/* Longer chains of a hash table, or dynamic sections, are no real ones. */
#define ENTRIES_MOST 4096

static bool read_headers(struct object *object, uintptr_t base)
{
    ElfW(Ehdr) header;
    if (!process_read(object->pid, base, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return false;
    object->bias = base;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!process_read(object->pid, base + header.e_phoff + i * sizeof segment, &segment,
                          sizeof segment))
            return false;
        if (segment.p_type == PT_LOAD && segment.p_offset == 0)
            object->bias = base - segment.p_vaddr;
        if (segment.p_type == PT_DYNAMIC)
            object->dynamic = segment.p_vaddr;
    }
    object->dynamic += object->bias;
    return object->dynamic != object->bias;
}

/* The loader has made addresses of what the section holds, on most processors. */
static uintptr_t relocated(const struct object *object, uintptr_t address)
{
    return address < object->bias ? object->bias + address : address;
}

static bool read_dynamic(struct object *object)
{
    for (unsigned i = 0; i < ENTRIES_MOST; i++) {
        ElfW(Dyn) entry;
        if (!process_read(object->pid, object->dynamic + i * sizeof entry, &entry, sizeof entry) ||
            entry.d_tag == DT_NULL)
            break;
        uintptr_t address = relocated(object, entry.d_un.d_ptr);
        if (entry.d_tag == DT_GNU_HASH)
            object->hash = address;
        else if (entry.d_tag == DT_SYMTAB)
            object->symbols = address;
        else if (entry.d_tag == DT_STRTAB)
            object->strings = address;
    }
    return object->hash != 0 && object->symbols != 0 && object->strings != 0;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    while (*name != '\0')
        hash = hash * 33 + (unsigned char)*name++;
    return hash;
}

/* Whether the index is that of a definition of the name; then where. */
static bool is_defined(const struct object *object, uint32_t index, const char *name,
                       uintptr_t *address)
{
    char found[64];
    size_t size = strlen(name) + 1;
    ElfW(Sym) symbol;
    if (size > sizeof found ||
        !process_read(object->pid, object->symbols + index * sizeof symbol, &symbol,
                      sizeof symbol) ||
        !process_read(object->pid, object->strings + symbol.st_name, found, size) ||
        memcmp(found, name, size) != 0 || symbol.st_shndx == SHN_UNDEF)
        return false;
    *address = object->bias + symbol.st_value;
    return true;
}

/* By the table that DT_GNU_HASH leads to: a head, a filter, buckets, and chains whose last entry
 * has its lowest bit set. */
static bool look_up(const struct object *object, const char *name, uintptr_t *address)
{
    struct {
        uint32_t buckets, first, filter_words, shift;
    } head;
    uint32_t index, chain = 0;
    if (!process_read(object->pid, object->hash, &head, sizeof head) || head.buckets == 0)
        return false;
    uintptr_t buckets = object->hash + sizeof head + head.filter_words * sizeof(ElfW(Addr));
    uintptr_t chains = buckets + head.buckets * sizeof(uint32_t);
    if (!process_read(object->pid, buckets + gnu_hash(name) % head.buckets * sizeof index, &index,
                      sizeof index) ||
        index < head.first)
        return false;
    for (unsigned i = 0; i < ENTRIES_MOST && !(chain & 1); i++, index++) {
        if (is_defined(object, index, name, address))
            return true;
        if (!process_read(object->pid, chains + (index - head.first) * sizeof chain, &chain,
                          sizeof chain))
            return false;
    }
    return false;
}

int process_find(pid_t pid, const char *symbol, uintptr_t *addresses, int most)
{
    char path[64], *line = NULL;
    size_t size = 0;
    int found = 0, refused = 0;
    bool mapped = false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    if (!maps) {
        if (errno == ENOENT)
            errno = ESRCH;
        return -1;
    }
    while (found < most && refused == 0 && getline(&line, &size, maps) > 0) {
        uintptr_t start;
        char readable;
        unsigned long offset, inode;
        mapped = true;
        if (sscanf(line, "%" SCNxPTR "-%*x %c%*s %lx %*s %lu", &start, &readable, &offset,
                   &inode) != 4 ||
            readable != 'r' || offset != 0 || inode == 0)
            continue;
        struct object object = {.pid = pid};
        errno = 0;
        if (read_headers(&object, start) && read_dynamic(&object) &&
            look_up(&object, symbol, &addresses[found]))
            found++;
        if (errno == EPERM || errno == EACCES || errno == ENOSYS)
            refused = errno;
    }
    free(line);
    fclose(maps);
    if (refused == 0 && mapped)
        return found;
    errno = refused != 0 ? refused : ESRCH; /* what has ended has no memory */
    return -1;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* What the thread takes for its number; the same where it is in no other namespace, or has ended.
 */
static pid_t number_inside(pid_t pid, pid_t thread)
{
    char path[64], *line = NULL;
    size_t size = 0;
    pid_t inside = thread;
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, (int)thread);
    FILE *status = fopen(path, "re");
    while (status && getline(&line, &size, status) > 0)
        if (strncmp(line, "NSpid:", 6) == 0)
            inside = atoi(strrchr(line, '\t')); /* the outermost namespace comes first */
    if (status)
        fclose(status);
    free(line);
    return inside;
}

size_t process_numbers(pid_t pid, struct process_number *numbers, size_t most)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = number_inside(pid, pid) != pid ? opendir(path) : NULL;
    struct dirent *entry;
    while (threads && count < most && (entry = readdir(threads))) {
        pid_t here = atoi(entry->d_name);
        if (here > 0)
            numbers[count++] = (struct process_number){number_inside(pid, here), here};
    }
    if (threads)
        closedir(threads);
    return count;
}

/* ---- names ----------------------------------------------------------------------------------- */

void process_name(pid_t pid, pid_t thread, char name[PROCESS_NAME_SIZE])
{
    char path[64];
    name[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", (int)pid, (int)thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fgets(name, PROCESS_NAME_SIZE, file))
        name[strcspn(name, "\n")] = '\0';
    fclose(file);
    make_printable(name);
}
