// A check of a GPU: does it compute what the CPU does, and how fast.
#pragma once

#include <baleen/baleen.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "benchmarks/gpu/plugin.h"
#include "benchmarks/gpu/report.h"

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

// A device of a context, and the settings that models are loaded with for it.
struct Target {
  baleen_context* context;
  uint32_t device;
  std::vector<baleen_setting> settings;
};

Model Load(const Target& target, const std::string& folder);
Session NewSession(baleen_model* model, baleen_mode mode);
void Append(baleen_session* session, const std::vector<baleen_token>& tokens,
            size_t first, size_t count);
std::vector<float> Logits(baleen_session* session);
// Any tokens will do: the work for one does not depend on which it is.
std::vector<baleen_token> SomeTokens(const baleen_model* model, size_t count);

// What the device's own copies reach, reading and writing, in GB/s.
double CopyBandwidth(const std::string& plugin);

// How near single products and other operators of V4-Flash's layers come to
// `bandwidth` in GB/s, each in a recorded program of its own; without settings,
// attention of contexts up to a million positions too.
void MeasureOperators(const std::string& plugin,
                      const std::vector<baleen_setting>& settings,
                      double bandwidth, Report* report);

// Whether the device gives the same bits however tokens are cut; `count` of
// them, some dozens.
void CompareCuts(const Target& gpu, const std::string& folder, size_t count,
                 Report* report);

// Compares logits, what is written, and how likely a text is, with the CPU's.
void CompareWithCpu(const Target& cpu, const Target& gpu,
                    const std::string& folder, Report* report);

// Speeds of a model on the device; `bandwidth` in GB/s.
void Measure(const Target& gpu, const std::string& folder, double bandwidth,
             Report* report);

}  // namespace baleen::gpu
