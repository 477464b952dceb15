// Whether two processes, perhaps on different hosts, mean the same folder by one path. Any thread;
// reads /proc and the file system.
#pragma once

#include <string>

namespace fanfold {

/// What makes the folder this one: a line for this host (its boot, the device, the inode), and one
/// for whoever has mounted the same share (its type, source, and inode). Short; empty where there
/// is no such folder.
std::string identity_of_folder(const std::string& path);

/// Whether the path is the folder of that identity here, and this process may make files in it.
bool is_folder(const std::string& path, const std::string& identity);

}  // namespace fanfold
