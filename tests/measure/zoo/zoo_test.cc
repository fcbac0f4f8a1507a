#include "measure/zoo/zoo.h"

#include <gtest/gtest.h>

#include "model/error.h"

namespace forerun {
namespace {

std::string complaint_about(const std::string& model, const std::string& input = "",
                            int classes = 0) {
  try {
    find_workload(model, input, classes);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

struct Published {
  const char* name;
  double parameters;
  double forward_gmac;  ///< of one sample; 0: none published for our input
};

// Parameters: torchvision.models and Hugging Face model cards; mnist-cnn and cifar-cnn: their
// examples. GMAC: torchvision's table ("GFLOPS" there).
constexpr Published kPublished[] = {
    {"mnist-cnn", 1199882, 0},      {"cifar-cnn", 1250858, 0},    {"mobilenet_v2", 3504872, 0.30},
    {"densenet121", 7978856, 2.83}, {"resnet18", 11689512, 1.81}, {"resnet50", 25557032, 4.09},
    {"vit_b_16", 86567656, 17.56},  {"bert-base", 109482240, 0},  {"gpt2", 124439808, 0},
    {"vgg16", 138357544, 15.47},
};

TEST(Zoo, HasThePublishedParameterCounts) {
  ASSERT_EQ(zoo().size(), std::size(kPublished));
  for (const Published& published : kPublished) {
    const NetworkFacts facts = workload_facts(find_workload(published.name));
    EXPECT_EQ(facts.parameters, published.parameters) << published.name;
    EXPECT_EQ(facts.grad_bytes, 4 * published.parameters) << published.name;
  }
}

TEST(Zoo, CountsThePublishedArithmetic) {
  for (const Published& published : kPublished) {
    if (published.forward_gmac == 0) continue;
    const double gmac = workload_facts(find_workload(published.name)).flop_per_sample / 6e9;
    EXPECT_NEAR(gmac, published.forward_gmac, 0.02 * published.forward_gmac) << published.name;
  }
}

TEST(Zoo, CountsArithmeticByHand) {
  // 32 x 26 x 26 x 9 + 64 x 24 x 24 x 32 x 9 + 9216 x 128 + 128 x 10 multiply-adds
  EXPECT_EQ(workload_facts(find_workload("mnist-cnn")).flop_per_sample,
            6.0 * (194688 + 10616832 + 1179648 + 1280));
  // Linear layers: 12 x 12 x 768^2 a token; attention: 12 x 2 x 128 x 768; head: 50257 x 768.
  const double a_token = 144.0 * 768 * 768 + 24.0 * 128 * 768 + 50257.0 * 768;
  EXPECT_DOUBLE_EQ(workload_facts(find_workload("gpt2")).flop_per_sample, 6 * 128 * a_token);
}

TEST(Zoo, SmallImagesGetCifarsStem) {
  // The widely used ResNet-18 for CIFAR-10 has 11,173,962 parameters.
  EXPECT_EQ(workload_facts(find_workload("resnet18", "3x32x32", 10)).parameters, 11173962);
}

TEST(Zoo, DryRunLeavesTheNetworkAsItWas) {
  const std::shared_ptr<NeuralNetwork> network =
      build_network(find_workload("resnet18", "3x8x8", 4), 1);
  const torch::Tensor mean = network->named_buffers()["bn1.running_mean"].clone();
  const torch::Tensor x = torch::randn({2, 3, 8, 8});
  EXPECT_GT(network_facts(*network, x).flop_per_sample, 0);
  EXPECT_TRUE(network->is_training());
  EXPECT_TRUE(network->named_buffers()["bn1.running_mean"].equal(mean));
  EXPECT_GT(network->forward(x).abs().sum().item<double>(), 0);
}

TEST(Zoo, WeightsDependOnTheSeedAlone) {
  const Workload workload = find_workload("mnist-cnn");
  const auto first_weights = [&](uint64_t seed) {
    return build_network(workload, seed)->parameters().front();
  };
  const torch::Tensor weights = first_weights(7);
  torch::rand({3});  // disturbs the generator
  EXPECT_TRUE(weights.equal(first_weights(7)));
  EXPECT_FALSE(weights.equal(first_weights(8)));
}

TEST(FindWorkload, NamesTheNearOnes) {
  EXPECT_NE(complaint_about("resnet51").find("did you mean resnet50"), std::string::npos);
  EXPECT_NE(complaint_about("qqqqqqqq").find("there are mnist-cnn, cifar-cnn"), std::string::npos);
}

TEST(FindWorkload, RefusesInputsThatTheNetworkCannotTake) {
  EXPECT_NE(complaint_about("resnet50", "128").find("needed is an image"), std::string::npos);
  EXPECT_NE(complaint_about("gpt2", "3x224x224").find("number of tokens"), std::string::npos);
  EXPECT_NE(complaint_about("bert-base", "513").find("at most 512"), std::string::npos);
  EXPECT_NE(complaint_about("vit_b_16", "3x225x224").find("multiples of 16"), std::string::npos);
  EXPECT_NE(complaint_about("mnist-cnn", "1x4x4").find("at least 6x6"), std::string::npos);
  EXPECT_NE(complaint_about("mnist-cnn", "1x28").find("not a shape"), std::string::npos);
}

TEST(FindWorkload, SmallestAdvertisedInputsWork) {
  for (const auto& [name, input] :
       std::vector<std::pair<std::string, std::string>>{{"mnist-cnn", "1x6x6"},
                                                        {"cifar-cnn", "3x10x10"},
                                                        {"resnet18", "3x8x8"},
                                                        {"resnet50", "3x8x8"},
                                                        {"densenet121", "3x29x29"},
                                                        {"vgg16", "3x32x32"},
                                                        {"mobilenet_v2", "3x8x8"},
                                                        {"vit_b_16", "3x16x16"},
                                                        {"bert-base", "1"},
                                                        {"gpt2", "1"}}) {
    EXPECT_EQ(complaint_about(name, input), "") << name;
  }
}

}  // namespace
}  // namespace forerun
