// Sizes and copies of the attention state.
//
// Where pages lie only the device knows, so a kernel copies them: to and from a
// buffer in which items follow each other as in saved states, and from there to
// the host.
#include "cuda/state.h"

#include "cuda/launch.h"

namespace baleen::cuda {
namespace {

constexpr int kCopyThreads = 128;

struct CopyParams {
  StateView from;
  StateView to;
  uint8_t* buffer;  // In place of the side that is not there.
  baleen_pool pool;
  int32_t from_index;
  int32_t to_index;
  int32_t first;
  bool has_from;
  bool has_to;
};

// A block for each item.
__global__ void CopyItems(CopyParams params) {
  WaitForInputs();
  const StateView& shape = params.has_from ? params.from : params.to;
  const ItemShape item = ItemOf(shape, params.pool);
  const int i = static_cast<int>(blockIdx.x);
  uint8_t* const packed =
      params.buffer + int64_t{i} * (item.data + item.scales);
  const ItemPlace plain = {packed, packed + item.data};
  const ItemPlace from =
      params.has_from
          ? ItemAt(params.from, params.pool,
                   PoolPlace(params.from, params.pool, params.from_index),
                   params.first + i)
          : plain;
  const ItemPlace to =
      params.has_to ? ItemAt(params.to, params.pool,
                             PoolPlace(params.to, params.pool, params.to_index),
                             params.first + i)
                    : plain;
  for (int j = Thread(); j < item.data / 4; j += Threads()) {
    reinterpret_cast<uint32_t*>(to.data)[j] =
        reinterpret_cast<const uint32_t*>(from.data)[j];
  }
  for (int j = Thread(); j < item.scales; j += Threads()) {
    to.scales[j] = from.scales[j];
  }
}

bool SameShape(const baleen_state_shape& a, const baleen_state_shape& b,
               baleen_pool pool) {
  const bool rings = pool == BALEEN_POOL_WINDOW ? a.ring_rows == b.ring_rows
                     : pool == BALEEN_POOL_TAIL ? a.tail_rows == b.tail_rows
                                                : true;
  return rings && a.head_size == b.head_size && a.rope_size == b.rope_size &&
         a.key_size == b.key_size && a.ratio == b.ratio;
}

int64_t HostBytes(const baleen_state_copy& copy) {
  const StateView view = StateOf(copy.from != nullptr ? copy.from : copy.to);
  const ItemShape item = ItemOf(view, copy.pool);
  return int64_t{copy.count} * (item.data + item.scales);
}

const char* CopyError(const baleen_state_copy& copy) {
  if (copy.struct_size < sizeof(baleen_state_copy)) return "it is too short";
  if (copy.pool < 0 || copy.pool >= BALEEN_POOL_COUNT) {
    return "there is no such pool";
  }
  const baleen_state* state = copy.from != nullptr ? copy.from : copy.to;
  if (state == nullptr) return "neither side is a state";
  const char* error = StateShapeError(state->shape);
  if (error != nullptr) return error;
  if (copy.from != nullptr && copy.to != nullptr &&
      !SameShape(copy.from->shape, copy.to->shape, copy.pool)) {
    return "the two states differ in shape";
  }
  if (int64_t{copy.first} + copy.count >
      ItemOf(StateOf(state), copy.pool).count) {
    return "the page or slot does not have that many entries";
  }
  if (copy.from == nullptr || copy.to == nullptr) {
    if (copy.host_size < static_cast<uint64_t>(HostBytes(copy))) {
      return "the host memory is too small";
    }
    if (copy.host == nullptr && HostBytes(copy) != 0) {
      return "there is no host memory";
    }
  }
  if ((copy.from != nullptr && copy.from_index < 0) ||
      (copy.to != nullptr && copy.to_index < 0)) {
    return "there is no page or slot below zero";
  }
  return nullptr;
}

baleen_status RunCopy(const Queue& queue, const baleen_state_copy& copy,
                      uint8_t* buffer) {
  const Device& device = *queue.device;
  const size_t bytes = static_cast<size_t>(HostBytes(copy));
  baleen_status status = BALEEN_OK;
  if (copy.from == nullptr) {
    status = device.Check(cudaMemcpyAsync(buffer, copy.host, bytes,
                                          cudaMemcpyHostToDevice, queue.stream),
                          "copying state to the device");
    if (status != BALEEN_OK) return status;
  }
  CopyParams params = {};
  params.from = StateOf(copy.from);
  params.to = StateOf(copy.to);
  params.buffer = buffer;
  params.pool = copy.pool;
  params.from_index = copy.from_index;
  params.to_index = copy.to_index;
  params.first = static_cast<int32_t>(copy.first);
  params.has_from = copy.from != nullptr;
  params.has_to = copy.to != nullptr;
  status = Launch(queue, CopyItems, Grid(copy.count), kCopyThreads, 0, params);
  if (status != BALEEN_OK || copy.to != nullptr) return status;
  return device.Check(cudaMemcpyAsync(copy.host, buffer, bytes,
                                      cudaMemcpyDeviceToHost, queue.stream),
                      "copying state from the device");
}

}  // namespace

const char* StateShapeError(const baleen_state_shape& shape) {
  if (shape.head_size == 0 || shape.head_size > kMaxHeadSize ||
      shape.rope_size > shape.head_size || shape.rope_size % 8 != 0) {
    return "a head is too large, or its rotated part does not fit into it";
  }
  if ((shape.head_size - shape.rope_size) % kEntryGroup != 0) {
    return "the part of a head that is not rotated is not a multiple of 64";
  }
  if (shape.key_size > kMaxHeadSize || shape.key_size % kKeyGroup != 0 ||
      (shape.key_size != 0 && shape.key_size < shape.rope_size)) {
    return "the size of an indexer key is not a multiple of 32";
  }
  if (shape.ratio > kPagePositions ||
      (shape.ratio != 0 && kPagePositions % shape.ratio != 0)) {
    return "the compression ratio does not divide 256";
  }
  if (shape.ring_rows == 0 || shape.slab_slots == 0 || shape.slab_pages == 0) {
    return "the window or a slab is empty";
  }
  const uint32_t overlap = shape.ratio == 4 ? 2 : 1;
  if (shape.ratio != 0 && shape.tail_rows < overlap * shape.ratio) {
    return "the tail is shorter than the rows an entry is made of";
  }
  return nullptr;
}

baleen_status StateSize(baleen_device* handle, const baleen_state_shape* shape,
                        baleen_pool pool, uint64_t* bytes) {
  const Device& device = *FromHandle(handle);
  const char* error = StateShapeError(*shape);
  if (error != nullptr) {
    return device.Fail(BALEEN_UNSUPPORTED, "state_size: %s", error);
  }
  if (pool < 0 || pool >= BALEEN_POOL_COUNT) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "state_size: no pool %d",
                       static_cast<int>(pool));
  }
  baleen_state state = {};
  state.shape = *shape;
  *bytes = static_cast<uint64_t>(PoolBytes(StateOf(&state), pool));
  return BALEEN_OK;
}

baleen_status StateCopy(baleen_queue* handle, const baleen_state_copy* copies,
                        uint32_t count) {
  Queue* const queue = FromHandle(handle);
  const Device& device = *queue->device;
  device.Choose();
  uint64_t room = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const char* error = CopyError(copies[i]);
    if (error != nullptr) {
      return device.Fail(BALEEN_INVALID_ARGUMENT, "a copy of state: %s", error);
    }
    if (copies[i].from != nullptr && copies[i].to != nullptr) continue;
    room += static_cast<uint64_t>(HostBytes(copies[i]) + 15) / 16 * 16;
  }
  baleen_status status = Reserve(queue, room);
  uint8_t* buffer = static_cast<uint8_t*>(queue->scratch.data);
  for (uint32_t i = 0; i < count && status == BALEEN_OK; ++i) {
    if (copies[i].count == 0) continue;
    status = RunCopy(*queue, copies[i], buffer);
    if (copies[i].from != nullptr && copies[i].to != nullptr) continue;
    buffer += (HostBytes(copies[i]) + 15) / 16 * 16;
  }
  // Host memory has been read when this returns; and the next call may use the
  // buffer again, which grows under nobody's hands.
  if (status != BALEEN_OK || room == 0) return status;
  return device.Check(cudaStreamSynchronize(queue->stream),
                      "waiting for copies of state");
}

}  // namespace baleen::cuda
