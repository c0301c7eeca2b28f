// The model and its sessions, on a thread of their own.
//
// All functions but Stop are called on that thread (QMetaObject::invokeMethod
// posts a call there) and answer by signals, which Qt brings to the window's
// thread.  So the window waits for nothing, and the engine for nobody.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <QObject>
#include <QString>

#include <baleen/baleen.h>

#include "conversation.h"

namespace desktop {

struct Releaser {
  void operator()(baleen_context* context) const {
    baleen_context_release(context);
  }
  void operator()(baleen_model* model) const { baleen_model_release(model); }
  void operator()(baleen_session* session) const {
    baleen_session_release(session);
  }
  void operator()(baleen_reply* reply) const { baleen_reply_release(reply); }
};

// What an answer came to.
struct Outcome {
  Message message;
  bool taken_back = false;  // It was stopped before there was a word.
  bool stopped = false;
  bool full = false;         // There is no room for more.
  qint64 prompt_tokens = 0;  // Read for this answer;
  qint64 reused_tokens = 0;  // the others were known from before.
  qint64 answer_tokens = 0;
  double tokens_per_second = 0;
};

class Engine : public QObject {
  Q_OBJECT

 public:
  void Load(const QString& path);
  // A session for branch `id`; with a `parent`, one that goes on from its
  // message `count` - 1.
  void AddBranch(int id, int parent, size_t count);
  // Answers the last of the branch's messages.
  void Answer(const Branch& branch, bool thinking, int most_tokens);
  void Save(const Conversation& conversation, const QString& folder);
  // Gives the branches the states that Save left in `folder`.
  void Restore(const Conversation& conversation, const QString& folder);

  // Ends what is going on.  May be called from any thread.
  void Stop();

 Q_SIGNALS:
  void Loaded(const QString& name, qint64 parameters);
  void LoadFailed(const QString& reason);
  void Progress(qint64 done, qint64 total);
  void Piece(const QString& text, bool thinking, double tokens_per_second);
  void Answered(const desktop::Outcome& outcome);
  void Failed(const QString& reason);
  void Saved(const QString& reason);  // Empty: it went well.
  // How many branches have their state back; the others will be read anew.
  void Restored(int count);
  void MemoryChanged(qint64 bytes);

 private:
  using Session = std::unique_ptr<baleen_session, Releaser>;

  // What goes on in a call, for its callbacks.
  struct Turn {
    Engine* engine;
    qint64 pieces = 0;
    qint64 begin = 0;  // In milliseconds.
  };

  static int32_t ReportProgress(void* engine, uint64_t done, uint64_t total);
  static int32_t ReportPiece(void* turn, const baleen_piece* piece);

  baleen_status NewSession(baleen_session** out, baleen_error* error);
  baleen_status Encode(const Branch& branch, bool thinking,
                       std::vector<baleen_token>* tokens, baleen_error* error);
  baleen_status Read(baleen_session* session, const Branch& branch,
                     bool thinking, Outcome* outcome, baleen_error* error);
  baleen_status Write(baleen_session* session, bool thinking, int most_tokens,
                      Outcome* outcome, baleen_error* error);
  void Bookmark(const Branch& branch);
  void TellMemory();

  std::unique_ptr<baleen_context, Releaser> context_;
  std::unique_ptr<baleen_model, Releaser> model_;
  std::map<int, Session> sessions_;
  // A fork of each branch's session after each of its answers, by the number
  // of messages until there.  It shares the session's memory, and a branch can
  // begin there at once; going back in a session takes reading again.
  std::map<std::pair<int, size_t>, Session> bookmarks_;
  qint64 model_bytes_ = 0;

  // Stop asks the call that is inside, if there is one, and says so to the
  // callbacks in any case.
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  baleen_session* inside_ = nullptr;
};

}  // namespace desktop
