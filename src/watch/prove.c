/*
 * A fork's child has copies of what is open, and they are activations that began at the fork. They
 * go on to know what was drawn before it, but that enters no sum of the record a second time.
 */
#include "watch/prove.h"

#include "base/numbers.h"
#include "watch/activation.h"
#include "watch/state.h"

/* More bytes are alive in it. */
static void note_most(const struct activation *one)
{
    uint64_t bytes = one->bytes - __atomic_load_n(&one->foreign_bytes, __ATOMIC_RELAXED);
    one->tally->most_bytes = higher(one->tally->most_bytes, bytes);
}

void prove_draw(struct note *note)
{
    struct activation *innermost = watch_thread.innermost;
    note->context = innermost;
    note->forks = activation_forks;
    state_add(&innermost->references, 1);
    for (struct activation *one = innermost; one; one = one->enclosing) {
        one->calls++;
        one->blocks++;
        one->bytes += note->size;
        one->tally->calls++;
        one->tally->bytes += note->size;
        one->tally->most_calls = higher(one->tally->most_calls, one->calls);
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
        one->tally->freed_outside++;
}

void prove_free(struct note *note)
{
    struct activation *inside = still_inside(note);
    uint64_t counts = note->forks == activation_forks, size = note->size;
    note_outside(inside);
    for (struct activation *one = inside; one; one = one->enclosing) {
        one->blocks--;
        one->bytes -= size;
        one->tally->inside += counts;
        one->tally->inside_bytes += counts * size;
    }
    for (struct activation *one = is_own(note) ? NULL : note->context; one; one = one->enclosing) {
        state_add(&one->foreign_blocks, 1);
        state_add(&one->foreign_bytes, size);
        activation_tally(one->function)->foreign += counts;
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
        one->tally->resizes += counts;
        one->tally->bytes += counts * more;
        note_most(one);
    }
    for (struct activation *one = is_own(note) ? NULL : note->context; one; one = one->enclosing)
        state_add(&one->foreign_bytes, -more);
}

void prove_stranger(void)
{
    note_outside(NULL);
}

/* The thread has a slot of its own by now. */
void prove_forked(void)
{
    activation_forks++;
    for (struct activation *one = watch_thread.innermost; one; one = one->enclosing) {
        one->tally = activation_tally(one->function);
        one->tally->activations++;
    }
}
