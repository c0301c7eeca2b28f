// What a process shares: hooks of the host, worker threads, devices.
//
// Thread-safe.  Outlives, by reference counts, all that was made from it.
#pragma once

#include <mutex>
#include <string_view>

#include <baleen/backend.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/ref_count.h"
#include "base/status.h"
#include "base/workers.h"
#include "context/backend_host.h"
#include "ops/device.h"

namespace baleen {

class Context final : public RefCounted {
 public:
  // `options` has been read and checked by lib/api.
  static Result<Ref<Context>> Create(const baleen_context_options& options);

  Memory* memory() { return &memory_; }
  const FileSystem& files() const { return *files_; }
  const Log& log() const { return log_; }
  const baleen_workers* workers() const { return workers_hooks_; }

  // Devices of all backends, in the order they were added; 0 is the CPU.
  uint32_t device_count() const;
  Status device_info(uint32_t index, baleen_device_info* info) const;
  // Opens the device on first use; it stays open as long as the context.
  Result<const Device*> OpenDevice(uint32_t index);

  Status AddBackend(baleen_backend_entry_fn entry);
  // Loads a plug-in by path.
  Status LoadBackend(const char* path);

 private:
  struct BackendEntry;  // A backend, its host table, its opened devices.
  friend class BackendHost;

  explicit Context(const baleen_context_options& options);
  ~Context();
  void Destroy() const override;

  HostMemory memory_;
  Log log_;
  Owned<FileSystem> files_;
  Owned<Workers> own_workers_;
  baleen_workers given_workers_ = {};
  const baleen_workers* workers_hooks_ = nullptr;
  mutable std::mutex mutex_;
  Vector<Owned<BackendEntry>> backends_;
};

}  // namespace baleen
