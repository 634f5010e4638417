#include "reader/members.h"

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
