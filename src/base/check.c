#include "base/check.h"

#include <stdlib.h>

#include "base/text.h"

void check_abort(void)
{
    WRITE_COVERAGE();
    abort();
}

void check_failed(const char *condition, const char *file, unsigned line)
{
    struct text text;
    text_message(&text);
    text_str(&text, "invariant violated: ");
    text_str(&text, condition);
    text_str(&text, " (");
    text_str(&text, file);
    text_str(&text, ":");
    text_uint(&text, line);
    text_str(&text, ")");
    text_end(&text);
    check_abort();
}
