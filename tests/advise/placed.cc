// C++ functions for tests/advise/places.sh.
#include <string>

namespace space {
struct handler {
    __attribute__((noinline)) int handle(const char *text) const;
    __attribute__((noinline)) int handle(int number) const;
};

int handler::handle(const char *text) const // line 10
{
    return static_cast<int>(std::string(text).size());
}

int handler::handle(int number) const
{
    return static_cast<int>(std::to_string(number).size());
}
} // namespace space

int main(int argc, char **argv)
{
    space::handler handler;
    return handler.handle(argv[0]) + handler.handle(argc) == 0;
}
