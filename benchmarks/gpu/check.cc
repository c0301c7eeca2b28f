// gpu_check PLUGIN JSON [--setting NAME VALUE]... WHAT [FOLDER]: checks the first
// GPU in one respect, prints what it finds, and writes it to the file JSON.
//
//   copies            what copies on the device reach
//   operators         how near single operators come to that
//   cuts FOLDER       a model's bits, however its tokens are cut
//   smoke FOLDER      the same, of few tokens: for slow tools
//   compare FOLDER    a model's logits and text beside the CPU's
//   measure FOLDER    a model's speeds
//
// Exit status 0: all is as it should be; 1: something is not, or failed; 2: the
// arguments are wrong; 3: there is no GPU.
#include "benchmarks/gpu/check.h"

#include <cstdio>
#include <cstring>
#include <exception>

namespace baleen::gpu {
namespace {

constexpr int kNoDevice = 3;

void Log(void*, baleen_log_level, const char* message) {
  std::fprintf(stderr, "%s\n", message);
}

struct Arguments {
  std::string plugin;
  std::string json;
  std::vector<baleen_setting> settings;
  std::string what;
  std::string folder;
};

bool Read(int argc, char** argv, Arguments* to) {
  if (argc < 4) return false;
  to->plugin = argv[1];
  to->json = argv[2];
  int i = 3;
  while (i + 2 < argc && std::strcmp(argv[i], "--setting") == 0) {
    to->settings.push_back({argv[i + 1], argv[i + 2]});
    i += 3;
  }
  if (i == argc) return false;
  to->what = argv[i++];
  if (i < argc) to->folder = argv[i++];
  const bool has_folder = !to->folder.empty();
  if (to->what == "copies" || to->what == "operators") {
    return i == argc && !has_folder;
  }
  return i == argc && has_folder &&
         (to->what == "cuts" || to->what == "smoke" || to->what == "compare" ||
          to->what == "measure");
}

// The first device of the backend, or 0.
uint32_t FindDevice(const baleen_context* context, baleen_device_info* info) {
  const uint32_t count = baleen_context_device_count(context);
  for (uint32_t i = 0; i < count; ++i) {
    *info = {};
    info->struct_size = sizeof(*info);
    baleen_error error;
    Check(baleen_context_device_info(context, i, info, &error), error);
    if (std::strcmp(info->backend, "cuda") == 0) return i;
  }
  return 0;
}

void CheckModel(const Arguments& arguments, const Target& gpu, Report* report) {
  constexpr size_t kCutTokens = 600;
  constexpr size_t kSmokeTokens = 76;
  const std::string& folder = arguments.folder;
  if (arguments.what == "cuts") {
    CompareCuts(gpu, folder, kCutTokens, report);
  } else if (arguments.what == "smoke") {
    CompareCuts(gpu, folder, kSmokeTokens, report);
  } else if (arguments.what == "compare") {
    CompareWithCpu({gpu.context, 0, {}}, gpu, folder, report);
  } else {
    Measure(gpu, folder, CopyBandwidth(arguments.plugin), report);
  }
}

int Run(const Arguments& arguments, Report* report) {
  baleen_context_options options = {};
  options.struct_size = sizeof(options);
  options.log = Log;
  options.log_level = BALEEN_LOG_INFO;
  baleen_context* made = nullptr;
  baleen_error error;
  Check(baleen_context_create(&options, &made, &error), error);
  const Context context(made);
  const baleen_status loaded = baleen_context_load_backend(
      context.get(), arguments.plugin.c_str(), &error);
  // UNSUPPORTED is what a plug-in without a device comes to.
  if (loaded != BALEEN_UNSUPPORTED) Check(loaded, error);
  baleen_device_info info;
  const uint32_t device =
      loaded == BALEEN_OK ? FindDevice(context.get(), &info) : 0;
  if (device == 0) {
    std::printf("no device: %s\n",
                loaded == BALEEN_OK ? "there is no GPU" : error.message);
    return kNoDevice;
  }
  report->SetDevice(info.name);
  if (arguments.what == "copies") {
    report->Add({"memory of the device",
                 static_cast<double>(info.memory_total) * 1e-9, "GB"});
    report->Add(
        {"copies on the device", CopyBandwidth(arguments.plugin), "GB/s"});
  } else if (arguments.what == "operators") {
    MeasureOperators(arguments.plugin, arguments.settings,
                     CopyBandwidth(arguments.plugin), report);
  } else {
    CheckModel(arguments, {context.get(), device, arguments.settings}, report);
  }
  return report->failed() ? 1 : 0;
}

}  // namespace
}  // namespace baleen::gpu

int main(int argc, char** argv) {
  baleen::gpu::Arguments arguments;
  if (!baleen::gpu::Read(argc, argv, &arguments)) {
    std::fprintf(stderr,
                 "usage: gpu_check PLUGIN JSON [--setting NAME VALUE]... "
                 "copies|operators\n"
                 "       gpu_check PLUGIN JSON [--setting NAME VALUE]... "
                 "cuts|smoke|compare|measure FOLDER\n");
    return 2;
  }
  baleen::gpu::Report report(arguments.json,
                             arguments.what + " " + arguments.folder);
  try {
    try {
      return baleen::gpu::Run(arguments, &report);
    } catch (const std::exception& error) {
      report.AddError(error.what());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_check: %s\n", error.what());
  }
  return 1;
}
