// The letters of 5 by 7 dots that displays have used for fifty years.
#pragma once

#include <cstdint>

namespace game {

// A letter's columns, from the left; bit 0 is the upper dot.
struct Glyph {
  const uint8_t* columns;
  int width;
};

// What is not ASCII looks like a small box.
Glyph FindGlyph(char c);

}  // namespace game
