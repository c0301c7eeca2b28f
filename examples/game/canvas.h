// A picture in memory and what is drawn into it: boxes, ellipses, letters.
//
// 480 by 270 pixels, which the window shows enlarged: small enough to be drawn
// without a graphics card, where there is none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace game {

using Color = uint32_t;  // 0xAARRGGBB

// Between the two, `share` of 0 to 1 along the way.
Color Mix(Color from, Color to, double share);

class Canvas {
 public:
  static constexpr int kWidth = 480;
  static constexpr int kHeight = 270;

  Canvas() : pixels_(static_cast<size_t>(kWidth) * kHeight) {}

  Color* row(int y) { return &pixels_[static_cast<size_t>(y) * kWidth]; }
  const Color* pixels() const { return pixels_.data(); }

  // What lies outside of the picture is left out.  `alpha` of 0 to 1.
  void Dot(int x, int y, Color color, double alpha = 1);
  void Box(int x, int y, int width, int height, Color color, double alpha = 1);
  // With rounded corners.
  void Panel(int x, int y, int width, int height, Color color);
  void Ellipse(double x, double y, double width, double height, Color color);

  // Letters of 5 by 7 pixels, `x` and `y` being the upper left.  Returns where
  // the next would be.
  int Text(int x, int y, std::string_view text, Color color);

 private:
  std::vector<Color> pixels_;
};

constexpr int kLineHeight = 10;

int TextWidth(std::string_view text);

// Breaks text between words into lines of at most `width` pixels.
std::vector<std::string> Wrap(std::string_view text, int width);

}  // namespace game
