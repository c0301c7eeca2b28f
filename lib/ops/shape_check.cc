#include "ops/shape_check.h"

namespace baleen {

bool Letter::Fits(int64_t size) const {
  if (bound_ == nullptr) return size == value_;
  if (*bound_ == 0) *bound_ = size;
  return size == *bound_;
}

void ShapeCheck::Compare(const char* name, const Tensor* tensor, bool type_fits,
                         std::initializer_list<Letter> shape) {
  if (!status_.ok()) return;
  if (tensor == nullptr) {
    status_ = InvalidArgument("%s: %s is missing", op_, name);
    return;
  }
  bool fits = type_fits && tensor->rank == shape.size();
  uint32_t i = 0;
  for (const Letter& letter : shape) {
    fits = fits && letter.Fits(tensor->size[i]);
    ++i;
  }
  // Data is read in rows: the innermost dimension is contiguous.
  fits = fits && (tensor->rank == 0 || tensor->stride[tensor->rank - 1] == 1);
  if (!fits) {
    status_ = InvalidArgument("%s: %s is %s, which does not fit", op_, name,
                              Describe(*tensor).text);
  }
}

void ShapeCheck::Is(const char* name, const Tensor* tensor, baleen_type type,
                    std::initializer_list<Letter> shape) {
  Compare(name, tensor, tensor != nullptr && tensor->type == type, shape);
}

void ShapeCheck::IsOrNull(const char* name, const Tensor* tensor,
                          baleen_type type,
                          std::initializer_list<Letter> shape) {
  if (tensor != nullptr) Is(name, tensor, type, shape);
}

void ShapeCheck::IsRounded(const char* name, const Tensor* tensor,
                           std::initializer_list<Letter> shape) {
  bool type_fits = false;
  if (tensor != nullptr) {
    const bool scaled = tensor->scale_type != BALEEN_TYPE_NONE;
    switch (tensor->type) {
      case BALEEN_TYPE_BF16:
        type_fits = !scaled;
        break;
      case BALEEN_TYPE_F8_E4M3:
      case BALEEN_TYPE_I8:
        type_fits = scaled && tensor->block_columns != 0;
        break;
      default:
        break;
    }
  }
  Compare(name, tensor, type_fits, shape);
}

void ShapeCheck::IsRoundedOrNull(const char* name, const Tensor* tensor,
                                 std::initializer_list<Letter> shape) {
  if (tensor != nullptr) IsRounded(name, tensor, shape);
}

void ShapeCheck::IsFloat(const char* name, const Tensor* tensor,
                         std::initializer_list<Letter> shape) {
  Compare(name, tensor,
          tensor != nullptr && (tensor->type == BALEEN_TYPE_F32 ||
                                tensor->type == BALEEN_TYPE_BF16),
          shape);
}

void ShapeCheck::IsFloatOrNull(const char* name, const Tensor* tensor,
                               std::initializer_list<Letter> shape) {
  if (tensor != nullptr) IsFloat(name, tensor, shape);
}

void ShapeCheck::IsSum(const char* name, const Tensor* tensor, int64_t* rows,
                       int64_t* columns) {
  if (tensor != nullptr && tensor->rank == 3) {
    int64_t parts = 0;
    Is(name, tensor, BALEEN_TYPE_F32, {&parts, rows, columns});
    return;
  }
  Is(name, tensor, BALEEN_TYPE_BF16, {rows, columns});
}

void ShapeCheck::IsPlan(const char* name, const Tensor* tensor) {
  int64_t size = 0;
  Is(name, tensor, BALEEN_TYPE_BYTE, {&size});
}

void ShapeCheck::Holds(bool condition, const char* what) {
  if (status_.ok() && !condition) {
    status_ = InvalidArgument("%s: %s", op_, what);
  }
}

}  // namespace baleen
