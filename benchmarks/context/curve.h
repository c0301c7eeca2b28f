// A chart of curves over the length of a context, as an SVG.
#pragma once

#include <string>
#include <vector>

struct Curve {
  std::string name;
  std::string color;
  std::vector<double> values;  // One for each context.
};

struct Panel {
  std::string title;
  std::vector<Curve> curves;
};

// Contexts are powers of two, ascending; panels stand side by side, each with
// its own scale from zero on.
std::string DrawCurves(const std::vector<double>& contexts,
                       const std::vector<Panel>& panels);
