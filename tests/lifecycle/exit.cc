/* Static objects whose destructors allocate, free and begin scopes after main has returned. */
#include <string>
#include <vector>

#include "expect.h"

namespace {

struct keeper {
    const char *name;
    std::vector<std::string> words;
    void *scope_memory = nullptr;

    explicit keeper(const char *text) : name(text), words(3, std::string(100, 'x'))
    {
    }

    ~keeper()
    {
        words.emplace_back(200, 'y');
        EXPECT(words.size() == 4 && words[0] == std::string(100, 'x'));
        std::free(scope_memory);
        ARENA_SCOPE("in a destructor") {
            std::vector<std::string> own(50, std::string(50, 'z'));
            EXPECT(in_arena(own.data()) && own[49] == std::string(50, 'z'));
        }
        std::puts(expect_failures == 0 ? name : "failed");
    }
};

keeper global("static");

keeper &local()
{
    static keeper object("static local");
    return object;
}

} // namespace

int main()
{
    arena_learn();
    local().words[1] = "changed";
    arena_scope_begin(nullptr);
    local().scope_memory = opaque(std::malloc(100));
    global.scope_memory = opaque(std::malloc(100));
    EXPECT(in_arena(global.scope_memory));
    std::puts("main");
    return expect_failures > 0;
}
