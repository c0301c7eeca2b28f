// Opening, packing and closing of weights.
#include "cpu/weights.h"

#include <cstring>
#include <new>

#include "cpu/device.h"
#include "cpu/huge_pages.h"
#include "cpu/weight_pack.h"

namespace baleen::cpu {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 40;

// NULL, or why the tensor cannot be a matrix of a weight.
const char* MatrixError(const baleen_tensor& tensor, bool needs_data) {
  if (tensor.rank != 2) return "is not a matrix";
  if (tensor.size[0] < 0 || tensor.size[1] < 0 ||
      (tensor.size[1] != 0 &&
       tensor.size[0] > kMostElements / tensor.size[1])) {
    return "has an impossible size";
  }
  if (tensor.stride[1] != 1 || tensor.stride[0] != tensor.size[1]) {
    return "is not contiguous";
  }
  if (needs_data && tensor.data == nullptr) return "has no data";
  const bool scaled =
      tensor.type == BALEEN_TYPE_F8_E4M3 || tensor.type == BALEEN_TYPE_F4_E2M1;
  if (!scaled) {
    return tensor.type == BALEEN_TYPE_BF16
               ? nullptr
               : "is of a type that the CPU does not multiply by";
  }
  if (tensor.block_rows == 0 || tensor.block_columns == 0) {
    return "has no scale blocks";
  }
  if (needs_data && tensor.scales == nullptr) return "has no scales";
  if (tensor.scale_type != BALEEN_TYPE_E8M0 &&
      tensor.scale_type != BALEEN_TYPE_F32) {
    return "has scales of a type that the CPU does not know";
  }
  if (tensor.type == BALEEN_TYPE_F4_E2M1 &&
      (tensor.size[1] % 2 != 0 || tensor.block_rows != 1 ||
       tensor.block_columns != kFp4Group ||
       tensor.scale_type != BALEEN_TYPE_E8M0)) {
    return "is of 4-bit numbers without an e8m0 scale for each 32 of a row";
  }
  return nullptr;
}

Matrix MatrixOf(const baleen_tensor& tensor) {
  Matrix matrix{};
  matrix.rows = tensor.size[0];
  matrix.columns = tensor.size[1];
  matrix.data = static_cast<const uint8_t*>(tensor.data);
  switch (tensor.type) {
    case BALEEN_TYPE_F8_E4M3:
      matrix.type = MatrixType::kFp8;
      matrix.row_bytes = matrix.columns;
      break;
    case BALEEN_TYPE_F4_E2M1:
      matrix.type = MatrixType::kFp4;
      matrix.row_bytes = matrix.columns / 2;
      break;
    default:
      matrix.type = MatrixType::kBf16;
      matrix.row_bytes = matrix.columns * 2;
      return matrix;
  }
  matrix.float_scales = tensor.scale_type == BALEEN_TYPE_F32;
  matrix.block_rows = tensor.block_rows;
  matrix.block_columns = tensor.block_columns;
  matrix.row_scales =
      (matrix.columns + matrix.block_columns - 1) / matrix.block_columns;
  matrix.scales = static_cast<const uint8_t*>(tensor.scales);
  return matrix;
}

// NULL, or why the matrices together are not a weight of the kind.
const char* KindError(const baleen_weight_source& source) {
  const baleen_tensor* tensors = source.tensors;
  switch (source.kind) {
    case BALEEN_WEIGHT_LINEAR:
      for (uint32_t i = 1; i < source.tensor_count; ++i) {
        if (tensors[i].size[1] != tensors[0].size[1]) {
          return "its matrices differ in their inner size";
        }
      }
      return nullptr;
    case BALEEN_WEIGHT_GROUPED:
    case BALEEN_WEIGHT_TABLE:
      return source.tensor_count == 1 ? nullptr : "it is not one matrix";
    case BALEEN_WEIGHT_EXPERTS:
      if (source.tensor_count % 3 != 0) return "experts are not threes";
      for (uint32_t i = 0; i < source.tensor_count; i += 3) {
        const int64_t inner = tensors[0].size[0];
        const int64_t hidden = tensors[0].size[1];
        if (tensors[i].size[0] != inner || tensors[i].size[1] != hidden ||
            tensors[i + 1].size[0] != inner ||
            tensors[i + 1].size[1] != hidden ||
            tensors[i + 2].size[0] != hidden ||
            tensors[i + 2].size[1] != inner) {
          return "its experts differ in size";
        }
        // The shared expert, the last, may be of another type.
        const uint32_t like = i + 3 < source.tensor_count ? 0 : i;
        if (tensors[i].type != tensors[like].type ||
            tensors[i + 1].type != tensors[like].type ||
            tensors[i + 2].type != tensors[like + 2].type) {
          return "its experts differ in type";
        }
      }
      return nullptr;
    default:
      return "its kind is not known";
  }
}

// Tells why the source is not a weight; `needs_data`: of raw tensors.
baleen_status CheckSource(const Device& device,
                          const baleen_weight_source& source, bool needs_data) {
  if (source.struct_size < sizeof(baleen_weight_source) ||
      source.tensors == nullptr || source.tensor_count == 0) {
    return device.Fail(BALEEN_INVALID_ARGUMENT, "a weight of no tensors");
  }
  for (uint32_t i = 0; i < source.tensor_count; ++i) {
    const char* error = MatrixError(source.tensors[i], needs_data);
    if (error == nullptr) continue;
    return device.Fail(BALEEN_INVALID_ARGUMENT, "matrix %u of a weight %s", i,
                       error);
  }
  const char* error = KindError(source);
  if (error == nullptr) return BALEEN_OK;
  return device.Fail(BALEEN_INVALID_ARGUMENT, "a weight cannot be: %s", error);
}

uint64_t BlobSize(const baleen_weight_source& source) {
  uint64_t size = 0;
  for (uint32_t i = 0; i < source.tensor_count; ++i) {
    size = PlaceAfter(source.kind, MatrixOf(source.tensors[i]), i, size);
  }
  return size;
}

// NULL, or why there is no blob of such a weight.
const char* PackError(const baleen_weight_source& source) {
  const bool plain = source.tensors[0].type == BALEEN_TYPE_BF16;
  return IsPackedKind(source.kind) || plain
             ? nullptr
             : "a table of quantized numbers is not packed";
}

}  // namespace

const char* WeightLayout(baleen_device*) { return kPackedLayout; }

baleen_status WeightSize(baleen_device* handle,
                         const baleen_weight_source* source, uint64_t* bytes) {
  const Device& device = *FromHandle(handle);
  const baleen_status status = CheckSource(device, *source, false);
  if (status != BALEEN_OK) return status;
  if (const char* error = PackError(*source); error != nullptr) {
    return device.Fail(BALEEN_UNSUPPORTED, "%s", error);
  }
  *bytes = BlobSize(*source);
  return BALEEN_OK;
}

baleen_status WeightPack(baleen_device* handle,
                         const baleen_weight_source* source, uint32_t first,
                         uint32_t count, void* blob) {
  const Device& device = *FromHandle(handle);
  const baleen_status status = CheckSource(device, *source, true);
  if (status != BALEEN_OK) return status;
  if (const char* error = PackError(*source); error != nullptr) {
    return device.Fail(BALEEN_UNSUPPORTED, "%s", error);
  }
  const uint32_t per_part = source->kind == BALEEN_WEIGHT_EXPERTS ? 3 : 1;
  const uint32_t parts = source->tensor_count / per_part;
  if (first > parts || count > parts - first) {
    return device.Fail(BALEEN_INVALID_ARGUMENT,
                       "a weight of %u parts has no parts %u to %u", parts,
                       first, first + count);
  }
  uint8_t* const base = static_cast<uint8_t*>(blob);
  if (first == 0) AskForHugePages(base, BlobSize(*source));
  uint64_t place = 0;
  for (uint32_t i = 0; i < (first + count) * per_part; ++i) {
    const Matrix matrix = MatrixOf(source->tensors[i]);
    const uint64_t after = PlaceAfter(source->kind, matrix, i, place);
    if (i >= first * per_part) {
      PackMatrix(matrix, source->kind, base + place);
      // What aligns the next, so that blobs of the same weight are the same.
      const uint64_t end = place + BlobBytes(source->kind, matrix);
      if (end < after) std::memset(base + end, 0, after - end);
    }
    place = after;
  }
  return BALEEN_OK;
}

baleen_status WeightOpen(baleen_device* handle,
                         const baleen_weight_source* source, const void* blob,
                         baleen_weight** weight) {
  const Device& device = *FromHandle(handle);
  const baleen_status status = CheckSource(device, *source, blob == nullptr);
  if (status != BALEEN_OK) return status;
  if (reinterpret_cast<uintptr_t>(blob) % kVector != 0) {
    return device.Fail(BALEEN_INVALID_ARGUMENT,
                       "a packed weight is not aligned to 64 bytes");
  }
  const uint64_t size =
      sizeof(Weight) + uint64_t{source->tensor_count} * sizeof(Matrix);
  void* memory = device.Allocate(size);
  if (memory == nullptr) {
    return device.Fail(BALEEN_OUT_OF_MEMORY, "no memory for a weight");
  }
  Weight* made =
      new (memory) Weight{handle, source->kind, source->tensor_count};
  Matrix* matrices = reinterpret_cast<Matrix*>(made + 1);
  uint64_t place = 0;
  for (uint32_t i = 0; i < source->tensor_count; ++i) {
    Matrix matrix = MatrixOf(source->tensors[i]);
    if (blob != nullptr) {
      const uint64_t after = PlaceAfter(source->kind, matrix, i, place);
      matrix = PackedMatrix(matrix, source->kind,
                            static_cast<const uint8_t*>(blob) + place);
      place = after;
    }
    new (matrices + i) Matrix(matrix);
  }
  *weight = reinterpret_cast<baleen_weight*>(made);
  return BALEEN_OK;
}

void WeightClose(baleen_weight* handle) {
  if (handle == nullptr) return;
  const Weight* weight = FromHandle(const_cast<const baleen_weight*>(handle));
  FromHandle(weight->device)->Deallocate(handle);
}

}  // namespace baleen::cpu
