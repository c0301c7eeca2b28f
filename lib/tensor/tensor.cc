#include "tensor/tensor.h"

#include <cstdio>

namespace baleen {
namespace {

struct TypeFacts {
  int32_t bits;
  const char* name;
};

constexpr TypeFacts kTypes[] = {
    {0, "none"}, {32, "f32"}, {16, "bf16"}, {32, "i32"}, {8, "e4m3"},
    {4, "e2m1"}, {8, "e8m0"}, {8, "i8"},    {64, "i64"}, {8, "byte"},
};

const TypeFacts& FactsOf(baleen_type type) {
  const bool known =
      type >= 0 && static_cast<size_t>(type) < sizeof kTypes / sizeof kTypes[0];
  return kTypes[known ? type : BALEEN_TYPE_NONE];
}

uint64_t BytesOf(baleen_type type, int64_t count) {
  return (static_cast<uint64_t>(count) * static_cast<uint64_t>(TypeBits(type)) +
          7) /
         8;
}

}  // namespace

int32_t TypeBits(baleen_type type) { return FactsOf(type).bits; }

const char* TypeName(baleen_type type) { return FactsOf(type).name; }

Tensor MakeTensor(baleen_type type, std::initializer_list<int64_t> sizes) {
  Tensor tensor = {};
  tensor.type = type;
  tensor.rank = static_cast<uint32_t>(sizes.size());
  uint32_t i = 0;
  for (const int64_t size : sizes) tensor.size[i++] = size;
  // The size of the outermost dimension is in no stride.
  for (i = tensor.rank; i > 0; --i) {
    tensor.stride[i - 1] =
        i == tensor.rank ? 1 : tensor.stride[i] * tensor.size[i];
  }
  return tensor;
}

Tensor MakeScaledTensor(baleen_type type, baleen_type scale_type,
                        uint32_t block, std::initializer_list<int64_t> sizes) {
  Tensor tensor = MakeTensor(type, sizes);
  tensor.scale_type = scale_type;
  tensor.block_rows = 1;
  tensor.block_columns = block;
  return tensor;
}

Tensor MakeRoundedTensor(const baleen_format& format,
                         std::initializer_list<int64_t> sizes) {
  if (format.scale_type == BALEEN_TYPE_NONE) {
    return MakeTensor(format.type, sizes);
  }
  return MakeScaledTensor(format.type, format.scale_type, format.block, sizes);
}

int64_t ElementCount(const Tensor& tensor) {
  int64_t count = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i) count *= tensor.size[i];
  return count;
}

uint64_t DataBytes(const Tensor& tensor) {
  return BytesOf(tensor.type, ElementCount(tensor));
}

uint64_t ScaleBytes(const Tensor& tensor) {
  if (tensor.scale_type == BALEEN_TYPE_NONE || tensor.rank == 0) return 0;
  const int64_t columns = tensor.size[tensor.rank - 1];
  if (columns == 0) return 0;
  const int64_t rows = ElementCount(tensor) / columns;
  const int64_t block_rows = tensor.block_rows;
  const int64_t block_columns = tensor.block_columns;
  const int64_t count = ((rows + block_rows - 1) / block_rows) *
                        ((columns + block_columns - 1) / block_columns);
  return BytesOf(tensor.scale_type, count);
}

Tensor ColumnsOf(const Tensor& tensor, int64_t first, int64_t count) {
  Tensor part = tensor;
  part.size[1] = count;
  if (tensor.data != nullptr) {
    part.data =
        static_cast<char*>(tensor.data) + first * (TypeBits(tensor.type) / 8);
  }
  return part;
}

TensorText Describe(const Tensor& tensor) {
  TensorText result;
  const size_t room = sizeof result.text;
  auto used = static_cast<size_t>(
      std::snprintf(result.text, room, "%s [", TypeName(tensor.type)));
  for (uint32_t i = 0; i < tensor.rank && used < room; ++i) {
    used += static_cast<size_t>(std::snprintf(
        result.text + used, room - used, i == 0 ? "%lld" : ", %lld",
        static_cast<long long>(tensor.size[i])));
  }
  if (used < room) std::snprintf(result.text + used, room - used, "]");
  return result;
}

}  // namespace baleen
