// MNIST's IDX files. Format: yann.lecun.com/exdb/mnist: magic 0 0 8 d, then d lengths as big-endian
// 32-bit numbers, then the bytes.
#include <cstring>
#include <numeric>

#include "measure/data/memory_dataset.h"
#include "model/error.h"
#include "model/io/atomic_file.h"

namespace forerun {
namespace {

constexpr char kTrainImages[] = "train-images-idx3-ubyte";
constexpr char kTrainLabels[] = "train-labels-idx1-ubyte";
constexpr char kTestImages[] = "t10k-images-idx3-ubyte";
constexpr char kTestLabels[] = "t10k-labels-idx1-ubyte";

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& problem) {
  throw Error(file.string() + ": " + problem);
}

/// A file with `rank` dimensions as a tensor of bytes.
torch::Tensor read_idx(const std::filesystem::path& file, size_t rank) {
  const std::string text = read_file(file);
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.size() >= 2 && byte(0) == 0x1f && byte(1) == 0x8b) {
    fail(file, "is compressed: gunzip it first");
  }
  const size_t header = 4 + 4 * rank;
  if (text.size() < header) fail(file, "is truncated: shorter than an IDX header; fetch it again");
  if (byte(0) != 0 || byte(1) != 0 || byte(2) != 8 || byte(3) != rank) {
    fail(file, "is not an IDX file of bytes with " + std::to_string(rank) +
                   " dimensions (it must begin "
                   "with 0 0 8 " +
                   std::to_string(rank) + ")");
  }
  std::vector<int64_t> lengths;
  int64_t count = 1;
  for (size_t i = 4; i < header; i += 4) {
    const int64_t length = byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3);
    if (length < 1 || length > (int64_t{1} << 31) / count) {
      fail(file, "names an impossible length of " + std::to_string(length) + "; fetch it again");
    }
    lengths.push_back(length);
    count *= length;
  }
  if (text.size() != header + static_cast<size_t>(count)) {
    fail(file, "holds " + std::to_string(text.size() - header) +
                   " bytes of data, its header names " + std::to_string(count) +
                   ": truncated or damaged; fetch it again");
  }
  torch::Tensor bytes = torch::empty(lengths, torch::kUInt8);
  std::memcpy(bytes.data_ptr(), text.data() + header, static_cast<size_t>(count));
  return bytes;
}

RawImages read_pair(const std::filesystem::path& images, const std::filesystem::path& labels) {
  RawImages raw{read_idx(images, 3).unsqueeze(1), read_idx(labels, 1).to(torch::kInt64)};
  if (raw.pixels.size(0) != raw.labels.size(0)) {
    fail(labels, "has " + std::to_string(raw.labels.size(0)) + " labels for the " +
                     std::to_string(raw.pixels.size(0)) + " images of " +
                     images.filename().string() + ": the two files are not of one set");
  }
  return raw;
}

/// Ten classes in the digits and their drop-in replacements; EMNIST has up to 62.
constexpr int64_t kMostClasses = 62;

void require_labels(const RawImages& raw, const std::filesystem::path& file) {
  const int64_t sample = raw.labels.argmax().item<int64_t>();
  const int64_t label = raw.labels[sample].item<int64_t>();
  if (label >= kMostClasses) {
    fail(file, "label " + std::to_string(label) + " of sample " + std::to_string(sample) +
                   " is out of range (0 to " + std::to_string(kMostClasses - 1) +
                   "): not a file of labels, or damaged");
  }
}

}  // namespace

bool is_idx_folder(const std::filesystem::path& folder) {
  for (const char* name : {kTrainImages, kTrainLabels}) {
    if (std::filesystem::exists(folder / name)) return true;
    if (std::filesystem::exists(folder / (std::string(name) + ".gz"))) {
      fail(folder / (std::string(name) + ".gz"), "is compressed: gunzip it first");
    }
  }
  return false;
}

DataSplit load_idx(const std::filesystem::path& folder) {
  const RawImages train = read_pair(folder / kTrainImages, folder / kTrainLabels);
  require_labels(train, folder / kTrainLabels);
  RawImages test;
  if (std::filesystem::exists(folder / kTestImages)) {
    test = read_pair(folder / kTestImages, folder / kTestLabels);
    require_labels(test, folder / kTestLabels);
    if (test.pixels.sizes().slice(1) != train.pixels.sizes().slice(1)) {
      fail(folder / kTestImages, "has images of another size than " + std::string(kTrainImages));
    }
  }
  return normalized_split(train, test);
}

}  // namespace forerun
