// See context.h.  Tables of backends are copied to full length, zero where the
// backend's are shorter, so that the rest of the library asks only for NULL.
#include "context/context.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "context/plugins.h"

// Linked in, not found: lib never includes a backend.
extern "C" const baleen_backend* baleen_cpu_backend_entry(
    const baleen_host* host);

namespace baleen {
namespace {

// What a table has; the rest of ours stays zero.
template <typename Table>
void CopyTable(const Table* given, Table* table) {
  *table = {};
  std::memcpy(table, given,
              std::min<size_t>(given->struct_size, sizeof(Table)));
}

// No signal handler of the host's shall find itself on a thread of ours.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t saved_;
};

// The first required function that the table lacks, or NULL.
const char* MissingFunction(const baleen_device_table& table) {
  if (table.ops == nullptr) return "ops";
  if (table.allocate == nullptr) return "allocate";
  if (table.deallocate == nullptr) return "deallocate";
  if (table.queue_create == nullptr) return "queue_create";
  if (table.queue_destroy == nullptr) return "queue_destroy";
  if (table.queue_wait == nullptr) return "queue_wait";
  if (table.upload == nullptr) return "upload";
  if (table.download == nullptr) return "download";
  if (table.copy == nullptr) return "copy";
  return nullptr;
}

}  // namespace

struct Context::Backend {
  Backend(const HostParts& parts, baleen_backend_entry_fn entry_function)
      : entry(entry_function),
        failures(parts.memory),
        host(parts, &failures, {}) {}

  // Calls the entry and checks what it returns.
  Status Start();

  baleen_backend_entry_fn entry;
  FailureBoard failures;
  BackendHost host;
  baleen_backend table = {};
  uint32_t first_device = 0;
  uint32_t device_count = 0;
};

Status Context::Backend::Start() {
  const baleen_backend* given = entry(host.table());
  if (given == nullptr) {
    return Unsupported("the backend does not work here: %s",
                       host.last_failure());
  }
  if (given->struct_size < offsetof(baleen_backend, reserved) ||
      given->major != BALEEN_BACKEND_MAJOR) {
    return Unsupported(
        "the backend was built for version %u of the backend interface, and "
        "this library has version %d",
        given->major, BALEEN_BACKEND_MAJOR);
  }
  CopyTable(given, &table);
  if (table.name == nullptr || table.device_count == nullptr ||
      table.device_info == nullptr || table.device_open == nullptr ||
      table.device_close == nullptr) {
    return Unsupported("the backend %s lacks a function that it must have",
                       table.name == nullptr ? "without a name" : table.name);
  }
  device_count = table.device_count(host.table());
  return Status();
}

struct Context::OpenedDevice {
  OpenedDevice(const HostParts& parts, Backend* owner,
               std::span<const baleen_setting> settings)
      : backend(owner), host(parts, &owner->failures, settings) {}
  ~OpenedDevice() {
    if (device.handle != nullptr) backend->table.device_close(device.handle);
  }

  Backend* backend;
  BackendHost host;
  baleen_device_table table = {};
  baleen_ops ops = {};
  Device device;
};

Context::Context(const baleen_context_options& options)
    : memory_(options.allocator),
      log_(options.log, options.log_user_data, options.log_level),
      files_(MakeOwned<FileSystem>(&memory_, options.files, &memory_)),
      own_files_(options.files == nullptr),
      state_budget_(options.state_memory_limit, options.state_path != nullptr),
      state_folder_(MakeOwned<StateFolder>(&memory_, options.state_path,
                                           own_files_, files_.get())),
      backends_(&memory_),
      devices_(&memory_) {
  parts_ = {&memory_, &log_, nullptr, &cancels_};
  if (options.workers != nullptr) {
    host_workers_ = MakeOwned<HostWorkers>(&memory_, *options.workers);
    parts_.workers = host_workers_->hooks();
  } else {
    const SignalBlock block;
    own_workers_ = MakeOwned<Workers>(&memory_, options.thread_count, &memory_);
    parts_.workers = own_workers_->hooks();
  }
}

// Devices, and with them what backends keep, end before the threads and the
// memory that they use.
Context::~Context() {
  devices_.clear();
  backends_.clear();
}

void Context::Destroy() const {
  auto* self = const_cast<Context*>(this);
  const baleen_allocator hooks = *memory_.hooks();
  self->~Context();
  hooks.deallocate(hooks.user_data, self, sizeof(Context), alignof(Context));
}

Result<Ref<Context>> Context::Create(const baleen_context_options& options) {
  HostMemory memory(options.allocator);
  void* place = memory.allocate(sizeof(Context), alignof(Context));
  Ref<Context> context;
  try {
    context = Ref<Context>::Adopt(new (place) Context(options));
  } catch (...) {
    memory.deallocate(place, sizeof(Context), alignof(Context));
    throw;
  }
  BALEEN_RETURN_IF_ERROR(context->AddBackend(baleen_cpu_backend_entry));
  if (context->device_count() == 0) {
    return Internal("the CPU backend has no device");
  }
  if (options.backend_path != nullptr) {
    BALEEN_RETURN_IF_ERROR(context->LoadFolder(options.backend_path));
  }
  return context;
}

Status Context::LoadFolder(const char* folder) {
  BALEEN_ASSIGN_OR_RETURN(const Vector<String> paths,
                          FindPlugins(folder, &memory_));
  for (const String& path : paths) {
    if (const Status status = LoadBackend(path.c_str()); !status.ok()) {
      log_.Write(BALEEN_LOG_WARNING, "left out %s: %s", path.c_str(),
                 status.message());
    }
  }
  return Status();
}

Status Context::LoadBackend(const char* path) {
  BALEEN_ASSIGN_OR_RETURN(const baleen_backend_entry_fn entry,
                          OpenPlugin(path));
  if (const Status status = AddBackend(entry); !status.ok()) {
    return Status::Error(status.code(), "%s: %s", path, status.message());
  }
  return Status();
}

Status Context::AddBackend(baleen_backend_entry_fn entry) {
  const std::lock_guard lock(open_mutex_);
  uint32_t first_device = 0;
  for (const Owned<Backend>& other : backends_) {
    // Added twice is added once: folders and programs may name the same.
    if (other->entry == entry) return Status();
    first_device += other->device_count;
  }
  Owned<Backend> backend = MakeOwned<Backend>(&memory_, parts_, entry);
  BALEEN_RETURN_IF_ERROR(backend->Start());
  backend->first_device = first_device;
  log_.Write(BALEEN_LOG_INFO, "backend %s has %u device%s", backend->table.name,
             backend->device_count, backend->device_count == 1 ? "" : "s");
  const std::lock_guard list_lock(mutex_);
  backends_.push_back(std::move(backend));
  return Status();
}

uint32_t Context::device_count() const {
  const std::lock_guard lock(mutex_);
  if (backends_.empty()) return 0;
  return backends_.back()->first_device + backends_.back()->device_count;
}

Context::Backend* Context::FindBackend(uint32_t device, uint32_t* index) const {
  const std::lock_guard lock(mutex_);
  for (const Owned<Backend>& backend : backends_) {
    if (device - backend->first_device < backend->device_count) {
      *index = device - backend->first_device;
      return backend.get();
    }
  }
  return nullptr;
}

Status Context::device_info(uint32_t index, baleen_device_info* info) const {
  uint32_t local = 0;
  const Backend* backend = FindBackend(index, &local);
  if (backend == nullptr) {
    return NotFound("there is no device %u, only 0 to %u", index,
                    device_count() - 1);
  }
  baleen_device_info found = {};
  found.struct_size = sizeof found;
  const baleen_status status =
      backend->table.device_info(backend->host.table(), local, &found);
  if (status != BALEEN_OK) {
    return Status::Error(status, "device %u of backend %s: %s", local,
                         backend->table.name, backend->host.last_failure());
  }
  std::strncpy(found.backend, backend->table.name, sizeof found.backend - 1);
  found.name[sizeof found.name - 1] = '\0';
  *info = found;
  return Status();
}

Result<const Device*> Context::OpenDevice(
    uint32_t index, std::span<const baleen_setting> settings) {
  const std::lock_guard lock(open_mutex_);
  for (const Owned<OpenedDevice>& opened : devices_) {
    if (opened->device.index == index && opened->host.HasSettings(settings)) {
      return &opened->device;
    }
  }
  BALEEN_ASSIGN_OR_RETURN(Owned<OpenedDevice> opened, Open(index, settings));
  if (const char* name = opened->host.FirstUnasked(); name != nullptr) {
    return NotFound("the backend %s has no setting %s", opened->device.backend,
                    name);
  }
  devices_.push_back(std::move(opened));
  return &devices_.back()->device;
}

Result<Owned<Context::OpenedDevice>> Context::Open(
    uint32_t index, std::span<const baleen_setting> settings) {
  baleen_device_info info = {};
  BALEEN_RETURN_IF_ERROR(device_info(index, &info));
  uint32_t local = 0;
  Backend* backend = FindBackend(index, &local);
  Owned<OpenedDevice> opened =
      MakeOwned<OpenedDevice>(&memory_, parts_, backend, settings);
  Device& device = opened->device;
  const baleen_device_table* table = nullptr;
  const char* name = backend->table.name;
  const baleen_status status = backend->table.device_open(
      opened->host.table(), local, &device.handle, &table);
  if (status != BALEEN_OK) {
    device.handle = nullptr;
    return Status::Error(status, "cannot open device %u of backend %s: %s",
                         local, name, opened->host.last_failure());
  }
  if (table == nullptr) {
    return Internal("the backend %s opened a device without functions", name);
  }
  CopyTable(table, &opened->table);
  if (const char* missing = MissingFunction(opened->table)) {
    return Unsupported("the backend %s lacks the function %s", name, missing);
  }
  CopyTable(opened->table.ops, &opened->ops);
  opened->table.ops = &opened->ops;
  device.table = &opened->table;
  device.backend = name;
  device.index = index;
  device.unified_memory = (info.flags & BALEEN_DEVICE_UNIFIED_MEMORY) != 0;
  device.last_failure = BackendHost::LastFailureOf;
  device.host = opened->host.table();
  return opened;
}

}  // namespace baleen
