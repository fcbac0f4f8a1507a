#include "measure/zoo/script_model.h"

#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <fstream>

#include "model/error.h"

namespace forerun {
namespace {

class ScriptModel : public testing::Test {
 protected:
  ScriptModel()
      : folder_(std::filesystem::path(testing::TempDir()) /
                (std::string("forerun_script_model_") +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(folder_);
  }
  ~ScriptModel() override { std::filesystem::remove_all(folder_); }

  /// Flattens 1x2x2 images and multiplies them by a 4 x 3 weight.
  std::string save(const std::string& name, const std::string& body, bool with_weight = true) {
    torch::jit::Module module("Net");
    if (with_weight)
      module.register_parameter("weight", torch::full({4, 3}, 0.5).requires_grad_(), false);
    module.define("def forward(self, x):\n  " + body + "\n");
    const std::string file = (folder_ / name).string();
    module.save(file);
    return file;
  }

  std::string complaint_about(const std::string& file, const std::string& input = "1x2x2") {
    try {
      find_workload(file, input);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_;
};

TEST_F(ScriptModel, IsAWorkloadNamedByItsStem) {
  const std::string file = save("mine.pt", "return x.flatten(1).matmul(self.weight)");
  const Workload workload = find_workload(file, "1x2x2");
  EXPECT_EQ(workload.name, "mine");
  EXPECT_EQ(workload.classes, 3);
  EXPECT_EQ(workload_facts(workload).parameters, 12);
}

TEST_F(ScriptModel, TrainsItsOwnTensors) {
  const std::string file = save("mine.pt", "return x.flatten(1).matmul(self.weight)");
  const std::shared_ptr<NeuralNetwork> network = build_network(find_workload(file, "1x2x2"), 0);
  const torch::Tensor x = torch::ones({2, 1, 2, 2}), targets = torch::tensor({0, 0});
  const double before = cross_entropy(network->forward(x), targets).item<double>();
  cross_entropy(network->forward(x), targets).backward();
  torch::optim::SGD(network->parameters(), 0.1).step();
  EXPECT_NEAR(before, std::log(3.0), 1e-6);
  EXPECT_LT(cross_entropy(network->forward(x), targets).item<double>(), before);
}

TEST_F(ScriptModel, SaysWhatIsWrong) {
  const std::string good = save("mine.pt", "return x.flatten(1).matmul(self.weight)");
  EXPECT_NE(complaint_about(good, "").find("--input"), std::string::npos);
  EXPECT_NE(complaint_about(good, "1x3x3").find("cannot take an input of 1x3x3"),
            std::string::npos);
  EXPECT_NE(complaint_about("nowhere.pt").find("no such file"), std::string::npos);
  EXPECT_NE(complaint_about(save("frozen.pt", "return x.flatten(1)", false))
                .find("no parameters to train"),
            std::string::npos);
  EXPECT_NE(complaint_about(save("pair.pt", "return x, self.weight")).find("one tensor of logits"),
            std::string::npos);
  EXPECT_NE(complaint_about(save("scalar.pt", "return x.sum() * self.weight.sum()"))
                .find("needed are logits"),
            std::string::npos);
  std::ofstream(folder_ / "text.pt") << "hello";
  EXPECT_NE(complaint_about((folder_ / "text.pt").string()).find("not a TorchScript file"),
            std::string::npos);
}

}  // namespace
}  // namespace forerun
