#include "format/safetensors.h"

#include <algorithm>
#include <cstring>

#include "base/json.h"

namespace baleen {
namespace {

struct TypeRow {
  const char* name;
  uint32_t bits;
};

// In the order of StoredType.
constexpr TypeRow kTypes[] = {
    {"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"I16", 16},    {"U16", 16},
    {"I32", 32},    {"U32", 32}, {"I64", 64}, {"U64", 64},    {"F16", 16},
    {"BF16", 16},   {"F32", 32}, {"F64", 64}, {"F8_E4M3", 8}, {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"F4", 4}};
static_assert(std::size(kTypes) == static_cast<size_t>(StoredType::kF4) + 1);

// Reads the header's tensors, one after another.
class HeaderReader {
 public:
  HeaderReader(uint64_t data_begin, uint64_t file_size, const char* file_name)
      : data_begin_(data_begin),
        data_size_(file_size - data_begin),
        file_name_(file_name) {}

  Status Read(std::string_view name, Json value, StoredTensor* out) const {
    if (!value.IsObject()) return Fail(name, "is not described by an object");
    BALEEN_RETURN_IF_ERROR(ReadType(name, value.Find("dtype"), out));
    uint64_t bits = 0;
    BALEEN_RETURN_IF_ERROR(ReadShape(name, value.Find("shape"), out, &bits));
    return ReadPlace(name, value.Find("data_offsets"), bits, out);
  }

 private:
  Status Fail(std::string_view name, const char* what) const {
    return Corrupt("tensor %.*s of %s %s", PrintLength(name), name.data(),
                   file_name_, what);
  }

  Status ReadType(std::string_view name, Json type, StoredTensor* out) const {
    if (!type.IsString()) return Fail(name, "has no dtype");
    for (size_t i = 0; i < std::size(kTypes); ++i) {
      if (type.text() == kTypes[i].name) {
        out->type = static_cast<StoredType>(i);
        return Status();
      }
    }
    return Unsupported("tensor %.*s of %s has the unknown dtype %.*s",
                       PrintLength(name), name.data(), file_name_,
                       PrintLength(type.text()), type.text().data());
  }

  Status ReadShape(std::string_view name, Json shape, StoredTensor* out,
                   uint64_t* bits) const {
    if (!shape.IsArray()) return Fail(name, "has no shape");
    if (shape.size() > static_cast<uint32_t>(StoredTensor::kMaxRank)) {
      return Fail(name, "has more than 8 dimensions");
    }
    // Bits, so that F4 needs no rule of its own; the product stays below 2^63.
    int64_t product = static_cast<int64_t>(StoredTypeBits(out->type));
    for (Json element : shape) {
      int64_t size = 0;
      if (!element.GetInt64(&size) || size < 0) {
        return Fail(name, "has a dimension that is no size");
      }
      if (__builtin_mul_overflow(product, size, &product)) {
        return Fail(name, "has a shape whose product overflows");
      }
      out->shape[out->rank++] = size;
    }
    if (product % 8 != 0) return Fail(name, "ends inside a byte");
    *bits = static_cast<uint64_t>(product);
    return Status();
  }

  Status ReadPlace(std::string_view name, Json place, uint64_t bits,
                   StoredTensor* out) const {
    uint64_t begin = 0;
    uint64_t end = 0;
    if (!place.IsArray() || place.size() != 2 ||
        !(*place.begin()).GetUint64(&begin) ||
        !(*place.begin()).Next().GetUint64(&end)) {
      return Fail(name, "has no two data_offsets");
    }
    if (begin > end || end > data_size_) {
      return Corrupt(
          "tensor %.*s of %s lies at bytes %llu to %llu of %llu bytes of data",
          PrintLength(name), name.data(), file_name_,
          static_cast<unsigned long long>(begin),
          static_cast<unsigned long long>(end),
          static_cast<unsigned long long>(data_size_));
    }
    if (end - begin != bits / 8) {
      return Corrupt(
          "tensor %.*s of %s takes %llu bytes, but type and shape make %llu",
          PrintLength(name), name.data(), file_name_,
          static_cast<unsigned long long>(end - begin),
          static_cast<unsigned long long>(bits / 8));
    }
    out->offset = data_begin_ + begin;
    out->byte_count = end - begin;
    return Status();
  }

  uint64_t data_begin_;
  uint64_t data_size_;
  const char* file_name_;
};

bool LiesBefore(const StoredTensor& a, const StoredTensor& b) {
  return a.offset != b.offset ? a.offset < b.offset
                              : a.byte_count < b.byte_count;
}

// The data of one file's tensors, `count` of them from `first` on, follow each
// other without holes from `begin` to `end`.
Status CheckCoverage(const StoredTensor* first, size_t count, uint64_t begin,
                     uint64_t end, const char* file_name, Memory* memory) {
  Vector<const StoredTensor*> order(memory);
  order.reserve(count);
  for (size_t i = 0; i < count; ++i) order.push_back(first + i);
  const auto before = [](const StoredTensor* a, const StoredTensor* b) {
    return LiesBefore(*a, *b);
  };
  // Most writers list tensors as they lie.
  if (!std::is_sorted(order.begin(), order.end(), before)) {
    std::sort(order.begin(), order.end(), before);
  }
  uint64_t at = begin;
  for (const StoredTensor* tensor : order) {
    if (tensor->offset != at) {
      return Corrupt("%s %s before tensor %.*s", file_name,
                     tensor->offset < at ? "has data that overlap"
                                         : "has a hole in its data",
                     PrintLength(tensor->name), tensor->name.data());
    }
    at += tensor->byte_count;
  }
  if (at != end) {
    return Corrupt("%s has %llu bytes behind its last tensor", file_name,
                   static_cast<unsigned long long>(end - at));
  }
  return Status();
}

bool IsTensor(std::string_view name) { return name != "__metadata__"; }

// How many tensors there are, and the bytes of their names with the zeros that
// end them.
void Measure(Json root, size_t* count, size_t* name_bytes) {
  for (auto it = root.begin(); it != root.end(); ++it) {
    const std::string_view name = (*it).text();
    ++it;
    if (!IsTensor(name)) continue;
    *name_bytes += name.size() + 1;
    ++*count;
  }
}

// Names are copied to `names`.
Status AppendTensors(Json root, const HeaderReader& reader, uint32_t file,
                     char* names, Vector<StoredTensor>* tensors) {
  for (auto it = root.begin(); it != root.end(); ++it) {
    const std::string_view name = (*it).text();
    ++it;
    if (!IsTensor(name)) continue;
    StoredTensor tensor;
    BALEEN_RETURN_IF_ERROR(reader.Read(name, *it, &tensor));
    std::memcpy(names, name.data(), name.size());
    names[name.size()] = '\0';  // For messages.
    tensor.name = std::string_view(names, name.size());
    tensor.file = file;
    names += name.size() + 1;
    tensors->push_back(tensor);
  }
  return Status();
}

}  // namespace

const char* StoredTypeName(StoredType type) {
  return kTypes[static_cast<size_t>(type)].name;
}

uint32_t StoredTypeBits(StoredType type) {
  return kTypes[static_cast<size_t>(type)].bits;
}

Status ParseSafetensorsHeader(std::string_view header, uint64_t data_begin,
                              uint64_t file_size, const char* file_name,
                              uint32_t file, Memory* memory, Block* names,
                              Vector<StoredTensor>* tensors) {
  BALEEN_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(header, file_name, memory));
  const Json root = document.root();
  if (!root.IsObject()) {
    return Corrupt("the header of %s is not an object", file_name);
  }
  size_t count = 0;
  size_t name_bytes = 0;
  Measure(root, &count, &name_bytes);
  Block block(memory, name_bytes);
  const size_t first = tensors->size();
  // Doubled at least: to reserve file by file would copy all that is there.
  if (tensors->capacity() - first < count) {
    tensors->reserve(std::max(first + count, 2 * tensors->capacity()));
  }
  BALEEN_RETURN_IF_ERROR(
      AppendTensors(root, HeaderReader(data_begin, file_size, file_name), file,
                    static_cast<char*>(block.data()), tensors));
  BALEEN_RETURN_IF_ERROR(CheckCoverage(tensors->data() + first, count,
                                       data_begin, file_size, file_name,
                                       memory));
  *names = std::move(block);
  return Status();
}

Status ReadSafetensorsHeader(const File& file, uint32_t index, Memory* memory,
                             Block* names, Vector<StoredTensor>* tensors) {
  unsigned char prefix[8];
  if (file.size() < sizeof prefix) {
    return Corrupt("%s is too short for a safetensors file", file.name());
  }
  BALEEN_RETURN_IF_ERROR(file.Read(0, prefix, sizeof prefix));
  uint64_t size = 0;
  for (int i = 7; i >= 0; --i) size = size << 8 | prefix[i];
  if (size > kSafetensorsHeaderLimit || size > file.size() - sizeof prefix) {
    return Corrupt("%s says that its header has %llu bytes", file.name(),
                   static_cast<unsigned long long>(size));
  }
  const Block header(memory, static_cast<size_t>(size));
  BALEEN_RETURN_IF_ERROR(
      file.Read(sizeof prefix, header.data(), header.size()));
  return ParseSafetensorsHeader(
      {static_cast<const char*>(header.data()), header.size()},
      sizeof prefix + size, file.size(), file.name(), index, memory, names,
      tensors);
}

}  // namespace baleen
