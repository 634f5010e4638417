/*
 * Words of a command line, as a shell reads them.
 */
#ifndef ADVISE_QUOTE_H
#define ADVISE_QUOTE_H

/* The word in quotes, or as it is where it needs none; to be freed. */
char *quote_word(const char *word);

/* Puts '?' for control characters, which a terminal would obey. */
void quote_controls(char *text);

#endif
