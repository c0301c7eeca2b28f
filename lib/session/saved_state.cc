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

// Pages that are read before the device takes them: as many for each of a few
// threads as its second-level cache holds beside where they go.  More threads
// would wait for memory.
constexpr uint64_t kMostPages = 16;

uint64_t PagesTogether(uint64_t page_size, uint32_t width) {
  constexpr uint64_t kBytesOfThread = uint64_t{256} << 10;
  constexpr uint32_t kMostThreads = 4;
  const uint64_t threads = std::clamp<uint32_t>(width, 1, kMostThreads);
  return threads *
         std::clamp<uint64_t>(kBytesOfThread / std::max<uint64_t>(page_size, 1),
                              1, kMostPages / kMostThreads);
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
  unsigned char beginning[sizeof header_];
  const unsigned char* bytes = nullptr;
  const uint64_t size = input_->size();
  BALEEN_RETURN_IF_ERROR(input_->Read(
      0, std::min<uint64_t>(size, sizeof header_), beginning, &bytes));
  BALEEN_RETURN_IF_ERROR(
      ReadSavedHeader(bytes, size, name_, &header_, &layout_));
  BALEEN_RETURN_IF_ERROR(CheckTaker(taker));
  const uint64_t front_size = layout_.pieces - sizeof header_;
  front_.resize(static_cast<size_t>(front_size));
  BALEEN_RETURN_IF_ERROR(
      input_->Read(sizeof header_, front_size, front_.data(), &bytes));
  if (bytes != front_.data()) std::copy_n(bytes, front_size, front_.data());
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

Status SavedReader::ReadPiece(const SavedPiece& piece, uint64_t offset,
                              unsigned char* room,
                              const unsigned char** bytes) const {
  BALEEN_RETURN_IF_ERROR(input_->Read(offset, piece.size, room, bytes));
  if (ChecksumOf(*bytes, static_cast<size_t>(piece.size)) != piece.checksum) {
    return Corrupt("the saved session in %s was changed", name_);
  }
  return Status();
}

// Some pages at a time: each is read and checked on one of the workers, then the
// device copies them all while they are in the processors' caches.
Status SavedReader::ReadPages(uint64_t count, int64_t length,
                              SessionState* state) const {
  if (count == 0) return Status();
  struct Batch {
    const SavedReader* reader;
    uint64_t first;
    uint64_t offset;
    unsigned char* room;
    const unsigned char* bytes[kMostPages];
    Status status[kMostPages];
  };
  // All but the last are as large as the first.
  const uint64_t page_size = PieceAt(0).size;
  const uint64_t together = PagesTogether(page_size, workers_->width);
  const Block room(memory_,
                   static_cast<size_t>(std::min(count, together) * page_size));
  Batch batch = {};
  batch.reader = this;
  batch.offset = layout_.pieces;
  batch.room = static_cast<unsigned char*>(room.data());
  const auto task = [](void* data, uint32_t index) {
    auto& all = *static_cast<Batch*>(data);
    const SavedPiece piece = all.reader->PieceAt(all.first + index);
    const uint64_t before = index * all.reader->PieceAt(0).size;
    all.status[index] = all.reader->ReadPiece(
        piece, all.offset + before, all.room + before, &all.bytes[index]);
  };
  for (; batch.first < count; batch.first += together) {
    const uint64_t pages = std::min(together, count - batch.first);
    workers_->run(workers_->user_data, static_cast<uint32_t>(pages), task,
                  &batch);
    for (uint64_t i = 0; i < pages; ++i) {
      BALEEN_RETURN_IF_ERROR(batch.status[i]);
    }
    const auto first = static_cast<int64_t>(batch.first);
    const auto end = static_cast<int64_t>(batch.first + pages);
    BALEEN_RETURN_IF_ERROR(state->LoadPages(
        first, std::min(end * kPage, length) - first * kPage, batch.bytes[0]));
    batch.offset += pages * page_size;
  }
  return Status();
}

// Windows that the session keeps, and the last, which it goes on from.  Of the
// others it hears if they were changed, when it takes the whole.
Status SavedReader::ReadWindows(int64_t length, int64_t period,
                                SessionState* state) const {
  const uint64_t end = header_.page_count + header_.window_count;
  uint64_t offset = layout_.pieces;
  for (uint64_t i = 0; i < header_.page_count; ++i) offset += PieceAt(i).size;
  Block room;
  for (uint64_t i = header_.page_count; i < end; ++i) {
    const SavedPiece piece = PieceAt(i);
    const auto position = static_cast<int64_t>(piece.position);
    if (position > length) break;
    const bool last =
        i + 1 == end || static_cast<int64_t>(PieceAt(i + 1).position) > length;
    const bool wanted = last || (period != 0 && position % period == 0);
    if (wanted || length == static_cast<int64_t>(header_.state_length)) {
      if (room.size() < piece.size) {
        room = Block(memory_, static_cast<size_t>(piece.size));
      }
      const unsigned char* bytes = nullptr;
      BALEEN_RETURN_IF_ERROR(ReadPiece(
          piece, offset, static_cast<unsigned char*>(room.data()), &bytes));
      if (wanted) BALEEN_RETURN_IF_ERROR(state->LoadWindow(position, bytes));
    }
    offset += piece.size;
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
  BALEEN_RETURN_IF_ERROR(
      ReadPages(PageCount(static_cast<uint64_t>(length)), saved, state.get()));
  BALEEN_RETURN_IF_ERROR(ReadWindows(length, period, state.get()));
  BALEEN_RETURN_IF_ERROR(state->FinishLoad(replay_from));
  return state;
}

}  // namespace baleen
