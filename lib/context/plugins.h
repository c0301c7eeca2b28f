// Finding backends in shared libraries.
//
// Plug-ins are never unloaded: driver contexts, thread-locals and unique
// symbols make that unsafe.  They are opened by full path only, so nothing in
// the working directory or in LD_LIBRARY_PATH can stand in for them.
#pragma once

#include <string_view>

#include <baleen/backend.h>

#include "base/memory.h"
#include "base/status.h"

namespace baleen {

// The entry function of the plug-in at the absolute path `path`.
Result<baleen_backend_entry_fn> OpenPlugin(const char* path);

// The files libbaleen-*.so of `folder`, sorted; "" is the folder of this
// library.  BALEEN_NOT_FOUND if there is no such folder.
Result<Vector<String>> FindPlugins(std::string_view folder, Memory* memory);

}  // namespace baleen
