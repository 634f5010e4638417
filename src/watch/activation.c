#include "watch/activation.h"

#include <sched.h>

#include "watch/sample.h"

uint16_t activation_forks;

static bool listing; /* the lists are in use */

void activation_lock(void)
{
    while (__atomic_test_and_set(&listing, __ATOMIC_ACQUIRE))
        sched_yield();
}

void activation_unlock(void)
{
    __atomic_clear(&listing, __ATOMIC_RELEASE);
}

static void list(struct activation *one, struct note *note)
{
    note->next = one->first;
    note->link = &one->first;
    if (note->next)
        note->next->link = &note->next;
    __atomic_store_n(&one->first, note, __ATOMIC_RELAXED);
}

static void unlist(struct note *note)
{
    if (note->next)
        note->next->link = note->link;
    __atomic_store_n(note->link, note->next, __ATOMIC_RELAXED);
    note->link = NULL;
}

void activation_move(struct note *to, const struct note *from)
{
    activation_lock();
    to->context = from->context;
    to->forks = from->forks;
    to->next = from->next;
    to->link = from->link;
    if (to->link) {
        __atomic_store_n(to->link, to, __ATOMIC_RELAXED);
        if (to->next)
            to->next->link = &to->next;
    }
    activation_unlock();
}

void activation_list(struct activation *one, struct note *note)
{
    activation_lock();
    list(one, note);
    activation_unlock();
}

void activation_unlist(struct note *note)
{
    activation_lock();
    if (note->link)
        unlist(note);
    activation_unlock();
}

/* The activation ends: what is alive goes up to the enclosing one. */
static void tell_survivors(struct activation *one)
{
    activation_lock();
    while (one->first) {
        struct note *note = one->first;
        unlist(note);
        if (note->forks == activation_forks)
            sample_survived(note, one->function);
        if (one->enclosing)
            list(one->enclosing, note);
    }
    activation_unlock();
}

void activation_end_slowly(struct activation *one, bool left)
{
    if (left)
        one->tally->left++;
    tell_survivors(one);
    activation_end(one);
}
