// What a process shares: hooks of the host, worker threads, devices.
//
// Thread-safe.  Outlives, by reference counts, all that was made from it.
#pragma once

#include <mutex>
#include <span>
#include <string_view>

#include <baleen/backend.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/ref_count.h"
#include "base/status.h"
#include "base/workers.h"
#include "context/backend_host.h"
#include "context/host_workers.h"
#include "context/state_budget.h"
#include "context/state_folder.h"
#include "ops/device.h"

namespace baleen {

class Context final : public RefCounted {
 public:
  // `options` has been read and checked by lib/api.
  static Result<Ref<Context>> Create(const baleen_context_options& options);

  Memory* memory() { return &memory_; }
  const FileSystem& files() const { return *files_; }
  const Log& log() const { return log_; }
  const baleen_workers* workers() const { return parts_.workers; }
  CancelBoard* cancels() { return &cancels_; }
  // Of the states of sessions: what they may take, and where they are saved.
  StateBudget& state_budget() { return state_budget_; }
  StateFolder& state_folder() { return *state_folder_; }
  bool has_own_files() const { return own_files_; }

  // Devices of all backends, in the order they were added; 0 is the CPU.
  uint32_t device_count() const;
  Status device_info(uint32_t index, baleen_device_info* info) const;
  // Opens the device on first use; it stays open as long as the context.  A
  // device is opened once for each list of settings that it is asked for with.
  // BALEEN_NOT_FOUND for a setting that its backend does not know.
  Result<const Device*> OpenDevice(
      uint32_t index, std::span<const baleen_setting> settings = {});

  Status AddBackend(baleen_backend_entry_fn entry);
  // Loads a plug-in by path.
  Status LoadBackend(const char* path);

 private:
  struct Backend;  // A backend and what it may call.
  struct OpenedDevice;

  explicit Context(const baleen_context_options& options);
  ~Context();
  void Destroy() const override;

  // Adds the plug-ins of a folder that work here; the log says which do not.
  Status LoadFolder(const char* folder);
  Backend* FindBackend(uint32_t device, uint32_t* index) const;
  Result<Owned<OpenedDevice>> Open(uint32_t index,
                                   std::span<const baleen_setting> settings);

  HostMemory memory_;
  Log log_;
  CancelBoard cancels_;
  Owned<FileSystem> files_;
  bool own_files_;  // The system's, not the host's.
  StateBudget state_budget_;
  Owned<StateFolder> state_folder_;
  Owned<Workers> own_workers_;
  Owned<HostWorkers> host_workers_;
  HostParts parts_ = {};
  // Adding a backend and opening a device take their time and call the host's
  // log; meanwhile the functions that only look go on.  To change backends_
  // takes both locks, this one first.
  std::mutex open_mutex_;     // Of devices_.
  mutable std::mutex mutex_;  // Of backends_.
  Vector<Owned<Backend>> backends_;
  Vector<Owned<OpenedDevice>> devices_;
};

}  // namespace baleen
