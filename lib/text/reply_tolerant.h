// Reads a reply and mends what models are known to get wrong (text.md §2.2).
//
//   on   a block without the two line feeds before it; other spaces between
//        tags; several blocks, or an invoke without one; text behind a block
//   on   a block in thinking that was not closed ends it (unless the caller
//        says no, or the model wrote "<think>" itself)
//   on   tags closed in themselves, without the first bar of ｜DSML｜, or not
//        closed before the next one; a JSON object instead of parameters; the
//        value in place of the mark; no mark; a value that is no JSON
//   on   of a parameter given twice, the first
//   off  "<tool_calls>" without a DSML token: people write about XML
//   off  "&lt;" in values: the authors' prompts have no escapes
#pragma once

#include <set>
#include <string_view>

#include "base/memory.h"
#include "text/dsml_tag.h"
#include "text/reply_pending.h"
#include "text/reply_record.h"
#include "text/tool_schema.h"

namespace baleen {

class TolerantReply {
 public:
  TolerantReply(bool thinking, bool implicit_end, const ToolSchemas* schemas,
                ReplyRecord* record, Memory* memory);

  // Reads text with marks.
  void Add(std::string_view marked);
  void Finish();
  bool ended() const { return state_ == State::kEnd; }

 private:
  enum class State {
    kThinking,
    kAnswer,
    kBehindBlock,  // Spaces are held back: another block may follow.
    kBlock,
    kCall,  // Between parameters.
    kBody,  // A JSON object instead of them.
    kValue,
    kEnd
  };
  // Each takes what it can; false if it needs more text.
  bool Step();
  bool Text();
  bool BehindBlock();
  bool Block();
  bool Call();
  bool Body();
  bool Value();

  unsigned WantedInText() const;
  baleen_channel Channel() const;
  void Emit(size_t size);
  bool TextMark();
  void Enter(const DsmlTag& tag, size_t before);
  void BeginCall(const DsmlTag& tag);
  void CloseCall();
  void BeginParameter(const DsmlTag& tag);
  void AddValue(std::string_view marked);
  void EndParameter();
  void EndBody();
  void End();

  const ToolSchemas* schemas_;
  ReplyRecord* record_;
  State state_;
  bool implicit_end_;
  bool in_block_ = false;
  PendingText pending_;
  String spaces_;  // Behind a block.
  // Of the call:
  std::pmr::set<String, std::less<>> keys_;
  // Of the parameter:
  bool skipped_ = false;
  ValueMark mark_ = ValueMark::kNone;
  String key_;
  String tag_value_;
  String value_;  // Of a body too.
  String scratch_;
};

}  // namespace baleen
