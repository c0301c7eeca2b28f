// What a check finds: printed as it comes, and kept as JSON, which is whole after
// each figure; so a check that is killed loses no figure that it had.
#pragma once

#include <string>
#include <vector>

namespace baleen::gpu {

struct Figure {
  std::string name;
  double value;
  std::string unit;
  bool failed = false;
};

class Report {
 public:
  Report(std::string path, std::string what)
      : path_(std::move(path)), what_(std::move(what)) {}

  void SetDevice(const std::string& name) { device_ = name; }
  void Add(Figure figure);
  // Something that could not be found out.
  void AddError(const std::string& message);
  bool failed() const { return failed_; }
  // Throws where the file cannot be written.
  void Write() const;

 private:
  std::string path_;
  std::string what_;
  std::string device_;
  std::vector<Figure> figures_;
  std::vector<std::string> errors_;
  bool failed_ = false;
};

}  // namespace baleen::gpu
