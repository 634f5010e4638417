/*
 * A fork's child has copies of what is open, and they are activations that began at the fork. They
 * go on to know what was drawn before it, but that enters no sum of the record a second time.
 */
#include "watch/prove.h"

#include "watch/activation.h"
#include "watch/state.h"

static void raise_to(uint64_t *most, uint64_t value)
{
    uint64_t old = __atomic_load_n(most, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(most, &old, value, true, __ATOMIC_RELAXED,
                                                       __ATOMIC_RELAXED))
        ;
}

/* More bytes are alive in it. */
static void note_most(const struct activation *one)
{
    raise_to(&one->function->most_bytes,
             one->bytes - __atomic_load_n(&one->foreign_bytes, __ATOMIC_RELAXED));
}

void prove_draw(struct note *note)
{
    struct activation *innermost = watch_thread.innermost;
    note->context = innermost;
    note->forks = activation_forks;
    state_add(&innermost->references, 1);
    for (struct activation *one = innermost; one; one = one->enclosing) {
        struct record_function *function = one->function;
        one->calls++;
        one->blocks++;
        one->bytes += note->size;
        state_add(&function->calls, 1);
        state_add(&function->bytes, note->size);
        raise_to(&function->most_calls, one->calls);
        note_most(one);
    }
}

void prove_drawn(struct note *note)
{
    activation_list(note->context, note);
}

static bool is_own(const struct note *note)
{
    return note->context->thread == watch_thread.number;
}

/* The innermost open activation that the thread has drawn the block in; NULL: none. All that
 * enclose it are open, too. */
static struct activation *still_inside(const struct note *note)
{
    struct activation *one = is_own(note) ? note->context : NULL;
    while (one && !one->open)
        one = one->enclosing;
    return one;
}

/* The thread frees or resizes a block that was drawn in these activations alone, of its open ones.
 */
static void note_outside(const struct activation *drawn_in)
{
    for (struct activation *one = watch_thread.innermost; one != drawn_in; one = one->enclosing)
        state_add(&one->function->freed_outside, 1);
}

void prove_free(struct note *note)
{
    struct activation *inside = still_inside(note);
    uint64_t counts = note->forks == activation_forks, size = note->size;
    note_outside(inside);
    for (struct activation *one = inside; one; one = one->enclosing) {
        one->blocks--;
        one->bytes -= size;
        state_add(&one->function->inside, counts);
        state_add(&one->function->inside_bytes, counts * size);
    }
    for (struct activation *one = is_own(note) ? NULL : note->context; one; one = one->enclosing) {
        state_add(&one->foreign_blocks, 1);
        state_add(&one->foreign_bytes, size);
        state_add(&one->function->foreign, counts);
    }
    if (note->drawn)
        activation_unlist(note);
    activation_let_go(note->context);
}

void prove_resize(struct note *note, size_t old)
{
    struct activation *inside = still_inside(note);
    uint64_t counts = note->forks == activation_forks, more = note->size - old;
    note_outside(inside);
    for (struct activation *one = inside; one; one = one->enclosing) {
        one->bytes += more;
        state_add(&one->function->resizes, counts);
        state_add(&one->function->bytes, counts * more);
        note_most(one);
    }
    for (struct activation *one = is_own(note) ? NULL : note->context; one; one = one->enclosing)
        state_add(&one->foreign_bytes, -more);
}

void prove_stranger(void)
{
    note_outside(NULL);
}

void prove_forked(void)
{
    activation_forks++;
    for (struct activation *one = watch_thread.innermost; one; one = one->enclosing)
        state_add(&one->function->activations, 1);
}
