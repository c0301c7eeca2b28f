// Compares the tensors of an argument struct with what an operator's comment in
// backend.h says, binding the letters of shapes as they come.
//
//   int64_t T = 0, D = 0;
//   ShapeCheck check("router");
//   check.Is("u", args.u, BALEEN_TYPE_BF16, {&T, &D});   // binds T and D
//   check.Is("gate", args.gate, BALEEN_TYPE_BF16, {&E, &D});  // compares D
//   return check.status();
//
// The first mismatch is kept.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/status.h"
#include "tensor/tensor.h"

namespace baleen {

// A dimension of a shape: a letter, bound when zero, or a number.
class Letter {
 public:
  Letter(int64_t* bound) : bound_(bound) {}  // NOLINT: implicit
  Letter(int64_t value) : value_(value) {}   // NOLINT: implicit

  bool Fits(int64_t size) const;

 private:
  int64_t* bound_ = nullptr;
  int64_t value_ = 0;
};

class ShapeCheck {
 public:
  explicit ShapeCheck(const char* op) : op_(op) {}

  // A required tensor of this type and shape.
  void Is(const char* name, const Tensor* tensor, baleen_type type,
          std::initializer_list<Letter> shape);
  // The same or NULL.
  void IsOrNull(const char* name, const Tensor* tensor, baleen_type type,
                std::initializer_list<Letter> shape);
  // In a device's format: of any type that activations are rounded to.
  void IsRounded(const char* name, const Tensor* tensor,
                 std::initializer_list<Letter> shape);
  void IsRoundedOrNull(const char* name, const Tensor* tensor,
                       std::initializer_list<Letter> shape);
  // bf16 or f32.
  void IsFloat(const char* name, const Tensor* tensor,
               std::initializer_list<Letter> shape);
  void IsFloatOrNull(const char* name, const Tensor* tensor,
                     std::initializer_list<Letter> shape);
  // bf16 [T, D], or f32 [P, T, D] of any P.
  void IsSum(const char* name, const Tensor* tensor, int64_t* rows,
             int64_t* columns);
  // What only the backend understands.
  void IsPlan(const char* name, const Tensor* tensor);
  // Anything else that must hold.
  void Holds(bool condition, const char* what);

  const Status& status() const { return status_; }

 private:
  void Compare(const char* name, const Tensor* tensor, bool type_fits,
               std::initializer_list<Letter> shape);

  const char* op_;
  Status status_;
};

}  // namespace baleen
