// Comparisons and timings of a model on a device; see check.h.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "benchmarks/gpu/check.h"

namespace baleen::gpu {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Model Load(baleen_context* context, uint32_t device,
           const std::string& folder) {
  baleen_model_options options = {};
  options.struct_size = sizeof(options);
  options.devices = &device;
  options.device_count = 1;
  baleen_model* model = nullptr;
  baleen_error error;
  Check(baleen_model_load(context, folder.c_str(), &options, &model, &error),
        error);
  return Model(model);
}

void Append(baleen_session* session, const std::vector<baleen_token>& tokens,
            size_t first, size_t count) {
  baleen_error error;
  Check(baleen_session_append(session, tokens.data() + first, count, &error),
        error);
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

double Number(const baleen_model* model, const char* key) {
  const char* text = baleen_model_metadata(model, key);
  return text == nullptr ? 0 : std::strtod(text, nullptr);
}

// Bytes that a token reads at the least: all weights but the embedding and the
// experts that it does not visit.
double BytesPerToken(const baleen_model* model, const baleen_model_info& info) {
  const double inner = Number(model, "moe_intermediate_size");
  const double hidden = info.hidden_size;
  // e2m1 and a scale for each 32.
  const double expert = 3 * inner * hidden * (0.5 + 1.0 / 32);
  const double idle = info.expert_count - info.experts_per_token;
  const double layers = info.layer_count + info.draft_layer_count;
  return static_cast<double>(info.weight_bytes) -
         2.0 * info.vocabulary_size * hidden - idle * expert * layers;
}

// Median seconds of a step of sessions that each read one token; 0 where the
// library steps one session only.
double StepSeconds(std::vector<Session>& sessions, int steps) {
  std::vector<baleen_step> parts(sessions.size());
  std::vector<baleen_token> inputs(sessions.size());
  std::vector<double> seconds;
  for (int step = 0; step < steps + 2; ++step) {
    for (size_t i = 0; i < sessions.size(); ++i) {
      parts[i] = {};
      inputs[i] = static_cast<baleen_token>(
          (static_cast<size_t>(step) * 131 + i * 17) % 1000);
      parts[i].session = sessions[i].get();
      parts[i].input = &inputs[i];
      parts[i].input_count = 1;
    }
    const auto begin = Clock::now();
    baleen_error error;
    if (sessions.size() == 1) {
      Append(sessions[0].get(), inputs, 0, 1);
    } else {
      const baleen_status status =
          baleen_session_step_many(parts.data(), parts.size(), &error);
      if (status == BALEEN_UNSUPPORTED) return 0;
      Check(status, error);
    }
    // The first record the step.
    if (step >= 2) seconds.push_back(SecondsSince(begin));
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace

Session NewSession(baleen_model* model, baleen_mode mode) {
  baleen_session_options options = {};
  options.struct_size = sizeof(options);
  options.flags = BALEEN_SESSION_PRIVATE;
  options.mode = mode;
  options.seed = 1;
  baleen_session* session = nullptr;
  baleen_error error;
  Check(baleen_session_create(model, &options, &session, &error), error);
  return Session(session);
}

std::vector<float> Logits(baleen_session* session) {
  const float* logits = nullptr;
  size_t count = 0;
  baleen_error error;
  Check(baleen_session_logits(session, &logits, &count, &error), error);
  return {logits, logits + count};
}

std::vector<baleen_token> SomeTokens(const baleen_model* model, size_t count) {
  baleen_model_info info = {};
  info.struct_size = sizeof(info);
  baleen_error error;
  Check(baleen_model_get_info(model, &info, &error), error);
  std::vector<baleen_token> tokens(count);
  uint64_t state = 1;
  for (baleen_token& token : tokens) {
    // Knuth's MMIX generator; its high bits are good.
    state = state * 6364136223846793005u + 1442695040888963407u;
    token = static_cast<baleen_token>((state >> 33) % info.vocabulary_size);
  }
  return tokens;
}

std::vector<Figure> Compare(baleen_context* context, uint32_t device,
                            const std::string& folder) {
  const Model cpu = Load(context, 0, folder);
  const Model gpu = Load(context, device, folder);
  const size_t count = 600;
  const std::vector<baleen_token> tokens = SomeTokens(gpu.get(), count);
  std::vector<Figure> figures;
  for (const baleen_mode mode : {BALEEN_MODE_REFERENCE, BALEEN_MODE_FAST}) {
    const std::string suffix =
        mode == BALEEN_MODE_FAST ? ", fast" : ", reference";
    const Session expected = NewSession(cpu.get(), mode);
    const Session got = NewSession(gpu.get(), mode);
    Append(expected.get(), tokens, 0, count);
    Append(got.get(), tokens, 0, count);
    // Near-ties of rounded keys move logits; 2 % is what instruction sets of
    // the CPU differ by on the pocket model.
    constexpr double kMostDistance = 0.02;
    const double distance = Distance(Logits(got.get()), Logits(expected.get()));
    figures.push_back({folder + ": distance of logits from the CPU's" + suffix,
                       distance, "", !(distance < kMostDistance)});
    double same = 0;
    constexpr int kWritten = 32;
    for (int i = 0; i < kWritten; ++i) {
      const baleen_token next = Likeliest(Logits(expected.get()));
      same += next == Likeliest(Logits(got.get())) ? 1 : 0;
      Append(expected.get(), {next}, 0, 1);
      Append(got.get(), {next}, 0, 1);
    }
    figures.push_back(
        {folder + ": of 32 tokens the same as on the CPU" + suffix, same, "",
         same < kWritten - 1});
    const Session cut = NewSession(gpu.get(), mode);
    size_t done = 0;
    const size_t sizes[] = {1, 7, 30, 100, 12, 20, 64, 3};
    for (size_t i = 0; done < count; ++i) {
      const size_t size = std::min(sizes[i % 8], count - done);
      Append(cut.get(), tokens, done, size);
      done += size;
    }
    const Session whole = NewSession(gpu.get(), mode);
    Append(whole.get(), tokens, 0, count);
    const std::vector<float> a = Logits(cut.get());
    const std::vector<float> b = Logits(whole.get());
    const bool equal =
        std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
    figures.push_back({folder + ": same bits however tokens are cut" + suffix,
                       equal ? 1.0 : 0.0, "", !equal});
  }
  return figures;
}

std::vector<Figure> Measure(baleen_context* context, uint32_t device,
                            const std::string& folder, double bandwidth) {
  const Model model = Load(context, device, folder);
  baleen_model_info info = {};
  info.struct_size = sizeof(info);
  baleen_error error;
  Check(baleen_model_get_info(model.get(), &info, &error), error);
  std::vector<Figure> figures;
  const double bytes = BytesPerToken(model.get(), info);
  for (const size_t prompt : {size_t{2048}, size_t{8192}}) {
    const std::vector<baleen_token> tokens = SomeTokens(model.get(), prompt);
    Session session = NewSession(model.get(), BALEEN_MODE_FAST);
    Append(session.get(), tokens, 0, 512);  // Warm, and its memory taken.
    const auto begin = Clock::now();
    Append(session.get(), tokens, 512, prompt - 512);
    const double seconds = SecondsSince(begin);
    figures.push_back({"prefill of " + std::to_string(prompt) + " tokens",
                       static_cast<double>(prompt - 512) / seconds, "tok/s"});
  }
  for (const size_t count : {size_t{1}, size_t{8}, size_t{64}}) {
    for (const size_t depth : {size_t{0}, size_t{4096}}) {
      if (depth != 0 && count > 1) continue;
      std::vector<Session> sessions;
      for (size_t i = 0; i < count; ++i) {
        sessions.push_back(NewSession(model.get(), BALEEN_MODE_FAST));
        if (depth != 0) {
          Append(sessions.back().get(), SomeTokens(model.get(), depth), 0,
                 depth);
        }
      }
      const double seconds = StepSeconds(sessions, 30);
      if (seconds == 0) continue;
      const std::string name = "decode, batch " + std::to_string(count) +
                               ", context " + std::to_string(depth);
      figures.push_back({name, static_cast<double>(count) / seconds, "tok/s"});
      if (count != 1) continue;
      figures.push_back({name + ": share of the bandwidth floor",
                         100 * bytes / (bandwidth * 1e9) / seconds, "%"});
    }
  }
  return figures;
}

}  // namespace baleen::gpu
