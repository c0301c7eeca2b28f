#include "canvas.h"

#include <algorithm>
#include <cmath>

#include "font.h"

namespace game {

Color Mix(Color from, Color to, double share) {
  const auto t = static_cast<Color>(std::clamp(share, 0.0, 1.0) * 256);
  // Red and blue at once, then green.
  const auto blend = [t](Color a, Color b, Color mask) {
    return (((a & mask) * (256 - t) + (b & mask) * t) >> 8) & mask;
  };
  return 0xFF000000 | blend(from, to, 0xFF00FF) | blend(from, to, 0x00FF00);
}

void Canvas::Dot(int x, int y, Color color, double alpha) {
  if (x < 0 || y < 0 || x >= kWidth || y >= kHeight) return;
  Color& pixel = row(y)[x];
  pixel = alpha >= 1 ? color : Mix(pixel, color, alpha);
}

void Canvas::Box(int x, int y, int width, int height, Color color,
                 double alpha) {
  for (int j = y; j < y + height; ++j) {
    for (int i = x; i < x + width; ++i) Dot(i, j, color, alpha);
  }
}

void Canvas::Panel(int x, int y, int width, int height, Color color) {
  Box(x + 2, y, width - 4, height, color);
  Box(x, y + 2, width, height - 4, color);
  Box(x + 1, y + 1, width - 2, height - 2, color);
}

void Canvas::Ellipse(double x, double y, double width, double height,
                     Color color) {
  const double a = width / 2;
  const double b = height / 2;
  for (int j = static_cast<int>(y - b); j <= static_cast<int>(y + b); ++j) {
    const double v = (j - y) / b;
    if (v * v >= 1) continue;
    const double half = a * std::sqrt(1 - v * v);
    const int begin = static_cast<int>(std::lround(x - half));
    const int end = static_cast<int>(std::lround(x + half));
    Box(begin, j, end - begin, 1, color);
  }
}

int Canvas::Text(int x, int y, std::string_view text, Color color) {
  for (const char c : text) {
    const Glyph glyph = FindGlyph(c);
    for (int column = 0; column < glyph.width; ++column) {
      const uint8_t bits = glyph.columns[column];
      for (int line = 0; line < 8; ++line) {
        if ((bits >> line & 1) != 0) Dot(x + column, y + line, color);
      }
    }
    x += glyph.width + 1;
  }
  return x;
}

int TextWidth(std::string_view text) {
  int width = 0;
  for (const char c : text) width += FindGlyph(c).width + 1;
  return width;
}

std::vector<std::string> Wrap(std::string_view text, int width) {
  std::vector<std::string> lines(1);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string word(text.substr(at, end - at));
    std::string longer = lines.back();
    if (!longer.empty()) longer += ' ';
    longer += word;
    if (TextWidth(longer) <= width) {
      lines.back() = std::move(longer);
    } else {
      lines.push_back(word);
    }
    if (end < text.size() && text[end] == '\n' && !lines.back().empty()) {
      lines.emplace_back();
    }
    at = end + 1;
  }
  return lines;
}

}  // namespace game
