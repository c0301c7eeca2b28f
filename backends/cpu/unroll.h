// Loops that are written out, so that arrays indexed in them are registers.
#pragma once

#include <type_traits>
#include <utility>

// Also after the parameters of a lambda.
#define BALEEN_ALWAYS_INLINE __attribute__((always_inline))

namespace baleen::cpu {
namespace {

template <typename Body, int... indices>
BALEEN_ALWAYS_INLINE inline void UnrollOver(
    const Body& body, std::integer_sequence<int, indices...>) {
  (body(std::integral_constant<int, indices>{}), ...);
}

// body(0), body(1), ... body(count - 1), with constants.
template <int count, typename Body>
BALEEN_ALWAYS_INLINE inline void Unroll(const Body& body) {
  UnrollOver(body, std::make_integer_sequence<int, count>{});
}

}  // namespace
}  // namespace baleen::cpu
