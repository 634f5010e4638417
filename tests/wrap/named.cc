// C++ names that specs are about.
#include <cstdio>

namespace shapes {

struct Shape {
    virtual ~Shape() = default;
    virtual int area() const = 0;
};

struct Square : Shape {
    explicit Square(int side) : side(side)
    {
    }
    int area() const override;
    int side;
};

__attribute__((noinline)) int Square::area() const
{
    return side * side;
}

__attribute__((noinline)) int scale(int size)
{
    return size * 3;
}

__attribute__((noinline)) double scale(double size)
{
    return size * 2;
}

template <typename T>
__attribute__((noinline)) T twice(T value)
{
    T sum = value;
    for (T *volatile at = &sum; sum < 2 * value; *at += 1)
        ;
    return sum;
}

} // namespace shapes

namespace reset {

__attribute__((noinline)) int again()
{
    static volatile int value = 4;
    return value;
}

} // namespace reset

namespace {

__attribute__((noinline)) int secret()
{
    static volatile int value = 3;
    return value;
}

} // namespace

int main()
{
    shapes::Square two(2), three(3);
    const shapes::Shape *volatile shape = &three;
    std::printf("%d %d %.1f %d %d %d\n", shape->area() + two.area(), shapes::scale(2),
                shapes::scale(2.5), shapes::twice(4), secret(), reset::again());
}
