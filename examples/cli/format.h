// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace tool {

constexpr double kMegabyte = 1e6;

// "9,876,543"
std::string FormatCount(uint64_t count);

// "12.0 MB", in powers of 1000 as disks and model cards count.
std::string FormatBytes(uint64_t bytes);

// "3.71", with that many digits after the point.
std::string FormatNumber(double number, int digits);

}  // namespace tool
