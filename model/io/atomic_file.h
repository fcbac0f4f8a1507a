// Files that are whole or not there: written to a temporary name beside the target, synced,
// renamed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace forerun {

/// Replaces `path` by `text`, creating folders above it. The old file stays untouched on any
/// failure. A link stays one: the file behind it is replaced. What is no file, such as /dev/stdout
/// or a pipe, is written to. Throws Error naming the path, the failed call and the reason
/// (read-only, disk full).
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// The whole file. Throws Error naming the path and the reason.
std::string read_file(const std::filesystem::path& path);

}  // namespace forerun
