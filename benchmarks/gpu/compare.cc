// Models on the device beside themselves and beside the CPU; see check.h.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "benchmarks/gpu/check.h"

namespace baleen::gpu {
namespace {

constexpr baleen_mode kModes[] = {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST};

std::string Suffix(baleen_mode mode) {
  return mode == BALEEN_MODE_FAST ? ", fast" : ", reference";
}

double Distance(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0;
  double difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    squares += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / squares);
}

baleen_token Likeliest(const std::vector<float>& logits) {
  return static_cast<baleen_token>(
      std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// What follows the prompt on both devices, the CPU's token each time.
void CompareText(baleen_session* expected, baleen_session* got,
                 const std::string& name, Report* report) {
  constexpr int kWritten = 32;
  double same = 0;
  for (int i = 0; i < kWritten; ++i) {
    const baleen_token next = Likeliest(Logits(expected));
    same += next == Likeliest(Logits(got)) ? 1 : 0;
    Append(expected, {next}, 0, 1);
    Append(got, {next}, 0, 1);
  }
  report->Add(
      {name + ": of 32 tokens as on the CPU", same, "", same < kWritten - 1});
}

// The text beside the model, or nothing.
std::vector<baleen_token> HeldOut(const baleen_model* model,
                                  const std::string& folder, size_t count) {
  std::ifstream file(folder + "/heldout.txt", std::ios::binary);
  constexpr size_t kMostBytes = 8000;
  std::string text(std::istreambuf_iterator<char>(file), {});
  text.resize(std::min(text.size(), kMostBytes));
  std::vector<baleen_token> tokens(text.size() + 1);
  size_t made = 0;
  baleen_error error;
  Check(baleen_model_tokenize(model, text.data(), text.size(), 0, tokens.data(),
                              tokens.size(), &made, &error),
        error);
  tokens.resize(std::min(made, count));
  return tokens;
}

double Perplexity(baleen_model* model, const std::vector<baleen_token>& tokens,
                  baleen_mode mode) {
  const Session session = NewSession(model, mode);
  std::vector<baleen_token_score> scores(tokens.size());
  baleen_error error;
  Check(baleen_session_append_scored(session.get(), tokens.data(),
                                     tokens.size(), scores.data(), &error),
        error);
  double sum = 0;
  for (size_t i = 1; i < scores.size(); ++i) {
    sum += static_cast<double>(scores[i].log_probability);
  }
  return std::exp(-sum / static_cast<double>(scores.size() - 1));
}

}  // namespace

void CompareCuts(const Target& gpu, const std::string& folder, size_t count,
                 Report* report) {
  const Model model = Load(gpu, folder);
  const std::vector<baleen_token> tokens = SomeTokens(model.get(), count);
  for (const baleen_mode mode : kModes) {
    const Session cut = NewSession(model.get(), mode);
    size_t done = 0;
    const size_t sizes[] = {1, 7, 30, 100, 12, 20, 64, 3};
    for (size_t i = 0; done < count; ++i) {
      const size_t size = std::min(sizes[i % 8], count - done);
      Append(cut.get(), tokens, done, size);
      done += size;
    }
    const Session whole = NewSession(model.get(), mode);
    Append(whole.get(), tokens, 0, count);
    const std::vector<float> a = Logits(cut.get());
    const std::vector<float> b = Logits(whole.get());
    const bool equal =
        std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
    report->Add({folder + ": same bits however cut" + Suffix(mode),
                 equal ? 1.0 : 0.0, "", !equal});
  }
}

void CompareWithCpu(const Target& cpu, const Target& gpu,
                    const std::string& folder, Report* report) {
  const Model host = Load(cpu, folder);
  const Model device = Load(gpu, folder);
  constexpr size_t kPrompt = 600;
  constexpr size_t kScored = 1000;
  const std::vector<baleen_token> tokens = SomeTokens(device.get(), kPrompt);
  const std::vector<baleen_token> text = HeldOut(device.get(), folder, kScored);
  for (const baleen_mode mode : kModes) {
    const std::string name = folder + Suffix(mode);
    const Session expected = NewSession(host.get(), mode);
    const Session got = NewSession(device.get(), mode);
    Append(expected.get(), tokens, 0, kPrompt);
    Append(got.get(), tokens, 0, kPrompt);
    // Near-ties of what is rounded move logits: instruction sets of the CPU were
    // up to 0.012 apart after these tokens (tests/cuda/model_test.cc).
    constexpr double kMostDistance = 0.02;
    const double distance = Distance(Logits(got.get()), Logits(expected.get()));
    report->Add({name + ": distance of logits from the CPU's", distance, "",
                 !(distance < kMostDistance)});
    CompareText(expected.get(), got.get(), name, report);
    if (text.size() < 2) continue;
    const double wanted = Perplexity(host.get(), text, mode);
    const double here = Perplexity(device.get(), text, mode);
    constexpr double kMostChange = 0.005;
    report->Add({name + ": perplexity on the CPU", wanted, ""});
    report->Add({name + ": perplexity", here, "",
                 !(std::fabs(here / wanted - 1) < kMostChange)});
  }
}

}  // namespace baleen::gpu
