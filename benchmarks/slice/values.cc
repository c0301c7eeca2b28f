#include "benchmarks/slice/values.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "numeric/bf16.h"
#include "numeric/fp4.h"
#include "numeric/fp8.h"

namespace baleen::slice {
namespace {

constexpr size_t kSize = ValueTable::kSize;

// The normal distribution's quantiles (i + 1/2) / count.
std::vector<double> NormalQuantiles(size_t count) {
  std::vector<double> quantiles(count);
  for (size_t i = 0; i < count; ++i) {
    const double wanted =
        (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    double low = -8;
    double high = 8;
    for (int step = 0; step < 40; ++step) {
      const double middle = (low + high) / 2;
      const double share = 0.5 * std::erfc(-middle / std::sqrt(2.0));
      (share < wanted ? low : high) = middle;
    }
    quantiles[i] = (low + high) / 2;
  }
  return quantiles;
}

// The table's elements, each `convert` of a normal number.
template <typename Convert>
auto Elements(double mean, double deviation, const Convert& convert) {
  static const std::vector<double> normal = NormalQuantiles(kSize);
  std::vector<decltype(convert(0.0f))> elements;
  elements.reserve(kSize);
  for (const double value : normal) {
    elements.push_back(convert(static_cast<float>(mean + deviation * value)));
  }
  return elements;
}

}  // namespace

ValueTable ValueTable::F32(double mean, double deviation) {
  return ValueTable(
      Elements(mean, deviation, [](float value) { return value; }));
}

ValueTable ValueTable::Bf16(double mean, double deviation) {
  return ValueTable(Elements(mean, deviation,
                             [](float value) { return Bf16FromFloat(value); }));
}

// Fp8FromFloat gives no NaN for a number.
ValueTable ValueTable::Fp8(double deviation) {
  return ValueTable(
      Elements(0, deviation, [](float value) { return Fp8FromFloat(value); }));
}

// All pairs of 64 quantiles.
ValueTable ValueTable::Fp4(double deviation) {
  static const std::vector<double> normal = NormalQuantiles(64);
  std::vector<uint8_t> elements(kSize);
  for (size_t i = 0; i < kSize; ++i) {
    const auto code = [&](size_t quantile) {
      return Fp4FromFloat(static_cast<float>(deviation * normal[quantile]));
    };
    elements[i] = static_cast<uint8_t>(code(i % 64) | code(i / 64) << 4);
  }
  return ValueTable(elements);
}

ValueTable ValueTable::Scales(int exponent, std::span<const double> raised) {
  constexpr int kBias = 127;
  std::vector<uint8_t> elements(kSize, static_cast<uint8_t>(exponent + kBias));
  size_t end = kSize;
  for (size_t i = 0; i < raised.size(); ++i) {
    const auto code =
        static_cast<uint8_t>(exponent + kBias + 1 + static_cast<int>(i));
    // One at least, so that every step occurs.
    const auto count = static_cast<size_t>(std::ceil(raised[i] * kSize));
    for (size_t j = 0; j < count; ++j) elements[--end] = code;
  }
  return ValueTable(elements);
}

template <typename Element>
ValueTable::ValueTable(const std::vector<Element>& elements)
    : element_size_(sizeof(Element)), bytes_(kSize * sizeof(Element)) {
  std::memcpy(bytes_.data(), elements.data(), bytes_.size());
}

void ValueTable::Fill(uint64_t seed, size_t size, unsigned char* out) const {
  switch (element_size_) {
    case 1:
      return FillElements<uint8_t>(seed, size, out);
    case 2:
      return FillElements<uint16_t>(seed, size / 2, out);
    default:
      return FillElements<uint32_t>(seed, size / 4, out);
  }
}

template <typename Element>
void ValueTable::FillElements(uint64_t seed, size_t count,
                              unsigned char* out) const {
  constexpr size_t kOfWord = 5;  // 12 of 64 bits each.
  Element elements[kSize];
  std::memcpy(elements, bytes_.data(), sizeof elements);
  Random random(seed);
  for (size_t i = 0; i < count; i += kOfWord) {
    uint64_t word = random.Next();
    Element drawn[kOfWord];
    for (Element& element : drawn) {
      element = elements[word % kSize];
      word /= kSize;
    }
    const size_t here = std::min(kOfWord, count - i);
    std::memcpy(out + i * sizeof(Element), drawn, here * sizeof(Element));
  }
}

void FillDistinct(uint64_t seed, int64_t rows, int64_t columns, int64_t limit,
                  int64_t* out) {
  Random random(seed);
  for (int64_t* row = out; row < out + rows * columns; row += columns) {
    for (int64_t* place = row; place < row + columns; ++place) {
      do {
        *place =
            static_cast<int64_t>(random.Next() % static_cast<uint64_t>(limit));
      } while (std::find(row, place, *place) != place);
    }
  }
}

}  // namespace baleen::slice
