// A session's state on its way to a file and back, so that others have memory.
#include <algorithm>
#include <utility>

#include "session/session.h"

namespace baleen {

Status Session::Evict(bool* evicted) {
  *evicted = false;
  Context& context = bundle_->context();
  BALEEN_ASSIGN_OR_RETURN(String path, context.state_folder().NewPath());
  if (!evicted_path_.empty() || state_->byte_count() == 0) return Status();
  BALEEN_ASSIGN_OR_RETURN(StatePointer empty, NewState());
  SavedParts parts = PartsToSave();
  parts.logits = {};  // They stay here.
  SavedWriter writer(parts, WindowsToSave(BALEEN_WINDOW_DEFAULT),
                     bundle_->memory());
  BALEEN_ASSIGN_OR_RETURN(FileWriter file, context.files().Create(path));
  FileOutput output(std::move(file), nullptr, writer.total_size(),
                    bundle_->memory());
  BALEEN_RETURN_IF_ERROR(writer.Write(&output));
  bundle_->prefixes().Show(&entry_, nullptr);
  evicted_path_.swap(path);
  state_ = std::move(empty);
  ++stats_.evictions;
  *evicted = true;
  if (shares()) context.state_folder().Remember(evicted_path_);
  return Status();
}

Status Session::ReadEvicted(StatePointer* state, int64_t* replay_from) {
  const SavedTaker taker = {bundle_->model(), options_.mode, options_.capacity};
  BALEEN_ASSIGN_OR_RETURN(File file,
                          bundle_->context().files().Open(evicted_path_));
  FileInput input(std::move(file));
  SavedReader reader(&input, evicted_path_.c_str(),
                     bundle_->context().workers(), bundle_->memory());
  BALEEN_RETURN_IF_ERROR(reader.ReadFront(taker));
  const auto saved = reader.tokens();
  const auto own = tokens_.span();
  if (saved.size() > own.size() ||
      !std::equal(saved.begin(), saved.end(), own.begin())) {
    return Corrupt("%s is the state of another session", evicted_path_.c_str());
  }
  const auto length = static_cast<int64_t>(reader.header().state_length);
  StateBudget::Room room;
  BALEEN_RETURN_IF_ERROR(ReserveState(length, &room));
  BALEEN_ASSIGN_OR_RETURN(
      *state, reader.ReadState(taker, length, window_period(), replay_from));
  return Status();
}

Status Session::Restore() {
  if (evicted_path_.empty()) return Status();
  StatePointer state;
  int64_t replay_from = 0;
  const Status status = ReadEvicted(&state, &replay_from);
  if (!status.ok()) {
    // What is lost for good is computed again from its tokens.
    if (status.code() != BALEEN_CORRUPT && status.code() != BALEEN_NOT_FOUND) {
      return status;
    }
    bundle_->context().log().Write(BALEEN_LOG_WARNING,
                                   "an evicted state is computed again: %s",
                                   status.message());
    BALEEN_ASSIGN_OR_RETURN(state, NewState());
    replay_from = 0;
  }
  state_ = std::move(state);
  replay_from_ = replay_from;
  DropEvicted();
  ShowState();
  return Status();
}

void Session::DropEvicted() {
  if (evicted_path_.empty()) return;
  Context& context = bundle_->context();
  context.state_folder().Forget(evicted_path_);
  const baleen_files& files = context.files().hooks();
  files.remove(files.user_data, evicted_path_.c_str());
  evicted_path_.clear();
}

}  // namespace baleen
