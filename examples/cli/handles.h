// Owners of the library's handles, and its failures as exceptions.
//
// The library speaks C: it returns a status and fills an error.  The tool wants
// to stop at the first failure and say why, so each call goes through Check.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include <baleen/baleen.h>

namespace tool {

// Ends the program with "baleen: <what>" and exit code 1.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void Check(baleen_status status, const baleen_error& error) {
  if (status != BALEEN_OK) throw Failure(error.message);
}

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

using Context = std::unique_ptr<baleen_context, Releaser>;
using Model = std::unique_ptr<baleen_model, Releaser>;
using Session = std::unique_ptr<baleen_session, Releaser>;
using Reply = std::unique_ptr<baleen_reply, Releaser>;

}  // namespace tool
