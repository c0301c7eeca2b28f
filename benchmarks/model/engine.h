// A model opened through the public interface, with a way to what is behind it:
// sessions are measured as a program would use them, batches and deep contexts
// as the library itself computes them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <baleen/baleen.h>

#include "base/status.h"
#include "models/deepseek_v4/model.h"

namespace baleen::bench {

// What a model is opened with.
struct EngineOptions {
  std::string folder;
  uint32_t threads = 2;
  bool repack = false;
  std::string isa;  // Of the setting cpu.isa; empty: the best.

  bool operator==(const EngineOptions&) const = default;
};

struct Release {
  void operator()(baleen_context* context) const {
    baleen_context_release(context);
  }
  void operator()(baleen_model* model) const { baleen_model_release(model); }
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
};
using SessionHandle = std::unique_ptr<baleen_session, Release>;

// Failures are thrown as std::runtime_error.
class Engine {
 public:
  explicit Engine(const EngineOptions& options);

  // Loads the model once more, and lets it go.
  void Reload();
  // An empty session that guesses no tokens.
  SessionHandle NewSession(baleen_mode mode) const;
  // Reads a prompt, so that every weight has been touched.
  void WarmUp() const;

  const EngineOptions& options() const { return options_; }
  deepseek_v4::V4Model& model() const;

 private:
  std::unique_ptr<baleen_model, Release> Load() const;

  EngineOptions options_;
  std::unique_ptr<baleen_context, Release> context_;
  std::unique_ptr<baleen_model, Release> model_;
};

void Check(const Status& status);
void Check(baleen_status status, const baleen_error& error);

// Any tokens will do: which they are makes no difference to the work, but for
// the experts they visit, and these are spread as for text.
std::vector<baleen_token> RandomTokens(size_t count, int32_t vocabulary,
                                       uint64_t seed);

// Bytes of the process that lie in memory: its own, and of mapped files.
struct Resident {
  double own = 0;
  double files = 0;
};
Resident ResidentBytes();

}  // namespace baleen::bench
