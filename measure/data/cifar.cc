// CIFAR-10, binary version. Format: cs.toronto.edu/~kriz/cifar.html: records of a label byte and
// 3072 pixel bytes (red, green, blue planes of 32x32).
#include <cstring>

#include "measure/data/memory_dataset.h"
#include "model/error.h"
#include "model/io/atomic_file.h"

namespace forerun {
namespace {

constexpr int64_t kRecord = 1 + 3 * 32 * 32;
constexpr int64_t kClasses = 10;

RawImages read_records(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  const auto size = static_cast<int64_t>(text.size());
  if (size == 0 || size % kRecord != 0) {
    throw Error(file.string() + ": " + std::to_string(size) + " bytes are no whole number of " +
                std::to_string(kRecord) +
                "-byte records: truncated, or not CIFAR-10's binary version");
  }
  torch::Tensor records = torch::empty({size / kRecord, kRecord}, torch::kUInt8);
  std::memcpy(records.data_ptr(), text.data(), text.size());
  RawImages raw{records.narrow(1, 1, kRecord - 1).reshape({-1, 3, 32, 32}),
                records.select(1, 0).to(torch::kInt64)};
  const int64_t worst = raw.labels.argmax().item<int64_t>();
  const int64_t label = raw.labels[worst].item<int64_t>();
  if (label >= kClasses) {
    throw Error(file.string() + ": label " + std::to_string(label) + " of record " +
                std::to_string(worst) + " is out of range (0 to 9): damaged, or CIFAR-100");
  }
  return raw;
}

std::filesystem::path batch_file(const std::filesystem::path& folder, int number) {
  return folder / ("data_batch_" + std::to_string(number) + ".bin");
}

}  // namespace

bool is_cifar_folder(const std::filesystem::path& folder) {
  return std::filesystem::exists(batch_file(folder, 1));
}

DataSplit load_cifar(const std::filesystem::path& folder) {
  std::vector<torch::Tensor> pixels, labels;
  for (int i = 1; std::filesystem::exists(batch_file(folder, i)); ++i) {
    const RawImages part = read_records(batch_file(folder, i));
    pixels.push_back(part.pixels);
    labels.push_back(part.labels);
  }
  const std::filesystem::path test = folder / "test_batch.bin";
  return normalized_split({torch::cat(pixels), torch::cat(labels)},
                          std::filesystem::exists(test) ? read_records(test) : RawImages{});
}

}  // namespace forerun
