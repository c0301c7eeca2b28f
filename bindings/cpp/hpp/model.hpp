// A set of weights and its tokenizer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message.hpp"
#include "reply.hpp"
#include "session.hpp"
#include "token_stream.hpp"

namespace baleen {
inline namespace cpp {

using ModelInfo = baleen_model_info;

// A named setting, such as {"cpu.isa", "avx2"}.
struct Setting {
  std::string name;
  std::string value;
};

// baleen_model_options says what the members mean.
struct ModelOptions {
  std::vector<uint32_t> devices = {};
  std::vector<Setting> settings = {};
  uint64_t device_memory_limit = 0;
  bool tokenizer_only = false;
  bool shapes_only = false;
  bool verify = false;
  bool lock_memory = false;
  bool repack = false;
  Progress progress = {};
};

// Made by Context::Load.
class Model {
 public:
  Model() = default;
  explicit Model(std::shared_ptr<baleen_model> handle)
      : handle_(std::move(handle)) {}

  baleen_model* get() const { return handle_.get(); }
  explicit operator bool() const { return handle_ != nullptr; }

  ModelInfo Info(Error* error BALEEN_OR_THROW) const {
    auto info = detail::Sized<baleen_model_info>();
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_model_get_info(get(), &info, wrong);
    });
    return info;
  }

  // The value of a key of the model's configuration as JSON text, lent as long
  // as the model lives.
  std::optional<std::string_view> Metadata(const char* key) const {
    const char* value = baleen_model_metadata(get(), key);
    if (value == nullptr) return std::nullopt;
    return value;
  }

  // Splits text into tokens, none of which is special.
  std::vector<Token> Tokenize(std::string_view text,
                              Error* error BALEEN_OR_THROW) const {
    return Tokenize(text, 0, error);
  }

  // The same with special tokens where the text has their names: never for
  // strangers' text.
  std::vector<Token> TokenizeSpecial(std::string_view text,
                                     Error* error BALEEN_OR_THROW) const {
    return Tokenize(text, BALEEN_TEXT_SPECIAL, error);
  }

  // Joins tokens into text without those that are special.  That of a few may
  // begin or end inside a character.
  std::string Detokenize(Span<const Token> tokens,
                         Error* error BALEEN_OR_THROW) const {
    return Detokenize(tokens, 0, error);
  }

  // The same with special tokens under their names.
  std::string DetokenizeSpecial(Span<const Token> tokens,
                                Error* error BALEEN_OR_THROW) const {
    return Detokenize(tokens, BALEEN_TEXT_SPECIAL, error);
  }

  // The token with exactly this name, such as "</think>", or -1.
  Token FindToken(const char* name) const {
    return baleen_model_find_token(get(), name);
  }

  // Whether the model ends its turn with this token.
  bool IsEnd(Token token) const {
    return baleen_model_is_end(get(), token) != 0;
  }

  // Writes a conversation as the tokens the model was trained on, up to where
  // the model's next turn begins.
  std::vector<Token> EncodeChat(Span<const Message> messages,
                                const ChatOptions& options BALEEN_OR_EMPTY,
                                Error* error BALEEN_OR_THROW) const {
    return detail::EncodeChat(get(), messages, options, error);
  }

  Reply NewReply(const ReplyOptions& options BALEEN_OR_EMPTY,
                 Error* error BALEEN_OR_THROW) const {
    return Reply(get(), handle_, options, error);
  }

  Session NewSession(const SessionOptions& options BALEEN_OR_EMPTY,
                     Error* error BALEEN_OR_THROW) const {
    return Session(handle_, options, error);
  }

  // What memory this model and a session of it take.
  MemoryPlan Plan(const SessionOptions& options BALEEN_OR_EMPTY,
                  Error* error BALEEN_OR_THROW) const {
    const detail::Names names({options.log_path});
    auto plan = detail::Sized<baleen_memory_plan>();
    if (names.failure()) {
      detail::Report(names.failure(), error);
      return plan;
    }
    const auto c = detail::ReadSessionOptions(options, names.Optional(0));
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_model_plan(get(), &c, &plan, wrong);
    });
    return plan;
  }

 private:
  std::vector<Token> Tokenize(std::string_view text, uint32_t flags,
                              Error* error) const {
    return detail::Fill<std::vector<Token>>(
        text.size() / 2 + 16, error,
        [&](Token* tokens, size_t capacity, size_t* count,
            baleen_error* wrong) {
          return baleen_model_tokenize(get(), text.data(), text.size(), flags,
                                       tokens, capacity, count, wrong);
        });
  }

  std::string Detokenize(Span<const Token> tokens, uint32_t flags,
                         Error* error) const {
    return detail::Fill<std::string>(
        tokens.size() * 6 + 16, error,
        [&](char* text, size_t capacity, size_t* size, baleen_error* wrong) {
          return baleen_model_detokenize(get(), tokens.data(), tokens.size(),
                                         flags, text, capacity, size, wrong);
        });
  }

  std::shared_ptr<baleen_model> handle_;
};

namespace detail {

// ModelOptions as the library has them, with what they point to.
class ReadModelOptions {
 public:
  explicit ReadModelOptions(const ModelOptions& options)
      : c_(Sized<baleen_model_options>()), names_({}), watcher_{{}, {}} {
    c_.flags = Flag(options.tokenizer_only, BALEEN_MODEL_TOKENIZER_ONLY) |
               Flag(options.shapes_only, BALEEN_MODEL_SHAPES_ONLY) |
               Flag(options.verify, BALEEN_MODEL_VERIFY) |
               Flag(options.lock_memory, BALEEN_MODEL_LOCK_MEMORY) |
               Flag(options.repack, BALEEN_MODEL_REPACK);
    if (!options.devices.empty()) c_.devices = options.devices.data();
    c_.device_count = static_cast<uint32_t>(options.devices.size());
    c_.device_memory_limit = options.device_memory_limit;
    for (const Setting& setting : options.settings) {
      names_.Add(setting.name);
      names_.Add(setting.value);
    }
    for (size_t i = 0; i < options.settings.size(); ++i) {
      settings_.push_back({names_[2 * i], names_[2 * i + 1]});
    }
    c_.setting_count = static_cast<uint32_t>(settings_.size());
    c_.settings = settings_.data();
    watcher_.progress = options.progress;
    c_.progress = Watcher::Call;
    c_.progress_user_data = &watcher_;
  }
  ReadModelOptions(const ReadModelOptions&) = delete;
  ReadModelOptions& operator=(const ReadModelOptions&) = delete;

  // Makes a call with these options and further names.
  template <typename Call>
  bool Run(const Names& names, Error* error, Call&& call) {
    Error failure = names.failure() ? names.failure() : names_.failure();
    if (!failure) {
      failure = Try([&](baleen_error* wrong) { return call(&c_, wrong); });
      watcher_.guard.Rethrow();
    }
    return Report(failure, error);
  }

 private:
  baleen_model_options c_;
  Names names_;
  std::vector<baleen_setting> settings_;
  Watcher watcher_;
};

}  // namespace detail
}  // namespace cpp
}  // namespace baleen
