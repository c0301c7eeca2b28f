// Opens a model, and makes sessions of it, as the command line says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "handles.h"
#include "terminal.h"

namespace tool {

// Options that every command has.
struct ModelOptions {
  std::string path;  // Empty: the pocket model.
  std::vector<std::string> settings;
  uint32_t threads = 0;
  bool verbose = false;
};

// Options of commands that compute.
struct SessionOptions {
  uint64_t context = 0;
  uint64_t seed = 0;
  baleen_mode mode = BALEEN_MODE_FAST;
  baleen_draft draft = BALEEN_DRAFT_DEFAULT;
};

// All of them, or those that need no model.
void AddModelOptions(CLI::App* command, ModelOptions* options);
void AddContextOptions(CLI::App* command, ModelOptions* options);
void AddSessionOptions(CLI::App* command, SessionOptions* options);

// The small model that is installed with the tool.
std::string PocketModelPath();

Context NewContext(const ModelOptions& options);

// The options' settings, as the library takes them.
class SettingList {
 public:
  // `options` must outlive the list.
  explicit SettingList(const ModelOptions& options);
  SettingList(const SettingList&) = delete;
  SettingList& operator=(const SettingList&) = delete;

  const baleen_setting* data() const { return settings_.data(); }
  uint32_t size() const { return static_cast<uint32_t>(settings_.size()); }

 private:
  std::vector<std::string> names_;
  std::vector<baleen_setting> settings_;
};

using Tokens = std::vector<baleen_token>;

// A loaded model.
class Engine {
 public:
  // `flags` are BALEEN_MODEL_*.
  explicit Engine(const ModelOptions& options, uint32_t flags = 0);

  baleen_model* model() const { return model_.get(); }
  const std::string& path() const { return path_; }

  Session NewSession(const SessionOptions& options,
                     ProgressBar* progress = nullptr) const;

  // `flags` are BALEEN_TEXT_*.
  Tokens Tokenize(const std::string& text, uint32_t flags = 0) const;
  std::string Detokenize(const Tokens& tokens, uint32_t flags = 0) const;

  // The token that begins every sequence, or none.
  std::optional<baleen_token> BeginToken() const;

 private:
  std::string path_;
  Context context_;
  Model model_;
};

// The whole of a file, or of standard input if `path` is "-".
std::string ReadInput(const std::string& path);

}  // namespace tool
