// A view of elements in a row: what std::span is from C++20 on.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <type_traits>
#include <utility>

namespace baleen {
inline namespace cpp {

template <typename T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T* data, size_t size) noexcept : data_(data), size_(size) {}

  // Of anything that has its elements in a row: vector, array, string, span.
  template <
      typename Row,
      typename = std::enable_if_t<std::is_convertible_v<
          std::remove_pointer_t<decltype(std::declval<Row&>().data())> (*)[],
          T (*)[]>>>
  constexpr Span(Row&& row) noexcept : data_(row.data()), size_(row.size()) {}

  // As an argument only: the list ends with the call.
  template <typename U = T, typename = std::enable_if_t<std::is_const_v<U>>>
  constexpr Span(std::initializer_list<std::remove_const_t<U>> list) noexcept
      : Span(First(list), list.size()) {}

  constexpr T* data() const noexcept { return data_; }
  constexpr size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T* begin() const noexcept { return data_; }
  constexpr T* end() const noexcept { return data_ + size_; }
  constexpr T& operator[](size_t index) const { return data_[index]; }

 private:
  // Apart, since compilers warn of the end that the comment above tells of.
  template <typename List>
  static constexpr T* First(const List& list) noexcept {
    return list.begin();
  }

  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace cpp
}  // namespace baleen
