#include "text/reply_record.h"

#include <algorithm>
#include <cstdio>

#include "text/python_json.h"
#include "text/reply_marks.h"

namespace baleen {
namespace {

// Appends 24 letters and digits made of the seed by SplitMix64.
void AppendLetters(uint64_t seed, String* out) {
  constexpr std::string_view kLetters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (int i = 0; i < 24; ++i) {
    seed += 0x9E3779B97F4A7C15u;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    mixed ^= mixed >> 31;
    out->push_back(kLetters[mixed % kLetters.size()]);
  }
}

}  // namespace

ReplyRecord::ReplyRecord(Memory* memory)
    : memory_(memory),
      content_(memory),
      reasoning_(memory),
      calls_(memory),
      queue_(memory),
      queue_text_(memory),
      scratch_(memory),
      calls_json_(memory) {}

void ReplyRecord::Queue(baleen_channel channel, size_t call,
                        std::string_view text) {
  if (text.empty()) return;
  if (taken_ == queue_.size()) {
    queue_.clear();
    queue_text_.clear();
    taken_ = 0;
  }
  const size_t begin = queue_text_.size();
  queue_text_.append(text);
  if (taken_ < queue_.size() && queue_.back().channel == channel &&
      queue_.back().call == call) {
    queue_.back().size += text.size();
  } else {
    queue_.push_back({channel, call, begin, text.size()});
  }
}

void ReplyRecord::AddText(baleen_channel channel, std::string_view marked) {
  scratch_.clear();
  AppendUnmarked(marked, &scratch_);
  (channel == BALEEN_CHANNEL_THINKING ? reasoning_ : content_).append(scratch_);
  Queue(channel, 0, scratch_);
}

void ReplyRecord::BeginCall(std::string_view marked_name, uint64_t seed) {
  calls_.emplace_back(memory_);
  Call& call = calls_.back();
  AppendUnmarked(marked_name, &call.name);
  char number[32];
  std::snprintf(number, sizeof(number), "call_%02zu_", calls_.size() - 1);
  call.id.append(number);
  AppendLetters(seed, &call.id);
}

void ReplyRecord::AddArguments(std::string_view json) {
  calls_.back().arguments.append(json);
  Queue(BALEEN_CHANNEL_TOOL_CALL, calls_.size() - 1, json);
}

void ReplyRecord::EndCall() {
  calls_.back().whole = true;
  ++whole_calls_;
}

void ReplyRecord::DropCall() {
  // Pieces may name it already.
  if (calls_.back().arguments.empty()) calls_.pop_back();
}

bool ReplyRecord::Next(baleen_piece* piece) {
  if (taken_ == queue_.size()) return false;
  const Piece& next = queue_[taken_++];
  *piece = {};
  piece->struct_size = sizeof(*piece);
  piece->channel = next.channel;
  if (next.channel == BALEEN_CHANNEL_TOOL_CALL) {
    piece->call_index = static_cast<uint32_t>(next.call);
    piece->call_id = calls_[next.call].id.c_str();
    piece->tool = calls_[next.call].name.c_str();
  }
  piece->text = queue_text_.data() + next.begin;
  piece->text_size = next.size;
  return true;
}

void ReplyRecord::Skip(uint64_t size) {
  while (size > 0 && taken_ < queue_.size()) {
    Piece& next = queue_[taken_];
    const size_t part = std::min<uint64_t>(size, next.size);
    next.begin += part;
    next.size -= part;
    size -= part;
    if (next.size == 0) ++taken_;
  }
}

void ReplyRecord::ToMessage(bool reasons, baleen_message* message) {
  *message = {};
  message->role = "assistant";
  message->content = content_.c_str();
  message->content_size = content_.size();
  if (reasons || !reasoning_.empty()) {
    message->reasoning = reasoning_.c_str();
    message->reasoning_size = reasoning_.size();
  }
  if (whole_calls_ == 0) return;
  calls_json_.clear();
  calls_json_.push_back('[');
  const char* separator = "";
  for (const Call& call : calls_) {
    if (!call.whole) continue;
    calls_json_.append(separator).append("{\"id\": ");
    AppendPythonString(call.id, &calls_json_);
    calls_json_.append(", \"type\": \"function\", \"function\": {\"name\": ");
    AppendPythonString(call.name, &calls_json_);
    calls_json_.append(", \"arguments\": ");
    AppendPythonString(call.arguments, &calls_json_);
    calls_json_.append("}}");
    separator = ", ";
  }
  calls_json_.push_back(']');
  message->tool_calls = calls_json_.c_str();
}

}  // namespace baleen
