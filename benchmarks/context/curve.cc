#include "benchmarks/context/curve.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace {

constexpr double kWidth = 420;  // Of a panel's plot, and its margins.
constexpr double kHeight = 260;
constexpr double kLeft = 60;
constexpr double kTop = 40;
constexpr double kRight = 80;
constexpr double kBottom = 50;
constexpr double kNameHeight = 14;
constexpr int kTicks = 4;

std::string Number(double value, const char* format = "%.1f") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string Text(double x, double y, const std::string& anchor,
                 const std::string& text, const std::string& more = "") {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) +
         "\" text-anchor=\"" + anchor + "\"" + more + ">" + text + "</text>\n";
}

std::string Line(double x1, double y1, double x2, double y2) {
  return "<path d=\"M" + Number(x1) + " " + Number(y1) + "L" + Number(x2) +
         " " + Number(y2) + "\" stroke=\"#ccc\" fill=\"none\"/>\n";
}

std::string ContextName(double context) {
  return context >= 1048576 ? Number(context / 1048576, "%.0fM")
                            : Number(context / 1024, "%.0fK");
}

// The step between ticks: 1, 2 or 5 times a power of ten.
double TickStep(double highest) {
  const double rough = highest / kTicks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

std::string DrawPanel(double left, const std::vector<double>& contexts,
                      const Panel& panel) {
  double highest = 0;
  for (const Curve& curve : panel.curves) {
    highest = std::max(
        highest, *std::max_element(curve.values.begin(), curve.values.end()));
  }
  const double step = TickStep(highest);
  const double top = step * std::ceil(highest / step);
  const double first = std::log2(contexts.front());
  const double last = std::log2(contexts.back());
  const auto x = [&](double context) {
    return left + kLeft +
           kWidth * (std::log2(context) - first) / (last - first);
  };
  const auto y = [&](double value) {
    return kTop + kHeight * (1 - value / top);
  };
  std::string svg = Text(left + kLeft, kTop - 16, "start", panel.title,
                         " font-weight=\"bold\"");
  for (double value = 0; value <= top; value += step) {
    svg += Line(left + kLeft, y(value), left + kLeft + kWidth, y(value));
    svg += Text(left + kLeft - 6, y(value) + 4, "end", Number(value, "%g"));
  }
  for (const double context : contexts) {
    svg +=
        Text(x(context), kTop + kHeight + 18, "middle", ContextName(context));
  }
  svg += Text(left + kLeft + kWidth / 2, kTop + kHeight + 38, "middle",
              "context, tokens");
  // From the lowest on, so that names do not overlap.
  std::vector<Curve> curves = panel.curves;
  std::sort(curves.begin(), curves.end(), [](const Curve& a, const Curve& b) {
    return a.values.back() < b.values.back();
  });
  double name_y = kTop + kHeight + kNameHeight;
  for (const Curve& curve : curves) {
    std::string path;
    for (size_t i = 0; i < contexts.size(); ++i) {
      path += (i == 0 ? "M" : "L") + Number(x(contexts[i])) + " " +
              Number(y(curve.values[i]));
    }
    svg += "<path d=\"" + path + "\" stroke=\"" + curve.color +
           "\" stroke-width=\"2\" fill=\"none\"/>\n";
    name_y = std::min(y(curve.values.back()) + 4, name_y - kNameHeight);
    svg += Text(x(contexts.back()) + 6, name_y, "start", curve.name,
                " fill=\"" + curve.color + "\"");
  }
  return svg;
}

}  // namespace

std::string DrawCurves(const std::vector<double>& contexts,
                       const std::vector<Panel>& panels) {
  const double each = kLeft + kWidth + kRight;
  const std::string size =
      Number(each * static_cast<double>(panels.size()), "%.0f") + " " +
      Number(kTop + kHeight + kBottom, "%.0f");
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " +
                    size +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  for (size_t i = 0; i < panels.size(); ++i) {
    svg += DrawPanel(each * static_cast<double>(i), contexts, panels[i]);
  }
  return svg + "</svg>\n";
}
