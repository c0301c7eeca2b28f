// baleen pack: writes a checkpoint to one file in the fast layout.
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "commands.h"
#include "engine.h"
#include "format.h"
#include "interrupt.h"

namespace tool {
namespace {

struct PackOptions {
  ModelOptions model;
  std::string folder;
  std::string file;
  bool force = false;
};

// Shows how far it is, and ends it after Ctrl-C.
int32_t Report(void* bar, uint64_t done, uint64_t total) {
  if (Interrupted()) return 1;
  return ProgressBar::Report(bar, done, total);
}

uint64_t FileSize(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0
             ? static_cast<uint64_t>(status.st_size)
             : 0;
}

int Pack(const PackOptions& options) {
  struct stat status = {};
  if (!options.force && stat(options.file.c_str(), &status) == 0) {
    throw Failure(options.file + " exists; --force replaces it.");
  }
  const Context context = NewContext(options.model);
  const SettingList settings(options.model);
  const InterruptGuard guard(nullptr);
  ProgressBar bar("packing", ProgressBar::Unit::kBytes);
  baleen_model_options given = {};
  given.struct_size = sizeof given;
  given.settings = settings.data();
  given.setting_count = settings.size();
  given.progress = Report;
  given.progress_user_data = &bar;
  const auto begin = std::chrono::steady_clock::now();
  baleen_error error;
  const baleen_status result =
      baleen_model_pack(context.get(), options.folder.c_str(),
                        options.file.c_str(), &given, &error);
  bar.Clear();
  if (result == BALEEN_CANCELLED && TakeInterrupt()) return kExitInterrupted;
  Check(result, error);
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - begin;
  const auto bytes = static_cast<double>(FileSize(options.file));
  char line[96];
  std::snprintf(line, sizeof line, " in %.1f s, %.2f GB/s\n", seconds.count(),
                bytes * 1e-9 / seconds.count());
  Print(options.file + ": " + FormatBytes(FileSize(options.file)) + line);
  return kExitOk;
}

}  // namespace

void AddPack(CLI::App* app, Action* action) {
  auto options = std::make_shared<PackOptions>();
  CLI::App* command = app->add_subcommand(
      "pack", "Write a checkpoint to one file in the fast layout");
  command->add_option("folder", options->folder, "Folder of the checkpoint")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("file", options->file, "The packed model")->required();
  command->add_flag("--force", options->force, "Replace the file if it exists");
  AddContextOptions(command, &options->model);
  command->callback(
      [options, action] { *action = [options] { return Pack(*options); }; });
}

}  // namespace tool
