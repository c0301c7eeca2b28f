// A host's file system that counts calls and fails on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <baleen/baleen.h>

namespace baleen_test {

class TestFiles {
 public:
  enum Options {
    kReadOnly = 1 << 0,  // No functions that write.
    kNoMap = 1 << 1
  };
  explicit TestFiles(int options = 0);
  TestFiles(const TestFiles&) = delete;
  TestFiles& operator=(const TestFiles&) = delete;

  const baleen_files* hooks() const { return &hooks_; }

  // The k-th call from now on that can fail (1 is the next) fails, once; 0:
  // none.
  void FailAt(int64_t k) {
    failed_ = false;
    fail_in_ = k;
  }
  // Whether that call has come, and which file it was for, if it has a name.
  bool failed() const { return failed_; }
  const std::string& failed_path() const { return failed_path_; }

  int64_t calls() const { return calls_; }
  int64_t maps() const { return maps_; }
  int64_t open_files() const { return open_files_; }
  int64_t mapped() const { return mapped_; }

 private:
  bool Fails(const char* path);
  void SetReaders(int options);
  void SetWriters();

  baleen_files hooks_ = {};
  std::atomic<int64_t> fail_in_{0};
  std::atomic<bool> failed_{false};
  std::string failed_path_;
  std::atomic<int64_t> calls_{0};
  std::atomic<int64_t> maps_{0};
  std::atomic<int64_t> open_files_{0};
  std::atomic<int64_t> mapped_{0};
};

}  // namespace baleen_test
