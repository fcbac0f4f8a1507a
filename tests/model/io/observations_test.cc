#include "model/io/observations.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support.h"

namespace forerun {
namespace {

const char kHeader[] = "model,nodes,gpus,local_batch,step_time_s\n";

std::string row(const std::string& fields) { return kHeader + fields + "\n"; }

class ObservationsCsv : public testing::Test {
 protected:
  std::vector<Observation> load(const std::string& text) const {
    return load_observations(folder_.write("o.csv", text));
  }
  /// What the error says behind the file's name.
  std::string error(const std::string& text) const {
    return error_of([&] { load(text); }, (folder_.path() / "o.csv").string() + ":");
  }

  TemporaryFolder folder_;
};

TEST_F(ObservationsCsv, RequiredColumnsAreEnough) {
  const auto rows = load(std::string(kHeader) + "resnet18,2,8,32,0.25\n");
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].model, "resnet18");
  EXPECT_EQ(rows[0].at.placement, Placement({4, 4}));
  EXPECT_EQ(rows[0].at.local_batch, 32);
  EXPECT_EQ(rows[0].at.accumulation, 1);
  EXPECT_EQ(rows[0].at.strategy, "ddp");
  EXPECT_DOUBLE_EQ(rows[0].step_time_s, 0.25);
  EXPECT_EQ(rows[0].role, "fit");
  EXPECT_FALSE(rows[0].exposed_comm_s.has_value());
}

TEST_F(ObservationsCsv, OptionalColumnsInAnyOrderAndStrangersSkipped) {
  const auto rows = load(
      "step_time_s,colour,role,gpus,placement,nodes,model,local_batch,accumulation,exposed_comm_s,"
      "stddev_s,steps,cluster,strategy,precision,grad_bytes,peak_memory_bytes,forward_s\n"
      "0.5,blue,test,10,4+4+2,3,bert,8,2,0.1,0.01,40,lab,zero1,bfloat16,4e8,1e9,0.2\n");
  ASSERT_EQ(rows.size(), 1);
  const Observation& row = rows[0];
  EXPECT_EQ(row.role, "test");
  EXPECT_EQ(row.at.placement, Placement({4, 4, 2}));
  EXPECT_EQ(row.at.accumulation, 2);
  EXPECT_EQ(row.at.global_batch(), 160);
  EXPECT_DOUBLE_EQ(*row.exposed_comm_s, 0.1);
  EXPECT_DOUBLE_EQ(*row.stddev_s, 0.01);
  EXPECT_DOUBLE_EQ(row.steps, 40);
  EXPECT_EQ(row.cluster, "lab");
  EXPECT_EQ(row.at.strategy, "zero1");
  EXPECT_EQ(row.at.precision, "bfloat16");
  EXPECT_DOUBLE_EQ(*row.grad_bytes, 4e8);
  EXPECT_DOUBLE_EQ(*row.peak_memory_bytes, 1e9);
  EXPECT_DOUBLE_EQ(*row.forward_s, 0.2);
}

TEST_F(ObservationsCsv, EmptyOptionalFieldsAreAbsent) {
  const auto rows = load(
      "model,nodes,gpus,local_batch,step_time_s,exposed_comm_s,role,placement\nm,1,1,8,0.1,,,\n");
  EXPECT_FALSE(rows.at(0).exposed_comm_s.has_value());
  EXPECT_EQ(rows.at(0).role, "fit");
  EXPECT_EQ(rows.at(0).at.placement, Placement());
}

TEST_F(ObservationsCsv, CommentsBlankLinesCrLfAndNoLastNewline) {
  const auto rows = load(
      "# from the lab\r\nmodel,nodes,gpus,local_batch,step_time_s\r\n\r\nm,1,1,8,0.1\r\n"
      "# more\r\nm,1,2,8,0.2");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_DOUBLE_EQ(rows[1].step_time_s, 0.2);
}

TEST_F(ObservationsCsv, QuotedFieldsKeepCommasQuotesAndSpaces) {
  const auto rows =
      load("model , nodes,gpus,local_batch,step_time_s\n\"a \"\"b\"\", c\", 1 ,1,8,0.1\n");
  EXPECT_EQ(rows.at(0).model, "a \"b\", c");
}

TEST_F(ObservationsCsv, AByteOrderMarkIsSkipped) {
  EXPECT_EQ(load("\xEF\xBB\xBF" + std::string(kHeader) + "m,1,1,8,0.1\n").size(), 1);
}

TEST_F(ObservationsCsv, AStrangerMayStandTwice) {
  EXPECT_EQ(load("x,model,nodes,gpus,local_batch,step_time_s,x\n1,m,1,1,8,0.1,2\n").size(), 1);
}

TEST_F(ObservationsCsv, NamesMayBeAnyUtf8) {
  EXPECT_EQ(load(row("r\u00e9seau-\u6a21\u578b,1,1,8,0.1")).at(0).model,
            "r\u00e9seau-\u6a21\u578b");
}

TEST_F(ObservationsCsv, ASingleNodeOfTenOrMoreIsOneNode) {
  const auto rows = load("model,nodes,gpus,placement,local_batch,step_time_s\nm,1,16,16,8,0.1\n");
  EXPECT_EQ(rows.at(0).at.placement, Placement({16}));
}

struct BadCsv {
  const char* name;
  std::string text;
  std::string error;  ///< behind `<path>:`
};

class BadObservationsCsv : public ObservationsCsv, public testing::WithParamInterface<BadCsv> {};

TEST_P(BadObservationsCsv, SaysWhereAndWhat) {
  EXPECT_EQ(error(GetParam().text), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadObservationsCsv,
    testing::Values(
        BadCsv{"EmptyFile", "", " is empty (expected a header line and rows)"},
        BadCsv{"OnlyComments", "# nothing\n\n", " is empty (expected a header line and rows)"},
        BadCsv{"HeaderOnly", kHeader, " has a header but no rows"},
        BadCsv{"MissingColumn", "model,nodes,gpus,step_time_s\nm,1,1,0.1\n",
               "1: column local_batch is missing"},
        BadCsv{"MissingColumnBelowAComment", "# a\nmodel,nodes,gpus,local_batch\nm,1,1,1\n",
               "2: column step_time_s is missing"},
        BadCsv{"DuplicateColumn", "model,nodes,gpus,local_batch,step_time_s,gpus\nm,1,1,1,0.1,1\n",
               "1: column gpus stands twice"},
        BadCsv{"TruncatedRow", row("m,1,1,8,0.1\nm,1,2"),
               "3: has 3 fields (the header has 5; is the row truncated?)"},
        BadCsv{"NoModel", row(",1,1,8,0.1"), "2: model is empty"},
        BadCsv{"NoTime", row("m,1,1,8,"), "2: step_time_s is empty"},
        BadCsv{"NaN", row("m,1,1,8,nan"), "2: step_time_s = nan (must be finite)"},
        BadCsv{"Semicolons", "model;nodes;gpus;local_batch;step_time_s\nm;1;1;8;0.1\n",
               "1: is one column (expected commas between columns)"},
        BadCsv{"Latin1", row("r\xe9seau,1,1,8,0.1"),
               "2: model is not UTF-8 text (convert the file)"},
        BadCsv{"Absurd", row("m,1,1,8,1e308"),
               "2: step_time_s = 1e308 (must be 0 or from 1e-18 to 1e18)"},
        BadCsv{"TooManyNodes", row("m,1000000000,1000000000,8,0.1"),
               "2: nodes = 1000000000 (must be a whole number from 1 to 1000000)"},
        BadCsv{"TooShort", row("m,1,1,8,1e-12"),
               "2: step_time_s = 1e-12 (must be from 1e-9 to 1e9 seconds)"},
        BadCsv{"TooLong", row("m,1,1,8,1e12"),
               "2: step_time_s = 1e12 (must be from 1e-9 to 1e9 seconds)"},
        BadCsv{"Infinite", row("m,1,1,8,inf"), "2: step_time_s = inf (must be finite)"},
        BadCsv{"Negative", row("m,1,1,8,-0.1"), "2: step_time_s = -0.1 (must be > 0)"},
        BadCsv{"Zero", row("m,1,1,8,0"), "2: step_time_s = 0 (must be > 0)"},
        BadCsv{"NotANumber", row("m,1,1,8,fast"), "2: step_time_s = \"fast\" (expected a number)"},
        BadCsv{"WithUnit", row("m,1,1,8,0.1s"), "2: step_time_s = \"0.1s\" (expected a number)"},
        BadCsv{"NoGpu", row("m,1,0,8,0.1"),
               "2: gpus = 0 (must be a whole number from 1 to 1000000)"},
        BadCsv{"HalfAGpu", row("m,1,1.5,8,0.1"),
               "2: gpus = 1.5 (must be a whole number from 1 to 1000000)"},
        BadCsv{"NegativeBatch", row("m,1,1,-8,0.1"),
               "2: local_batch = -8 (must be a whole number from 1 to 1000000000)"},
        BadCsv{"FewerGpusThanNodes", row("m,4,2,8,0.1"),
               "2: gpus = 2 on nodes = 4 (every node needs at least one)"},
        BadCsv{"PlacementDisagrees",
               "model,nodes,gpus,placement,local_batch,step_time_s\nm,2,8,4+2,8,0.1\n",
               "2: placement 4+2 is 6 GPUs on 2 nodes, but gpus = 8 and nodes = 2"},
        BadCsv{"PlacementIsNone",
               "model,nodes,gpus,placement,local_batch,step_time_s\nm,2,8,4x2,8,0.1\n",
               "2: placement \"4x2\" (expected GPUs per node such as 4+4+2 or 442)"},
        BadCsv{"UnknownRole", "model,nodes,gpus,local_batch,step_time_s,role\nm,1,1,8,0.1,train\n",
               "2: role = \"train\" (expected fit or test)"},
        BadCsv{"NegativeExposed",
               "model,nodes,gpus,local_batch,step_time_s,exposed_comm_s\nm,1,1,8,0.1,-1\n",
               "2: exposed_comm_s = -1 (must be >= 0)"},
        BadCsv{"OpenQuote", row("\"m,1,1,8,0.1"),
               "2: not valid CSV (a quote that is not closed, or one inside a bare field)"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ObservationsCsv, NoSuchFile) {
  EXPECT_EQ(
      error_of([&] { load_observations(folder_.path() / "none.csv"); }, folder_.path().string()),
      "/none.csv: cannot read (No such file or directory)");
  EXPECT_EQ(error_of([&] { load_observations(folder_.path()); }, folder_.path().string()),
            ": is a folder (a file was expected)");
}

TEST_F(ObservationsCsv, PointsNeedNoTimeAndNeverReadOne) {
  const auto bare =
      read_points(read_csv(folder_.write("p.csv", "model,nodes,gpus,local_batch\nm,1,2,8\n")));
  EXPECT_TRUE(std::isnan(bare.at(0).step_time_s));
  const auto with = read_points(read_csv(folder_.write("p.csv", row("m,1,2,8,garbage"))));
  EXPECT_TRUE(std::isnan(with.at(0).step_time_s));
}

}  // namespace
}  // namespace forerun
