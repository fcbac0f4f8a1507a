#include "predict/report/page.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "model/error.h"
#include "model/io/atomic_file.h"
#include "predict/report/html.h"
#include "predict/report/inline_svg.h"
#include "predict/report/skill.h"
#include "predict/report/write.h"
#include "tests/predict/report/example.h"

namespace forerun {
namespace {

namespace fs = std::filesystem;

/// The first tag that is not closed, or closes nothing; empty if all is well.
std::string unbalanced_tag(const std::string& page) {
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-zA-Z0-9]+)[^>]*?(/?)>");
  for (std::sregex_iterator at(page.begin(), page.end(), tag), end; at != end; ++at) {
    const std::string name = (*at)[2];
    if (name == "meta" || (*at)[3].length() > 0) continue;
    if ((*at)[1].length() == 0) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return at->str();
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

class Report : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(testing::TempDir()) /
        ("report_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(Report, HoldsEverythingAndLoadsNothing) {
  const ReportData data = report_example::report({1, 2});
  const std::string page = read_file(write_report(data, folder_));
  EXPECT_EQ(unbalanced_tag(page), "");
  for (const char* forbidden : {"<script", "http:", "https:", "@import", "src=", "url("}) {
    EXPECT_EQ(page.find(forbidden), std::string::npos) << forbidden;
  }
  std::string headline_text = headline(measure_skill(data.checks));
  headline_text = std::regex_replace(headline_text, std::regex(" %"), "&nbsp;%");
  EXPECT_NE(page.find(headline_text), std::string::npos);
  EXPECT_NE(page.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_NE(page.find("Example 9000 &lt;fast &amp; cool&gt;"), std::string::npos);
  const std::regex row("<tr><td class=\"aside\">");
  EXPECT_EQ(std::distance(std::sregex_iterator(page.begin(), page.end(), row), {}), 12);
}

TEST_F(Report, DrawsWithTheRealGnuplotAtAnySize) {
  for (const std::vector<int>& sizes : {std::vector<int>{1, 2}, {1, 2, 3, 4, 6, 8, 12, 16}, {1}}) {
    fs::remove_all(folder_);
    write_report(report_example::report(sizes), folder_);
    for (const char* name : {"predicted-vs-observed", "error", "components-resnet18",
                             "throughput-mnist-cnn", "recommended"}) {
      const std::string png = read_file(folder_ / (std::string(name) + ".png"));
      EXPECT_EQ(png.substr(1, 3), "PNG") << name;
      EXPECT_NE(read_file(folder_ / (std::string(name) + ".svg")).find("</svg>"),
                std::string::npos);
    }
    EXPECT_EQ(fs::exists(folder_ / "allreduce.svg"), sizes.size() > 1);
    EXPECT_TRUE(fs::exists(folder_ / "predicted_vs_observed.csv"));
  }
}

TEST_F(Report, SaysThatNothingWasChecked) {
  ReportData data = report_example::report({1, 2});
  data.checks.clear();
  data.missing_runs_command = "measure train --model resnet18 --batch 48 --steps 50";
  const std::string page = read_file(write_report(data, folder_));
  EXPECT_EQ(unbalanced_tag(page), "");
  EXPECT_NE(page.find("Not checked"), std::string::npos);
  EXPECT_NE(page.find(data.missing_runs_command), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "error.svg"));
}

TEST_F(Report, ShowsTheLabelLoudlyAndRefusalsWithReason) {
  ReportData data = report_example::report({1, 2});
  data.machine.label = "emulated";
  data.checks.front().predicted.refused = "no <network> was measured";
  const std::string page = read_file(write_report(data, folder_));
  EXPECT_NE(page.find("Not a real cluster: emulated"), std::string::npos);
  EXPECT_NE(page.find("not predicted: no &lt;network&gt; was measured"), std::string::npos);
}

TEST_F(Report, SurvivesHostileNames) {
  ReportData data = report_example::report({1, 2});
  const std::string name = "a'b\"c\\`date`<script>../../x\n";
  for (RunCheck& check : data.checks) check.model = name;
  for (WorkloadScaling& scaling : data.scaling) scaling.model = name;
  const std::string page = read_file(write_report(data, folder_));
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  int speedups = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string file = entry.path().filename().string();
    EXPECT_TRUE(std::regex_match(file, std::regex("[-_.A-Za-z0-9]+"))) << file;
    speedups += file.rfind("speedup-", 0) == 0 && entry.path().extension() == ".svg";
  }
  EXPECT_EQ(speedups, 3);
}

TEST_F(Report, FolderThatCannotBeWrittenIsAnError) {
  write_file_atomically(folder_ / "file", "");
  EXPECT_THROW(write_report(report_example::report({1}), folder_ / "file" / "below"), Error);
}

TEST(EscapeHtml, AllThatMatters) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST(InlineSvg, RefusesWhatIsNoSvg) { EXPECT_THROW(inline_svg("nothing", "x", "x"), Error); }

}  // namespace
}  // namespace forerun
