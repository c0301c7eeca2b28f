// Saving and loading a session: its tokens, its logits and the model's state, in
// the form of format/saved_session.h.
#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "format/saved_session.h"
#include "session/session.h"

namespace baleen {
namespace {

Status CheckSaveOptions(const baleen_save_options& options) {
  if (options.window != BALEEN_WINDOW_DEFAULT) {
    return Unsupported(
        "options.window is %d, but this version saves the last window only",
        options.window);
  }
  return Status();
}

Status Report(const baleen_save_options& options, uint64_t done,
              uint64_t total) {
  if (options.progress == nullptr ||
      options.progress(options.progress_user_data, done, total) == 0) {
    return Status();
  }
  return Status::Error(BALEEN_CANCELLED, "the progress callback cancelled");
}

}  // namespace

SavedHeader Session::DescribeSaved() const {
  SavedHeader header = {};
  header.fingerprint = bundle_->model()->fingerprint();
  header.mode = options_.mode;
  header.vocabulary = bundle_->info().vocabulary_size;
  header.seed = options_.seed;
  header.token_count = tokens_.size();
  header.state_length = static_cast<uint64_t>(state_->length());
  header.state_size = state_->SavedSize();
  header.logit_count = logits_valid_ ? logits_.size() : 0;
  SealHeader(&header);
  return header;
}

Status Session::FillPutOff() {
  // What is saved has a whole window, so that it can go on at once.
  if (replay_from_ < static_cast<int64_t>(tokens_.size())) return Compute({});
  return Status();
}

Status Session::Write(const SavedHeader& header, unsigned char* bytes) const {
  SavedLayout layout;
  LayOut(header, &layout);
  std::memcpy(bytes, &header, sizeof header);
  // The caller's buffer may lie anywhere, so bytes are copied, never cast.
  if (!tokens_.empty()) {
    std::memcpy(bytes + layout.tokens, tokens_.data(),
                tokens_.size() * sizeof(baleen_token));
  }
  const size_t logits_size = header.logit_count * sizeof(float);
  if (logits_size > 0) {
    std::memcpy(bytes + layout.logits, logits_.data(), logits_size);
  }
  const uint64_t padding = layout.logits + logits_size;
  std::memset(bytes + padding, 0, layout.state - padding);
  BALEEN_RETURN_IF_ERROR(state_->Save(bytes + layout.state, header.state_size));
  const uint64_t checksum =
      ChecksumOf(bytes + sizeof header, layout.checksum - sizeof header);
  std::memcpy(bytes + layout.checksum, &checksum, sizeof checksum);
  return Status();
}

Status Session::Save(const baleen_save_options& options, void* buffer,
                     size_t capacity, size_t* size) {
  BALEEN_RETURN_IF_ERROR(CheckSaveOptions(options));
  BALEEN_RETURN_IF_ERROR(FillPutOff());
  const SavedHeader header = DescribeSaved();
  if (capacity < header.total_size) {
    *size = header.total_size;
    return Status::Error(BALEEN_BUFFER_TOO_SMALL,
                         "the saved session has %llu bytes, the buffer %zu",
                         static_cast<unsigned long long>(header.total_size),
                         capacity);
  }
  BALEEN_RETURN_IF_ERROR(Write(header, static_cast<unsigned char*>(buffer)));
  BALEEN_RETURN_IF_ERROR(Report(options, header.total_size, header.total_size));
  *size = header.total_size;
  return Status();
}

Status Session::SaveFile(const baleen_save_options& options, const char* path) {
  BALEEN_RETURN_IF_ERROR(CheckSaveOptions(options));
  BALEEN_RETURN_IF_ERROR(FillPutOff());
  const SavedHeader header = DescribeSaved();
  const Block bytes(bundle_->memory(), header.total_size);
  BALEEN_RETURN_IF_ERROR(
      Write(header, static_cast<unsigned char*>(bytes.data())));
  BALEEN_ASSIGN_OR_RETURN(FileWriter writer,
                          bundle_->context().files().Create(path));
  constexpr size_t kPiece = size_t{16} << 20;
  const auto* from = static_cast<const unsigned char*>(bytes.data());
  for (size_t done = 0; done < bytes.size();) {
    const size_t piece = std::min(kPiece, bytes.size() - done);
    BALEEN_RETURN_IF_ERROR(writer.Append(from + done, piece));
    done += piece;
    BALEEN_RETURN_IF_ERROR(Report(options, done, bytes.size()));
  }
  return writer.Commit();
}

Status Session::Load(const void* buffer, size_t size) {
  return Adopt({static_cast<const unsigned char*>(buffer), size}, "the buffer");
}

Status Session::LoadFile(const char* path) {
  BALEEN_ASSIGN_OR_RETURN(const File file,
                          bundle_->context().files().Open(path));
  BALEEN_ASSIGN_OR_RETURN(const FileView view, file.View(0, file.size()));
  return Adopt({view.data(), static_cast<size_t>(view.size())}, path);
}

Status Session::CheckSaved(const SavedHeader& header, const char* name) const {
  if (header.fingerprint != bundle_->model()->fingerprint() ||
      header.vocabulary != bundle_->info().vocabulary_size) {
    return Unsupported("%s was saved with another model", name);
  }
  if (header.mode != options_.mode) {
    return Unsupported("%s was saved in another mode than the session's", name);
  }
  if (header.token_count > options_.capacity) {
    return Status::Error(BALEEN_SESSION_FULL,
                         "%s has %llu tokens, over the capacity %llu", name,
                         static_cast<unsigned long long>(header.token_count),
                         static_cast<unsigned long long>(options_.capacity));
  }
  if (header.state_length != header.token_count ||
      (header.logit_count != 0 && header.logit_count != header.vocabulary)) {
    return Corrupt("the header of the saved session in %s makes no sense",
                   name);
  }
  return Status();
}

Status Session::Adopt(std::span<const unsigned char> bytes, const char* name) {
  SavedHeader header;
  SavedLayout layout;
  BALEEN_RETURN_IF_ERROR(ReadSaved(bytes, name, &header, &layout));
  BALEEN_RETURN_IF_ERROR(CheckSaved(header, name));
  Memory* memory = bundle_->memory();
  Vector<baleen_token> tokens(header.token_count, memory);
  if (!tokens.empty()) {
    std::memcpy(tokens.data(), bytes.data() + layout.tokens,
                tokens.size() * sizeof(baleen_token));
  }
  BALEEN_RETURN_IF_ERROR(CheckTokens(tokens));
  Vector<float> logits(bundle_->info().vocabulary_size, memory);
  std::memcpy(logits.data(), bytes.data() + layout.logits,
              header.logit_count * sizeof(float));
  BALEEN_ASSIGN_OR_RETURN(StatePointer state, bundle_->model()->CreateState());
  const auto length = static_cast<int64_t>(header.state_length);
  BALEEN_RETURN_IF_ERROR(
      state->Load(bytes.data() + layout.state, header.state_size, length));
  state_ = std::move(state);
  tokens_.swap(tokens);
  logits_.swap(logits);
  logits_valid_ = header.logit_count != 0;
  replay_from_ = length;
  options_.seed = header.seed;
  return Status();
}

}  // namespace baleen
