// Objects shared by handles: context, model, and what they keep alive.
//
// Counts are intrusive, so a handle of the C API is just the object's address,
// and releasing in any order costs two atomic operations.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace baleen {

class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void Retain() const { count_.fetch_add(1, std::memory_order_relaxed); }
  void Release() const {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) Destroy();
  }
  // Whether there is more than one reference; only one's own is certain to
  // stay.
  bool IsShared() const { return count_.load(std::memory_order_acquire) > 1; }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;

  // Destroys the object and gives its memory back where it came from.
  virtual void Destroy() const = 0;

 private:
  mutable std::atomic<int64_t> count_{1};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  // Takes over the reference that the maker of `object` holds.
  static Ref Adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  static Ref Share(T* object) {
    if (object != nullptr) object->Retain();
    return Adopt(object);
  }
  Ref(const Ref& other) : object_(other.object_) {
    if (object_ != nullptr) object_->Retain();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->Release();
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  // Gives the reference to the caller.
  T* Leak() { return std::exchange(object_, nullptr); }

 private:
  T* object_ = nullptr;
};

}  // namespace baleen
