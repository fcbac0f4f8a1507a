#include "measure/failure.h"

#include <gtest/gtest.h>

namespace forerun {
namespace {

TEST(InOneLine, LeavesOutTheFramesOfCpp) {
  EXPECT_EQ(in_one_line("shape '[3]' is invalid for input of size 4\n"
                        "Exception raised from infer at ./aten/src/ATen/InferSize.h:35 (most "
                        "recent call first):\nframe #0: c10::Error::Error() + 0x9e\n"),
            "shape '[3]' is invalid for input of size 4");
}

TEST(InOneLine, TakesTheEndOfATracebackOfTorchScript) {
  EXPECT_EQ(in_one_line(
                "The following operation failed in the TorchScript interpreter.\n"
                "Traceback of TorchScript (most recent call last):\n"
                "  File \"<string>\", line 3, in forward\n"
                "  return x.matmul(self.head)\n"
                "         ~~~~~~~~ <--- HERE\n"
                "  return x\n"
                "def other(self, x):\n"
                "RuntimeError: mat1 and mat2 shapes cannot be multiplied\n(Error: 4x3 and 4x4)\n"),
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (Error: 4x3 and 4x4)");
}

TEST(InOneLine, KeepsAComplaintThatComesBeforeTheProgram) {
  EXPECT_EQ(in_one_line("Unknown builtin op: x.\n  return x(y)\n         ~ <--- HERE\n"),
            "Unknown builtin op: x.   return x(y)          ~ <--- HERE");
}

TEST(InOneLine, KeepsWhatIsOneLine) {
  EXPECT_EQ(in_one_line("std::bad_alloc"), "std::bad_alloc");
  EXPECT_EQ(in_one_line(""), "");
}

}  // namespace
}  // namespace forerun
