// The turns of a conversation; see chat_session.h.
#include "chat_session.h"

#include <cstdio>
#include <utility>
#include <vector>

namespace tool {
namespace {

constexpr const char* kStateSuffix = ".state";

// Prints an answer as it comes.  On a terminal thinking is dimmed; otherwise it
// goes to standard error, so that a pipe gets the answers and nothing else.
class Printer {
 public:
  // A baleen_piece_fn whose user_data is a Printer.
  static int32_t Write(void* printer, const baleen_piece* piece) {
    Printer& self = *static_cast<Printer*>(printer);
    self.ok_ = self.ok_ && self.WritePiece(*piece);
    return self.ok_ ? 0 : 1;
  }

  // Ends the line; false if standard output was closed.
  bool Finish() {
    Switch(BALEEN_CHANNEL_ANSWER);
    return ok_ && TryPrint("\n");
  }

 private:
  bool WritePiece(const baleen_piece& piece) {
    const std::string_view text(piece.text, piece.text_size);
    Switch(piece.channel);
    if (piece.channel == BALEEN_CHANNEL_THINKING && !StdoutIsTerminal()) {
      std::fwrite(text.data(), 1, text.size(), stderr);
      return true;
    }
    return TryPrint(text);
  }

  void Switch(baleen_channel channel) {
    if (channel == channel_) return;
    if (channel_ == BALEEN_CHANNEL_THINKING) {
      if (StdoutIsTerminal()) {
        ok_ = ok_ && TryPrint("\n\n") && SetDimmed(false);
      } else {
        std::fputc('\n', stderr);
      }
    }
    if (channel == BALEEN_CHANNEL_THINKING) ok_ = ok_ && SetDimmed(true);
    channel_ = channel;
  }

  baleen_channel channel_ = BALEEN_CHANNEL_ANSWER;
  bool ok_ = true;
};

}  // namespace

ChatSession::ChatSession(const ChatOptions& options)
    : generation_(options.generation),
      thinking_(options.thinking),
      engine_(options.model),
      bar_("reading", ProgressBar::Unit::kTokens),
      session_(engine_.NewSession(options.session, &bar_)) {
  conversation_.SetSystem(options.system);
}

void ChatSession::Say(const std::string& text) {
  Message question;
  question.role = "user";
  question.content = text;
  conversation_.messages().push_back(std::move(question));
  bool read = false;
  try {
    const InterruptGuard guard(session_.get());
    read = ReadPrompt(conversation_.Encode(engine_, thinking_));
    if (read) Answer();
  } catch (const Failure&) {
    // A failure while reading leaves a question without an answer.
    if (!read) conversation_.messages().pop_back();
    throw;
  }
  if (!read) {
    conversation_.messages().pop_back();
    Note("The question was taken back.");
  }
}

bool ChatSession::ReadPrompt(const Tokens& prompt) {
  baleen_error error;
  const baleen_status status = baleen_session_set_tokens(
      session_.get(), prompt.data(), prompt.size(), nullptr, &error);
  bar_.Clear();
  if (TakeInterrupt()) return false;
  Check(status, error);
  return true;
}

Reply ChatSession::NewReply() const {
  baleen_reply_options options = {};
  options.struct_size = sizeof options;
  options.thinking = thinking_;
  baleen_reply* reply = nullptr;
  baleen_error error;
  Check(baleen_reply_create(engine_.model(), &options, &reply, &error), error);
  return Reply(reply);
}

void ChatSession::Answer() {
  const Reply reply = NewReply();
  Printer printer;
  std::vector<const char*> stops;
  baleen_generation generation = MakeGeneration(&generation_, &stops);
  generation.reply = reply.get();
  generation.on_piece = Printer::Write;
  generation.user_data = &printer;
  baleen_finish finish = BALEEN_FINISH_NONE;
  baleen_error error;
  const baleen_status status =
      baleen_session_generate(session_.get(), &generation, &finish, &error);
  const bool interrupted = TakeInterrupt();
  if (!printer.Finish()) {
    throw OutputClosed("Standard output cannot be written.");
  }
  if (!(interrupted && status == BALEEN_CANCELLED)) Check(status, error);

  baleen_message message = {};
  Check(baleen_reply_finish(reply.get(), &error), error);
  Check(baleen_reply_message(reply.get(), &message, &error), error);
  conversation_.messages().push_back(CopyMessage(message));
  if (finish == BALEEN_FINISH_FULL) {
    Note("The session is full; /reset begins again.");
  }
}

void ChatSession::Reset() { conversation_.Reset(); }

void ChatSession::SetSystem(const std::string& text) {
  conversation_.Reset();
  conversation_.SetSystem(text);
}

void ChatSession::Save(const std::string& path) {
  conversation_.Save(path);
  baleen_error error;
  Check(baleen_session_save_file(session_.get(), nullptr,
                                 (path + kStateSuffix).c_str(), &error),
        error);
}

void ChatSession::Load(const std::string& path) {
  conversation_.Load(path);
  baleen_error error;
  const baleen_status status = baleen_session_load_file(
      session_.get(), (path + kStateSuffix).c_str(), &error);
  if (status != BALEEN_OK) {
    Note("The next turn reads the conversation anew: " +
         std::string(error.message));
  }
}

}  // namespace tool
