// What a reply has said so far: the pieces not yet taken, and the message they
// add up to.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"

namespace baleen {

class ReplyRecord {
 public:
  explicit ReplyRecord(Memory* memory);

  // Adds text with marks, which get their names back.
  void AddText(baleen_channel channel, std::string_view marked);

  // Begins a call of the tool of this name, in text with marks.  The id is made
  // of `seed`, so that the same turn gives the same.
  void BeginCall(std::string_view marked_name, uint64_t seed);
  // Adds to the arguments of the call.
  void AddArguments(std::string_view json);
  void EndCall();
  // The call was cut off, or is no call.
  void DropCall();
  std::string_view CallName() const { return calls_.back().name; }

  bool Next(baleen_piece* piece);
  // Takes the first `size` bytes of all pieces.
  void Skip(uint64_t size);

  // All but the tokens.  `reasons`: the model was asked to think.
  void ToMessage(bool reasons, baleen_message* message);

  bool called_tools() const { return whole_calls_ > 0; }

 private:
  struct Call {
    explicit Call(Memory* memory)
        : name(memory), id(memory), arguments(memory) {}
    String name;
    String id;
    String arguments;
    bool whole = false;
  };
  struct Piece {
    baleen_channel channel;
    size_t call;
    size_t begin;  // In queue_text_.
    size_t size;
  };
  void Queue(baleen_channel channel, size_t call, std::string_view text);

  Memory* memory_;
  String content_;
  String reasoning_;
  std::pmr::deque<Call> calls_;
  size_t whole_calls_ = 0;
  Vector<Piece> queue_;
  size_t taken_ = 0;  // How many of the queue.
  String queue_text_;
  String scratch_;
  String calls_json_;
};

}  // namespace baleen
