// The program of all unit tests. `--source-file=*/unit/NAME_test.cpp` runs those of one file.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
