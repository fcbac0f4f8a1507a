#include "model/io/json_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support.h"

namespace forerun {
namespace {

class LoadDocument : public testing::Test {
 protected:
  std::string error(const std::string& text) const {
    const auto path = folder_.write("d.json", text);
    return error_of([&] { load_document(path, "forerun-profile", 2); }, path.string());
  }
  TemporaryFolder folder_;
};

TEST_F(LoadDocument, ReadsThisAndOlderVersions) {
  for (const char* version : {"1", "2"}) {
    const auto path = folder_.write(
        "d.json", R"({"format": "forerun-profile", "version": )" + std::string(version) + "}");
    EXPECT_EQ(load_document(path, "forerun-profile", 2).size(), 2);
  }
}

TEST_F(LoadDocument, RefusesByName) {
  EXPECT_EQ(error(""), ": is empty (expected a forerun-profile document)");
  EXPECT_EQ(error(" \n\t"), ": is empty (expected a forerun-profile document)");
  EXPECT_EQ(
      error("{}"),
      ": names no \"format\": Forerun did not write it (expected a forerun-profile document)");
  EXPECT_EQ(error("[1]"), ": is array (expected an object)");
  EXPECT_EQ(error(R"({"format": "forerun-run", "version": 1})"),
            ": is a \"forerun-run\" document (expected \"forerun-profile\")");
  EXPECT_EQ(error(R"({"format": "forerun-profile"})"), ": has no \"version\"");
  EXPECT_EQ(error(R"({"format": "forerun-profile", "version": 0})"),
            "/version: is 0 (must be a whole number >= 1)");
  EXPECT_EQ(error(R"({"format": "forerun-profile", "version": 3})"),
            ": forerun-profile version 3 is newer than this program reads (2); update Forerun");
}

TEST_F(LoadDocument, NamesLineAndColumnOfTruncation) {
  const std::string found = error("{\"format\": \"forerun-profile\",\n \"version\"");
  EXPECT_EQ(found.rfind(": not valid JSON, perhaps truncated: parse error at line 2, column 11", 0),
            0)
      << found;
}

class Reader : public testing::Test {
 protected:
  const Json document_ = Json::parse(
      R"({"text": "a", "number": 1.5, "whole": 3, "list": [1, 2, "x"], "flag": true,
          "null": null, "negative": -1, "zero": 0})");
  const JsonReader in_{document_, "d.json: "};
};

TEST_F(Reader, ReadsWhatIsThere) {
  EXPECT_EQ(in_.at("text").text(), "a");
  EXPECT_EQ(in_.at("number").number(), 1.5);
  EXPECT_EQ(in_.at("number").positive(), 1.5);
  EXPECT_EQ(in_.at("zero").non_negative(), 0);
  EXPECT_EQ(in_.at("whole").whole(3), 3);
  EXPECT_TRUE(in_.at("flag").boolean());
  EXPECT_EQ(in_.at("list").items().size(), 3);
  EXPECT_EQ(in_.text_or("none", "b"), "b");
  EXPECT_EQ(in_.number_or("none", 7), 7);
  EXPECT_EQ(in_.number_or("null", 7), 7);
  EXPECT_EQ(in_.optional_number("none"), std::nullopt);
  EXPECT_EQ(in_.optional_number("number"), 1.5);
}

TEST_F(Reader, ComplaintsNameThePlace) {
  EXPECT_EQ(error_of([&] { in_.at("none"); }), "d.json: has no \"none\"");
  EXPECT_EQ(error_of([&] { in_.at("text").at("deeper"); }),
            "d.json: /text: is string (expected an object)");
  EXPECT_EQ(error_of([&] { in_.at("number").text(); }), "d.json: /number: is 1.5 (expected text)");
  EXPECT_EQ(error_of([&] { in_.at("null").number(); }),
            "d.json: /null: is null (expected a finite number)");
  EXPECT_EQ(error_of([&] { in_.at("text").boolean(); }),
            "d.json: /text: is \"a\" (expected true or false)");
  EXPECT_EQ(error_of([&] { in_.at("zero").positive(); }), "d.json: /zero: is 0 (must be > 0)");
  EXPECT_EQ(error_of([&] { in_.at("negative").non_negative(); }),
            "d.json: /negative: is -1 (must be >= 0)");
  EXPECT_EQ(error_of([&] { in_.at("number").whole(1); }),
            "d.json: /number: is 1.5 (must be a whole number >= 1)");
  EXPECT_EQ(error_of([&] { in_.at("list").numbers(); }),
            "d.json: /list/2: is \"x\" (expected a finite number)");
  EXPECT_EQ(error_of([&] { in_.at("flag").items(); }),
            "d.json: /flag: is boolean (expected an array)");
}

TEST(SaveDocument, RefusesNaNAndLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.write("d.json", "old");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(error_of(
                [&] {
                  save_document(path, {{"a", {1.0, nan}}});
                },
                path.string()),
            ": /a/1 is not a finite number; the file is as it was");
  EXPECT_EQ(slurp(path), "old");
}

}  // namespace
}  // namespace forerun
