// The pocket model through the public header, with handles that release
// themselves.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <baleen/baleen.h>

namespace baleen_test {

struct Release {
  void operator()(baleen_context* handle) const {
    baleen_context_release(handle);
  }
  void operator()(baleen_model* handle) const { baleen_model_release(handle); }
  void operator()(baleen_session* handle) const {
    baleen_session_release(handle);
  }
  void operator()(baleen_reply* handle) const { baleen_reply_release(handle); }
};

using ContextPointer = std::unique_ptr<baleen_context, Release>;
using ModelPointer = std::unique_ptr<baleen_model, Release>;
using SessionPointer = std::unique_ptr<baleen_session, Release>;
using ReplyPointer = std::unique_ptr<baleen_reply, Release>;

// The folder of the pocket model.
std::string PocketPath();

// These four expect success.  `options` may be NULL.
ContextPointer MakeContext(const baleen_context_options* options = nullptr);
ModelPointer LoadPocket(baleen_context* context,
                        const baleen_model_options* options = nullptr);
SessionPointer MakeSession(baleen_model* model,
                           const baleen_session_options* options = nullptr);
std::vector<baleen_token> Tokenize(baleen_model* model,
                                   const std::string& text);

// Text of the model's own kind, `count` tokens of it.
std::vector<baleen_token> Prompt(baleen_model* model, size_t count);

// The logits of the session, copied.
std::vector<float> Logits(baleen_session* session);

baleen_context_options ContextOptions();
baleen_session_options SessionOptions();

}  // namespace baleen_test
