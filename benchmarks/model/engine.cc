#include "benchmarks/model/engine.h"

#include <fstream>
#include <stdexcept>

#include "api/handles.h"
#include "benchmarks/slice/values.h"

namespace baleen::bench {

void Check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

void Check(baleen_status status, const baleen_error& error) {
  if (status != BALEEN_OK) throw std::runtime_error(error.message);
}

Engine::Engine(const EngineOptions& options) : options_(options) {
  baleen_context_options context = {};
  context.struct_size = sizeof context;
  context.thread_count = options.threads;
  baleen_error error;
  baleen_context* handle = nullptr;
  Check(baleen_context_create(&context, &handle, &error), error);
  context_.reset(handle);
  model_ = Load();
}

std::unique_ptr<baleen_model, Release> Engine::Load() const {
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  if (options_.repack) options.flags = BALEEN_MODEL_REPACK;
  const baleen_setting isa = {"cpu.isa", options_.isa.c_str()};
  if (!options_.isa.empty()) {
    options.settings = &isa;
    options.setting_count = 1;
  }
  baleen_error error;
  baleen_model* handle = nullptr;
  Check(baleen_model_load(context_.get(), options_.folder.c_str(), &options,
                          &handle, &error),
        error);
  return std::unique_ptr<baleen_model, Release>(handle);
}

void Engine::Reload() { Load(); }

SessionHandle Engine::NewSession(baleen_mode mode) const {
  baleen_session_options options = {};
  options.struct_size = sizeof options;
  options.mode = mode;
  options.seed = 1;
  options.draft = BALEEN_DRAFT_OFF;
  baleen_error error;
  baleen_session* handle = nullptr;
  Check(baleen_session_create(model_.get(), &options, &handle, &error), error);
  return SessionHandle(handle);
}

// So many tokens visit all of 64 experts, 6 each, with near certainty.
void Engine::WarmUp() const {
  const auto tokens = RandomTokens(256, model().config().vocabulary, 1);
  const SessionHandle session = NewSession(BALEEN_MODE_FAST);
  baleen_error error;
  Check(baleen_session_append(session.get(), tokens.data(), tokens.size(),
                              &error),
        error);
}

deepseek_v4::V4Model& Engine::model() const {
  return static_cast<deepseek_v4::V4Model&>(*FromHandle(model_.get())->model());
}

std::vector<baleen_token> RandomTokens(size_t count, int32_t vocabulary,
                                       uint64_t seed) {
  slice::Random random(seed);
  std::vector<baleen_token> tokens(count);
  for (baleen_token& token : tokens) {
    token = static_cast<baleen_token>(random.Next() %
                                      static_cast<uint64_t>(vocabulary));
  }
  return tokens;
}

Resident ResidentBytes() {
  std::ifstream status("/proc/self/status");
  Resident resident;
  std::string name;
  while (status >> name) {
    double* value = name == "RssAnon:"   ? &resident.own
                    : name == "RssFile:" ? &resident.files
                                         : nullptr;
    if (value == nullptr) continue;
    status >> *value;
    *value *= 1024;
  }
  return resident;
}

}  // namespace baleen::bench
