#include "base/glob.h"

#include <stddef.h>

/* Behind the brackets that begin at `glob`, and whether they hold the byte; NULL: they are not
 * closed. */
static const char *fit_brackets(const char *glob, const char *end, unsigned char byte, bool *fits)
{
    const char *at = glob + 1;
    bool negated = at < end && (*at == '!' || *at == '^');
    bool found = false;
    at += negated;
    for (const char *first = at; at < end; at++) {
        if (*at == ']' && at > first) {
            *fits = found != negated;
            return at + 1;
        }
        if (*at == '\\' && at + 1 < end)
            at++;
        unsigned char low = (unsigned char)*at, high = low;
        if (end - at > 2 && at[1] == '-' && at[2] != ']') {
            at += 2;
            if (*at == '\\' && at + 1 < end)
                at++;
            high = (unsigned char)*at;
        }
        found = found || (low <= byte && byte <= high);
    }
    return NULL;
}

/* Behind what stands for one byte, if it stands for this one; else NULL. */
static const char *fit_byte(const char *glob, const char *end, char byte)
{
    if (glob == end || byte == '\0')
        return NULL;
    if (*glob == '?')
        return glob + 1;
    bool fits;
    const char *behind = *glob == '[' ? fit_brackets(glob, end, (unsigned char)byte, &fits) : NULL;
    if (behind)
        return fits ? behind : NULL;
    if (*glob == '\\' && glob + 1 < end)
        glob++;
    return *glob == byte ? glob + 1 : NULL;
}

bool glob_fits(const char *glob, const char *end, const char *text)
{
    /* Behind the last star, and where in the text what follows it is tried. */
    const char *star = NULL, *tried = NULL;
    while (*text != '\0' || glob < end) {
        const char *next;
        if (glob < end && *glob == '*') {
            star = ++glob;
            tried = text;
        } else if ((next = fit_byte(glob, end, *text))) {
            glob = next;
            text++;
        } else if (star && *tried != '\0') {
            glob = star;
            text = ++tried;
        } else {
            return false;
        }
    }
    return true;
}
