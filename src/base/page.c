#include "base/page.h"

#include <unistd.h>

size_t page_size;

void page_ask(void)
{
    page_size = (size_t)sysconf(_SC_PAGESIZE);
}
