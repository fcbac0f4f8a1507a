// Who drives MPI while backward computes: real training steps, three ways in turns.
//   cmake --build build --target progress_bench
//   mpirun -np 2 build/bin/progress_bench [MODEL INPUT LOCAL_BATCH]
// or, between two emulated hosts, behind `examples/emulated-cluster.sh run --hosts 2 --`; with
// $OMPI_MCA_coll_libnbc_iallreduce_algorithm = 1 MPI_Iallreduce is a ring.
//     thread       a thread of ours, blocking calls, a barrier that sleeps before each
//     tests        MPI_Iallreduce, and MPI_Test of what is under way whenever a gradient is ready
//     nonblocking  MPI_Iallreduce, and nothing until backward has ended
// Prints medians over steps of the slowest rank. On a machine that does nothing else: the ways
// differ in who may sleep, so company decides between them.
#include <mpi.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "measure/clock.h"
#include "measure/mpi/mpi_communicator.h"
#include "measure/request.h"
#include "measure/trainer.h"
#include "model/statistics.h"

namespace forerun {
namespace {

constexpr int kRounds = 6, kSteps = 8, kDiscard = 2;

class Request : public PendingCollective {
 public:
  explicit Request(std::span<float> buffer) : start_s_(clock_now()) {
    MPI_Iallreduce(MPI_IN_PLACE, buffer.data(), static_cast<int>(buffer.size()), MPI_FLOAT, MPI_SUM,
                   MPI_COMM_WORLD, &request_);
  }
  void wait() override {
    if (ended_s_ > 0) return;
    MPI_Wait(&request_, MPI_STATUS_IGNORE);
    ended_s_ = clock_now();
  }
  void test() {
    if (ended_s_ > 0) return;
    int done = 0;
    MPI_Test(&request_, &done, MPI_STATUS_IGNORE);
    if (done != 0) ended_s_ = clock_now();
  }
  double started_s() const override { return start_s_; }
  double ended_s() const override { return ended_s_; }

 private:
  MPI_Request request_ = MPI_REQUEST_NULL;
  double start_s_ = 0, ended_s_ = 0;
};

/// All ranks, without a thread: control traffic as the real one has it.
class Nonblocking : public Communicator {
 public:
  explicit Nonblocking(Communicator& control) : control_(control) {}
  int rank() const override { return control_.rank(); }
  int size() const override { return control_.size(); }
  std::string transport() const override { return "mpi"; }
  void broadcast(std::span<std::byte> buffer, int root) override {
    control_.broadcast(buffer, root);
  }
  void barrier() override { control_.barrier(); }
  void park() override { control_.park(); }
  std::vector<std::string> gather(const std::string& message, int root) override {
    return control_.gather(message, root);
  }
  std::unique_ptr<Communicator> split(int color) override { return control_.split(color); }
  [[noreturn]] void abort(int exit_code) override {
    control_.abort(exit_code);
    std::abort();
  }

  /// Drives what is under way; `under_way` are the requests of the running step.
  void test() {
    for (Request* request : under_way_) request->test();
  }
  void forget() { under_way_.clear(); }

 private:
  void run_here(Collective collective, std::span<float> buffer, int root) override {
    control_.run(collective, buffer, root);
  }
  std::unique_ptr<PendingCollective> start_behind(Collective, std::span<float> buffer, int,
                                                  Reduction) override {
    auto request = std::make_unique<Request>(buffer);
    under_way_.push_back(request.get());
    return request;
  }

  Communicator& control_;
  std::vector<Request*> under_way_;
};

struct Way {
  const char* name;
  Communicator* group;
  Nonblocking* nonblocking = nullptr;
  bool tests = false;
  std::unique_ptr<Trainer> trainer;
  std::vector<double> step_s, backward_s, exposed_s;
};

double slowest(Communicator& world, double mine) {
  double most = mine;
  for (const std::string& other : world.all_gather(std::to_string(1e6 * mine))) {
    most = std::max(most, 1e-6 * std::stod(other));
  }
  return most;
}

void block(Communicator& world, Way& way, const Dataset& data, int local_batch) {
  std::vector<int64_t> indices(local_batch);
  std::iota(indices.begin(), indices.end(), int64_t{local_batch} * world.rank());
  for (int i = 0; i < kSteps; ++i) {
    if (way.nonblocking != nullptr) way.nonblocking->forget();
    const StepSample sample = way.trainer->step(data, indices);
    if (i < kDiscard) continue;
    way.step_s.push_back(sample.step_time_s);
    way.backward_s.push_back(sample.backward_s);
    way.exposed_s.push_back(sample.exposed_comm_s);
  }
  for (size_t i = way.step_s.size() - (kSteps - kDiscard); i < way.step_s.size(); ++i) {
    for (std::vector<double>* series : {&way.step_s, &way.backward_s, &way.exposed_s}) {
      (*series)[i] = slowest(world, (*series)[i]);
    }
  }
}

void run(Communicator& world, const std::string& model, const std::string& input, int local_batch) {
  const Workload workload = find_workload(model, input);
  const auto data = synthetic_data(workload);
  Nonblocking with_tests(world), without(world);
  Way ways[3] = {{"thread", &world}, {"tests", &with_tests}, {"nonblocking", &without}};
  ways[1].nonblocking = &with_tests;
  ways[2].nonblocking = &without;
  for (Way& way : ways) {
    way.trainer = std::make_unique<Trainer>(workload, TrainerOptions{});
    way.trainer->attach(*way.group);
  }
  for (const torch::Tensor& p : ways[1].trainer->parameters()) {
    p.register_hook([&with_tests](const torch::Tensor&) { with_tests.test(); });
  }
  for (int round = 0; round < kRounds; ++round) {
    for (int turn = 0; turn < 3; ++turn) {
      block(world, ways[(turn + round) % 3], *data, local_batch);
    }
    if (world.rank() == 0) std::fprintf(stderr, "round %d of %d\r", round + 1, kRounds);
  }
  if (world.rank() > 0) return;
  std::printf("%s %s, %d ranks x %d\n%-12s %9s %12s %11s\n", model.c_str(), input.c_str(),
              world.size(), local_batch, "", "step ms", "backward ms", "exposed ms");
  for (Way& way : ways) {
    std::printf("%-12s %9.2f %12.2f %11.2f\n", way.name, 1e3 * median(way.step_s),
                1e3 * median(way.backward_s), 1e3 * median(way.exposed_s));
  }
}

}  // namespace
}  // namespace forerun

int main(int argc, char** argv) {
  forerun::set_up_compute(1);
  forerun::MpiRuntime mpi;
  const bool asked = argc == 4;
  forerun::run(mpi.world(), asked ? argv[1] : "mnist-cnn", asked ? argv[2] : "1x28x28",
               asked ? std::atoi(argv[3]) : 16);
}
