// What the whole process shares.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model.hpp"

namespace baleen {
inline namespace cpp {

enum class LogLevel : baleen_log_level {
  kOff = BALEEN_LOG_OFF,
  kError = BALEEN_LOG_ERROR,
  kWarning = BALEEN_LOG_WARNING,
  kInfo = BALEEN_LOG_INFO,
  kDebug = BALEEN_LOG_DEBUG
};

using DeviceInfo = baleen_device_info;

// Receives the log, line by line, from any thread.
using Log = std::function<void(LogLevel level, std::string_view line)>;

// baleen_context_options says what the members mean.
struct ContextOptions {
  uint32_t thread_count = 0;
  LogLevel log_level = LogLevel::kOff;
  Log log = {};  // Kept as long as the context and all made from it.
  const baleen_allocator* allocator = nullptr;
  const baleen_workers* workers = nullptr;
  const baleen_files* files = nullptr;
  // Folder of backend plug-ins; "" is that of the library, none only has those
  // built into it.
  std::optional<std::string> backend_path = {};
  uint64_t state_memory_limit = 0;
  std::string state_path = {};  // Empty: none.
};

class Context {
 public:
#if defined(__cpp_exceptions)
  Context() : Context(ContextOptions()) {}
#endif
  explicit Context(const ContextOptions& options,
                   Error* error BALEEN_OR_THROW) {
    const detail::Names names(
        {options.backend_path.value_or(""), options.state_path});
    if (names.failure()) {
      detail::Report(names.failure(), error);
      return;
    }
    auto c = detail::Sized<baleen_context_options>();
    c.thread_count = options.thread_count;
    c.allocator = options.allocator;
    c.workers = options.workers;
    c.files = options.files;
    if (options.backend_path) c.backend_path = names[0];
    c.state_memory_limit = options.state_memory_limit;
    c.state_path = names.Optional(1);
    auto log = std::make_shared<const Log>(options.log);
    if (*log) {
      c.log_level = static_cast<baleen_log_level>(options.log_level);
      c.log = WriteLog;
      c.log_user_data = const_cast<Log*>(log.get());
    }
    baleen_context* made = nullptr;
    const bool fine = detail::Check(error, [&](baleen_error* wrong) {
      return baleen_context_create(&c, &made, wrong);
    });
    if (!fine) return;
    handle_ = std::shared_ptr<baleen_context>(
        made, [keep = std::move(log)](baleen_context* context) {
          baleen_context_release(context);
        });
  }

  baleen_context* get() const { return handle_.get(); }
  explicit operator bool() const { return handle_ != nullptr; }

  // Loads a backend plug-in by its absolute path.
  void LoadBackend(std::string_view path, Error* error BALEEN_OR_THROW) const {
    const detail::Names names({path});
    if (names.failure()) {
      detail::Report(names.failure(), error);
      return;
    }
    detail::Check(error, [&](baleen_error* wrong) {
      return baleen_context_load_backend(get(), names[0], wrong);
    });
  }

  // The devices.  The first is the CPU.
  std::vector<DeviceInfo> Devices(Error* error BALEEN_OR_THROW) const {
    std::vector<DeviceInfo> devices(baleen_context_device_count(get()),
                                    detail::Sized<DeviceInfo>());
    if (error != nullptr) *error = Error();
    for (uint32_t i = 0; i < devices.size(); ++i) {
      const bool fine = detail::Check(error, [&](baleen_error* wrong) {
        return baleen_context_device_info(get(), i, &devices[i], wrong);
      });
      if (!fine) return {};
    }
    return devices;
  }

  // Loads the model in a folder or packed file.
  Model Load(std::string_view path, const ModelOptions& options BALEEN_OR_EMPTY,
             Error* error BALEEN_OR_THROW) const {
    const detail::Names names({path});
    detail::ReadModelOptions read(options);
    baleen_model* made = nullptr;
    const bool fine = read.Run(
        names, error, [&](const baleen_model_options* c, baleen_error* wrong) {
          return baleen_model_load(get(), names[0], c, &made, wrong);
        });
    if (!fine) return Model();
    // Its release may still log.
    return Model(std::shared_ptr<baleen_model>(
        made, [keep = handle_](baleen_model* model) {
          baleen_model_release(model);
        }));
  }

  // Writes the model in a folder to one file in the fast layout of the device
  // that the options name, which Load opens at once.
  void Pack(std::string_view path, std::string_view packed_path,
            const ModelOptions& options BALEEN_OR_EMPTY,
            Error* error BALEEN_OR_THROW) const {
    const detail::Names names({path, packed_path});
    detail::ReadModelOptions read(options);
    read.Run(names, error,
             [&](const baleen_model_options* c, baleen_error* wrong) {
               return baleen_model_pack(get(), names[0], names[1], c, wrong);
             });
  }

  // What a model and a session of it would take, before anything is loaded.
  MemoryPlan Plan(std::string_view path,
                  const ModelOptions& model_options BALEEN_OR_EMPTY,
                  const SessionOptions& session_options BALEEN_OR_EMPTY,
                  Error* error BALEEN_OR_THROW) const {
    const detail::Names names({path, session_options.log_path});
    detail::ReadModelOptions read(model_options);
    const auto session =
        detail::ReadSessionOptions(session_options, names.Optional(1));
    auto plan = detail::Sized<baleen_memory_plan>();
    read.Run(names, error,
             [&](const baleen_model_options* c, baleen_error* wrong) {
               return baleen_context_plan(get(), names[0], c, &session, &plan,
                                          wrong);
             });
    return plan;
  }

 private:
  static void WriteLog(void* log, baleen_log_level level, const char* message) {
    detail::Guard lost;
    lost.Run(false, [&] {
      (*static_cast<const Log*>(log))(static_cast<LogLevel>(level),
                                      detail::View(message));
      return true;
    });
  }

  std::shared_ptr<baleen_context> handle_;
};

}  // namespace cpp
}  // namespace baleen
