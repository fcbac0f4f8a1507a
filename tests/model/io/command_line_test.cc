#include "model/io/command_line.h"

#include <stdlib.h>

#include "model/error.h"
#include "tests/model/laws.h"
#include "tests/support.h"

namespace forerun {
namespace {

using Ints = std::vector<int>;
using Names = std::vector<std::string>;

TEST(ParseIntList, ListsRangesAndRepeats) {
  EXPECT_EQ(parse_int_list("1,2,4-6"), (Ints{1, 2, 4, 5, 6}));
  EXPECT_EQ(parse_int_list("8,4,4,2-4"), (Ints{2, 3, 4, 8}));
  EXPECT_EQ(parse_int_list("7-7"), (Ints{7}));
}

TEST(ParseIntList, RefusesEachWrongForm) {
  for (const char* text : {"", "0", "-1", "1,", ",1", "1,,2", "4-2", "1-", "a", "1.5", "1;2", "1 2",
                           "1,2x", "99999999999", "1-2-3", "1-9999999"}) {
    EXPECT_EQ(
        error_of([&] { parse_int_list(text); }),
        "\"" + std::string(text) + "\" (expected a list of whole numbers >= 1 such as 1,2,4-16)");
  }
}

TEST(ParseNameList, SplitsAtCommas) {
  EXPECT_EQ(parse_name_list("a"), (Names{"a"}));
  EXPECT_EQ(parse_name_list("resnet18,vgg16"), (Names{"resnet18", "vgg16"}));
}

TEST(ParseNameList, RefusesEmptyNames) {
  for (const char* text : {"", ",", "a,", ",a", "a,,b"}) {
    EXPECT_THROW(parse_name_list(text), UsageError) << text;
  }
}

TEST(ParseSize, DecimalAndBinaryUnits) {
  EXPECT_DOUBLE_EQ(parse_size("4096").value(), 4096);
  EXPECT_DOUBLE_EQ(parse_size("25MiB").value(), 26214400);
  EXPECT_DOUBLE_EQ(parse_size("1GB").value(), 1e9);
  EXPECT_DOUBLE_EQ(parse_size("1.5kB").value(), 1500);
  EXPECT_DOUBLE_EQ(parse_size("4KiB").value(), 4096);
  EXPECT_DOUBLE_EQ(parse_size("2GiB").value(), 2147483648.0);
}

TEST(ParseSize, RefusesEachWrongForm) {
  for (const char* text : {"", "MB", "-1MB", "1 MB", "1mb", "1e999", "nan", "inf", "1MBit"}) {
    EXPECT_EQ(error_of([&] { parse_size(text); }),
              "\"" + std::string(text) + "\" (expected a size such as 25MiB or 1GB)");
  }
}

TEST(ParseDuration, TakesAUnit) {
  EXPECT_DOUBLE_EQ(parse_duration("90s").value(), 90);
  EXPECT_DOUBLE_EQ(parse_duration("5m").value(), 300);
  EXPECT_DOUBLE_EQ(parse_duration("2h").value(), 7200);
  EXPECT_DOUBLE_EQ(parse_duration("250ms").value(), 0.25);
  EXPECT_DOUBLE_EQ(parse_duration("1.5d").value(), 129600);
}

TEST(ParseDuration, RefusesNumbersWithoutUnit) {
  for (const char* text : {"", "90", "s", "-5s", "5 s", "5sec", "nans"}) {
    EXPECT_EQ(
        error_of([&] { parse_duration(text); }),
        "\"" + std::string(text) + "\" (expected a time with its unit such as 90s, 5m or 2h)");
  }
}

TEST(ParseRate, BitsAndBytes) {
  EXPECT_DOUBLE_EQ(parse_rate("100Gbit/s").value(), 12.5e9);
  EXPECT_DOUBLE_EQ(parse_rate("12.5GB/s").value(), 12.5e9);
  EXPECT_DOUBLE_EQ(parse_rate("8Mbit/s").value(), 1e6);
  for (const char* text : {"", "100", "100G", "100Gb/s", "-1GB/s"}) {
    EXPECT_THROW(parse_rate(text), UsageError) << text;
  }
}

TEST(ParseErrors, AreUsageErrors) {
  try {
    parse_duration("90");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), kExitUsage);
  }
}

TEST(FormatDuration, ThreeDigitsForPeople) {
  EXPECT_EQ(format_duration(Seconds<>(12.3e-6)), "12.3 us");
  EXPECT_EQ(format_duration(Seconds<>(0.00123)), "1.23 ms");
  EXPECT_EQ(format_duration(Seconds<>(0.0999)), "99.9 ms");
  EXPECT_EQ(format_duration(Seconds<>(3.4)), "3.40 s");
  EXPECT_EQ(format_duration(Seconds<>(119)), "119 s");
  EXPECT_EQ(format_duration(Seconds<>(300)), "5.0 min");
  EXPECT_EQ(format_duration(Seconds<>(7500)), "2 h 05 min");
  EXPECT_EQ(format_duration(Seconds<>(3.0 * 86400)), "3.0 days");
}

TEST(FormatBytes, DecimalUnits) {
  EXPECT_EQ(format_bytes(Bytes<>(512)), "512 B");
  EXPECT_EQ(format_bytes(Bytes<>(25.6e6)), "25.6 MB");
  EXPECT_EQ(format_bytes(Bytes<>(1.2e9)), "1.20 GB");
  EXPECT_EQ(format_bytes(Bytes<>(438e6)), "438 MB");
}

TEST(NearNames, NearestFirst) {
  const Names zoo = {"resnet18", "resnet50", "densenet121", "vgg16", "bert-base"};
  EXPECT_EQ(near_names("resnet19", zoo), (Names{"resnet18", "resnet50"}));
  EXPECT_EQ(near_names("densnet121", zoo).front(), "densenet121");
  EXPECT_EQ(near_names("bert", zoo), (Names{"bert-base"}));
  EXPECT_TRUE(near_names("transformer", zoo).empty());
}

TEST(Store, ArgumentThenEnvironmentThenHere) {
  ::unsetenv("FORERUN_HOME");
  EXPECT_EQ(Store().folder, "forerun");
  ::setenv("FORERUN_HOME", "/somewhere", 1);
  EXPECT_EQ(Store().folder, "/somewhere");
  EXPECT_EQ(Store("here").folder, "here");
  EXPECT_EQ(Store("here").profile(), "here/profile.json");
  EXPECT_EQ(Store("here").calibration(), "here/calibration.json");
  EXPECT_EQ(Store("here").runs(), "here/runs");
  ::setenv("FORERUN_HOME", "", 1);
  EXPECT_EQ(Store().folder, "forerun");
  ::unsetenv("FORERUN_HOME");
}

RC_GTEST_PROP(ParseIntListLaw, ReadsBackAnyList, ()) {
  std::string text;
  for (int i = between(1, 20); i > 0; --i) {
    text += (text.empty() ? "" : ",") + std::to_string(between(1, 100));
  }
  const Ints values = parse_int_list(text);
  RC_ASSERT(std::is_sorted(values.begin(), values.end()));
  std::string again;
  for (const int v : values) again += (again.empty() ? "" : ",") + std::to_string(v);
  RC_ASSERT(parse_int_list(again) == values);
}

RC_GTEST_PROP(ParseLaw, AnyTextIsReadOrRefusedInOneSentence, (const std::string& text)) {
  const auto read = [&](auto parse) {
    try {
      parse(text);
    } catch (const UsageError& error) {
      RC_ASSERT(std::string(error.what()).find("expected") != std::string::npos);
    }
  };
  read([](const auto& t) { parse_int_list(t); });
  read([](const auto& t) { parse_name_list(t); });
  read([](const auto& t) { parse_size(t); });
  read([](const auto& t) { parse_duration(t); });
  read([](const auto& t) { parse_rate(t); });
}

}  // namespace
}  // namespace forerun
