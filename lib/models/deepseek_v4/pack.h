// Writes a model to a packed file.
#pragma once

#include "base/status.h"
#include "models/pack.h"
#include "models/registry.h"

namespace baleen::deepseek_v4 {

// Reads the checkpoint through its files, a batch of parts at a time, packs
// each part on a worker and writes it from there: memory stays bounded, and a
// disk that cannot be read or is full gives a status.
Status PackCheckpoint(ModelRequest request, const PackRequest& pack);

}  // namespace baleen::deepseek_v4
