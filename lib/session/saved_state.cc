#include "session/saved_state.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"

namespace baleen {
namespace {

constexpr int64_t kPage = SessionState::kPagePositions;

uint64_t PageCount(uint64_t positions) {
  return (positions + kPage - 1) / static_cast<uint64_t>(kPage);
}

// How many of `length` positions are in the page.
int64_t PositionsOf(int64_t page, int64_t length) {
  return std::min(kPage, length - page * kPage);
}

}  // namespace

SavedWriter::SavedWriter(const SavedParts& parts,
                         std::span<const int64_t> windows, Memory* memory)
    : parts_(parts), front_(memory) {
  const SessionState& state = *parts.state;
  const int64_t length = state.length();
  header_.fingerprint = parts.model->fingerprint();
  header_.mode = parts.mode;
  header_.vocabulary = parts.model->info().vocabulary_size;
  header_.seed = parts.seed;
  header_.token_count = parts.tokens.size();
  header_.state_length = static_cast<uint64_t>(length);
  header_.logit_count = parts.logits.size();
  header_.page_count = PageCount(header_.state_length);
  header_.window_count = windows.size();
  LayOut(header_, &layout_);
  front_.resize(layout_.pieces - sizeof(SavedHeader));
  uint64_t i = 0;
  for (; i < header_.page_count; ++i) {
    const auto page = static_cast<int64_t>(i);
    pieces()[i] = {i * kPage, state.PageBytes(PositionsOf(page, length)), 0};
    header_.pieces_size += pieces()[i].size;
  }
  for (const int64_t position : windows) {
    pieces()[i] = {static_cast<uint64_t>(position), state.WindowBytes(position),
                   0};
    header_.pieces_size += pieces()[i++].size;
  }
  LayOut(header_, &layout_);
}

Status SavedWriter::WritePiece(uint64_t index, const SavedPiece& piece,
                               SavedOutput* output) {
  unsigned char* room = nullptr;
  BALEEN_RETURN_IF_ERROR(output->Next(piece.size, &room));
  if (index < header_.page_count) {
    BALEEN_RETURN_IF_ERROR(
        parts_.state->SavePage(static_cast<int64_t>(index), room));
  } else {
    BALEEN_RETURN_IF_ERROR(
        parts_.state->SaveWindow(static_cast<int64_t>(piece.position), room));
  }
  pieces()[index].checksum = ChecksumOf(room, static_cast<size_t>(piece.size));
  return Status();
}

Status SavedWriter::Write(SavedOutput* output) {
  BALEEN_RETURN_IF_ERROR(output->Begin(front_.size()));
  for (uint64_t i = 0; i < header_.page_count + header_.window_count; ++i) {
    BALEEN_RETURN_IF_ERROR(WritePiece(i, pieces()[i], output));
  }
  if (!parts_.tokens.empty()) {
    std::memcpy(front_.data(), parts_.tokens.data(),
                parts_.tokens.size_bytes());
  }
  if (!parts_.logits.empty()) {
    std::memcpy(front_.data() + layout_.logits - sizeof header_,
                parts_.logits.data(), parts_.logits.size_bytes());
  }
  SealHeader(front_, &header_);
  return output->Finish(header_, front_);
}

Status SavedReader::CheckTaker(const SavedTaker& taker) const {
  if (header_.fingerprint != taker.model->fingerprint() ||
      header_.vocabulary != taker.model->info().vocabulary_size) {
    return Unsupported("%s was saved with another model", name_);
  }
  if (header_.mode != taker.mode) {
    return Unsupported("%s was saved in another mode than the session's",
                       name_);
  }
  if (header_.token_count > taker.capacity) {
    return Status::Error(BALEEN_SESSION_FULL,
                         "%s has %llu tokens, over the capacity %llu", name_,
                         static_cast<unsigned long long>(header_.token_count),
                         static_cast<unsigned long long>(taker.capacity));
  }
  if (header_.state_length > header_.token_count ||
      header_.page_count != PageCount(header_.state_length) ||
      (header_.logit_count != 0 && (header_.logit_count != header_.vocabulary ||
                                    header_.token_count == 0))) {
    return Corrupt("the header of the saved session in %s makes no sense",
                   name_);
  }
  return Status();
}

Status SavedReader::ReadFront(const SavedTaker& taker) {
  const unsigned char* bytes = nullptr;
  const uint64_t size = input_->size();
  BALEEN_RETURN_IF_ERROR(
      input_->Next(std::min<uint64_t>(size, sizeof header_), &bytes));
  BALEEN_RETURN_IF_ERROR(
      ReadSavedHeader(bytes, size, name_, &header_, &layout_));
  BALEEN_RETURN_IF_ERROR(CheckTaker(taker));
  const uint64_t front_size = layout_.pieces - sizeof header_;
  BALEEN_RETURN_IF_ERROR(input_->Next(front_size, &bytes));
  front_.assign(bytes, bytes + front_size);
  BALEEN_RETURN_IF_ERROR(CheckSavedFront(header_, layout_, front_, name_));
  for (const baleen_token token : tokens()) {
    if (token >= 0 && static_cast<uint32_t>(token) < header_.vocabulary) {
      continue;
    }
    return Corrupt("the saved session in %s has the token %d of %u", name_,
                   token, header_.vocabulary);
  }
  return Status();
}

std::span<const baleen_token> SavedReader::tokens() const {
  return {reinterpret_cast<const baleen_token*>(front_.data()),
          static_cast<size_t>(header_.token_count)};
}

std::span<const float> SavedReader::logits() const {
  const auto offset = static_cast<size_t>(layout_.logits - sizeof header_);
  return {reinterpret_cast<const float*>(front_.data() + offset),
          static_cast<size_t>(header_.logit_count)};
}

// Each piece is where and as large as one of this model is.
Status SavedReader::CheckPieces(const SessionState& state) const {
  const auto length = static_cast<int64_t>(header_.state_length);
  uint64_t last = 0;
  for (uint64_t i = 0; i < header_.page_count + header_.window_count; ++i) {
    const SavedPiece piece = PieceAt(i);
    bool right = false;
    if (i < header_.page_count) {
      const auto page = static_cast<int64_t>(i);
      right = piece.position == i * kPage &&
              piece.size == state.PageBytes(PositionsOf(page, length));
    } else {
      right =
          piece.position > last && piece.position <= header_.state_length &&
          piece.size == state.WindowBytes(static_cast<int64_t>(piece.position));
      last = piece.position;
    }
    if (!right) {
      return Corrupt(
          "piece %llu of the saved session in %s does not fit "
          "the model",
          static_cast<unsigned long long>(i), name_);
    }
  }
  return Status();
}

Status SavedReader::ReadPiece(const SavedPiece& piece,
                              const unsigned char** bytes) {
  BALEEN_RETURN_IF_ERROR(input_->Next(piece.size, bytes));
  if (ChecksumOf(*bytes, static_cast<size_t>(piece.size)) != piece.checksum) {
    return Corrupt("the saved session in %s was changed", name_);
  }
  return Status();
}

Result<StatePointer> SavedReader::ReadState(const SavedTaker& taker,
                                            int64_t limit, int64_t period,
                                            int64_t* replay_from) {
  BALEEN_ASSIGN_OR_RETURN(StatePointer state, taker.model->CreateState());
  const auto saved = static_cast<int64_t>(header_.state_length);
  const int64_t length = std::min(limit, saved);
  BALEEN_RETURN_IF_ERROR(CheckPieces(*state));
  state->KeepWindowsEach(period);
  BALEEN_RETURN_IF_ERROR(state->StartLoad(length));
  const uint64_t wanted = PageCount(static_cast<uint64_t>(length));
  const unsigned char* bytes = nullptr;
  uint64_t i = 0;
  for (; i < header_.page_count; ++i) {
    if (i >= wanted) {
      input_->Skip(PieceAt(i).size);
      continue;
    }
    const auto page = static_cast<int64_t>(i);
    BALEEN_RETURN_IF_ERROR(ReadPiece(PieceAt(i), &bytes));
    BALEEN_RETURN_IF_ERROR(
        state->LoadPage(page, PositionsOf(page, saved), bytes));
  }
  // Windows that the session keeps, and the last, which it goes on from.  Of
  // the others it hears if they were changed, when it takes the whole.
  for (; i < header_.page_count + header_.window_count; ++i) {
    const SavedPiece piece = PieceAt(i);
    const auto position = static_cast<int64_t>(piece.position);
    if (position > length) break;
    const bool last = i + 1 == header_.page_count + header_.window_count ||
                      static_cast<int64_t>(PieceAt(i + 1).position) > length;
    const bool wanted_window = last || (period != 0 && position % period == 0);
    if (!wanted_window && length < saved) {
      input_->Skip(piece.size);
      continue;
    }
    BALEEN_RETURN_IF_ERROR(ReadPiece(piece, &bytes));
    if (wanted_window) {
      BALEEN_RETURN_IF_ERROR(state->LoadWindow(position, bytes));
    }
  }
  BALEEN_RETURN_IF_ERROR(state->FinishLoad(replay_from));
  return state;
}

}  // namespace baleen
