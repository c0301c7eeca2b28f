#include "benchmarks/gpu/bench.h"

namespace baleen::gpu {
namespace {

int64_t Bits(baleen_type type) {
  switch (type) {
    case BALEEN_TYPE_F32:
    case BALEEN_TYPE_I32:
      return 32;
    case BALEEN_TYPE_BF16:
      return 16;
    case BALEEN_TYPE_F4_E2M1:
      return 4;
    default:
      return 8;
  }
}

}  // namespace

baleen_tensor Shape(baleen_type type, std::initializer_list<int64_t> sizes) {
  baleen_tensor tensor = {};
  tensor.type = type;
  for (const int64_t size : sizes) tensor.size[tensor.rank++] = size;
  int64_t stride = 1;
  for (uint32_t i = tensor.rank; i-- > 0;) {
    tensor.stride[i] = stride;
    stride *= tensor.size[i];
  }
  return tensor;
}

uint64_t Bytes(const baleen_tensor& tensor) {
  return static_cast<uint64_t>(tensor.size[0] * tensor.stride[0] *
                               Bits(tensor.type) / 8);
}

void FillRandom(baleen_type type, std::vector<uint8_t>* bytes) {
  uint64_t state = 1;
  for (size_t i = 0; i + 1 < bytes->size(); i += 2) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint32_t random = static_cast<uint32_t>(state >> 40);
    uint32_t pair = random & 0xFFFFu;
    // Exponents below 14 of e4m3, and around 1/64 of bf16.
    if (type == BALEEN_TYPE_F8_E4M3) pair &= 0xB7B7u;
    if (type == BALEEN_TYPE_BF16) pair = (random & 0x80FFu) | 0x3C00u;
    (*bytes)[i] = static_cast<uint8_t>(pair);
    (*bytes)[i + 1] = static_cast<uint8_t>(pair >> 8);
  }
  if (type != BALEEN_TYPE_F32) return;
  for (size_t i = 0; i + 3 < bytes->size(); i += 4) {
    const float value = static_cast<float>((*bytes)[i]) / 4096 - 0.03f;
    std::memcpy(bytes->data() + i, &value, sizeof(value));
  }
}

}  // namespace baleen::gpu
