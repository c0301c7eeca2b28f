// Opening of weights: packing on the host's workers, and copying to the device.
#include "cuda/weights.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "cuda/device.h"
#include "cuda/weight_pack.h"

namespace baleen::cuda {
namespace {

// Tiles that one task packs: 1 MB of a matrix of bf16 with 4096 columns.
constexpr int64_t kTaskTiles = 8;

struct PackTask {
  const baleen_tensor* tensor;
  int64_t tiles;
  uint8_t* to;
};

void RunPackTask(void* data, uint32_t index) {
  const PackTask& task = *static_cast<const PackTask*>(data);
  const int64_t first = int64_t{index} * kTaskTiles;
  PackTiles(*task.tensor, first, std::min(first + kTaskTiles, task.tiles),
            task.to);
}

// Matrix `i` of the source to `to`, with all the host's workers.
void PackMatrix(const Device& device, const baleen_weight_source& source,
                uint32_t i, uint8_t* to) {
  const baleen_tensor& tensor = source.tensors[i];
  const Matrix matrix = MatrixOf(tensor);
  if (source.kind == BALEEN_WEIGHT_TABLE) {
    const size_t bytes = static_cast<size_t>(matrix.rows) *
                         static_cast<size_t>(matrix.columns) * 2;
    if (bytes != 0) std::memcpy(to, tensor.data, bytes);
    std::memset(to + bytes, 0,
                static_cast<size_t>(PackedBytes(source, i)) - bytes);
    return;
  }
  PackTask task = {&tensor, TilesOf(matrix.rows), to};
  const int64_t used =
      DataBytes(matrix.type, matrix.rows, matrix.columns) +
      task.tiles * BlocksOf(matrix.columns) * BlockScaleBytes(matrix.type);
  std::memset(to + used, 0, static_cast<size_t>(PackedBytes(source, i) - used));
  const baleen_workers& workers = *device.host().workers;
  const int64_t tasks = (task.tiles + kTaskTiles - 1) / kTaskTiles;
  if (tasks == 0) return;
  workers.run(workers.user_data, static_cast<uint32_t>(tasks), RunPackTask,
              &task);
}

// What a weight under construction has; freed unless it is released.
class Building {
 public:
  explicit Building(const Device* device) : device_(device) {}
  ~Building() {
    static_cast<void>(cudaFree(memory));
    static_cast<void>(cudaFree(places));
    static_cast<void>(cudaFreeHost(host_memory));
    static_cast<void>(cudaFreeHost(staging));
    device_->DeallocateHost(weight);
    if (stream != nullptr) static_cast<void>(cudaStreamDestroy(stream));
  }
  Building(const Building&) = delete;
  Building& operator=(const Building&) = delete;

  void* memory = nullptr;
  void* places = nullptr;
  void* host_memory = nullptr;
  void* staging = nullptr;
  void* weight = nullptr;
  cudaStream_t stream = nullptr;

 private:
  const Device* device_;
};

struct Extent {
  int64_t bytes = 0;
  int64_t largest = 0;        // Of a matrix.
  int64_t routed_expert = 0;  // Of EXPERTS: an expert, and the last.
  int64_t last_expert = 0;
  uint32_t experts = 0;
};

Extent ExtentOf(const baleen_weight_source& source) {
  Extent extent;
  for (uint32_t i = 0; i < source.tensor_count; ++i) {
    const int64_t bytes = PackedBytes(source, i);
    extent.bytes += bytes;
    extent.largest = std::max(extent.largest, bytes);
    if (source.kind != BALEEN_WEIGHT_EXPERTS) continue;
    if (i < 3) extent.routed_expert += bytes;
    if (i + 3 >= source.tensor_count) extent.last_expert += bytes;
  }
  if (source.kind == BALEEN_WEIGHT_EXPERTS) {
    extent.experts = source.tensor_count / 3;
  }
  return extent;
}

// Experts from this one on lie in host memory; the last, which may be shared,
// never does.
uint32_t ResidentExperts(const Device& device,
                         const baleen_weight_source& source,
                         const Extent& extent) {
  const uint32_t setting = device.options().resident_experts;
  const uint32_t limit =
      source.resident_limit != 0 ? source.resident_limit : setting;
  if (limit == 0 || limit >= extent.experts) return extent.experts;
  return limit;
}

// Copies matrix `i`, from a blob or packed now, to where it belongs.
baleen_status PlaceMatrix(const Device& device,
                          const baleen_weight_source& source, uint32_t i,
                          const uint8_t* packed, uint8_t* to, bool to_host,
                          Building* building) {
  const size_t bytes = static_cast<size_t>(PackedBytes(source, i));
  if (to_host) {
    if (packed != nullptr) {
      std::memcpy(to, packed, bytes);
    } else {
      PackMatrix(device, source, i, to);
    }
    return BALEEN_OK;
  }
  if (packed == nullptr) {
    PackMatrix(device, source, i, static_cast<uint8_t*>(building->staging));
    packed = static_cast<const uint8_t*>(building->staging);
  }
  const baleen_status status =
      device.Check(cudaMemcpyAsync(to, packed, bytes, cudaMemcpyHostToDevice,
                                   building->stream),
                   "copying a weight to the device");
  if (status != BALEEN_OK) return status;
  return device.Check(cudaStreamSynchronize(building->stream),
                      "copying a weight to the device");
}

baleen_status TakeMemory(const Device& device, const Extent& extent,
                         uint32_t resident, bool packs, Building* building) {
  const uint64_t hosted =
      static_cast<uint64_t>(extent.routed_expert) *
      (extent.experts > resident ? extent.experts - resident : 0);
  const uint64_t own = static_cast<uint64_t>(extent.bytes) - hosted;
  // No memory of no bytes.
  baleen_status status = device.Check(
      cudaMalloc(&building->memory, own == 0 ? 1 : own), "memory for a weight");
  if (status == BALEEN_OK && hosted != 0) {
    status =
        device.Check(cudaHostAlloc(&building->host_memory, hosted,
                                   cudaHostAllocPortable | cudaHostAllocMapped),
                     "host memory for experts");
  }
  if (status == BALEEN_OK && packs && extent.largest != 0) {
    status =
        device.Check(cudaHostAlloc(&building->staging,
                                   static_cast<uint64_t>(extent.largest), 0),
                     "host memory for packing");
  }
  if (status == BALEEN_OK && extent.experts != 0) {
    status = device.Check(
        cudaMalloc(&building->places, extent.experts * sizeof(uint8_t*)),
        "memory for the places of experts");
  }
  if (status != BALEEN_OK) return status;
  return device.Check(
      cudaStreamCreateWithFlags(&building->stream, cudaStreamNonBlocking),
      "making a stream");
}

// Fills in what is not experts: one matrix after another.
baleen_status PlaceMatrices(const Device& device,
                            const baleen_weight_source& source,
                            const uint8_t* blob, Matrix* matrices,
                            Building* building) {
  int64_t offset = 0;
  for (uint32_t i = 0; i < source.tensor_count; ++i) {
    uint8_t* const to = static_cast<uint8_t*>(building->memory) + offset;
    const baleen_status status = PlaceMatrix(
        device, source, i, blob == nullptr ? nullptr : blob + offset, to, false,
        building);
    if (status != BALEEN_OK) return status;
    Matrix matrix = MatrixOf(source.tensors[i]);
    matrix.data = to;
    new (matrices + i) Matrix(matrix);
    offset += PackedBytes(source, i);
  }
  return BALEEN_OK;
}

baleen_status PlaceExperts(const Device& device,
                           const baleen_weight_source& source,
                           const uint8_t* blob, const Extent& extent,
                           uint32_t resident, Matrix* matrices,
                           Building* building) {
  for (uint32_t side = 0; side < 2; ++side) {
    int64_t offset = 0;
    const uint32_t first = side == 0 ? 0 : source.tensor_count - 3;
    for (uint32_t i = 0; i < 3; ++i) {
      Matrix matrix = MatrixOf(source.tensors[first + i]);
      matrix.offset = offset;
      offset += PackedBytes(source, first + i);
      new (matrices + side * 3 + i) Matrix(matrix);
    }
  }
  const uint8_t** places = static_cast<const uint8_t**>(
      device.AllocateHost(extent.experts * sizeof(uint8_t*)));
  if (places == nullptr) {
    return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for a weight");
  }
  uint8_t* own = static_cast<uint8_t*>(building->memory);
  uint8_t* hosted = static_cast<uint8_t*>(building->host_memory);
  const uint8_t* packed = blob;
  baleen_status status = BALEEN_OK;
  for (uint32_t e = 0; e < extent.experts && status == BALEEN_OK; ++e) {
    const bool last = e + 1 == extent.experts;
    const bool to_host = hosted != nullptr && e + 1 >= resident && !last;
    uint8_t*& to = to_host ? hosted : own;
    void* seen = to;
    if (to_host) {
      status = device.Check(cudaHostGetDevicePointer(&seen, to, 0),
                            "the device's address of an expert");
    }
    places[e] = static_cast<const uint8_t*>(seen);
    for (uint32_t i = 3 * e; i < 3 * e + 3 && status == BALEEN_OK; ++i) {
      status = PlaceMatrix(device, source, i, packed, to, to_host, building);
      to += PackedBytes(source, i);
      if (packed != nullptr) packed += PackedBytes(source, i);
    }
  }
  if (status == BALEEN_OK) {
    status =
        device.Check(cudaMemcpyAsync(building->places, places,
                                     extent.experts * sizeof(uint8_t*),
                                     cudaMemcpyHostToDevice, building->stream),
                     "copying the places of experts");
  }
  if (status == BALEEN_OK) {
    status = device.Check(cudaStreamSynchronize(building->stream),
                          "copying the places of experts");
  }
  device.DeallocateHost(places);
  return status;
}

}  // namespace

const char* WeightLayout(baleen_device*) { return kLayoutName; }

baleen_status WeightSize(baleen_device* handle,
                         const baleen_weight_source* source, uint64_t* bytes) {
  const Device& device = *FromHandle(handle);
  const char* error = SourceError(*source, false);
  if (error != nullptr) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "weight_size: %s", error);
  }
  *bytes = static_cast<uint64_t>(ExtentOf(*source).bytes);
  return BALEEN_OK;
}

baleen_status WeightPack(baleen_device* handle,
                         const baleen_weight_source* source, uint32_t first,
                         uint32_t count, void* blob) {
  const Device& device = *FromHandle(handle);
  const char* error = SourceError(*source, true);
  if (error != nullptr) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "weight_pack: %s", error);
  }
  const uint32_t per_part = source->kind == BALEEN_WEIGHT_EXPERTS ? 3 : 1;
  const uint32_t parts = source->tensor_count / per_part;
  if (first > parts || count > parts - first) {
    return device.Fail(BALEEN_INVALID_ARGUMENT,
                       "a weight of %u parts has no parts %u to %u", parts,
                       first, first + count);
  }
  uint8_t* to = static_cast<uint8_t*>(blob);
  for (uint32_t i = 0; i < (first + count) * per_part; ++i) {
    if (i >= first * per_part) PackMatrix(device, *source, i, to);
    to += PackedBytes(*source, i);
  }
  return BALEEN_OK;
}

baleen_status WeightOpen(baleen_device* handle,
                         const baleen_weight_source* source, const void* blob,
                         baleen_weight** weight) {
  const Device& device = *FromHandle(handle);
  const char* error = SourceError(*source, blob == nullptr);
  if (error != nullptr) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "weight_open: %s", error);
  }
  device.Choose();
  const bool experts = source->kind == BALEEN_WEIGHT_EXPERTS;
  const uint32_t count = experts ? 6 : source->tensor_count;
  const Extent extent = ExtentOf(*source);
  const uint32_t resident = ResidentExperts(device, *source, extent);
  Building building(&device);
  building.weight =
      device.AllocateHost(sizeof(Weight) + uint64_t{count} * sizeof(Matrix));
  if (building.weight == nullptr) {
    return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for a weight");
  }
  baleen_status status =
      TakeMemory(device, extent, resident, blob == nullptr, &building);
  if (status != BALEEN_OK) return status;
  Weight* made = new (building.weight) Weight{};
  Matrix* matrices = reinterpret_cast<Matrix*>(made + 1);
  const uint8_t* packed = static_cast<const uint8_t*>(blob);
  status = experts
               ? PlaceExperts(device, *source, packed, extent, resident,
                              matrices, &building)
               : PlaceMatrices(device, *source, packed, matrices, &building);
  if (status != BALEEN_OK) return status;
  made->device = handle;
  made->kind = source->kind;
  made->count = count;
  made->experts = extent.experts;
  made->host_experts = extent.experts - resident;
  made->memory = static_cast<uint8_t*>(building.memory);
  made->host_memory = static_cast<uint8_t*>(building.host_memory);
  made->places = static_cast<const uint8_t**>(building.places);
  *weight = reinterpret_cast<baleen_weight*>(made);
  building.memory = building.places = building.host_memory = nullptr;
  building.weight = nullptr;
  return BALEEN_OK;
}

void WeightClose(baleen_weight* handle) {
  if (handle == nullptr) return;
  const Weight copy = *FromHandle(const_cast<const baleen_weight*>(handle));
  const Device& device = *FromHandle(copy.device);
  device.Choose();
  static_cast<void>(cudaFree(copy.memory));
  static_cast<void>(cudaFree(copy.places));
  static_cast<void>(cudaFreeHost(copy.host_memory));
  device.DeallocateHost(handle);
}

}  // namespace baleen::cuda
