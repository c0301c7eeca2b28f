// Opening of weights: packing on the host's workers, and copying to the device.
#include "cuda/weights.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "cuda/device.h"
#include "cuda/weight_pack.h"

namespace baleen::cuda {
namespace {

// What a weight under construction has; freed unless it is released.
class Building {
 public:
  explicit Building(const Device* device) : device_(device) {}
  ~Building() {
    static_cast<void>(cudaFree(memory));
    static_cast<void>(cudaFree(places));
    static_cast<void>(cudaFreeHost(staging));
    device_->DeallocateHost(weight);
    if (stream != nullptr) static_cast<void>(cudaStreamDestroy(stream));
  }
  Building(const Building&) = delete;
  Building& operator=(const Building&) = delete;

  void* memory = nullptr;
  void* places = nullptr;
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

bool IsPlaced(const baleen_weight_source& source) {
  return source.kind == BALEEN_WEIGHT_EXPERTS &&
         source.resident_limit == BALEEN_RESIDENT_PLACED;
}

// Copies matrix `i`, from a blob or packed now, to where it belongs.
baleen_status PlaceMatrix(const Device& device,
                          const baleen_weight_source& source, uint32_t i,
                          const uint8_t* packed, uint8_t* to,
                          Building* building) {
  const size_t bytes = static_cast<size_t>(PackedBytes(source, i));
  if (packed == nullptr) {
    PackMatrix(device, source.kind, source.tensors[i],
               static_cast<uint8_t*>(building->staging));
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
                         bool placed, bool packs, Building* building) {
  const uint64_t own =
      static_cast<uint64_t>(placed ? extent.last_expert : extent.bytes);
  // No memory of no bytes.
  baleen_status status = device.Check(
      cudaMalloc(&building->memory, own == 0 ? 1 : own), "memory for a weight");
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
    const baleen_status status =
        PlaceMatrix(device, source, i,
                    blob == nullptr ? nullptr : blob + offset, to, building);
    if (status != BALEEN_OK) return status;
    Matrix matrix = MatrixOf(source.tensors[i]);
    matrix.data = to;
    new (matrices + i) Matrix(matrix);
    offset += PackedBytes(source, i);
  }
  return BALEEN_OK;
}

// Those that are placed later are nowhere.
baleen_status PlaceExperts(const Device& device,
                           const baleen_weight_source& source,
                           const uint8_t* blob, const Extent& extent,
                           Matrix* matrices, Building* building) {
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
  uint8_t* to = static_cast<uint8_t*>(building->memory);
  const uint8_t* packed = blob;
  baleen_status status = BALEEN_OK;
  for (uint32_t e = 0; e < extent.experts && status == BALEEN_OK; ++e) {
    if (IsPlaced(source) && e + 1 != extent.experts) {
      places[e] = nullptr;
      if (packed != nullptr) packed += extent.routed_expert;
      continue;
    }
    places[e] = to;
    for (uint32_t i = 3 * e; i < 3 * e + 3 && status == BALEEN_OK; ++i) {
      status = PlaceMatrix(device, source, i, packed, to, building);
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
    if (i >= first * per_part) {
      PackMatrix(device, source->kind, source->tensors[i], to);
    }
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
  const bool placed = IsPlaced(*source);
  if (!placed && source->resident_limit != 0 &&
      source->resident_limit < extent.experts) {
    return device.Fail(BALEEN_UNSUPPORTED,
                       "experts are all on the device, or placed one by one");
  }
  const uint64_t kept =
      placed && blob == nullptr ? source->tensor_count : uint64_t{0};
  Building building(&device);
  building.weight =
      device.AllocateHost(sizeof(Weight) + uint64_t{count} * sizeof(Matrix) +
                          kept * sizeof(baleen_tensor));
  if (building.weight == nullptr) {
    return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for a weight");
  }
  baleen_status status =
      TakeMemory(device, extent, placed, blob == nullptr, &building);
  if (status != BALEEN_OK) return status;
  Weight* made = new (building.weight) Weight{};
  Matrix* matrices = reinterpret_cast<Matrix*>(made + 1);
  const uint8_t* packed = static_cast<const uint8_t*>(blob);
  status =
      experts
          ? PlaceExperts(device, *source, packed, extent, matrices, &building)
          : PlaceMatrices(device, *source, packed, matrices, &building);
  if (status != BALEEN_OK) return status;
  made->device = handle;
  made->kind = source->kind;
  made->count = count;
  made->experts = extent.experts;
  made->memory = static_cast<uint8_t*>(building.memory);
  made->places = static_cast<const uint8_t**>(building.places);
  if (placed) {
    made->placed_bytes = extent.routed_expert;
    made->blob = packed;
  }
  if (kept != 0) {
    // The raw tensors stay readable, but not what tells of them.
    baleen_tensor* const tensors =
        reinterpret_cast<baleen_tensor*>(matrices + count);
    std::memcpy(tensors, source->tensors, kept * sizeof(baleen_tensor));
    made->tensors = tensors;
  }
  *weight = reinterpret_cast<baleen_weight*>(made);
  building.memory = building.places = nullptr;
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
  device.DeallocateHost(handle);
}

}  // namespace baleen::cuda
