// What it takes to write a packed model, beside the model itself.
#pragma once

#include <span>
#include <string_view>

#include <baleen/baleen.h>

#include "base/file.h"

namespace baleen {

// A small file of the checkpoint's folder that goes along as it is.
struct PackText {
  std::string_view name;
  std::string_view bytes;
};

struct PackRequest {
  const FileSystem* files = nullptr;  // To write to.
  const char* path = "";
  std::span<const PackText> texts;
  const baleen_workers* workers = nullptr;
  baleen_progress_fn progress = nullptr;  // In bytes; may be NULL.
  void* progress_user_data = nullptr;
};

}  // namespace baleen
