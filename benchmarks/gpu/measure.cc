// Timings of a model on a device; see check.h.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "benchmarks/gpu/check.h"

namespace baleen::gpu {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
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

// Multiplications and additions of a token in the large products of all layers:
// of the attention's projections, and the experts that it visits.
double OperationsPerToken(const baleen_model* model,
                          const baleen_model_info& info) {
  const double hidden = info.hidden_size;
  const double rank = Number(model, "q_lora_rank");
  const double head = Number(model, "head_dim");
  const double heads = Number(model, "num_attention_heads");
  const double out = Number(model, "o_lora_rank");
  const double groups = Number(model, "o_groups");
  const double attention = hidden * (rank + head) + rank * heads * head +
                           heads * head * out + groups * out * hidden;
  const double experts = 3.0 * Number(model, "moe_intermediate_size") * hidden *
                         (info.experts_per_token + 1);
  return 2 * info.layer_count * (attention + experts);
}

// bf16 products of the matrix units of what we know by name, in TFLOP/s; or 0.
double PeakOf(const Target& gpu) {
  baleen_device_info info = {};
  info.struct_size = sizeof(info);
  baleen_error error;
  Check(baleen_context_device_info(gpu.context, gpu.device, &info, &error),
        error);
  constexpr double kHopper = 989;
  return std::strstr(info.name, "H100") != nullptr ||
                 std::strstr(info.name, "H200") != nullptr
             ? kHopper
             : 0;
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
          (static_cast<size_t>(step) * 131 + i * 17) % 500);
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

class Measurement {
 public:
  Measurement(const Target& gpu, const std::string& folder, double bandwidth,
              Report* report)
      : model_(Load(gpu, folder)),
        peak_(PeakOf(gpu)),
        bandwidth_(bandwidth),
        report_(report) {
    info_.struct_size = sizeof(info_);
    baleen_error error;
    Check(baleen_model_get_info(model_.get(), &info_, &error), error);
  }

  // Reads a prompt of `depth` tokens once, then decodes with so many sessions that
  // all go on from it.
  void Decode(size_t depth, const std::vector<size_t>& counts) {
    std::vector<Session> sessions;
    sessions.push_back(NewSession(model_.get(), BALEEN_MODE_FAST));
    if (depth != 0) {
      Append(sessions[0].get(), SomeTokens(model_.get(), depth), 0, depth);
    }
    for (const size_t count : counts) {
      while (sessions.size() < count) {
        baleen_session* fork = nullptr;
        baleen_error error;
        Check(baleen_session_fork(sessions[0].get(), &fork, &error), error);
        sessions.emplace_back(fork);
      }
      Time(sessions, depth);
    }
  }

  // Returns tokens a second.
  double Prefill(size_t prompt) {
    const std::vector<baleen_token> tokens = SomeTokens(model_.get(), prompt);
    constexpr size_t kWarm = 512;  // So that memory is taken.
    const Session session = NewSession(model_.get(), BALEEN_MODE_FAST);
    Append(session.get(), tokens, 0, kWarm);
    const auto begin = Clock::now();
    Append(session.get(), tokens, kWarm, prompt - kWarm);
    const double rate =
        static_cast<double>(prompt - kWarm) / SecondsSince(begin);
    const std::string name = "prefill of " + std::to_string(prompt);
    report_->Add({name, rate, "tok/s"});
    const double products =
        rate * OperationsPerToken(model_.get(), info_) * 1e-12;
    report_->Add({name + ": large products", products, "TFLOP/s"});
    if (peak_ != 0) {
      report_->Add({name + ": of the peak", 100 * products / peak_, "%"});
    }
    return rate;
  }

 private:
  void Time(std::vector<Session>& sessions, size_t depth) {
    const size_t count = sessions.size();
    constexpr int kSteps = 30;
    const double seconds = StepSeconds(sessions, kSteps);
    if (seconds == 0) return;
    const std::string name = "decode, batch " + std::to_string(count) +
                             ", context " + std::to_string(depth);
    report_->Add({name, static_cast<double>(count) / seconds, "tok/s"});
    if (count != 1) return;
    const double floor =
        BytesPerToken(model_.get(), info_) / (bandwidth_ * 1e9);
    report_->Add(
        {name + ": of the bandwidth floor", 100 * floor / seconds, "%"});
  }

  Model model_;
  baleen_model_info info_ = {};
  double peak_;
  double bandwidth_;
  Report* report_;
};

}  // namespace

Model Load(const Target& target, const std::string& folder) {
  baleen_model_options options = {};
  options.struct_size = sizeof(options);
  options.devices = &target.device;
  options.device_count = 1;
  options.settings = target.settings.data();
  options.setting_count = static_cast<uint32_t>(target.settings.size());
  baleen_model* model = nullptr;
  baleen_error error;
  Check(baleen_model_load(target.context, folder.c_str(), &options, &model,
                          &error),
        error);
  return Model(model);
}

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

void Append(baleen_session* session, const std::vector<baleen_token>& tokens,
            size_t first, size_t count) {
  baleen_error error;
  Check(baleen_session_append(session, tokens.data() + first, count, &error),
        error);
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

// What is wanted most comes first: the whole has a limit, and is cut off there.
void Measure(const Target& gpu, const std::string& folder, double bandwidth,
             Report* report) {
  Measurement measurement(gpu, folder, bandwidth, report);
  measurement.Decode(0, {1, 8, 64});
  measurement.Prefill(2048);
  const double rate = measurement.Prefill(8192);
  measurement.Decode(4096, {1, 8, 64});
  // Where the prompt alone would take minutes, its decoding is not waited for.
  constexpr double kMostSeconds = 40;
  for (const size_t depth : {size_t{1} << 17, size_t{1} << 20}) {
    if (static_cast<double>(depth) / rate > kMostSeconds) break;
    measurement.Decode(depth - 512, {1, 8});
  }
}

}  // namespace baleen::gpu
