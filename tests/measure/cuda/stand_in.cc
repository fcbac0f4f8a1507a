#include "tests/measure/cuda/stand_in.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

namespace forerun {
namespace {

std::mutex g_mutex;
StandIn g_stand_in;
std::uintptr_t g_streams = 0, g_comms = 0, g_events = 0;
struct Record {
  int number = 0;
  std::optional<double> time_ms;  ///< when its stream passed it; nullopt: not yet
};
std::map<cudaEvent_t, Record> g_records;  ///< the last one of each event
int g_record = 0;
struct Stream {
  double done_ms = 0;  ///< with what it was given
  bool held = false;   ///< by a function of the host
  std::vector<std::function<void()>> behind;
};
std::map<cudaStream_t, Stream> g_streams_by_name;
thread_local cudaError_t t_last_error = cudaSuccess;

/// Work for a stream: now, or when the host lets it go on.
void give(cudaStream_t stream, std::function<void(Stream&)> work) {
  Stream& to = g_streams_by_name[stream];
  if (to.held) {
    to.behind.emplace_back([&to, work = std::move(work)] { work(to); });
  } else {
    work(to);
  }
}

/// Takes the stream this long, from when the host gave it, or later.
void pass(cudaStream_t stream, double ms) {
  give(stream, [ms](Stream& s) { s.done_ms = std::max(s.done_ms, g_stand_in.host_ms) + ms; });
}

std::string of(cudaStream_t stream) {
  return stream == kComputeStream
             ? "compute"
             : "stream " + std::to_string(reinterpret_cast<std::uintptr_t>(stream));
}
std::string of(ncclComm_t comm) {
  return "comm " + std::to_string(reinterpret_cast<std::uintptr_t>(comm));
}
std::string of(cudaEvent_t event) { return "event " + std::to_string(g_records[event].number); }

template <class... Words>
void note(const Words&... words) {
  std::string line;
  ((line += (line.empty() ? "" : " ") + std::string(words)), ...);
  g_stand_in.log.push_back(line);
}

ncclResult_t collective(const char* name, const void* from, const void* to, size_t count,
                        const std::string& how, ncclComm_t comm, cudaStream_t stream) {
  const auto offset = static_cast<const float*>(to) - static_cast<const float*>(from);
  note(name, std::to_string(count), how, "shift " + std::to_string(offset), of(comm), of(stream));
  g_stand_in.host_ms += g_stand_in.launch_ms;
  pass(stream, 1);
  return std::exchange(g_stand_in.next_collective, ncclSuccess);
}

std::string of(ncclRedOp_t operation) { return operation == ncclAvg ? "avg" : "sum"; }

}  // namespace

std::vector<std::string> StandIn::take_log() { return std::exchange(log, {}); }

LockedStandIn::LockedStandIn() : lock_(g_mutex) {}
StandIn* LockedStandIn::operator->() const { return &g_stand_in; }

}  // namespace forerun

using namespace forerun;  // NOLINT: the functions below are C's

extern "C" {

const char* cudaGetErrorString(cudaError_t) { return "an error of the stand-in"; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = reinterpret_cast<cudaStream_t>(++g_streams);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  *stream = reinterpret_cast<cudaStream_t>(++g_streams);
  const LockedStandIn here;
  note("create", of(*stream), flags == cudaStreamNonBlocking ? "non-blocking" : "blocking",
       "priority", std::to_string(priority));
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const LockedStandIn here;
  note("synchronize", of(stream));
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const LockedStandIn here;
  note("synchronize device");
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const LockedStandIn here;
  note(of(stream), "waits for", of(event));
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(++g_events);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const LockedStandIn here;
  const int number = ++g_record;
  g_records[event] = {number, std::nullopt};
  note(of(stream), "records", of(event));
  pass(stream, 0);
  give(stream, [event, number](const Stream& s) {
    if (g_records[event].number == number) g_records[event].time_ms = s.done_ms;
  });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const LockedStandIn here;
  note("host waits for", of(event));
  here->host_ms = std::max(here->host_ms, g_records[event].time_ms.value_or(0));
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const LockedStandIn here;
  if (here->stuck || !g_records[event].time_ms) return t_last_error = cudaErrorNotReady;
  here->host_ms = std::max(here->host_ms, *g_records[event].time_ms);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  const LockedStandIn here;
  if (here->stuck || !g_records[end].time_ms) return t_last_error = cudaErrorNotReady;
  *ms = static_cast<float>(*g_records[end].time_ms - g_records[start].time_ms.value());
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(t_last_error, cudaSuccess); }
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  const LockedStandIn here;
  note("host holds", of(stream));
  g_streams_by_name[stream].held = true;
  std::thread([stream, function, data] {
    function(data);
    const LockedStandIn again;
    note("host lets", of(stream), "go on");
    Stream& held = g_streams_by_name[stream];
    held.held = false;
    for (const auto& work : std::exchange(held.behind, {})) work();
  }).detach();
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = LockedStandIn()->free_bytes;
  *total = 80'000'000'000;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** data, size_t bytes) {
  *data = std::malloc(bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaMemset(void* data, int value, size_t bytes) {
  std::fill_n(static_cast<char*>(data), bytes, static_cast<char>(value));
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  const LockedStandIn here;
  note("copy", std::to_string(bytes), "bytes from",
       std::to_string(static_cast<const char*>(from) - static_cast<const char*>(to)), of(stream));
  return cudaSuccess;
}

const char* ncclGetErrorString(ncclResult_t code) {
  return code == ncclRemoteError ? "remote process exited or there was a network error"
                                 : "an error";
}
const char* ncclGetLastError(ncclComm_t) { return g_stand_in.last_error.c_str(); }
ncclResult_t ncclGetVersion(int* version) {
  const LockedStandIn here;
  *version = here->nccl_version;
  return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const LockedStandIn here;
  note("unique id");
  id->internal[0] = 42;
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id, int rank) {
  const LockedStandIn here;
  *comm = reinterpret_cast<ncclComm_t>(++g_comms);
  here->free_bytes -= 1000;
  note("start", of(*comm), "id", std::to_string(id.internal[0]), "rank", std::to_string(rank), "of",
       std::to_string(size));
  return ncclSuccess;
}
ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t* part, ncclConfig_t*) {
  const LockedStandIn here;
  note("split", of(comm), "color", std::to_string(color), "key", std::to_string(key));
  if (color != NCCL_SPLIT_NOCOLOR) here->free_bytes -= 1000;
  *part = color == NCCL_SPLIT_NOCOLOR ? nullptr : reinterpret_cast<ncclComm_t>(++g_comms);
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* state) {
  const LockedStandIn here;
  *state = here->asynchronous;
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const LockedStandIn here;
  note("finalize", of(comm));
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const LockedStandIn here;
  note("destroy", of(comm));
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const LockedStandIn here;
  note("abort", of(comm));
  here->stuck = false;  // its kernels leave
  return ncclSuccess;
}
ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  const LockedStandIn here;
  return collective("allreduce", from, to, count, of(op), comm, stream);
}
ncclResult_t ncclReduce(const void* from, void* to, size_t count, ncclDataType_t, ncclRedOp_t op,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  const LockedStandIn here;
  return collective("reduce", from, to, count, of(op) + " to " + std::to_string(root), comm,
                    stream);
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  const LockedStandIn here;
  return collective("broadcast", from, to, count, "of " + std::to_string(root), comm, stream);
}
ncclResult_t ncclReduceScatter(const void* from, void* to, size_t count, ncclDataType_t,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  const LockedStandIn here;
  return collective("reduce_scatter", from, to, count, of(op), comm, stream);
}
ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t,
                           ncclComm_t comm, cudaStream_t stream) {
  const LockedStandIn here;
  return collective("all_gather", from, to, count, "-", comm, stream);
}

}  // extern "C"
