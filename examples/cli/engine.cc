// Opens a model, and makes sessions of it; see engine.h.
#include "engine.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>

namespace tool {
namespace {

void PrintLog(void*, baleen_log_level level, const char* message) {
  constexpr const char* kNames[] = {"off", "error", "warning", "info", "debug"};
  const bool known = level >= BALEEN_LOG_OFF && level <= BALEEN_LOG_DEBUG;
  std::fprintf(stderr, "%s: %s\n", known ? kNames[level] : "log", message);
}

Model LoadModel(baleen_context* context, const std::string& path,
                const ModelOptions& options, uint32_t flags) {
  const SettingList settings(options);
  ProgressBar bar("loading", ProgressBar::Unit::kBytes);
  baleen_model_options given = {};
  given.struct_size = sizeof given;
  given.flags = flags;
  given.settings = settings.data();
  given.setting_count = settings.size();
  given.progress = ProgressBar::Report;
  given.progress_user_data = &bar;
  baleen_model* model = nullptr;
  baleen_error error;
  Check(baleen_model_load(context, path.c_str(), &given, &model, &error),
        error);
  return Model(model);
}

std::string CheckSetting(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return "A setting is written NAME=VALUE, not '" + text + "'";
  }
  return {};
}

}  // namespace

Context NewContext(const ModelOptions& options) {
  baleen_context_options given = {};
  given.struct_size = sizeof given;
  given.thread_count = options.threads;
  given.log_level = options.verbose ? BALEEN_LOG_DEBUG : BALEEN_LOG_WARNING;
  given.log = PrintLog;
  baleen_context* context = nullptr;
  baleen_error error;
  Check(baleen_context_create(&given, &context, &error), error);
  return Context(context);
}

SettingList::SettingList(const ModelOptions& options) {
  for (const std::string& setting : options.settings) {
    names_.push_back(setting.substr(0, setting.find('=')));
  }
  for (size_t i = 0; i < names_.size(); ++i) {
    settings_.push_back({names_[i].c_str(),
                         options.settings[i].c_str() + names_[i].size() + 1});
  }
}

void AddModelOptions(CLI::App* command, ModelOptions* options) {
  command
      ->add_option("-m,--model", options->path,
                   "Folder of the checkpoint, or a packed model; the pocket "
                   "model if not given")
      ->envname("BALEEN_MODEL");
  AddContextOptions(command, options);
}

void AddContextOptions(CLI::App* command, ModelOptions* options) {
  command->add_option("--threads", options->threads,
                      "Worker threads; 0: one for each core");
  command
      ->add_option("--set", options->settings,
                   "A named setting of the library, such as cpu.isa=avx2")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false)
      ->check(CLI::Validator(CheckSetting, ""));
  command->add_flag("--verbose", options->verbose,
                    "Show the library's log on standard error");
}

void AddSessionOptions(CLI::App* command, SessionOptions* options) {
  static const std::map<std::string, baleen_mode> kModes = {
      {"fast", BALEEN_MODE_FAST}, {"reference", BALEEN_MODE_REFERENCE}};
  static const std::map<std::string, baleen_draft> kDrafts = {
      {"default", BALEEN_DRAFT_DEFAULT},
      {"off", BALEEN_DRAFT_OFF},
      {"model", BALEEN_DRAFT_MODEL},
      {"lookup", BALEEN_DRAFT_LOOKUP}};
  command->add_option("--context", options->context,
                      "Most tokens of a session; 0: the model's limit");
  command->add_option("--seed", options->seed,
                      "Seed of the random numbers; 0: a fresh one");
  command
      ->add_option("--mode", options->mode,
                   "fast, or reference: rounding as in DeepSeek's code")
      ->transform(CLI::CheckedTransformer(kModes).description(""))
      ->type_name("MODE");
  command
      ->add_option("--draft", options->draft,
                   "Where guesses come from: default, off, model or lookup")
      ->transform(CLI::CheckedTransformer(kDrafts).description(""))
      ->type_name("SOURCE");
}

// bin/ and share/ stand side by side where the tool is installed, and in the
// build tree too, where share/baleen/pocket is a link to the sources.
std::string PocketModelPath() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    throw Failure(
        "The pocket model cannot be found without /proc; name a "
        "model with --model.");
  }
  const auto path =
      (program.parent_path() / BALEEN_POCKET_FROM_BIN).lexically_normal();
  if (!std::filesystem::is_directory(path, error)) {
    throw Failure("The pocket model is not installed at " + path.string() +
                  "; name a model with --model.");
  }
  return path.string();
}

Engine::Engine(const ModelOptions& options, uint32_t flags)
    : path_(options.path.empty() ? PocketModelPath() : options.path),
      context_(NewContext(options)),
      model_(LoadModel(context_.get(), path_, options, flags)) {}

Session Engine::NewSession(const SessionOptions& options,
                           ProgressBar* progress) const {
  baleen_session_options given = {};
  given.struct_size = sizeof given;
  given.capacity = options.context;
  given.seed = options.seed;
  given.mode = options.mode;
  given.draft = options.draft;
  if (progress != nullptr) {
    given.progress = ProgressBar::Report;
    given.progress_user_data = progress;
  }
  baleen_session* session = nullptr;
  baleen_error error;
  Check(baleen_session_create(model(), &given, &session, &error), error);
  return Session(session);
}

Tokens Engine::Tokenize(const std::string& text, uint32_t flags) const {
  Tokens tokens(text.size());  // A token is at least one byte.
  size_t count = 0;
  baleen_error error;
  Check(baleen_model_tokenize(model(), text.data(), text.size(), flags,
                              tokens.data(), tokens.size(), &count, &error),
        error);
  tokens.resize(count);
  return tokens;
}

std::string Engine::Detokenize(const Tokens& tokens, uint32_t flags) const {
  size_t size = 0;
  baleen_error error;
  const baleen_status status = baleen_model_detokenize(
      model(), tokens.data(), tokens.size(), flags, nullptr, 0, &size, &error);
  if (status != BALEEN_BUFFER_TOO_SMALL) Check(status, error);
  std::string text(size, '\0');
  Check(baleen_model_detokenize(model(), tokens.data(), tokens.size(), flags,
                                text.data(), text.size(), &size, &error),
        error);
  return text;
}

std::optional<baleen_token> Engine::BeginToken() const {
  const baleen_token token = baleen_model_find_token(
      model(), "<\uff5cbegin\u2581of\u2581sentence\uff5c>");
  if (token < 0) return std::nullopt;
  return token;
}

std::string ReadInput(const std::string& path) {
  const bool standard = path == "-";
  std::FILE* file = standard ? stdin : std::fopen(path.c_str(), "rb");
  std::string text;
  int failure = file == nullptr ? errno : 0;
  if (file != nullptr) {
    char buffer[1 << 16];
    size_t count = 0;
    while ((count = std::fread(buffer, 1, sizeof buffer, file)) > 0) {
      text.append(buffer, count);
    }
    if (std::ferror(file) != 0) failure = errno;
    if (!standard) std::fclose(file);
  }
  if (failure != 0) {
    throw Failure((standard ? "Standard input" : path) +
                  " cannot be read: " + std::strerror(failure) + ".");
  }
  return text;
}

}  // namespace tool
