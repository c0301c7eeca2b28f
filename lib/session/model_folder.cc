// See model_folder.h.
#include "session/model_folder.h"

#include <cmath>

#include "text/chat.h"

namespace baleen {
namespace {

// Far above what such files have (official: 3 kB, 7.8 MB, 29 kB).
constexpr uint64_t kSmallLimit = uint64_t{16} << 20;
constexpr uint64_t kTokenizerLimit = uint64_t{256} << 20;

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kInferenceConfig = "inference/config.json";
constexpr std::string_view kTokenizer = "tokenizer.json";
constexpr std::string_view kDefaults = "generation_config.json";
constexpr std::string_view kEncoder = "encoding/encoding_dsv4.py";

constexpr std::string_view kEndName = "<｜end▁of▁sentence｜>";

std::string_view LastPart(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

Status ReadNumber(Json root, const char* key, const char* file, double most,
                  float* number) {
  const Json value = root.Find(key);
  if (!value || value.IsNull()) return Status();
  double read = 0;
  if (!value.GetDouble(&read) || !(read > 0) || !(read <= most)) {
    return Corrupt("%s: %s must be a number above 0 and at most %g", file, key,
                   most);
  }
  *number = static_cast<float>(read);
  return Status();
}

Status ReadToken(Json value, const char* file, Vector<baleen_token>* tokens) {
  int64_t token = 0;
  if (!value.GetInt64(&token) || token < 0 || token > INT32_MAX) {
    return Corrupt("%s: eos_token_id must be a token or a list of tokens",
                   file);
  }
  tokens->push_back(static_cast<baleen_token>(token));
  return Status();
}

// A number or an array of them.
Status ReadEndTokens(Json root, const char* file,
                     Vector<baleen_token>* tokens) {
  const Json value = root.Find("eos_token_id");
  if (!value || value.IsNull()) return Status();
  if (!value.IsArray()) return ReadToken(value, file, tokens);
  for (const Json element : value) {
    BALEEN_RETURN_IF_ERROR(ReadToken(element, file, tokens));
  }
  return Status();
}

}  // namespace

const std::string_view ModelFolder::kOptionalFiles[3] = {kTokenizer, kDefaults,
                                                         kEncoder};

ModelFolder::ModelFolder(const FileSystem* files, std::string_view path)
    : files_(files),
      memory_(files->memory()),
      path_(path, memory_),
      name_(LastPart(path), memory_),
      config_path_(memory_),
      config_text_(memory_) {}

String ModelFolder::Join(std::string_view name) const {
  return JoinPath(path_, name, memory_);
}

Status ModelFolder::Open() {
  const Result<File> file = files_->Open(path_);
  if (!file.ok()) return Status();  // A folder, or nothing.
  const Result<bool> is_packed = PackedFile::HasMagic(*file);
  if (!is_packed.ok() || !*is_packed) {
    // Some hosts open folders, too.
    if (Has(kConfig) || Has(kInferenceConfig) || Has(kTokenizer)) {
      return Status();
    }
    BALEEN_RETURN_IF_ERROR(is_packed.status());
    return Corrupt("%s is neither a folder nor a packed model", path_.c_str());
  }
  BALEEN_ASSIGN_OR_RETURN(PackedFile packed, PackedFile::Open(*files_, path_));
  name_ = packed.header().name;
  packed_ = MakeOwned<PackedFile>(memory_, std::move(packed));
  return Status();
}

Result<Checkpoint> ModelFolder::OpenCheckpoint() {
  if (packed_ == nullptr) return Checkpoint::Open(*files_, path_);
  return Checkpoint::OfPacked(std::move(packed_), memory_);
}

bool ModelFolder::Has(std::string_view name) const {
  return packed_ != nullptr ? packed_->HasText(name)
                            : files_->Exists(Join(name));
}

Result<String> ModelFolder::ReadText(std::string_view name) const {
  const uint64_t limit = name == kTokenizer ? kTokenizerLimit : kSmallLimit;
  return packed_ != nullptr ? packed_->ReadText(name, limit)
                            : files_->ReadText(Join(name), limit);
}

Status ModelFolder::ReadConfig() {
  config_file_ = kConfig;
  if (!Has(config_file_)) {
    config_file_ = kInferenceConfig;
    if (!Has(config_file_)) {
      return NotFound("%s has neither config.json nor inference/config.json",
                      path_.c_str());
    }
  }
  config_path_ = Join(config_file_);
  BALEEN_ASSIGN_OR_RETURN(config_text_, ReadText(config_file_));
  BALEEN_ASSIGN_OR_RETURN(
      JsonDocument document,
      JsonDocument::Parse(config_text_, config_path_.c_str(), memory_));
  if (!document.root().IsObject()) {
    return Corrupt("%s is not a JSON object", config_path_.c_str());
  }
  document_ = MakeOwned<JsonDocument>(memory_, std::move(document));
  return Status();
}

Result<Owned<Tokenizer>> ModelFolder::ReadTokenizer() const {
  if (!Has(kTokenizer)) return Owned<Tokenizer>();
  const String path = Join(kTokenizer);
  BALEEN_ASSIGN_OR_RETURN(const String text, ReadText(kTokenizer));
  BALEEN_ASSIGN_OR_RETURN(Tokenizer tokenizer,
                          Tokenizer::Parse(text, path.c_str(), memory_));
  return MakeOwned<Tokenizer>(memory_, std::move(tokenizer));
}

Status ModelFolder::ReadDefaultsFile(GenerationDefaults* defaults) const {
  if (!Has(kDefaults)) return Status();
  const String path = Join(kDefaults);
  BALEEN_ASSIGN_OR_RETURN(const String text, ReadText(kDefaults));
  BALEEN_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(text, path.c_str(), memory_));
  const Json root = document.root();
  const char* name = path.c_str();
  if (!root.IsObject()) return Corrupt("%s is not a JSON object", name);
  BALEEN_RETURN_IF_ERROR(
      ReadNumber(root, "temperature", name, 100, &defaults->temperature));
  BALEEN_RETURN_IF_ERROR(ReadNumber(root, "top_p", name, 1, &defaults->top_p));
  return ReadEndTokens(root, name, &defaults->end_tokens);
}

Result<GenerationDefaults> ModelFolder::ReadDefaults(
    const Tokenizer* tokenizer) const {
  GenerationDefaults defaults(memory_);
  BALEEN_RETURN_IF_ERROR(ReadDefaultsFile(&defaults));
  if (defaults.end_tokens.empty()) {
    BALEEN_RETURN_IF_ERROR(
        ReadEndTokens(config(), config_name(), &defaults.end_tokens));
  }
  if (defaults.end_tokens.empty() && tokenizer != nullptr) {
    const baleen_token end = tokenizer->Find(kEndName);
    if (end >= 0) defaults.end_tokens.push_back(end);
  }
  return defaults;
}

Result<baleen_encoder> ModelFolder::FindEncoder() const {
  if (!Has(kEncoder)) return BALEEN_ENCODER_PREVIEW;
  BALEEN_ASSIGN_OR_RETURN(const String text, ReadText(kEncoder));
  return FolderTextIsGa(text) ? BALEEN_ENCODER_GA : BALEEN_ENCODER_PREVIEW;
}

}  // namespace baleen
