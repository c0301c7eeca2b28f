// From the name of an architecture to a model of it.
#pragma once

#include <optional>
#include <string_view>

#include "base/byte_meter.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "format/checkpoint.h"
#include "models/model.h"
#include "models/pack.h"
#include "ops/device.h"

namespace baleen {

struct ModelRequest {
  Json config;                   // config.json's root, read and not kept.
  const char* config_name = "";  // What messages call that file.
  std::string_view name;         // For baleen_model_info.
  // The model keeps it.  Empty: shapes only; sessions take their memory and
  // count, but compute nothing.
  std::optional<Checkpoint> checkpoint;
  const Device* device = nullptr;
  const Device* cpu = nullptr;  // For what `device` lacks; may be the same.
  Memory* memory = nullptr;     // The memory that `cpu` computes in, too.
  const Log* log = nullptr;
  // Counts what sessions keep in the host's memory; may be NULL.
  ByteMeter* state_meter = nullptr;
  // Copy the weights to the device's fast layout; else they are used where
  // they are mapped.
  bool repack = false;
};

// BALEEN_UNSUPPORTED for an architecture that is not among ours.
Result<Ref<Model>> CreateModel(ModelRequest request);

// Writes the model to a packed file.  REQUIRES: a checkpoint that is not one.
Status PackModel(ModelRequest request, const PackRequest& pack);

}  // namespace baleen
