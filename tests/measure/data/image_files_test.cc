#include <gtest/gtest.h>

#include <fstream>

#include "measure/data/dataset.h"
#include "model/error.h"
#include "tests/support.h"

namespace forerun {
namespace {

class ImageFiles : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& bytes) { temporary_.write(name, bytes); }

  std::string complaint() {
    try {
      load_data(folder_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  /// Three 2x2 images: pixels 0, 10, 20, ...; classes 0, 2, 1.
  void write_idx(const std::string& set) {
    write(set + "-images-idx3-ubyte", images());
    write(set + "-labels-idx1-ubyte", labels(std::string("\0\2\1", 3)));
  }
  static std::string images() {
    std::string bytes("\0\0\x8\3\0\0\0\3\0\0\0\2\0\0\0\2", 16);
    for (int i = 0; i < 12; ++i) bytes += static_cast<char>(10 * i);
    return bytes;
  }
  static std::string labels(const std::string& values) {
    std::string header("\0\0\x8\1\0\0\0?", 8);
    header.back() = static_cast<char>(values.size());
    return header.append(values);
  }

  void expect_complaint(const std::string& file, const std::string& problem) {
    const std::string text = complaint();
    EXPECT_NE(text.find((folder_ / file).string()), std::string::npos) << text;
    EXPECT_NE(text.find(problem), std::string::npos) << text;
  }

  TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
};

constexpr char kImages[] = "train-images-idx3-ubyte";
constexpr char kLabels[] = "train-labels-idx1-ubyte";

TEST_F(ImageFiles, ReadsIdx) {
  write_idx("train");
  write_idx("t10k");
  const DataSplit data = load_data(folder_);
  ASSERT_EQ(data.train->size(), 3);
  EXPECT_EQ(data.train->classes(), 3);
  EXPECT_EQ(data.train->shape(), InputShape::image(1, 2, 2));
  const Batch batch = data.train->get({1, 0});
  EXPECT_EQ(batch.targets[0].item<int64_t>(), 2);
  // Pixels 0, 10, ... 110 have mean 55 and deviation 10 sqrt(143/12).
  EXPECT_NEAR(batch.inputs[1][0][0][1].item<double>(), (10 - 55) / (10 * std::sqrt(143 / 12.0)),
              1e-5);
  EXPECT_TRUE(data.held_out->get({1, 0}).inputs.equal(batch.inputs));
}

TEST_F(ImageFiles, HeldOutIdxMayBeMissing) {
  write_idx("train");
  EXPECT_EQ(load_data(folder_).held_out, nullptr);
}

TEST_F(ImageFiles, NamesWhatIsWrongWithIdx) {
  write_idx("train");
  write(kImages, images().substr(0, 20));
  expect_complaint(kImages, "truncated");
  write(kImages, images().substr(0, 10));
  expect_complaint(kImages, "shorter than an IDX header");
  write(kImages, "");
  expect_complaint(kImages, "truncated");
  write(kImages, images() + "x");
  expect_complaint(kImages, "holds 13 bytes of data, its header names 12");
  write(kImages, labels("\1\1\1") + images());
  expect_complaint(kImages, "not an IDX file");
  write(kImages, std::string("\0\0\x8\3\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\2", 16));
  expect_complaint(kImages, "impossible length");
  write(kImages, "\x1f\x8b\x08 and so on, long enough");
  expect_complaint(kImages, "gunzip");
  std::filesystem::remove(folder_ / kImages);
  expect_complaint(kImages, "");
}

TEST_F(ImageFiles, NamesWhatIsWrongWithIdxLabels) {
  write_idx("train");
  write(kLabels, labels("\1\1"));
  expect_complaint(kLabels, "2 labels for the 3 images");
  write(kLabels, labels("\1\xc8\1"));
  expect_complaint(kLabels, "label 200 of sample 1");
}

TEST_F(ImageFiles, HeldOutMustBeOfTheSameSize) {
  write_idx("train");
  write_idx("t10k");
  write("t10k-images-idx3-ubyte", std::string("\0\0\x8\3\0\0\0\3\0\0\0\1\0\0\0\1xyz", 19));
  expect_complaint("t10k-images-idx3-ubyte", "another size");
}

TEST_F(ImageFiles, CompressedFolderIsNamed) {
  write(std::string(kImages) + ".gz", "\x1f\x8b");
  expect_complaint(std::string(kImages) + ".gz", "gunzip");
}

std::string cifar_record(char label, char pixel) {
  std::string record(3073, pixel);
  record[0] = label;
  return record;
}

TEST_F(ImageFiles, ReadsCifar) {
  write("data_batch_1.bin", cifar_record(3, 10) + cifar_record(9, 30));
  write("data_batch_2.bin", cifar_record(0, 20));
  write("test_batch.bin", cifar_record(1, 20));
  const DataSplit data = load_data(folder_);
  ASSERT_EQ(data.train->size(), 3);
  EXPECT_EQ(data.train->classes(), 10);
  EXPECT_EQ(data.train->shape(), InputShape::image(3, 32, 32));
  const Batch batch = data.train->get({1, 2});
  EXPECT_EQ(batch.targets[0].item<int64_t>(), 9);
  EXPECT_NEAR(batch.inputs[0].min().item<double>(), 10 / std::sqrt(200 / 3.0), 1e-5);
  EXPECT_NEAR(data.held_out->get({0}).inputs.max().item<double>(), 0, 1e-5);
}

TEST_F(ImageFiles, NamesWhatIsWrongWithCifar) {
  write("data_batch_1.bin", cifar_record(3, 10).substr(1));
  expect_complaint("data_batch_1.bin", "truncated");
  write("data_batch_1.bin", "");
  expect_complaint("data_batch_1.bin", "truncated");
  write("data_batch_1.bin", cifar_record(3, 10) + cifar_record(10, 10));
  expect_complaint("data_batch_1.bin", "label 10 of record 1");
}

TEST_F(ImageFiles, NamesAFolderWithoutData) {
  EXPECT_NE(complaint().find("holds no data that we read"), std::string::npos);
  std::filesystem::remove_all(folder_);
  EXPECT_NE(complaint().find("no such folder"), std::string::npos);
}

TEST(DigitsExample, HoldsTheWholeSet) {
  const DataSplit data =
      load_data(std::filesystem::path(FORERUN_SOURCE_DIR) / "examples/data/digits");
  EXPECT_EQ(data.train->size(), 1497);
  EXPECT_EQ(data.held_out->size(), 300);
  EXPECT_EQ(data.train->classes(), 10);
  EXPECT_EQ(data.train->shape(), InputShape::image(1, 8, 8));
}

}  // namespace
}  // namespace forerun
