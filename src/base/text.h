/*
 * Text output by write(2) alone: usable inside malloc, in a signal handler and after stdio is
 * gone. Nothing here allocates, locks or changes errno, raises a signal, or waits for long: what a
 * reader does not take within 2 seconds is dropped.
 *
 *     struct text line;
 *     text_message(&line);                  starts with "arenashim: "
 *     text_str(&line, "capacity is ");
 *     text_uint(&line, capacity);
 *     text_end(&line);                      newline, written in one piece
 *
 * A text that outgrows the buffer is written in several pieces.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    int fd;
    int error; /* errno of the write that did not succeed, or 0; what follows it is dropped */
    size_t length;
    char bytes[1000];
};

/* Write a number, with a NUL. */
#define TEXT_NUMBER_SIZE 21
void text_decimal(char digits[TEXT_NUMBER_SIZE], uint64_t number);
void text_hexadecimal(char digits[TEXT_NUMBER_SIZE], uint64_t number);

/* Append to the string, which is in an array of `size` bytes, another, or `length` bytes of one.
 * False: what did not fit was cut off. */
bool text_append(char *string, size_t size, const char *more);
bool text_append_bytes(char *string, size_t size, const char *bytes, size_t length);

/* Whether the strings are equal. A race detector, which watches strcmp, does not see in which order
 * the shim's tables are filled and read. */
bool text_same(const char *a, const char *b);

/* Starts a text that goes to `fd`; a text for fd -1 is dropped. */
void text_open(struct text *text, int fd);

/* The descriptor of stderr, or -1 when it was closed, or was something else, when it was noted: a
 * file of the program may have that number by now. */
int text_stderr(void);

/* Notes what stderr is. Start does so, before the program opens files, or else the first message.
 */
void text_note_stderr(void);

/* Makes text_stderr answer -1 from now on, so that messages are dropped. */
void text_silence(void);

/* Starts a message to the user: "arenashim: " on stderr. */
void text_message(struct text *text);

/* Append a string, `length` bytes of one, a number in decimal, an address in hexadecimal, what an
 * errno means. */
void text_str(struct text *text, const char *string);
void text_bytes(struct text *text, const char *bytes, size_t length);
void text_uint(struct text *text, uint64_t number);
void text_address(struct text *text, uintptr_t address);
void text_error(struct text *text, int error);

/* Appends a string that somebody else has made, as it may be printed: control characters, and bytes
 * that are not valid UTF-8, become "\x1b" and the like. */
void text_name(struct text *text, const char *string);

/* Appends a string as the inside of a JSON string: quotes, backslashes and control characters are
 * escaped, bytes that are not valid UTF-8 become U+FFFD. */
void text_json(struct text *text, const char *string);

/* Writes what is buffered. False when any write since text_open failed: see `error`. */
bool text_flush(struct text *text);

/* Appends a newline and flushes. */
bool text_end(struct text *text);

#endif
