// baleen_tensor for C++: making descriptions, sizes in bytes, and views.
//
// A tensor describes memory and never owns it.  Nothing here allocates.
#pragma once

#include <cstdint>
#include <initializer_list>

#include <baleen/backend.h>

namespace baleen {

using Tensor = baleen_tensor;

// Bits of an element; 0 for a type there is not.
int32_t TypeBits(baleen_type type);
// As messages call it: "bf16".
const char* TypeName(baleen_type type);

// A contiguous tensor without data, of one to four dimensions.
Tensor MakeTensor(baleen_type type, std::initializer_list<int64_t> sizes);

// The same with a scale for each `block` elements of a row.
Tensor MakeScaledTensor(baleen_type type, baleen_type scale_type,
                        uint32_t block, std::initializer_list<int64_t> sizes);

// Activations in a device's format; without scales where it rounds nothing.
Tensor MakeRoundedTensor(const baleen_format& format,
                         std::initializer_list<int64_t> sizes);

int64_t ElementCount(const Tensor& tensor);
// Bytes of the elements of a contiguous tensor, and of its scales.
uint64_t DataBytes(const Tensor& tensor);
uint64_t ScaleBytes(const Tensor& tensor);

// Columns `first` .. `first + count` of a [rows, columns] tensor.
// REQUIRES: rank 2, no scales, whole bytes.
Tensor ColumnsOf(const Tensor& tensor, int64_t first, int64_t count);

// "bf16 [4, 256]", for messages.
struct TensorText {
  char text[96];
};
TensorText Describe(const Tensor& tensor);

}  // namespace baleen
