// gpu_check PLUGIN OUT [--compare FOLDER]... [--measure FOLDER]: checks the first
// GPU, prints a short table and writes OUT/gpu_check.json.
//
// Exit status 0: all is as it should be; 1: something is not, or failed; 3: there
// is no GPU.
#include <cstdio>
#include <cstring>
#include <fstream>

#include "benchmarks/gpu/check.h"

namespace baleen::gpu {
namespace {

constexpr int kNoDevice = 3;

void Log(void*, baleen_log_level, const char* message) {
  std::fprintf(stderr, "%s\n", message);
}

struct Arguments {
  std::string plugin;
  std::string out;
  std::vector<std::string> compared;
  std::vector<std::string> measured;
};

bool Read(int argc, char** argv, Arguments* to) {
  if (argc < 3 || argc % 2 == 0) return false;
  to->plugin = argv[1];
  to->out = argv[2];
  for (int i = 3; i < argc; i += 2) {
    if (std::strcmp(argv[i], "--compare") == 0) {
      to->compared.push_back(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--measure") == 0) {
      to->measured.push_back(argv[i + 1]);
    } else {
      return false;
    }
  }
  return true;
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

// Names are ours and hold nothing that JSON would mind, but for folders.
std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out;
}

void WriteJson(const std::string& path, const baleen_device_info& info,
               const std::vector<Figure>& figures) {
  std::ofstream file(path);
  file << "{\n  \"device\": \"" << Escaped(info.name)
       << "\",\n  \"memory_total\": " << info.memory_total
       << ",\n  \"figures\": [";
  const char* separator = "\n";
  for (const Figure& figure : figures) {
    file << separator << "    {\"name\": \"" << Escaped(figure.name)
         << "\", \"value\": " << figure.value << ", \"unit\": \"" << figure.unit
         << "\", \"failed\": " << (figure.failed ? "true" : "false") << "}";
    separator = ",\n";
  }
  file << "\n  ]\n}\n";
  if (!file.good()) throw std::runtime_error("cannot write " + path);
}

int Run(const Arguments& arguments) {
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
  std::vector<Figure> figures;
  const double bandwidth = CopyBandwidth(arguments.plugin);
  figures.push_back({"copies on the device", bandwidth, "GB/s"});
  const auto add = [&](std::vector<Figure> more) {
    for (Figure& figure : more) figures.push_back(std::move(figure));
  };
  for (const std::string& folder : arguments.compared) {
    add(Compare(context.get(), device, folder));
  }
  for (const std::string& folder : arguments.measured) {
    add(Measure(context.get(), device, folder, bandwidth));
  }
  bool failed = false;
  std::printf("%s\n", info.name);
  for (const Figure& figure : figures) {
    std::printf("%-72s %12.5g %-6s%s\n", figure.name.c_str(), figure.value,
                figure.unit.c_str(), figure.failed ? " FAILED" : "");
    failed = failed || figure.failed;
  }
  WriteJson(arguments.out + "/gpu_check.json", info, figures);
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace baleen::gpu

int main(int argc, char** argv) {
  baleen::gpu::Arguments arguments;
  if (!baleen::gpu::Read(argc, argv, &arguments)) {
    std::fprintf(stderr,
                 "usage: gpu_check PLUGIN OUT [--compare FOLDER]... "
                 "[--measure FOLDER]...\n");
    return 2;
  }
  try {
    return baleen::gpu::Run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_check: %s\n", error.what());
    return 1;
  }
}
