#include "text/reply.h"

#include <utility>

#include "text/reply_engine.h"

namespace baleen {

// All that was read is kept.  If memory runs out on the way, a fresh engine
// reads it again, and what was said already is skipped: the pieces of a turn,
// joined, do not depend on how it came.
class ReplyData {
 public:
  ReplyData(const Tokenizer* tokenizer, bool thinking, uint32_t flags,
            Memory* memory)
      : tokenizer_(tokenizer),
        thinking_(thinking),
        flags_(flags),
        memory_(memory),
        schemas_(memory),
        tokens_(memory),
        text_(memory),
        runs_(memory) {}

  Status Start(const char* tools) {
    BALEEN_RETURN_IF_ERROR(schemas_.Read(tools));
    engine_ = NewEngine();
    return Status();
  }

  template <typename Add>
  Status Change(Add add) {
    Repair();
    Undo undo(this);
    const Status status = add(engine_.get());
    undo.done = true;
    return status;
  }

  Status AddTokens(std::span<const baleen_token> tokens) {
    if (finished_) return InvalidArgument("the reply is finished");
    for (const baleen_token token : tokens) {
      if (token < 0 || token >= tokenizer_->size() ||
          !tokenizer_->IsKnown(token)) {
        return InvalidArgument("the vocabulary has no token %d", token);
      }
    }
    return Change([&](ReplyEngine* engine) {
      tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
      AddRun(true, tokens.size());
      return engine->AddTokens(tokens);
    });
  }

  Status AddText(std::string_view text) {
    if (finished_) return InvalidArgument("the reply is finished");
    return Change([&](ReplyEngine* engine) {
      text_.append(text);
      AddRun(false, text.size());
      return engine->AddText(text);
    });
  }

  Status Finish() {
    if (finished_) return finish_status_;
    finish_status_ =
        Change([](ReplyEngine* engine) { return engine->Finish(); });
    finished_ = true;
    return finish_status_;
  }

  bool Next(baleen_piece* piece) {
    if (broken_ || !engine_->record().Next(piece)) return false;
    said_ += piece->text_size;
    return true;
  }

  Status Message(baleen_message* message) {
    Repair();
    engine_->record().ToMessage(thinking_, message);
    if (text_.empty()) {
      message->tokens = tokens_.data();
      message->token_count = tokens_.size();
    }
    return Status();
  }

  const ReplyEngine& engine() const { return *engine_; }
  bool finished() const { return finished_; }

 private:
  struct Run {
    bool is_tokens;
    size_t size;
  };

  // Forgets what was added, unless it went well.
  struct Undo {
    explicit Undo(ReplyData* owner)
        : data(owner),
          token_count(owner->tokens_.size()),
          text_size(owner->text_.size()),
          run_count(owner->runs_.size()),
          run_size(run_count > 0 ? owner->runs_.back().size : 0) {}
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo() {
      if (done) return;
      data->broken_ = true;
      data->tokens_.resize(token_count);
      data->text_.resize(text_size);
      data->runs_.resize(run_count);
      if (run_count > 0) data->runs_.back().size = run_size;
    }
    ReplyData* data;
    size_t token_count;
    size_t text_size;
    size_t run_count;
    size_t run_size;
    bool done = false;
  };

  Owned<ReplyEngine> NewEngine() {
    return MakeOwned<ReplyEngine>(memory_, tokenizer_, &schemas_, thinking_,
                                  flags_, memory_);
  }

  void AddRun(bool is_tokens, size_t size) {
    if (!runs_.empty() && runs_.back().is_tokens == is_tokens) {
      runs_.back().size += size;
    } else {
      runs_.push_back({is_tokens, size});
    }
  }

  void Repair() {
    if (!broken_) return;
    Owned<ReplyEngine> engine = NewEngine();
    size_t token = 0;
    size_t byte = 0;
    for (const Run& run : runs_) {
      // What a strict engine refuses it will go on to refuse.
      if (run.is_tokens) {
        static_cast<void>(
            engine->AddTokens(std::span(tokens_).subspan(token, run.size)));
        token += run.size;
      } else {
        static_cast<void>(
            engine->AddText(std::string_view(text_).substr(byte, run.size)));
        byte += run.size;
      }
    }
    engine->record().Skip(said_);
    engine_ = std::move(engine);
    broken_ = false;
  }

  const Tokenizer* tokenizer_;
  const bool thinking_;
  const uint32_t flags_;
  Memory* memory_;
  ToolSchemas schemas_;
  Vector<baleen_token> tokens_;
  String text_;
  Vector<Run> runs_;  // The order in which they came.
  Owned<ReplyEngine> engine_;
  uint64_t said_ = 0;  // Bytes of the pieces taken.
  bool broken_ = false;
  bool finished_ = false;
  Status finish_status_;
};

Result<Owned<Reply>> Reply::Create(const Tokenizer* tokenizer,
                                   const baleen_reply_options& options,
                                   Memory* memory) {
  constexpr uint32_t kKnownFlags =
      BALEEN_REPLY_STRICT | BALEEN_REPLY_NO_IMPLICIT_END;
  if ((options.flags & ~kKnownFlags) != 0) {
    return Unsupported("the reply options have flags that are not known: 0x%x",
                       options.flags & ~kKnownFlags);
  }
  if (options.thinking < BALEEN_THINKING_DEFAULT ||
      options.thinking > BALEEN_THINKING_MAX) {
    return InvalidArgument("there is no way of thinking %d", options.thinking);
  }
  Owned<ReplyData> data = MakeOwned<ReplyData>(
      memory, tokenizer, options.thinking != BALEEN_THINKING_OFF, options.flags,
      memory);
  BALEEN_RETURN_IF_ERROR(data->Start(options.tools));
  return MakeOwned<Reply>(memory, std::move(data));
}

Reply::Reply(Owned<ReplyData> data) : data_(std::move(data)) {}
Reply::~Reply() = default;

Status Reply::AddTokens(std::span<const baleen_token> tokens) {
  return data_->AddTokens(tokens);
}

Status Reply::AddText(std::string_view text) { return data_->AddText(text); }

Status Reply::Finish() { return data_->Finish(); }

bool Reply::Next(baleen_piece* piece) { return data_->Next(piece); }

Status Reply::Message(baleen_message* message) {
  return data_->Message(message);
}

bool Reply::ended() const { return data_->engine().ended(); }

bool Reply::called_tools() const {
  return data_->engine().record().called_tools();
}

bool Reply::finished() const { return data_->finished(); }

}  // namespace baleen
