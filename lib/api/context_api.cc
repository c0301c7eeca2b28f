// baleen_context_*: checks what the host gives and hands it to Context.
#include <baleen/backend.h>

#include "api/guard.h"
#include "api/handles.h"
#include "api/options.h"

namespace baleen {
namespace {

// More threads than any machine has processors are a mistake.
constexpr uint32_t kThreadLimit = 4096;

// The options with copies of what they point to, so that pointers of `options`
// lead to structs of full size.
struct ContextOptions {
  baleen_context_options options;
  baleen_allocator allocator;
  baleen_workers workers;
  baleen_files files;
};

Status ReadAllocator(const baleen_allocator* given, ContextOptions* read) {
  if (given == nullptr) return Status();
  baleen_allocator& allocator = read->allocator;
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_allocator", &allocator));
  BALEEN_RETURN_IF_ERROR(CheckReserved(allocator.reserved, "baleen_allocator"));
  if (allocator.allocate == nullptr || allocator.deallocate == nullptr) {
    return InvalidArgument(
        "allocator.allocate and allocator.deallocate must both be set");
  }
  read->options.allocator = &allocator;
  return Status();
}

Status ReadWorkers(const baleen_workers* given, ContextOptions* read) {
  if (given == nullptr) return Status();
  baleen_workers& workers = read->workers;
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_workers", &workers));
  if (workers.run == nullptr) return InvalidArgument("workers.run is NULL");
  if (workers.width == 0 || workers.width > kThreadLimit) {
    return InvalidArgument("workers.width is %u, but goes from 1 to %u",
                           workers.width, kThreadLimit);
  }
  read->options.workers = &workers;
  return Status();
}

Status ReadFiles(const baleen_files* given, ContextOptions* read) {
  if (given == nullptr) return Status();
  baleen_files& files = read->files;
  BALEEN_RETURN_IF_ERROR(ReadOptions(given, "baleen_files", &files));
  BALEEN_RETURN_IF_ERROR(CheckReserved(files.reserved, "baleen_files"));
  if (files.open == nullptr || files.read == nullptr ||
      files.close == nullptr) {
    return InvalidArgument(
        "files.open, files.read and files.close must all be set");
  }
  const int writers = (files.create != nullptr) + (files.write != nullptr) +
                      (files.sync != nullptr) + (files.rename != nullptr) +
                      (files.remove != nullptr);
  if (writers != 0 && writers != 5) {
    return InvalidArgument(
        "files.create, write, sync, rename and remove must be set together or "
        "not at all, not %d of them",
        writers);
  }
  read->options.files = &files;
  return Status();
}

Status ReadContextOptions(const baleen_context_options* given,
                          ContextOptions* read) {
  baleen_context_options& options = read->options;
  BALEEN_RETURN_IF_ERROR(
      ReadOptions(given, "baleen_context_options", &options));
  BALEEN_RETURN_IF_ERROR(
      CheckReserved(options.reserved, "baleen_context_options"));
  BALEEN_RETURN_IF_ERROR(
      CheckEnum(options.log_level, BALEEN_LOG_DEBUG, "options.log_level"));
  if (options.thread_count > kThreadLimit) {
    return InvalidArgument("options.thread_count is %u, more than %u",
                           options.thread_count, kThreadLimit);
  }
  if (options.state_path != nullptr && options.state_path[0] == '\0') {
    return InvalidArgument("options.state_path is empty");
  }
  const baleen_allocator* allocator = options.allocator;
  BALEEN_RETURN_IF_ERROR(ReadAllocator(allocator, read));
  const baleen_workers* workers = options.workers;
  BALEEN_RETURN_IF_ERROR(ReadWorkers(workers, read));
  const baleen_files* files = options.files;
  return ReadFiles(files, read);
}

}  // namespace
}  // namespace baleen

using baleen::FromHandle;
using baleen::Guard;
using baleen::GuardValue;
using baleen::Ref;
using baleen::Status;

baleen_status baleen_context_create(const baleen_context_options* options,
                                    baleen_context** out, baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(out);
    baleen::ContextOptions read;
    BALEEN_RETURN_IF_ERROR(baleen::ReadContextOptions(options, &read));
    BALEEN_ASSIGN_OR_RETURN(Ref<baleen::Context> context,
                            baleen::Context::Create(read.options));
    *out = baleen::ToHandle(std::move(context));
    return Status();
  });
}

void baleen_context_release(baleen_context* context) {
  if (context != nullptr) FromHandle(context)->Release();
}

baleen_status baleen_context_load_backend(baleen_context* context,
                                          const char* path,
                                          baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(context);
    BALEEN_REQUIRE(path);
    return FromHandle(context)->LoadBackend(path);
  });
}

baleen_status baleen_context_add_backend(baleen_context* context,
                                         baleen_backend_entry_fn entry,
                                         baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(context);
    BALEEN_REQUIRE(entry);
    return FromHandle(context)->AddBackend(entry);
  });
}

uint32_t baleen_context_device_count(const baleen_context* context) {
  if (context == nullptr) return 0;
  return GuardValue(uint32_t{0},
                    [&] { return FromHandle(context)->device_count(); });
}

baleen_status baleen_context_device_info(const baleen_context* context,
                                         uint32_t device,
                                         baleen_device_info* info,
                                         baleen_error* error) {
  return Guard(error, [&]() -> Status {
    BALEEN_REQUIRE(context);
    BALEEN_REQUIRE(info);
    baleen_device_info found = {};
    BALEEN_RETURN_IF_ERROR(FromHandle(context)->device_info(device, &found));
    return baleen::WriteInfo(found, "baleen_device_info", info);
  });
}
