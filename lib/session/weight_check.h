// Checks every weight (BALEEN_MODEL_VERIFY): that it can be read, and that it
// is a number.
//
// Checkpoints have no checksums, so this finds what damage most often does to
// them: holes full of one byte, pages of another file, numbers that are none.
// Packed models have, and are held to them.
#pragma once

#include "base/memory.h"
#include "base/status.h"
#include "format/checkpoint.h"
#include "session/load_progress.h"

namespace baleen {

// BALEEN_CORRUPT with the tensor's name.  Adds the bytes to `progress`.
Status CheckWeights(const Checkpoint& checkpoint, Memory* memory,
                    LoadProgress* progress);

}  // namespace baleen
