// How fast this machine multiplies at most: what a benchmark of something that
// is bound by arithmetic is to be held against.
#pragma once

namespace baleen::probe {

// What a product's factors are.
enum class Unit {
  kInt8,       // vpdpbusd, or vpmaddubsw and vpmaddwd before it.
  kBf16,       // vdpbf16ps, or as f32 before it.
  kF32,        // Fused multiplication and addition.
  kInt8Tiles,  // tdpbssd, or as kInt8 without AMX.
  kBf16Tiles   // tdpbf16ps, or as kBf16 without AMX.
};
inline constexpr int kUnitCount = 5;

// Operations a second of so many threads together, from registers; an addition
// and a multiplication are two.  The best of many passes of half a millisecond,
// so that some of them are not disturbed.  0 on processors without AVX2.
double MeasurePeak(Unit unit, int threads);

}  // namespace baleen::probe
