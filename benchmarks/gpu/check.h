// A check of a GPU: does it compute what the CPU does, and how fast.
#pragma once

#include <baleen/baleen.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace baleen::gpu {

// Throws what a call of the library says.
inline void Check(baleen_status status, const baleen_error& error) {
  if (status != BALEEN_OK) throw std::runtime_error(error.message);
}

struct Release {
  void operator()(baleen_context* it) const { baleen_context_release(it); }
  void operator()(baleen_model* it) const { baleen_model_release(it); }
  void operator()(baleen_session* it) const { baleen_session_release(it); }
};
using Context = std::unique_ptr<baleen_context, Release>;
using Model = std::unique_ptr<baleen_model, Release>;
using Session = std::unique_ptr<baleen_session, Release>;

Session NewSession(baleen_model* model, baleen_mode mode);
std::vector<float> Logits(baleen_session* session);
// Any tokens will do: the work for one does not depend on which it is.
std::vector<baleen_token> SomeTokens(const baleen_model* model, size_t count);

// A line of the table and of the JSON.
struct Figure {
  std::string name;
  double value;
  std::string unit;
  bool failed = false;
};

// What the device's own copies reach, reading and writing, in GB/s.
double CopyBandwidth(const std::string& plugin);

// Compares logits of a model on the CPU and on the device, and of the device
// with itself where tokens are cut otherwise.
std::vector<Figure> Compare(baleen_context* context, uint32_t device,
                            const std::string& folder);

// Speeds of a model on the device; `bandwidth` in GB/s.
std::vector<Figure> Measure(baleen_context* context, uint32_t device,
                            const std::string& folder, double bandwidth);

}  // namespace baleen::gpu
