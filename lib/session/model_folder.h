// The small files of a checkpoint's folder: configuration, tokenizer, defaults
// of generation, and the encoder that tells which conversations it was trained
// on.
#pragma once

#include <string_view>
#include <utility>

#include <baleen/baleen.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "text/tokenizer.h"

namespace baleen {

// What generation_config.json advises.
struct GenerationDefaults {
  float temperature = 1;
  float top_p = 1;
  Vector<baleen_token> end_tokens;

  explicit GenerationDefaults(Memory* memory) : end_tokens(memory) {}
};

class ModelFolder {
 public:
  // `files` must outlive the folder.
  ModelFolder(const FileSystem* files, std::string_view path);

  // config.json, or inference/config.json where there is no other; its text is
  // kept.  BALEEN_NOT_FOUND if there is neither.
  Status ReadConfig();
  // Nothing before ReadConfig.
  Json config() const { return document_ ? document_->root() : Json(); }
  const char* config_name() const { return config_path_.c_str(); }

  // NULL if there is no tokenizer.json.
  Result<Owned<Tokenizer>> ReadTokenizer() const;

  // The file is optional.  End tokens that it does not name come from the
  // configuration, and failing that from the tokenizer (which may be NULL).
  Result<GenerationDefaults> ReadDefaults(const Tokenizer* tokenizer) const;

  // Of the file encoding/encoding_dsv4.py, if there is one.
  Result<baleen_encoder> FindEncoder() const;

  const FileSystem& files() const { return *files_; }
  const String& path() const { return path_; }
  // The last part of the path.
  std::string_view name() const;

 private:
  String Join(std::string_view name) const;
  Status ReadDefaultsFile(GenerationDefaults* defaults) const;

  const FileSystem* files_;
  Memory* memory_;
  String path_;
  String config_path_;
  String config_text_;
  Owned<JsonDocument> document_;
};

}  // namespace baleen
