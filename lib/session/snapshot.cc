// Saving and loading a session: its tokens, its logits and the model's state, in
// the form of format/saved_session.h.
#include <algorithm>
#include <utility>

#include "session/session.h"

namespace baleen {

Status Session::FillPutOff() {
  BALEEN_RETURN_IF_ERROR(Restore());
  // What is saved has a whole window, so that it can go on at once.
  if (replay_from_ < static_cast<int64_t>(tokens_.size())) return Compute({});
  return Status();
}

Vector<int64_t> Session::WindowsToSave(baleen_window window) const {
  Vector<int64_t> windows(bundle_->memory());
  if (window == BALEEN_WINDOW_NONE || options_.window == BALEEN_WINDOW_NONE) {
    return windows;
  }
  windows = state_->KeptWindows();
  const int64_t length = state_->length();
  if (length > 0 && state_->HasWindow(length)) windows.push_back(length);
  if (window == BALEEN_WINDOW_PERIODIC) {
    const int64_t period = PeriodOf(window, options_.window_period);
    std::erase_if(windows, [&](int64_t position) {
      return position != length && position % period != 0;
    });
  }
  std::sort(windows.begin(), windows.end());
  windows.erase(std::unique(windows.begin(), windows.end()), windows.end());
  return windows;
}

SavedParts Session::PartsToSave() const {
  SavedParts parts;
  parts.model = bundle_->model();
  parts.mode = options_.mode;
  parts.seed = options_.seed;
  parts.tokens = tokens_;
  if (logits_valid_) parts.logits = logits_;
  parts.state = state_.get();
  return parts;
}

Status Session::Save(const baleen_save_options& options, void* buffer,
                     size_t capacity, size_t* size) {
  BALEEN_RETURN_IF_ERROR(FillPutOff());
  SavedWriter writer(PartsToSave(), WindowsToSave(options.window),
                     bundle_->memory());
  const uint64_t total = writer.total_size();
  if (capacity < total) {
    *size = static_cast<size_t>(total);
    return Status::Error(BALEEN_BUFFER_TOO_SMALL,
                         "the saved session has %llu bytes, the buffer %zu",
                         static_cast<unsigned long long>(total), capacity);
  }
  BufferOutput output(buffer);
  BALEEN_RETURN_IF_ERROR(writer.Write(&output));
  BALEEN_RETURN_IF_ERROR(ReportSaved(&options, total, total));
  *size = static_cast<size_t>(total);
  return Status();
}

Status Session::SaveFile(const baleen_save_options& options, const char* path) {
  BALEEN_RETURN_IF_ERROR(FillPutOff());
  SavedWriter writer(PartsToSave(), WindowsToSave(options.window),
                     bundle_->memory());
  BALEEN_ASSIGN_OR_RETURN(FileWriter file,
                          bundle_->context().files().Create(path));
  FileOutput output(std::move(file), &options, writer.total_size(),
                    bundle_->memory());
  BALEEN_RETURN_IF_ERROR(writer.Write(&output));
  bundle_->context().state_folder().Remember(path);
  return Status();
}

Status Session::Load(const void* buffer, size_t size) {
  BufferInput input({static_cast<const unsigned char*>(buffer), size});
  return LoadFrom(&input, "the buffer");
}

Status Session::LoadFile(const char* path) {
  BALEEN_ASSIGN_OR_RETURN(File file, bundle_->context().files().Open(path));
  FileInput input(std::move(file));
  return LoadFrom(&input, path);
}

Status Session::LoadFrom(SavedInput* input, const char* name) {
  Memory* memory = bundle_->memory();
  const SavedTaker taker = {bundle_->model(), options_.mode, options_.capacity};
  SavedReader reader(input, name, bundle_->context().workers(), memory);
  BALEEN_RETURN_IF_ERROR(reader.ReadFront(taker));
  const auto length = static_cast<int64_t>(reader.header().state_length);
  StateBudget::Room room;
  BALEEN_RETURN_IF_ERROR(ReserveState(length, &room));
  int64_t replay_from = 0;
  BALEEN_ASSIGN_OR_RETURN(
      StatePointer state,
      reader.ReadState(taker, length, window_period(), &replay_from));
  Vector<float> logits(bundle_->info().vocabulary_size, memory);
  std::copy(reader.logits().begin(), reader.logits().end(), logits.begin());
  const Hidden hidden(this);
  tokens_.Assign(reader.tokens());
  state_ = std::move(state);
  DropEvicted();
  logits_.swap(logits);
  logits_valid_ = reader.header().logit_count != 0;
  replay_from_ = replay_from;
  options_.seed = reader.header().seed;
  if (drafting_ != nullptr) drafting_->Keep(0);
  return Status();
}

}  // namespace baleen
