#include "model/io/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iterator>

#include "tests/support.h"

namespace forerun {
namespace {

size_t files_in(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

TEST(WriteFileAtomically, CreatesFoldersAndReplaces) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a" / "b" / "file";
  write_file_atomically(path, "one");
  EXPECT_EQ(read_file(path), "one");
  write_file_atomically(path, "");
  EXPECT_EQ(read_file(path), "");
  EXPECT_EQ(files_in(path.parent_path()), 1);  // nothing temporary is left
}

TEST(WriteFileAtomically, AFolderInTheWayStays) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "file" / "full");
  EXPECT_EQ(
      error_of([&] { write_file_atomically(folder.path() / "file", "x"); }, folder.path().string()),
      "/file: is a folder (a file was expected)");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(WriteFileAtomically, ALinkStaysALink) {
  const TemporaryFolder folder;
  const auto target = folder.write("target", "old");
  std::filesystem::create_symlink("target", folder.path() / "link");
  write_file_atomically(folder.path() / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link"));
  EXPECT_EQ(slurp(target), "new");
}

TEST(WriteFileAtomically, APipeIsWrittenTo) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDWR);
  write_file_atomically(path, "text");
  char text[8] = {};
  EXPECT_EQ(read(reader, text, sizeof text), 4);
  close(reader);
  EXPECT_STREQ(text, "text");
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(WriteFileAtomically, AFileWhereAFolderShouldBe) {
  const TemporaryFolder folder;
  folder.write("store", "a file");
  EXPECT_EQ(error_of([&] { write_file_atomically(folder.path() / "store" / "p.json", "x"); },
                     folder.path().string()),
            "/store: cannot create folder (Not a directory); name another with --store or "
            "FORERUN_HOME");
  EXPECT_EQ(slurp(folder.path() / "store"), "a file");
}

/// Tries to write, and exits with what came of it: for a process of its own.
[[noreturn]] void write_and_exit(const std::filesystem::path& path) {
  try {
    write_file_atomically(path, std::string(100000, 'x'));
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    _exit(error.exit_code());
  }
  _exit(kExitDone);
}

/// A file may not grow beyond 4096 bytes: as on a disk that is full half-way.
[[noreturn]] void write_on_a_full_disk(const std::filesystem::path& path) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{4096, 4096};
  setrlimit(RLIMIT_FSIZE, &limit);
  write_and_exit(path);
}

[[noreturn]] void write_without_permission(const std::filesystem::path& path) {
  chmod(path.parent_path().c_str(), 0555);
  if (geteuid() == 0 && setuid(65534) != 0) _exit(99);  // root may write anywhere
  write_and_exit(path);
}

TEST(WriteFileAtomically, ADiskFullHalfWayLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "old");
  EXPECT_EXIT(write_on_a_full_disk(path), testing::ExitedWithCode(kExitFailed),
              "file: cannot write .File too large.; the file is as it was");
  EXPECT_EQ(slurp(path), "old");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(WriteFileAtomically, AFolderThatCannotBeWrittenKeepsTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "old");
  EXPECT_EXIT(write_without_permission(path), testing::ExitedWithCode(kExitFailed),
              "file: cannot create .Permission denied.; the file is as it was");
  chmod(folder.path().c_str(), 0755);
  EXPECT_EQ(slurp(path), "old");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(ReadFile, NamesThePathAndTheReason) {
  EXPECT_EQ(error_of([] { read_file("/nowhere/file"); }),
            "/nowhere/file: cannot read (No such file or directory)");
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { read_file(folder.path()); }, folder.path().string()),
            ": is a folder (a file was expected)");
}

}  // namespace
}  // namespace forerun
