// Files of a host that cannot map them, for a memory plan: what would be read
// into memory is given addresses, but no memory and no bytes.
//
// A plan needs the lengths of files and the headers in them, which are read as
// ever.  The weights read as zeros.
#pragma once

#include "base/file.h"

namespace baleen {

FileSystem UnreadFiles(const FileSystem& files);

}  // namespace baleen
