#include "unit/models/test_model.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "base/json.h"
#include "cpu/entry.h"
#include "models/drafter.h"
#include "models/registry.h"
#include "unit/models/golden.h"

namespace baleen::test {

void Expect(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

CountedMemory::CountedMemory()
    : hooks_{sizeof(baleen_allocator), 0, this, Allocate, Deallocate},
      memory_(&hooks_) {}

void* CountedMemory::Allocate(void* user_data, size_t size, size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) != 0) {
    return nullptr;
  }
  static_cast<CountedMemory*>(user_data)->bytes_ += size;
  return memory;
}

void CountedMemory::Deallocate(void* user_data, void* memory, size_t size,
                               size_t) {
  static_cast<CountedMemory*>(user_data)->bytes_ -= size;
  std::free(memory);
}

TestDevice::TestDevice(baleen_backend_entry_fn entry, CountedMemory* memory,
                       uint32_t width, std::string isa)
    : workers_(width, memory->memory()), isa_(std::move(isa)) {
  allocator_ = *static_cast<HostMemory*>(memory->memory())->hooks();
  host_.struct_size = sizeof host_;
  host_.major = BALEEN_BACKEND_MAJOR;
  host_.minor = BALEEN_BACKEND_MINOR;
  host_.user_data = this;
  host_.fail = [](void* self, const char* message) {
    static_cast<TestDevice*>(self)->failure_ = message;
  };
  host_.log = [](void*, baleen_log_level, const char*) {};
  host_.setting = [](void* self, const char* name) -> const char* {
    const std::string& wanted = static_cast<TestDevice*>(self)->isa_;
    return !wanted.empty() && std::string(name) == "cpu.isa" ? wanted.c_str()
                                                             : nullptr;
  };
  host_.cancelled = [](void*) -> int32_t { return 0; };
  host_.allocator = &allocator_;
  host_.workers = workers_.hooks();
  backend_ = entry(&host_);
  device_.host = &host_;
  device_.backend = backend_->name;
  device_.last_failure = LastFailure;
  if (backend_->device_open(&host_, 0, &device_.handle, &device_.table) !=
      BALEEN_OK) {
    throw std::runtime_error("a device cannot be opened: " + failure_);
  }
}

TestDevice::~TestDevice() { backend_->device_close(device_.handle); }

const char* TestDevice::LastFailure(const Device& device) {
  return static_cast<TestDevice*>(device.host->user_data)->failure_.c_str();
}

TestModel::TestModel(const std::string& folder, ModelOptions options)
    : memory_(std::make_unique<CountedMemory>()),
      cpu_(std::make_unique<TestDevice>(baleen_cpu_backend_entry, memory_.get(),
                                        options.threads, options.isa)),
      files_(std::make_unique<FileSystem>(nullptr, memory_->memory())) {
  const std::string config = ReadFile(folder + "/" + options.config);
  Result<JsonDocument> document =
      JsonDocument::Parse(config, "config.json", memory_->memory());
  Expect(document.status());
  ModelRequest request;
  request.config = document->root();
  request.config_name = "config.json";
  request.name = folder;
  request.device = options.device == nullptr ? &cpu() : options.device;
  request.cpu = &cpu();
  request.memory = memory_->memory();
  request.device_memory = options.device_memory;
  request.fetch_experts = options.fetch_experts;
  if (!options.shapes_only) {
    Result<Checkpoint> checkpoint = Checkpoint::Open(*files_, DataPath(folder));
    Expect(checkpoint.status());
    request.checkpoint = *std::move(checkpoint);
  }
  Result<Ref<Model>> model = CreateModel(std::move(request));
  Expect(model.status());
  model_ = *std::move(model);
}

Timeline::Timeline(Model& model, baleen_mode mode)
    : model_(&model), mode_(mode) {
  Result<StatePointer> state = model.CreateState();
  Expect(state.status());
  state_ = *std::move(state);
}

Timeline::Timeline(Model& model, baleen_mode mode, StatePointer state)
    : model_(&model), mode_(mode), state_(std::move(state)) {}

std::vector<float> Timeline::Compute(int64_t chunk, int64_t outputs) {
  const auto end = static_cast<int64_t>(tokens_.size());
  const size_t vocabulary = model_->info().vocabulary_size;
  std::vector<float> logits(static_cast<size_t>(outputs) * vocabulary);
  size_t filled = 0;
  while (replay_from_ < end) {
    int64_t count = end - replay_from_;
    count = std::min(count, model_->RowLimit(replay_from_ + count));
    if (chunk > 0) count = std::min(count, chunk);
    StepPart part;
    part.state = state_.get();
    part.tokens = std::span<const baleen_token>(tokens_).subspan(
        static_cast<size_t>(replay_from_), static_cast<size_t>(count));
    part.position = replay_from_;
    part.frozen = state_->length();
    const int64_t first_wanted = end - outputs;
    part.output_count =
        std::clamp<int64_t>(replay_from_ + count - first_wanted, 0, count);
    if (streams_ != nullptr) {
      const auto row = static_cast<size_t>(model_->drafter()->stream_size());
      streams_->resize(static_cast<size_t>(count) * row);
      part.stream_count = count;
      part.streams = streams_->data();
    }
    Expect(model_->Step(mode_, std::span<const StepPart>(&part, 1), nullptr,
                        logits.data() + filled * vocabulary));
    filled += static_cast<size_t>(part.output_count);
    replay_from_ += count;
  }
  return logits;
}

std::vector<float> Timeline::Append(std::span<const baleen_token> tokens,
                                    int64_t chunk) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return Compute(chunk, 1);
}

std::vector<float> Timeline::AppendAll(std::span<const baleen_token> tokens,
                                       int64_t chunk) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return Compute(chunk, static_cast<int64_t>(tokens.size()));
}

void Timeline::Truncate(size_t length) {
  tokens_.resize(length);
  state_->Truncate(static_cast<int64_t>(length), &replay_from_);
}

Timeline Timeline::Fork() { return ForkAt(tokens_.size()); }

Timeline Timeline::ForkAt(size_t length) {
  int64_t replay_from = 0;
  Result<StatePointer> state =
      state_->ForkAt(static_cast<int64_t>(length), &replay_from);
  Expect(state.status());
  Timeline fork(*model_, mode_, *std::move(state));
  fork.tokens_.assign(tokens_.begin(),
                      tokens_.begin() + static_cast<ptrdiff_t>(length));
  fork.replay_from_ = replay_from;
  return fork;
}

std::vector<char> Timeline::Save(std::span<const int64_t> windows) const {
  std::vector<char> bytes;
  const auto room = [&bytes](uint64_t size) {
    bytes.resize(bytes.size() + size);
    return bytes.data() + bytes.size() - size;
  };
  constexpr int64_t kPage = SessionState::kPagePositions;
  for (int64_t first = 0; first < state_->length(); first += kPage) {
    const int64_t count = std::min(kPage, state_->length() - first);
    Expect(state_->SavePage(first / kPage, room(state_->PageBytes(count))));
  }
  for (const int64_t position : windows) {
    if (!state_->HasWindow(position)) {
      throw std::runtime_error("the state has no such window");
    }
    Expect(state_->SaveWindow(position, room(state_->WindowBytes(position))));
  }
  return bytes;
}

std::vector<char> Timeline::Save() const {
  const int64_t length = state_->length();
  return Save(std::span<const int64_t>(&length, length > 0 ? 1 : 0));
}

void Timeline::Load(const std::vector<char>& bytes,
                    std::span<const baleen_token> tokens,
                    std::span<const int64_t> windows) {
  Result<StatePointer> state = model_->CreateState();
  Expect(state.status());
  const auto length = static_cast<int64_t>(tokens.size());
  Expect((*state)->StartLoad(length));
  const char* from = bytes.data();
  constexpr int64_t kPage = SessionState::kPagePositions;
  for (int64_t first = 0; first < length; first += kPage) {
    const int64_t count = std::min(kPage, length - first);
    Expect((*state)->LoadPages(first / kPage, count, from));
    from += (*state)->PageBytes(count);
  }
  for (const int64_t position : windows) {
    Expect((*state)->LoadWindow(position, from));
    from += (*state)->WindowBytes(position);
  }
  if (from != bytes.data() + bytes.size()) {
    throw std::runtime_error("not all bytes were loaded");
  }
  Expect((*state)->FinishLoad(&replay_from_));
  state_ = *std::move(state);
  tokens_.assign(tokens.begin(), tokens.end());
}

void Timeline::Load(const std::vector<char>& bytes,
                    std::span<const baleen_token> tokens) {
  const auto length = static_cast<int64_t>(tokens.size());
  Load(bytes, tokens, std::span<const int64_t>(&length, length > 0 ? 1 : 0));
}

}  // namespace baleen::test
