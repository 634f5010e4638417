/* The memory of those adapters that take a buffer: as much as the shim's default capacity. */
#ifndef BENCH_ADAPTERS_ROOM_H
#define BENCH_ADAPTERS_ROOM_H

#define ROOM ((size_t)1 << 20)

static inline unsigned char *room_open(void)
{
    void *room;
    if (posix_memalign(&room, 4096, ROOM) != 0)
        errx(1, "no memory");
    return (unsigned char *)room;
}

#endif
