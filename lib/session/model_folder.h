// The small files of a checkpoint's folder, or of the packed file made of it:
// configuration, tokenizer, defaults of generation, and the encoder that tells
// which conversations it was trained on.
#pragma once

#include <string_view>
#include <utility>

#include <baleen/baleen.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/status.h"
#include "format/checkpoint.h"
#include "format/packed_file.h"
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

  // Opens the packed file, if the path is one's.  The rest comes after this.
  Status Open();
  const PackedFile* packed() const { return packed_.get(); }

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

  // Its tensors.  A packed file goes over to the checkpoint: call this last.
  Result<Checkpoint> OpenCheckpoint();

  // A small file as it is; nothing where `Has` says that there is none.
  static const std::string_view kOptionalFiles[3];
  bool Has(std::string_view name) const;
  Result<String> ReadText(std::string_view name) const;
  // Which of the two places config.json was found at.
  std::string_view config_file() const { return config_file_; }
  const String& config_text() const { return config_text_; }

  const FileSystem& files() const { return *files_; }
  const String& path() const { return path_; }
  // The last part of the path, or of that which was packed.
  std::string_view name() const { return name_; }

 private:
  String Join(std::string_view name) const;
  Status ReadDefaultsFile(GenerationDefaults* defaults) const;

  const FileSystem* files_;
  Memory* memory_;
  String path_;
  String name_;
  Owned<PackedFile> packed_;
  std::string_view config_file_;
  String config_path_;
  String config_text_;
  Owned<JsonDocument> document_;
};

}  // namespace baleen
