// One file of the safetensors format: 8 bytes that say how long the header is,
// the header (JSON: name, type, shape and place of each tensor), the data.
//
// The header is checked as strictly as the format's own reader does, so that
// whoever uses a tensor afterwards need not doubt its size or place.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "format/checkpoint.h"

namespace baleen {

// More than the format allows is refused: 145,116 tensors in one file, as many
// as V4-Pro has in all its files, would need 22 MB.
inline constexpr uint64_t kSafetensorsHeaderLimit = 100'000'000;

// As the format writes it: "F8_E4M3".
const char* StoredTypeName(StoredType type);

// Of one element: 4 for F4, else a multiple of 8.
uint32_t StoredTypeBits(StoredType type);

// Appends the tensors that `header` describes, data NULL, `file` as given.
// Their names are lent by `names`.  The data begin at `data_begin` of the file,
// which has `file_size` bytes and which messages call `file_name`.
//
// Refused are types that the format does not know, sizes that do not follow
// from type and shape, and data that overlap, leave a hole, or do not end where
// the file ends.  Names may still occur twice.  After a failure `tensors` must
// be dropped.
Status ParseSafetensorsHeader(std::string_view header, uint64_t data_begin,
                              uint64_t file_size, const char* file_name,
                              uint32_t file, Memory* memory, Block* names,
                              Vector<StoredTensor>* tensors);

// The same, from an open file.
Status ReadSafetensorsHeader(const File& file, uint32_t index, Memory* memory,
                             Block* names, Vector<StoredTensor>* tensors);

}  // namespace baleen
