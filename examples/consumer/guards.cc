// A guard in C++: what containers draw in the block draws from the arena.
#include <arenashim/scope.h>
#include <iostream>
#include <map>
#include <string>

static std::size_t different_words(const std::string &text)
{
    arenashim::scope guard{"different words"};
    std::map<std::string, int> counts;
    std::string word;
    for (char letter : text + " ") {
        if (letter != ' ') {
            word += letter;
        } else {
            counts[word]++;
            word.clear();
        }
    }
    return counts.size();
}

int main()
{
    std::size_t words = different_words("the quick brown fox jumps over the lazy dog");
    std::cout << words << "\n";
    return words != 8;
}
