#include "scene.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace game {
namespace {

constexpr int kHorizon = 138;
constexpr int kPanelTop = 226;
constexpr double kPi = 3.14159265358979;
constexpr double kMoonX = 96;
constexpr double kMoonY = 40;

constexpr Color kSkyTop = 0xFF0B1030;
constexpr Color kSkyLow = 0xFF5A4A78;
constexpr Color kSeaFar = 0xFF39527F;
constexpr Color kSeaNear = 0xFF0C1D3A;
constexpr Color kMoon = 0xFFF7EFD0;
constexpr Color kWhale = 0xFF46608C;
constexpr Color kWhaleBack = 0xFF5F7CAB;
constexpr Color kBelly = 0xFFC9D6E6;
constexpr Color kWood = 0xFF7A4E2E;
constexpr Color kPaper = 0xFFF4F1E6;
constexpr Color kInk = 0xFF1B2033;
constexpr Color kPanel = 0xFF0A0E1E;
constexpr Color kLabel = 0xFF9AA6C4;
constexpr Color kBright = 0xFFE6ECFA;
constexpr Color kEngine = 0xFF38C6B4;
constexpr Color kReading = 0xFFF0A24A;
constexpr Color kRest = 0xFF55607F;
constexpr Color kLimit = 0xFFE8556A;

// A number of 0 to 1 that looks random, always the same for the same n.
double Noise(uint32_t n) {
  n = (n ^ 61u ^ n >> 16) * 9u;
  n = (n ^ n >> 4) * 0x27D4EB2Du;
  return (n >> 15 & 0xFFFF) / 65535.0;
}

// The height of the water at its surface, in pixels.
double Swell(double x, double seconds) {
  return 2.5 * std::sin(x / 37 + seconds * 0.9) +
         1.5 * std::sin(x / 19 - seconds * 0.6);
}

void DrawSkyRow(Color* row, int y) {
  const Color color = Mix(kSkyTop, kSkyLow, std::pow(y / 1.0 / kHorizon, 1.6));
  for (int x = 0; x < Canvas::kWidth; ++x) {
    const double distance = std::hypot(x - kMoonX, y - kMoonY);
    const double glow = std::exp(-distance / 38) * 0.55;
    row[x] = distance < 15 ? kMoon : Mix(color, kMoon, glow);
  }
}

double Depth(int y) {
  return (y - kHorizon) / double{Canvas::kHeight - kHorizon};
}

// sin(begin + i * step) for i = 0, 1, ...: a turn of a vector each, since sine
// itself would be most of a frame.
class Wave {
 public:
  Wave(double begin, double step)
      : x_(static_cast<float>(std::cos(begin))),
        y_(static_cast<float>(std::sin(begin))),
        step_x_(static_cast<float>(std::cos(step))),
        step_y_(static_cast<float>(std::sin(step))) {}

  float Next() {
    const float now = y_;
    const float x = x_ * step_x_ - y_ * step_y_;
    y_ = x_ * step_y_ + y_ * step_x_;
    x_ = x;
    return now;
  }

 private:
  float x_, y_, step_x_, step_y_;
};

void DrawStars(Canvas* canvas, double seconds) {
  for (uint32_t i = 0; i < 70; ++i) {
    const int x = static_cast<int>(Noise(3 * i) * Canvas::kWidth);
    const int y = static_cast<int>(Noise(3 * i + 1) * (kHorizon - 40));
    if (std::hypot(x - kMoonX, y - kMoonY) < 24) continue;
    const double twinkle = std::sin(seconds * 1.5 + 40 * Noise(3 * i + 2));
    canvas->Dot(x, y, kMoon, 0.45 + 0.35 * twinkle);
  }
}

// Half the height of the whale's body; `t` is 0 at its nose and 1 at its tail.
double BodyHeight(double t) {
  return 34 * std::pow(std::sin(kPi * std::pow(t, 0.62)), 0.75) *
         (1 - 0.45 * t);
}

void DrawTail(Canvas* canvas, double x, double y, double seconds) {
  const double wag = 3 * std::sin(seconds * 1.3);
  for (int i = 0; i < 40; ++i) {  // The stem bends upward.
    const double t = i / 40.0;
    canvas->Ellipse(x + 38 * t, y - 44 * t * t + wag * t, 17 - 9 * t,
                    17 - 7 * t, kWhale);
  }
  const double tip_x = x + 39;
  const double tip_y = y - 46 + wag;
  for (int i = 0; i < 26; ++i) {  // Two flukes.
    const double t = i / 26.0;
    const double rise = 12 * std::sin(kPi * 0.6 * t);
    const double thick = 9 * (1 - t) + 2;
    canvas->Ellipse(tip_x - 26 * t, tip_y - rise, 5, thick, kWhaleBack);
    canvas->Ellipse(tip_x + 26 * t, tip_y - rise, 5, thick, kWhaleBack);
  }
}

// The whale looks to the left.  `mouth` is how far it is open, 0 to 1.
void DrawWhale(Canvas* canvas, double seconds, double mouth, bool asleep) {
  constexpr double kLength = 176;
  const double left = 232;
  const double middle = 172 + 2.5 * std::sin(seconds * 0.8);
  DrawTail(canvas, left + kLength - 14, middle + 4, seconds);
  for (int i = 0; i < static_cast<int>(kLength); ++i) {
    const double t = i / kLength;
    const double height = BodyHeight(t);
    const int x = static_cast<int>(left) + i;
    const double jaw = t < 0.42 ? (1 - t / 0.42) * 9 * mouth : 0;
    // Above the mouth the back, below it the pleats of its throat.
    const double lip = middle + 6 - 12 * t + 3 * std::sin(t * 7);
    for (int y = static_cast<int>(middle - height);
         y <= static_cast<int>(middle + height + jaw); ++y) {
      const double up = (middle - y) / std::max(height, 1.0);
      Color color = Mix(kWhale, kWhaleBack, up);
      // The throat ends in a point.
      const double back = std::max(0.0, (t - 0.3) / 0.32);
      if (t < 0.62 && y > lip + back * back * (height - lip + middle)) {
        if (t < 0.42 && y < lip + 1.5 + jaw) {
          color = kInk;
        } else {
          const bool pleat = (y - static_cast<int>(lip + jaw)) % 4 == 3;
          color = pleat ? Mix(kBelly, kWhale, 0.55) : kBelly;
        }
      }
      canvas->Dot(x, y, color);
    }
  }
  const double eye_x = left + 66;
  const double eye_y = middle - 7;
  const bool blink = asleep || std::fmod(seconds, 4.2) < 0.12;
  if (blink) {
    canvas->Box(static_cast<int>(eye_x) - 4, static_cast<int>(eye_y), 8, 1,
                kInk);
  } else {
    canvas->Ellipse(eye_x, eye_y, 9, 9, kPaper);
    canvas->Ellipse(eye_x - 1, eye_y, 6, 7, kInk);
    canvas->Dot(static_cast<int>(eye_x) - 2, static_cast<int>(eye_y) - 2,
                kPaper);
  }
  for (int i = 0; i < 20; ++i) {  // A flipper.
    canvas->Ellipse(left + 84 + i * 0.9, middle + 16 + i, 16 - i * 0.5, 6,
                    Mix(kWhale, kInk, 0.25));
  }
}

// While it listens it breathes out: higher, the more it has heard.
void DrawSpout(Canvas* canvas, double seconds, double heard) {
  const double height = 18 + 26 * heard;
  for (uint32_t i = 0; i < 90; ++i) {
    const double age = std::fmod(seconds * 1.4 + Noise(i), 1.0);
    const double side = (Noise(i + 500) - 0.5) * 2;
    const double x = 284 + side * 26 * age * age;
    const double y = 140 - height * std::sin(kPi * std::min(1.0, age * 1.1));
    canvas->Box(static_cast<int>(x), static_cast<int>(y), 2, 2, kBright,
                0.85 - 0.5 * age);
  }
}

// The water in front of the whale, so that it swims and does not fly.
void DrawSurface(Canvas* canvas, double seconds) {
  for (int x = 206; x < 436; ++x) {
    const double edge = std::min(1.0, std::min(x - 206, 435 - x) / 16.0);
    const int top = static_cast<int>(186 - Swell(x, seconds) + 6 * (1 - edge));
    canvas->Dot(x, top, kBright, 0.55 * edge);
    for (int y = top + 1; y < kPanelTop; ++y) {
      const double depth = std::min(1.0, 0.55 + (y - top) / 42.0);
      canvas->Dot(x, y, Mix(kSeaFar, kSeaNear, 0.75), depth * edge);
    }
  }
}

void DrawBoat(Canvas* canvas, double seconds) {
  const int x = 56;
  const int y = static_cast<int>(176 - Swell(x + 30, seconds));
  canvas->Box(x + 28, y - 20, 7, 13, 0xFFB0413E);  // Who sits in it:
  canvas->Ellipse(x + 32, y - 24, 9, 9, 0xFFE8C39E);
  canvas->Box(x + 27, y - 29, 10, 3, kInk);
  canvas->Box(x + 60, y - 18, 1, 16, kWood);  // A lantern on a pole.
  for (int ring = 14; ring > 0; ring -= 2) {
    for (int i = -ring; i <= ring; ++i) {
      const int half = static_cast<int>(std::sqrt(ring * ring - i * i));
      canvas->Box(x + 60 - half, y - 20 + i, 2 * half, 1, 0xFFFFC85A, 0.04);
    }
  }
  canvas->Box(x + 58, y - 22, 5, 5, 0xFFFFD67A);
  for (int row = 0; row < 11; ++row) {
    const int inset = row * row / 9;
    canvas->Box(x + inset, y - 7 + row, 74 - 2 * inset, 1,
                Mix(kWood, kInk, row / 18.0));
  }
  canvas->Box(x - 1, y - 8, 76, 2, Mix(kWood, kPaper, 0.25));
  canvas->Box(x - 6, y + 3, 88, 2, kSeaFar);
}

// The last `most_lines` of a text in a bubble that points to (tip_x, tip_y).
void DrawBubble(Canvas* canvas, int x, int y, int width,
                const std::string& text, size_t most_lines, int tip_x,
                int tip_y) {
  std::vector<std::string> lines = Wrap(text, width - 14);
  if (lines.size() > most_lines) {
    lines.erase(lines.begin(), lines.end() - static_cast<int>(most_lines));
  }
  const int height = static_cast<int>(lines.size()) * kLineHeight + 10;
  canvas->Panel(x - 1, y - 1, width + 2, height + 2, kInk);
  for (int i = 0; y + height + i < tip_y; ++i) {
    const double t = i / double(std::max(1, tip_y - y - height));
    const int at = static_cast<int>(tip_x - 10 + 10 * t);
    const int wide = static_cast<int>(12 * (1 - t)) + 1;
    canvas->Box(at - 1, y + height + i, wide + 2, 1, kInk);
    canvas->Box(at, y + height + i - 1, wide, 2, kPaper);
  }
  canvas->Panel(x, y, width, height, kPaper);
  canvas->Box(tip_x - 9, y + height - 1, 11, 2, kPaper);
  int line_y = y + 6;
  for (const std::string& line : lines) {
    canvas->Text(x + 7, line_y, line, kInk);
    line_y += kLineHeight;
  }
}

void DrawGraph(Canvas* canvas, const SceneState& state) {
  constexpr int kLeft = 8;
  constexpr int kBottom = 264;
  constexpr int kBars = 240;
  constexpr double kPixels = 2;  // For each millisecond.
  const auto& times = state.frames->times();
  canvas->Box(kLeft, kBottom - 34, kBars, 34, 0xFF141A30);
  const size_t shown = std::min<size_t>(kBars, times.size());
  for (size_t i = 0; i < shown; ++i) {
    const FrameTime& time = times[times.size() - shown + i];
    const int x = kLeft + kBars - static_cast<int>(shown - i);
    const auto pixels = [](double milliseconds) {
      return std::clamp(static_cast<int>(std::ceil(milliseconds * kPixels)), 0,
                        34);
    };
    const int whole = pixels(time.whole);
    const int engine = pixels(time.engine);
    canvas->Box(x, kBottom - whole, 1, whole, kRest);
    canvas->Box(x, kBottom - engine, 1, engine,
                time.reading ? kReading : kEngine);
  }
  const int limit =
      kBottom - static_cast<int>(state.budget_milliseconds * kPixels);
  for (int x = kLeft; x < kLeft + kBars; x += 4) {
    canvas->Box(x, limit, 2, 1, kLimit);
  }
}

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[128];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

void DrawPanel(Canvas* canvas, const SceneState& state) {
  canvas->Box(0, kPanelTop, Canvas::kWidth, Canvas::kHeight - kPanelTop,
              kPanel);
  canvas->Box(0, kPanelTop, Canvas::kWidth, 1, kRest);
  DrawGraph(canvas, state);
  const auto& times = state.frames->times();
  const FrameTime last = times.empty() ? FrameTime() : times.back();
  const FrameTime& longest = state.frames->longest();
  const int x = 256;
  const auto line = [&](int y, Color mark, const std::string& label,
                        const std::string& value) {
    canvas->Box(x, y + 1, 5, 5, mark);
    canvas->Text(x + 9, y, label, kLabel);
    canvas->Text(x + 50, y, value, kBright);
  };
  line(229, state.listening ? kReading : kEngine, "engine",
       Format("%4.1f ms  longest %4.1f  limit %.0f", last.engine,
              longest.engine, state.budget_milliseconds));
  line(239, kPanel, "on core",
       Format("%4.1f ms  longest %4.1f", last.computing, longest.computing));
  line(249, kRest, "frame",
       Format("%4.1f ms  longest %4.1f", last.whole, longest.whole));
  line(259, kPanel, "memory",
       Format("%zu of %zu MB  %zu tokens  %.0f/s",
              state.memory.live_bytes >> 20, state.memory.capacity >> 20,
              state.session_tokens, state.tokens_per_second));
}

}  // namespace

Scene::Scene(JobSystem* jobs)
    : jobs_(jobs),
      glitter_(static_cast<size_t>(Canvas::kWidth) * Canvas::kHeight) {
  for (int y = 0; y < kHorizon; ++y) DrawSkyRow(sky_.row(y), y);
  for (int y = kHorizon; y < kPanelTop; ++y) {
    for (int x = 0; x < Canvas::kWidth; ++x) {
      const double wide = 10 + 70 * Depth(y);
      glitter_[static_cast<size_t>(y * Canvas::kWidth + x)] =
          static_cast<float>(0.35 +
                             1.35 * std::exp(-std::abs(x - kMoonX) / wide));
    }
  }
}

void Scene::DrawSeaRow(Color* row, int y, double seconds) const {
  const double depth = Depth(y);
  const Color color = Mix(kSeaFar, kSeaNear, std::sqrt(depth));
  const double scale = 6 + 60 * depth;
  Wave near(seconds * 1.1 + y * 0.9, 1 / scale);
  Wave far(y * 0.37 - seconds * 0.8, 1 / (scale * 1.7));
  const float* glitter = &glitter_[static_cast<size_t>(y * Canvas::kWidth)];
  for (int x = 0; x < Canvas::kWidth; ++x) {
    const float crest = near.Next() * far.Next() - 0.35f;
    row[x] = crest > 0 ? Mix(color, kMoon, crest * glitter[x]) : color;
  }
}

void Scene::DrawSeaAndSky(double seconds, Canvas* canvas) const {
  std::copy_n(sky_.pixels(), Canvas::kWidth * kHorizon, canvas->row(0));
  // Eight rows a task: some tens of microseconds.
  constexpr int kRows = 8;
  static_assert((kPanelTop - kHorizon) % kRows == 0);
  struct Task {
    const Scene* scene;
    Canvas* canvas;
    double seconds;
  } task = {this, canvas, seconds};
  jobs_->Run((kPanelTop - kHorizon) / kRows,
             [](void* data, uint32_t index) {
               const auto& sea = *static_cast<Task*>(data);
               const int begin = kHorizon + static_cast<int>(index) * kRows;
               for (int y = begin; y < begin + kRows; ++y) {
                 sea.scene->DrawSeaRow(sea.canvas->row(y), y, sea.seconds);
               }
             },
             &task);
}

void Scene::Draw(const SceneState& state, Canvas* canvas) {
  DrawSeaAndSky(state.seconds, canvas);
  DrawStars(canvas, state.seconds);
  const double mouth =
      state.talking ? 0.5 + 0.5 * std::sin(state.seconds * 15) : 0;
  DrawWhale(canvas, state.seconds, mouth, state.loading);
  if (state.listening) DrawSpout(canvas, state.seconds, state.heard);
  DrawSurface(canvas, state.seconds);
  DrawBoat(canvas, state.seconds);
  if (!state.answer.empty()) {
    DrawBubble(canvas, 150, 10, 300, state.answer, 7, 256, 138);
  }
  const std::string question =
      state.typed.empty() ? state.question : state.typed + "_";
  if (!question.empty()) {
    DrawBubble(canvas, 8, 84, 130, question, 5, 84, 148);
  }
  DrawPanel(canvas, state);
}

}  // namespace game
