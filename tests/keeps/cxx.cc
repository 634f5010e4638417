/*
 * What the C++ run-time library keeps. A program's own statics, states of std::thread and
 * std::async, and strings in its exceptions are made by code in its own object files: they are the
 * program's memory, and cases that let such objects live on make them in a pause.
 */
#include <atomic>
#include <cstring>
#include <cxxabi.h>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <locale>
#include <memory_resource>
#include <mutex>
#include <new>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <typeinfo>

#include "keeps.h"

namespace {

/* ---- streams and locales --------------------------------------------------------------------- */

void cout_first()
{
    std::ios::sync_with_stdio(false); /* new buffers, made by the library */
    std::cout << "printed in the scope " << 1.5 << '\n';
}

void cout_again()
{
    for (int i = 0; i < 1000; i++)
        std::cout << "printed after it " << std::setw(8) << i / 7.0 << '\n';
    std::cout << std::flush;
}

std::locale kept_locale;

void locale_first()
{
    kept_locale = std::locale("C.UTF-8");
    std::locale::global(kept_locale);
    std::cout.imbue(kept_locale);
    std::cout << 1234567 << ' ' << 1.5 << '\n';
}

void locale_again()
{
    EXPECT(kept_locale.name() == "C.UTF-8" && std::isalpha('x', kept_locale));
    std::cout << 1234567 << ' ' << 2.5 << '\n';
    std::locale mixed(std::locale::classic(), kept_locale, std::locale::numeric);
    std::cout.imbue(mixed);
    std::cout << 3.5 << ' ' << std::locale().name() << '\n';
    std::locale::global(std::locale::classic());
    std::cout.imbue(std::locale::classic());
    kept_locale = std::locale::classic();
    std::cout << 4.5 << std::endl;
}

/* Facets make caches of their locale's data at their first use. */
std::locale facet_locale;

void say_facets()
{
    std::ostringstream text;
    std::tm date = {};
    date.tm_year = 120;
    date.tm_mday = 13;
    text.imbue(facet_locale);
    text << std::put_money(471100.0L) << ' ' << std::put_time(&date, "%Y %B") << ' ' << 1e6 << ' '
         << std::boolalpha << true;
    std::puts(text.str().c_str());
}

void facets_first()
{
    facet_locale = std::locale("C.UTF-8");
    say_facets();
}

void facets_again()
{
    say_facets();
    const auto &collate = std::use_facet<std::collate<char>>(facet_locale);
    const char ab[] = "ab";
    EXPECT(collate.compare(ab, ab + 1, ab + 1, ab + 2) < 0);
    std::wostringstream wide;
    wide.imbue(facet_locale);
    wide << 1234567 << L' ' << std::put_money(4711.0L);
    std::printf("%ls\n", wide.str().c_str());
    facet_locale = std::locale::classic();
}

std::ifstream input;
std::ofstream output;

void fstream_first()
{
    std::string line;
    input.open(keeps_path("lines"));
    output.open(keeps_path("streamed"));
    EXPECT(std::getline(input, line) && line == "line 1");
    output << "written in the scope\n";
}

void fstream_again()
{
    std::string line;
    for (int i = 2; i <= 300; i++)
        EXPECT(std::getline(input, line) && line == "line " + std::to_string(i));
    EXPECT(!std::getline(input, line));
    output << "written after it\n";
    output.close();
    input.close();
    input.clear();
    input.open(keeps_path("streamed"));
    EXPECT(std::getline(input, line) && line == "written in the scope");
    EXPECT(std::getline(input, line) && line == "written after it");
}

/* Streams keep an array for what users attach to them, and a list of their callbacks. */
int attached[20], called;

void on_stream(std::ios_base::event, std::ios_base &, int index)
{
    called += index;
}

void iword_first()
{
    for (int &index : attached) {
        index = std::ios_base::xalloc();
        std::cout.iword(index) = index + 100;
    }
    std::cout.register_callback(on_stream, 3);
}

void iword_again()
{
    for (int index : attached)
        EXPECT(std::cout.iword(index) == index + 100);
    called = 0;
    std::cout.imbue(std::locale::classic());
    EXPECT(called == 3);
    std::ios copy(nullptr);
    copy.copyfmt(std::cout);
    EXPECT(called == 6 && copy.iword(attached[19]) == attached[19] + 100);
}

void wcout_first()
{
    std::wcout << L"printed in the scope " << 1.5 << L'\n';
}

void wcout_again()
{
    for (int i = 0; i < 500; i++)
        std::wcout << L"printed after it " << i << L'\n';
    std::wcout << std::flush;
}

/* ---- exceptions ------------------------------------------------------------------------------ */

std::exception_ptr kept_exceptions[4];

template <class Function>
std::exception_ptr caught(Function function)
{
    try {
        ARENA_SCOPE("throws") {
            function();
        }
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

/* Of literals: the library copies the text. */
void exception_ptr_first()
{
    kept_exceptions[0] = caught([] { throw 4711; });
    kept_exceptions[1] = caught([] { throw std::runtime_error("kept past the scope"); });
    kept_exceptions[2] = caught([] { throw std::bad_alloc(); });
    kept_exceptions[3] = caught([] { std::locale("no such locale"); });
}

void exception_ptr_again()
{
    int caught_here = 0;
    for (std::exception_ptr &kept : kept_exceptions) {
        try {
            std::rethrow_exception(kept);
        } catch (int number) {
            caught_here += number == 4711;
        } catch (const std::bad_alloc &) {
            caught_here++;
        } catch (const std::runtime_error &error) {
            caught_here += std::strstr(error.what(), "kept past the scope") != nullptr ||
                           std::strstr(error.what(), "locale") != nullptr;
        }
        kept = nullptr;
    }
    EXPECT(caught_here == 4);
}

/* The first throw loads and sorts what the unwinder needs, and makes the thread's globals. */
void throw_first()
{
    int caught_here = 0;
    for (int i = 0; i < 10; i++) {
        try {
            throw std::out_of_range("out");
        } catch (const std::logic_error &) {
            caught_here++;
        }
    }
    EXPECT(caught_here == 10);
}

void throw_again()
{
    throw_first();
    const std::error_category &category = std::system_category();
    EXPECT(category.message(2) == "No such file or directory");
    try {
        throw std::system_error(2, category, "opening");
    } catch (const std::system_error &error) {
        EXPECT(std::strcmp(error.what(), "opening: No such file or directory") == 0);
    }
}

struct base {
    virtual ~base() = default;
};
struct derived : base {
    int value = 4711;
};

char *demangled[2];

void typeid_first()
{
    derived object;
    base *pointer = static_cast<base *>(opaque(&object));
    EXPECT(dynamic_cast<derived *>(pointer) && typeid(*pointer) == typeid(derived));
    for (char *&name : demangled)
        name = abi::__cxa_demangle(typeid(std::ostringstream).name(), nullptr, nullptr, nullptr);
    std::free(demangled[1]);
}

void typeid_again()
{
    derived object;
    base *pointer = static_cast<base *>(opaque(&object));
    EXPECT(dynamic_cast<derived *>(pointer)->value == 4711);
    EXPECT(std::strstr(demangled[0], "basic_ostringstream<char") != nullptr);
    std::size_t size = 1 + std::strlen(demangled[0]);
    int status = 1;
    demangled[0] = abi::__cxa_demangle("NSt6locale5facetE", demangled[0], &size, &status);
    EXPECT(status == 0 && std::strcmp(demangled[0], "std::locale::facet") == 0);
    std::free(demangled[0]);
}

/* ---- threads --------------------------------------------------------------------------------- */

std::thread worker;
std::future<int> promised;
std::atomic<int> ended;

/* One that ends in the scope, and one that lives on. */
void thread_first()
{
    std::thread([] { ended++; }).join();
    ARENA_SCOPE_PAUSED
    {
        worker = std::thread([] {
            std::ostringstream text;
            text << "made in a thread of its own " << 4711;
            ended += text.str().size() == 32;
        });
    }
}

void thread_again()
{
    worker.join();
    EXPECT(ended == 2);
    std::thread([] { ended++; }).join();
    EXPECT(ended == 3);
}

void async_first()
{
    EXPECT(std::async(std::launch::async, [] { return 4711; }).get() == 4711);
    ARENA_SCOPE_PAUSED
    {
        promised =
            std::async(std::launch::async, []() -> int { throw std::runtime_error("late"); });
    }
}

void async_again()
{
    bool thrown = false;
    try {
        promised.get();
    } catch (const std::runtime_error &error) {
        thrown = std::strcmp(error.what(), "late") == 0;
    }
    EXPECT(thrown);
    std::promise<int> broken;
    promised = broken.get_future();
    EXPECT(std::async(std::launch::deferred, [] { return 1; }).get() == 1);
}

std::once_flag once;
int calls;

void call_once_first()
{
    std::call_once(once, [] { calls++; });
}

void call_once_again()
{
    std::call_once(once, [] { calls++; });
    EXPECT(calls == 1);
}

/* Destructors of thread_local objects are registered with libc. */
std::atomic<int> sum;

struct counted {
    int value = 0;
    ~counted()
    {
        sum += value;
    }
};

thread_local counted per_thread[3];

void thread_local_first()
{
    per_thread[0].value = 1;
}

void thread_local_again()
{
    int before = sum;
    std::thread([] {
        ARENA_SCOPE("in thread") {
            EXPECT(opaque(std::malloc(1)) != nullptr);
            per_thread[1].value = 10;
        }
        overwrite_arena();
    }).join();
    EXPECT(sum == before + 10);
}

/* ---- memory, files --------------------------------------------------------------------------- */

/* A pool takes its chunks from the library's own resource. */
std::pmr::unsynchronized_pool_resource *pool;
void *pooled[100];

void pool_first()
{
    for (std::size_t i = 0; i < 50; i++) {
        pooled[i] = pool->allocate(16 + i * 8);
        fill(pooled[i], 16 + i * 8, unsigned(i));
    }
}

void pool_again()
{
    for (std::size_t i = 50; i < 100; i++) {
        pooled[i] = pool->allocate(16 + i * 8);
        fill(pooled[i], 16 + i * 8, unsigned(i));
    }
    for (std::size_t i = 0; i < 100; i++) {
        EXPECT(filled(pooled[i], 16 + i * 8, unsigned(i)));
        pool->deallocate(pooled[i], 16 + i * 8);
    }
    pool->release();
}

std::filesystem::directory_iterator *walk;

void filesystem_first()
{
    ARENA_SCOPE_PAUSED
    {
        walk = new std::filesystem::directory_iterator();
    }
    *walk = std::filesystem::directory_iterator(keeps_path("tree"));
    EXPECT(*walk != std::filesystem::directory_iterator());
}

void filesystem_again()
{
    int files = 0;
    for (; *walk != std::filesystem::directory_iterator(); ++*walk)
        files += (*walk)->is_regular_file();
    EXPECT(files == 3);
    delete walk;
}

const struct keep cases[] = {
    {"cout", cout_first, cout_again},
    {"locale", locale_first, locale_again},
    {"facets", facets_first, facets_again},
    {"fstream", fstream_first, fstream_again},
    {"iword", iword_first, iword_again},
    {"wcout", wcout_first, wcout_again},
    {"exception_ptr", exception_ptr_first, exception_ptr_again},
    {"throw", throw_first, throw_again},
    {"typeid", typeid_first, typeid_again},
    {"thread", thread_first, thread_again},
    {"async", async_first, async_again},
    {"call_once", call_once_first, call_once_again},
    {"thread_local", thread_local_first, thread_local_again},
    {"pool", pool_first, pool_again},
    {"filesystem", filesystem_first, filesystem_again},
};

} // namespace

int main(int argc, char **argv)
{
    std::pmr::unsynchronized_pool_resource resource;
    pool = &resource;
    return keeps_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
