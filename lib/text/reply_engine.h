// Source, grammar and record of a reply, put together.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/memory.h"
#include "base/status.h"
#include "text/reply_record.h"
#include "text/reply_source.h"
#include "text/reply_strict.h"
#include "text/reply_tolerant.h"
#include "text/tool_schema.h"

namespace baleen {

// Left by std::bad_alloc in the middle, it is of no use any more.
class ReplyEngine {
 public:
  ReplyEngine(const Tokenizer* tokenizer, const ToolSchemas* schemas,
              bool thinking, uint32_t flags, Memory* memory)
      : source_(tokenizer, (flags & BALEEN_REPLY_STRICT) != 0, memory),
        record_(memory),
        marked_(memory) {
    if ((flags & BALEEN_REPLY_STRICT) != 0) {
      strict_.emplace(thinking, &record_, memory);
    } else {
      tolerant_.emplace(thinking, (flags & BALEEN_REPLY_NO_IMPLICIT_END) == 0,
                        schemas, &record_, memory);
    }
  }
  ReplyEngine(const ReplyEngine&) = delete;
  ReplyEngine& operator=(const ReplyEngine&) = delete;

  Status AddTokens(std::span<const baleen_token> tokens) {
    marked_.clear();
    for (const baleen_token token : tokens) source_.AddToken(token, &marked_);
    return Parse();
  }

  Status AddText(std::string_view text) {
    marked_.clear();
    source_.AddText(text, &marked_);
    return Parse();
  }

  Status Finish() {
    marked_.clear();
    source_.Finish(&marked_);
    BALEEN_RETURN_IF_ERROR(Parse());
    if (strict_) return strict_->Finish();
    tolerant_->Finish();
    return Status();
  }

  ReplyRecord& record() { return record_; }
  const ReplyRecord& record() const { return record_; }
  bool ended() const { return strict_ ? strict_->ended() : tolerant_->ended(); }

 private:
  Status Parse() {
    if (strict_) return strict_->Add(marked_);
    tolerant_->Add(marked_);
    return Status();
  }

  ReplySource source_;
  ReplyRecord record_;
  std::optional<StrictReply> strict_;
  std::optional<TolerantReply> tolerant_;
  String marked_;
};

}  // namespace baleen
