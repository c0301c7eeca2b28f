#include "engine.h"

#include <algorithm>
#include <string>
#include <utility>

#include <QDateTime>
#include <QDir>

namespace desktop {
namespace {

// Between looks at progress and at the stop button: some tens of milliseconds
// of the pocket model.
constexpr uint32_t kPromptChunk = 128;
// What DeepSeek advises is meant for large models; small ones should dare less.
constexpr float kTemperature = 0.7f;
constexpr float kTopP = 0.9f;

QString StatePath(const QString& folder, int id) {
  return QDir(folder).filePath(QString::number(id) + ".state");
}

baleen_session_stats StatsOf(const baleen_session* session) {
  baleen_session_stats stats = {};
  stats.struct_size = sizeof stats;
  if (baleen_session_get_stats(session, &stats, nullptr) != BALEEN_OK) {
    stats = {};
  }
  return stats;
}

}  // namespace

void Engine::Load(const QString& path) {
  baleen_error error;
  if (context_ == nullptr) {
    baleen_context* context = nullptr;
    if (baleen_context_create(nullptr, &context, &error) != BALEEN_OK) {
      Q_EMIT LoadFailed(QString::fromUtf8(error.message));
      return;
    }
    context_.reset(context);
  }
  stop_ = false;
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  options.progress = ReportProgress;
  options.progress_user_data = this;
  baleen_model* model = nullptr;
  if (baleen_model_load(context_.get(), path.toUtf8().constData(), &options,
                        &model, &error) != BALEEN_OK) {
    Q_EMIT LoadFailed(QString::fromUtf8(error.message));
    return;
  }
  sessions_.clear();
  bookmarks_.clear();
  model_.reset(model);
  baleen_model_info info = {};
  info.struct_size = sizeof info;
  baleen_memory_plan plan = {};
  plan.struct_size = sizeof plan;
  if (baleen_model_get_info(model, &info, &error) != BALEEN_OK ||
      baleen_model_plan(model, nullptr, &plan, &error) != BALEEN_OK) {
    Q_EMIT LoadFailed(QString::fromUtf8(error.message));
    return;
  }
  model_bytes_ = static_cast<qint64>(plan.weights_mapped + plan.weights_host);
  Q_EMIT Loaded(QString::fromUtf8(info.name),
                static_cast<qint64>(info.parameter_count));
  TellMemory();
}

baleen_status Engine::NewSession(baleen_session** out, baleen_error* error) {
  baleen_session_options options = {};
  options.struct_size = sizeof options;
  options.prefill_chunk = kPromptChunk;
  options.progress = ReportProgress;
  options.progress_user_data = this;
  return baleen_session_create(model_.get(), &options, out, error);
}

void Engine::AddBranch(int id, int parent, size_t count) {
  if (model_ == nullptr) return;
  const auto bookmark = bookmarks_.find({parent, count});
  const auto tip = sessions_.find(parent);
  baleen_session* from = bookmark != bookmarks_.end() ? bookmark->second.get()
                         : tip != sessions_.end()     ? tip->second.get()
                                                      : nullptr;
  baleen_error error;
  baleen_session* made = nullptr;
  const baleen_status status = from == nullptr
                                   ? NewSession(&made, &error)
                                   : baleen_session_fork(from, &made, &error);
  if (status != BALEEN_OK) {
    Q_EMIT Failed(QString::fromUtf8(error.message));
    return;
  }
  sessions_[id].reset(made);
  TellMemory();
}

// A luxury: without it a branch takes longer to begin.
void Engine::Bookmark(const Branch& branch) {
  baleen_session* fork = nullptr;
  if (baleen_session_fork(sessions_[branch.id].get(), &fork, nullptr) ==
      BALEEN_OK) {
    bookmarks_[{branch.id, branch.messages.size() + 1}].reset(fork);
  }
}

baleen_status Engine::Encode(const Branch& branch, bool thinking,
                             std::vector<baleen_token>* tokens,
                             baleen_error* error) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const Message& message : branch.messages) {
    texts.emplace_back(message.text.toStdString(),
                       message.thinking.toStdString());
  }
  std::vector<baleen_message> messages(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const Message& from = branch.messages[i];
    baleen_message& message = messages[i];
    message.role = from.mine ? "user" : "assistant";
    message.content = texts[i].first.data();
    message.content_size = texts[i].first.size();
    if (!from.thinking.isEmpty()) {
      message.reasoning = texts[i].second.data();
      message.reasoning_size = texts[i].second.size();
    }
    message.tokens = from.tokens.empty() ? nullptr : from.tokens.data();
    message.token_count = from.tokens.size();
  }
  baleen_chat_options options = {};
  options.struct_size = sizeof options;
  options.thinking = thinking ? BALEEN_THINKING_ON : BALEEN_THINKING_OFF;
  size_t count = 0;
  const auto encode = [&] {
    return baleen_model_encode_chat(model_.get(), messages.data(),
                                    messages.size(), &options, tokens->data(),
                                    tokens->size(), &count, error);
  };
  baleen_status status = encode();
  if (status == BALEEN_BUFFER_TOO_SMALL) {
    tokens->resize(count);
    status = encode();
  }
  tokens->resize(count);
  return status;
}

// Brings the session to where the answer begins: what it has of the prompt it
// keeps, and a branch has all that its parent had read.
baleen_status Engine::Read(baleen_session* session, const Branch& branch,
                           bool thinking, Outcome* outcome,
                           baleen_error* error) {
  std::vector<baleen_token> prompt;
  baleen_status status = Encode(branch, thinking, &prompt, error);
  if (status != BALEEN_OK) return status;
  size_t reused = 0;
  status = baleen_session_set_tokens(session, prompt.data(), prompt.size(),
                                     &reused, error);
  outcome->reused_tokens = static_cast<qint64>(reused);
  outcome->prompt_tokens = static_cast<qint64>(prompt.size() - reused);
  return status;
}

baleen_status Engine::Write(baleen_session* session, bool thinking,
                            int most_tokens, Outcome* outcome,
                            baleen_error* error) {
  baleen_reply_options reply_options = {};
  reply_options.struct_size = sizeof reply_options;
  reply_options.thinking = thinking ? BALEEN_THINKING_ON : BALEEN_THINKING_OFF;
  baleen_reply* made = nullptr;
  baleen_status status =
      baleen_reply_create(model_.get(), &reply_options, &made, error);
  const std::unique_ptr<baleen_reply, Releaser> reply(made);
  if (status != BALEEN_OK) return status;

  const baleen_session_stats before = StatsOf(session);
  Turn turn = {this, 0, QDateTime::currentMSecsSinceEpoch()};
  baleen_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = kTemperature;
  sampling.top_p = kTopP;
  baleen_generation generation = {};
  generation.struct_size = sizeof generation;
  generation.sampling = &sampling;
  generation.max_tokens = static_cast<uint64_t>(most_tokens);
  generation.on_piece = ReportPiece;
  generation.user_data = &turn;
  generation.reply = reply.get();
  baleen_finish finish = BALEEN_FINISH_NONE;
  status = baleen_session_generate(session, &generation, &finish, error);
  outcome->stopped =
      status == BALEEN_CANCELLED || finish == BALEEN_FINISH_CALLBACK;
  outcome->full = finish == BALEEN_FINISH_FULL;
  if (status != BALEEN_OK && !outcome->stopped) return status;

  const baleen_session_stats after = StatsOf(session);
  outcome->answer_tokens =
      static_cast<qint64>(after.generated_tokens - before.generated_tokens);
  const double seconds = after.generate_seconds - before.generate_seconds;
  if (seconds > 0) {
    outcome->tokens_per_second =
        static_cast<double>(outcome->answer_tokens) / seconds;
  }
  baleen_message message = {};
  status = baleen_reply_finish(reply.get(), error);
  if (status == BALEEN_OK) {
    status = baleen_reply_message(reply.get(), &message, error);
  }
  if (status != BALEEN_OK) return status;
  const auto copy = [](const char* text, size_t size) {
    return QString::fromUtf8(text, static_cast<qsizetype>(size));
  };
  outcome->message.text = copy(message.content, message.content_size);
  outcome->message.thinking = copy(message.reasoning, message.reasoning_size);
  outcome->message.tokens.assign(message.tokens,
                                 message.tokens + message.token_count);
  return status;
}

void Engine::Answer(const Branch& branch, bool thinking, int most_tokens) {
  const auto found = sessions_.find(branch.id);
  if (found == sessions_.end()) {
    Q_EMIT Failed("There is no model to ask.");
    return;
  }
  baleen_session* session = found->second.get();
  {
    const std::lock_guard lock(mutex_);
    inside_ = session;
  }
  Outcome outcome;
  baleen_error error = {};
  baleen_status status = Read(session, branch, thinking, &outcome, &error);
  if (status == BALEEN_CANCELLED) {
    outcome.taken_back = true;
  } else if (status == BALEEN_OK) {
    status = Write(session, thinking, most_tokens, &outcome, &error);
    if (status == BALEEN_OK) Bookmark(branch);
  }
  {
    const std::lock_guard lock(mutex_);
    inside_ = nullptr;
  }
  stop_ = false;
  if (status == BALEEN_OK || outcome.taken_back) {
    Q_EMIT Answered(outcome);
  } else {
    Q_EMIT Failed(QString::fromUtf8(error.message));
  }
  TellMemory();
}

void Engine::Stop() {
  stop_ = true;
  const std::lock_guard lock(mutex_);
  if (inside_ != nullptr) baleen_session_cancel(inside_);
}

void Engine::Save(const Conversation& conversation, const QString& folder) {
  if (!QDir().mkpath(folder)) {
    Q_EMIT Saved(folder + " cannot be made.");
    return;
  }
  for (const auto& [id, session] : sessions_) {
    baleen_error error;
    if (baleen_session_save_file(session.get(), nullptr,
                                 StatePath(folder, id).toUtf8().constData(),
                                 &error) != BALEEN_OK) {
      Q_EMIT Saved(QString::fromUtf8(error.message));
      return;
    }
  }
  // Last, so that what it names is there.
  Q_EMIT Saved(WriteConversation(conversation,
                                 QDir(folder).filePath("conversation.json")));
}

void Engine::Restore(const Conversation& conversation, const QString& folder) {
  int count = 0;
  sessions_.clear();
  bookmarks_.clear();
  for (const Branch& branch : conversation.branches) {
    AddBranch(branch.id, 0, 0);
    const auto found = sessions_.find(branch.id);
    if (found == sessions_.end()) continue;
    const QByteArray path = StatePath(folder, branch.id).toUtf8();
    if (baleen_session_load_file(found->second.get(), path.constData(),
                                 nullptr) == BALEEN_OK) {
      ++count;
    }
  }
  Q_EMIT Restored(count);
  TellMemory();
}

int32_t Engine::ReportProgress(void* engine, uint64_t done, uint64_t total) {
  auto* self = static_cast<Engine*>(engine);
  Q_EMIT self->Progress(static_cast<qint64>(done), static_cast<qint64>(total));
  return self->stop_ ? 1 : 0;
}

int32_t Engine::ReportPiece(void* turn, const baleen_piece* piece) {
  Turn& self = *static_cast<Turn*>(turn);
  // Pieces are nearly tokens; the exact number comes with the outcome.
  ++self.pieces;
  const qint64 elapsed =
      std::max<qint64>(1, QDateTime::currentMSecsSinceEpoch() - self.begin);
  Q_EMIT self.engine->Piece(
      QString::fromUtf8(piece->text, static_cast<qsizetype>(piece->text_size)),
      piece->channel == BALEEN_CHANNEL_THINKING,
      1000.0 * static_cast<double>(self.pieces) / static_cast<double>(elapsed));
  return self.engine->stop_ ? 1 : 0;
}

// Pages that branches share are counted once, as far as one can know.
void Engine::TellMemory() {
  qint64 own = 0;
  qint64 shared = 0;
  for (const auto& [id, session] : sessions_) {
    const baleen_session_stats stats = StatsOf(session.get());
    own += static_cast<qint64>(stats.state_bytes - stats.state_bytes_shared);
    shared = std::max(shared, static_cast<qint64>(stats.state_bytes_shared));
  }
  Q_EMIT MemoryChanged(model_bytes_ + own + shared);
}

}  // namespace desktop
