#include "reader/members.h"

#include <stdlib.h>

#include "advise/need.h"
#include "base/numbers.h"

uint64_t count_of(const json_t *value)
{
    json_int_t number = json_integer_value(value);
    return number > 0 ? (uint64_t)number : 0;
}

uint64_t number_of(const json_t *object, const char *key)
{
    return count_of(json_object_get(object, key));
}

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

json_t *list_of(const json_t *object, const char *key)
{
    return json_object_get(object, key); /* NULL and other kinds have no elements */
}

json_t *new_number(uint64_t number)
{
    return json_integer((json_int_t)lower(number, INT64_MAX));
}

void set_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, new_number(number));
}

void add_members(json_t *sum, const json_t *object, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set_number(sum, keys[i], number_of(sum, keys[i]) + number_of(object, keys[i]));
}

void raise_members(json_t *sum, const json_t *object, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set_number(sum, keys[i], higher(number_of(sum, keys[i]), number_of(object, keys[i])));
}

json_t *made_list(json_t *object, const char *key)
{
    if (!json_is_array(json_object_get(object, key)))
        json_object_set_new(object, key, json_array());
    return json_object_get(object, key);
}

json_t *appended(json_t *list, json_t *object)
{
    json_array_append_new(list, object);
    return object;
}

void sort_list(json_t *list, int (*compare)(const void *, const void *))
{
    size_t count = json_array_size(list), i;
    json_t **items = need(calloc(count + 1, sizeof *items)), *item;
    json_array_foreach(list, i, item)
        items[i] = json_incref(item);
    qsort(items, count, sizeof *items, compare);
    json_array_clear(list);
    for (i = 0; i < count; i++)
        json_array_append_new(list, items[i]);
    free(items);
}

static const char *sort_key;

static int compare_numbers(const void *left, const void *right)
{
    uint64_t a = number_of(*(json_t *const *)left, sort_key);
    uint64_t b = number_of(*(json_t *const *)right, sort_key);
    return a < b ? 1 : a > b ? -1 : 0;
}

void sort_by(json_t *list, const char *key)
{
    sort_key = key;
    sort_list(list, compare_numbers);
}
