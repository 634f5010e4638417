/*
 * The marks of C++, and exceptions as the way out of them. As marks.c it prints what the
 * statistics must say, one line per site, and the output is the same with and without the shim.
 */
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#ifdef HIDDEN
#pragma GCC visibility push(hidden)
#endif
#include <arenashim/scope.h>
#ifdef HIDDEN
#pragma GCC visibility pop
#endif

extern "C" int marks(int active, int longjmps);

namespace {

int wanted_active;
int failures;

void expect(bool condition, int line)
{
    if (condition)
        return;
    failures++;
    std::printf("line %d failed\n", line);
}

#define EXPECT(condition) expect((condition), __LINE__)

void row(const char *label, int scopes, int calls)
{
    std::printf("%d %d %s\n", scopes, calls, label);
}

struct item {
    long numbers[5];
};

item *volatile last;

void draw()
{
    EXPECT(arena_scope_active() == wanted_active);
    last = new item;
}

/* A constructor and a destructor that draw, so that the order of guards and locals counts. */
struct drawer {
    drawer()
    {
        draw();
    }
    ~drawer()
    {
        draw();
    }
};

void block_marks()
{
    for (int i = 0; i < 3; i++) {
        ARENA_SCOPE("block") {
            draw();
            draw();
            delete last;
        }
        EXPECT(arena_scope_active() == 0);
    }
    row("block", 3, 6);
}

void guarded(bool early)
{
    arenashim::scope guard{"guard"};
    drawer local;
    if (early)
        return;
    draw();
}

void here(bool early)
{
    ARENA_SCOPE_HERE("here");
    drawer local;
    if (early)
        return;
    draw();
}

struct own_error {
    int number;
};

/* Exceptions leave each kind of mark from a frame of its own. */
void throw_through_all()
{
    ARENA_SCOPE("throwing block") {
        ARENA_SCOPE_HERE("throwing here");
        arenashim::scope guard{"throwing guard"};
        ARENA_SCOPE_PAUSED
        {
            drawer *none = nullptr;
            EXPECT(arena_scope_active() == 0);
            if (!none)
                throw own_error{4711};
        }
    }
}

void leave_by_exception()
{
    for (int i = 0; i < 3; i++) {
        int caught = 0;
        try {
            throw_through_all();
        } catch (const own_error &error) {
            caught = error.number;
        }
        EXPECT(caught == 4711);
        EXPECT(arena_scope_active() == 0);
    }
    row("throwing block", 3, 0);
    row("throwing here", 3, 0);
    row("throwing guard", 3, 0);

    ARENA_SCOPE("catching") {
        try {
            arenashim::scope guard{"inner"};
            draw();
            throw 1;
        } catch (int) {
            draw();
        }
    }
    row("catching", 1, 1);
    row("inner", 1, 1);
}

void leave_by_the_rest()
{
    int rounds = 0;
    for (int i = 0; i < 2; i++) {
        ARENA_SCOPE("break") {
            draw();
            break;
        }
        ARENA_SCOPE("continue") {
            draw();
            continue;
        }
        rounds++;
    }
    EXPECT(rounds == 2);
    row("break", 2, 2);
    row("continue", 2, 2);
    ARENA_SCOPE("goto") {
        draw();
        goto out;
    }
out:
    EXPECT(arena_scope_active() == 0);
    row("goto", 1, 1);
}

/* A lambda, a template and a guard with a site of its own. */
template <typename T>
void in_template()
{
    ARENA_SCOPE("template") {
        draw();
        last = static_cast<item *>(::operator new(sizeof(item) + sizeof(T)));
    }
}

void marks_in_odd_places()
{
    auto lambda = [] {
        ARENA_SCOPE("lambda") {
            draw();
        }
    };
    lambda();
    row("lambda", 1, 1);
    /* Of equal contents, so one site. */
    in_template<int>();
    in_template<long>();
    row("template", 2, 4);

    static const arena_scope_site site = {"own site", __FILE__, __LINE__, 0};
    {
        arenashim::scope guard{&site};
        draw();
    }
    row("own site", 1, 1);
}

std::jmp_buf target;

__attribute__((noinline)) void jump_out()
{
    ARENA_SCOPE("left") {
        draw();
        std::longjmp(target, 1);
    }
}

__attribute__((noinline)) int catch_jump()
{
    if (setjmp(target) == 0)
        jump_out();
    return 1;
}

void leave_by_longjmp()
{
    ARENA_SCOPE("catching left") {
        EXPECT(catch_jump() == 1);
        draw();
    }
    EXPECT(arena_scope_active() == 0);
    row("catching left", 1, 0);
    row("left", 1, 2);
}

} // namespace

int marks(int active, int longjmps)
{
    wanted_active = active;
    EXPECT(arena_scope_active() == 0);
    if (longjmps) {
        leave_by_longjmp();
        return failures;
    }
    block_marks();
    guarded(false);
    guarded(true);
    row("guard", 2, 5);
    here(false);
    here(true);
    row("here", 2, 5);
    leave_by_exception();
    leave_by_the_rest();
    marks_in_odd_places();
    EXPECT(arena_scope_active() == 0);
    return failures;
}
