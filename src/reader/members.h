/*
 * Members of JSON objects that count something, and lists.
 */
#ifndef READER_MEMBERS_H
#define READER_MEMBERS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* What people call the number under a key. */
struct figure {
    const char *name, *key;
};

/* What a value says, or an object's member; 0, "" and an empty list (which may be NULL) where there
 * is none of the kind. */
uint64_t count_of(const json_t *value);
uint64_t number_of(const json_t *object, const char *key);
const char *text_of(const json_t *object, const char *key);
json_t *list_of(const json_t *object, const char *key);

/* The number, or the highest that JSON holds here: files may say anything, and sums of it do not
 * wrap. */
json_t *new_number(uint64_t number);
void set_number(json_t *object, const char *key, uint64_t number);

/* Adds the object's numbers to those of the sum; raises those of the sum to the object's. */
void add_members(json_t *sum, const json_t *object, const char *const *keys, size_t count);
void raise_members(json_t *sum, const json_t *object, const char *const *keys, size_t count);

/* A list that the object has or gets. */
json_t *made_list(json_t *object, const char *key);

/* Puts the object, which becomes the list's, at its end, and returns it. */
json_t *appended(json_t *list, json_t *object);

/* Sorts a list of objects; by their number under the key, the highest first. */
void sort_list(json_t *list, int (*compare)(const void *, const void *));
void sort_by(json_t *list, const char *key);

#endif
