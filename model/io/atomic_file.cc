#include "model/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "model/error.h"

namespace forerun {
namespace {

/// Writes all of `text`; false with errno where that fails.
bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    text.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

/// A temporary file that is removed unless it was renamed to its target.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& target)
      : target_(target), name_(target.string() + ".tmp." + std::to_string(::getpid())) {
    fd_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) fail("create");
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!renamed_) ::unlink(name_.c_str());
  }

  void write(std::string_view text) {
    if (!write_all(fd_, text)) fail("write");
  }

  void rename_to_target() {
    if (::fsync(fd_) != 0) fail("sync");
    const int closed = ::close(fd_);
    fd_ = -1;
    if (closed != 0) fail("close");
    if (::rename(name_.c_str(), target_.c_str()) != 0) fail("rename");
    renamed_ = true;
  }

 private:
  [[noreturn]] void fail(const char* call) {
    const std::string reason = std::strerror(errno);
    throw Error(target_.string() + ": cannot " + call + " (" + reason +
                "); the file is as it was. Free space or permissions may help, or another --store");
  }

  std::filesystem::path target_;
  std::string name_;
  int fd_ = -1;
  bool renamed_ = false;
};

/// A device or a pipe, such as /dev/stdout, cannot be replaced: it is written to.
void write_through(const std::filesystem::path& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const bool good = fd >= 0 && write_all(fd, text);
  const std::string reason = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  if (!good) throw Error(path.string() + ": cannot write (" + reason + ")");
}

/// The file that is replaced: behind a link the one it leads to.
std::filesystem::path behind_links(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target;
}

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  if (path.has_parent_path()) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      throw Error(path.parent_path().string() + ": cannot create folder (" + error.message() +
                  "); name another with --store or FORERUN_HOME");
    }
  }
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_directory(status)) {
    throw Error(path.string() + ": is a folder (a file was expected)");
  }
  if (std::filesystem::is_other(status)) return write_through(path, text);
  TemporaryFile file(behind_links(path));
  file.write(text);
  file.rename_to_target();
}

std::string read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(path.string() + ": is a folder (a file was expected)");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(path.string() + ": cannot read (" + std::strerror(errno) + ")");
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) throw Error(path.string() + ": read failed (" + std::strerror(errno) + ")");
  return text.str();
}

}  // namespace forerun
