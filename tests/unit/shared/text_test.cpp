// Text from outside, made fit for lines that people read.
#include "shared/base/text.hpp"

#include <doctest/doctest.h>

using namespace fanfold;

TEST_CASE("what people write stays as it is") {
    CHECK(printable("") == "");
    CHECK(printable("plain text, \"quoted\" \\ and more") == "plain text, \"quoted\" \\ and more");
    CHECK(printable("Grüße, 世界, Ελληνικά, עברית, 🎉") == "Grüße, 世界, Ελληνικά, עברית, 🎉");
}

TEST_CASE("what steers a terminal is made visible") {
    using namespace std::string_literals;
    CHECK(printable("\x1b[2J\x1b]0;title\a") == "\\x1b[2J\\x1b]0;title\\x07");
    CHECK(printable("line\nforged line\r\tover\b\x7f") == "line\\nforged line\\r\\tover\\x08\\x7f");
    CHECK(printable("a\0b"s) == "a\\x00b");
    CHECK(printable("\u009b2J\u0085\u0080\u009f") == "\\u009b2J\\u0085\\u0080\\u009f");  // C1
    CHECK(printable("gpj.\u202eexe\u2066\u2069\u200f") ==
          "gpj.\\u202eexe\\u2066\\u2069\\u200f");  // direction
    CHECK(printable("\u202a\u202b\u202c\u202d\u2067\u2068") ==
          "\\u202a\\u202b\\u202c\\u202d\\u2067\\u2068");
    CHECK(printable("\u2028\u2029\ufeff\u200b") == "\\u2028\\u2029\\ufeff\\u200b");
    CHECK(printable("\U000e0041") == "\\U000e0041");
}

TEST_CASE("every control character is, and nothing of the rest of ASCII") {
    for (int byte = 0; byte < 0x80; ++byte) {
        std::string shown = printable(std::string(1, static_cast<char>(byte)));
        CHECK((shown.size() > 1) == (byte < 0x20 || byte == 0x7f));
        for (char c : shown) CHECK((c >= 0x20 && c < 0x7f));
    }
}

TEST_CASE("what is no UTF-8 is shown byte by byte") {
    CHECK(printable("\xff\xfe") == "\\xff\\xfe");
    CHECK(printable("a\x9b"
                    "2J") == "a\\x9b2J");          // a C1 control of Latin-1
    CHECK(printable("\xc0\x8a") == "\\xc0\\x8a");  // an overlong newline
    CHECK(printable("\xe0\x80\x8a") == "\\xe0\\x80\\x8a");
    CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // half of a pair
    CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
    CHECK(printable("cut off \xe2\x80") == "cut off \\xe2\\x80");
    CHECK(printable("\xe2\x80"
                    "ae") ==
          "\\xe2\\x80"
          "ae");
}

TEST_CASE("a long text is cut, and says so") {
    std::string text(10'000, 'x');
    CHECK(printable(text) == std::string(limits::shown_bytes, 'x') + "… (5904 bytes more)");
    CHECK(printable(std::string(limits::shown_bytes, 'x')) ==
          std::string(limits::shown_bytes, 'x'));
    CHECK(printable("üüü", 3) == "üü… (2 bytes more)");
    CHECK(printable(std::string(1'000'000, '\x1b')).size() < limits::shown_bytes + 40);
}
