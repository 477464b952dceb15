// main() of the programs of unit tests. `--source-file=*/unit/COMPONENT/NAME_test.cpp` runs one
// file.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
