// A hostile checkpoint: the first byte says whether the rest is a file of
// tensors or the index of two good ones.  Whatever opens must have its tensors
// inside the files, each under its own name.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/file.h"
#include "format/checkpoint.h"
#include "unit/format/safetensors_text.h"
#include "unit/memory_files.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

void CheckTensors(const baleen::Checkpoint& checkpoint) {
  uint64_t bytes = 0;
  unsigned sum = 0;
  for (const baleen::StoredTensor& tensor : checkpoint.tensors()) {
    Check(checkpoint.Find(tensor.name) == &tensor);
    Check(checkpoint.file_name(tensor.file) != nullptr);
    const auto* data = static_cast<const unsigned char*>(tensor.data);
    for (uint64_t i = 0; i < tensor.byte_count; ++i) sum += data[i];
    bytes += tensor.byte_count;
  }
  Check(bytes == checkpoint.byte_count());
  // Keeps the reads.
  Check(sum <= 255 * bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  baleen::MemoryFiles hooks;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'i') {
    hooks["m/model.safetensors.index.json"] = rest;
    for (const char* name : {"a", "b"}) {
      hooks["m/" + std::string(name)] = baleen::Safetensors(
          "{\"" + std::string(name) +
              R"(":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})",
          "1234");
    }
  } else {
    hooks["m/model.safetensors"] = rest;
  }
  baleen::HostMemory memory(nullptr);
  const baleen::FileSystem files(hooks.hooks(), &memory);
  const auto opened = baleen::Checkpoint::Open(files, "m");
  if (opened.ok()) {
    CheckTensors(*opened);
  } else {
    Check(opened.status().message()[0] != '\0');
  }
  return 0;
}
