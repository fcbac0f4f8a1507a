#include "model/io/csv.h"

#include <gtest/gtest.h>

#include "tests/support.h"

namespace forerun {
namespace {

TEST(Csv, RowsKnowTheLineTheyEndOn) {
  const TemporaryFolder folder;
  const CsvTable table = read_csv(
      folder.write("t.csv", "\xEF\xBB\xBF# why\r\na,b\r\n\r\n1,\"two\nlines\"\n# more\n2,\"#\""));
  EXPECT_EQ(table.header.line, 2);
  EXPECT_EQ(table.header.fields, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(table.rows.size(), 2);
  EXPECT_EQ(table.rows[0].line, 5);
  EXPECT_EQ(table.rows[0].fields, (std::vector<std::string>{"1", "two\nlines"}));
  EXPECT_EQ(table.rows[1].line, 7);
  EXPECT_EQ(table.rows[1].fields, (std::vector<std::string>{"2", "#"}));
}

TEST(CsvField, QuotesOnlyWhatItMust) {
  EXPECT_EQ(csv_field("plain text"), "plain text");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(csv_field("two\nlines"), "\"two\nlines\"");
}

}  // namespace
}  // namespace forerun
