// Standard input, output and error of a program of ours. Before any thread starts.
#pragma once

namespace fanfold {

/// Opens those of the descriptors 0 to 2 that the caller has closed on /dev/null. Otherwise a
/// socket or a file of the program's own would get such a number, and be read and written as
/// standard input, output or error.
void open_standard_descriptors();

}  // namespace fanfold
