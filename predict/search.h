// Every way to run the batch that was asked: GPU counts, nodes, local batch, accumulation.
#pragma once

#include <vector>

#include "predict/forecast.h"

namespace forerun {

/// The GPU counts to look at: those asked for; else 1..max_gpus; else powers of two and divisors of
/// the batch up to what was measured or the machine has, in whole nodes.
std::vector<int> gpu_counts(const Question& question, const Subject& subject);

/// `gpus` on as few nodes as hold them, full nodes first: 10 at 4 a node is 4+4+2.
Placement packed_placement(int gpus, int gpus_per_node);

/// The multiples of `gpus` on both sides of `batch`: what a batch that does not divide could be
/// instead. The lower one is 0 if the batch is smaller than `gpus`.
struct NearestBatches {
  long below = 0, above = 0;
};
NearestBatches nearest_batches(long batch, int gpus);

struct SearchResult {
  std::vector<Candidate> candidates;
  std::vector<Refused> refused;
};

/// All candidates with their predictions, speedups and run times.
///
/// The local batch is B/(N s), with s the smallest accumulation that fits memory. Where memory was
/// never measured, the local batch stays within those measured instead. What does not divide or fit
/// is a candidate that is not feasible, with the reason; what cannot be predicted is refused.
/// With `vary_batch` the local batch runs over the range measured, without accumulation.
SearchResult search(const Question& question, const Subject& subject);

}  // namespace forerun
