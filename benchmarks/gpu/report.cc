#include "benchmarks/gpu/report.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace baleen::gpu {
namespace {

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

// JSON has no NaN and no infinity.
std::string Number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", value);
  return text;
}

}  // namespace

void Report::Add(Figure figure) {
  std::printf("%-66s %12.5g %-8s%s\n", figure.name.c_str(), figure.value,
              figure.unit.c_str(), figure.failed ? " FAILED" : "");
  std::fflush(stdout);
  failed_ = failed_ || figure.failed;
  figures_.push_back(std::move(figure));
  Write();
}

void Report::AddError(const std::string& message) {
  std::printf("FAILED: %s\n", message.c_str());
  std::fflush(stdout);
  failed_ = true;
  errors_.push_back(message);
  Write();
}

void Report::Write() const {
  const std::string whole = path_ + ".new";
  std::ofstream file(whole, std::ios::trunc);
  file << "{\"what\": " << Quoted(what_) << ", \"device\": " << Quoted(device_)
       << ",\n \"figures\": [";
  const char* separator = "\n";
  for (const Figure& figure : figures_) {
    file << separator << "  {\"name\": " << Quoted(figure.name)
         << ", \"value\": " << Number(figure.value)
         << ", \"unit\": " << Quoted(figure.unit)
         << ", \"failed\": " << (figure.failed ? "true" : "false") << "}";
    separator = ",\n";
  }
  file << "],\n \"errors\": [";
  separator = "";
  for (const std::string& error : errors_) {
    file << separator << Quoted(error);
    separator = ", ";
  }
  file << "]}\n";
  file.close();
  if (!file || std::rename(whole.c_str(), path_.c_str()) != 0) {
    throw std::runtime_error("cannot write " + path_);
  }
}

}  // namespace baleen::gpu
