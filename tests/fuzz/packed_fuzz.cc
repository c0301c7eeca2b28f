// A packed model with changes to its header, index and texts.
//
// The input is a flag and changes of a file that was packed when the fuzzer
// began: three bytes of a place and one that is written there.  A fuzzer does
// not guess checksums, so the flag may ask to mend them.  What opens all the
// same must be usable: it computes, whatever its numbers are.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <baleen/baleen.h>

#include "base/checksum.h"
#include "format/packed_format.h"

namespace {

using baleen::PackedHeader;

void Check(bool right) {
  if (!right) std::abort();
}

// Edits reach this much of what lies behind the index: small tensors.
constexpr size_t kBehindIndex = 4096;

std::vector<char> MakePacked() {
  char path[] = "/tmp/baleen-packed-XXXXXX";
  const int descriptor = mkstemp(path);
  Check(descriptor >= 0);
  close(descriptor);
  baleen_context* context = nullptr;
  Check(baleen_context_create(nullptr, &context, nullptr) == BALEEN_OK);
  Check(baleen_model_pack(context, BALEEN_TEST_DATA "/tiny_v4_dspark", path,
                          nullptr, nullptr) == BALEEN_OK);
  baleen_context_release(context);
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  unlink(path);
  return bytes;
}

// The one file that there is.
struct Disk {
  std::vector<char> bytes = MakePacked();
  size_t size = bytes.size();
  size_t editable = 0;

  Disk() {
    PackedHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    editable = std::min(sizeof header + header.index_size + kBehindIndex, size);
  }
};

Disk& TheDisk() {
  static Disk disk;
  return disk;
}

int32_t Open(void*, const char* path, void** file, uint64_t* size) {
  if (std::strcmp(path, "packed") != 0) return 1;
  *file = &TheDisk();
  *size = TheDisk().size;
  return 0;
}

int32_t Read(void*, void*, uint64_t offset, void* buffer, size_t size) {
  Check(offset <= TheDisk().size && size <= TheDisk().size - offset);
  std::memcpy(buffer, TheDisk().bytes.data() + offset, size);
  return 0;
}

void Close(void*, void*) {}

int32_t Map(void*, void*, uint64_t offset, size_t size, const void** memory) {
  Check(offset <= TheDisk().size && size <= TheDisk().size - offset);
  *memory = TheDisk().bytes.data() + offset;
  return 0;
}

void Unmap(void*, void*, const void*, size_t) {}

baleen_context* TheContext() {
  static baleen_context* const context = [] {
    baleen_files files = {};
    files.struct_size = sizeof files;
    files.open = Open;
    files.read = Read;
    files.close = Close;
    files.map = Map;
    files.unmap = Unmap;
    baleen_context_options options = {};
    options.struct_size = sizeof options;
    options.thread_count = 1;
    options.files = &files;
    baleen_context* made = nullptr;
    Check(baleen_context_create(&options, &made, nullptr) == BALEEN_OK);
    return made;
  }();
  return context;
}

// The checksums of the index and of the header, over what they are said to be.
void Mend(Disk* disk) {
  PackedHeader header;
  std::memcpy(&header, disk->bytes.data(), sizeof header);
  if (header.index_size > disk->size - sizeof header) return;
  header.index_checksum =
      baleen::ChecksumOf(disk->bytes.data() + sizeof header,
                         static_cast<size_t>(header.index_size));
  header.checksum =
      baleen::ChecksumOf(&header, offsetof(PackedHeader, checksum));
  std::memcpy(disk->bytes.data(), &header, sizeof header);
}

void Load(uint32_t flags) {
  baleen_model_options options = {};
  options.struct_size = sizeof options;
  options.flags = flags;
  baleen_model* model = nullptr;
  baleen_error error;
  error.message[0] = '\0';
  if (baleen_model_load(TheContext(), "packed", &options, &model, &error) !=
      BALEEN_OK) {
    Check(error.message[0] != '\0');
    return;
  }
  baleen_session* session = nullptr;
  baleen_session_options with = {};
  with.struct_size = sizeof with;
  with.capacity = 256;
  with.draft = BALEEN_DRAFT_OFF;
  if (baleen_session_create(model, &with, &session, nullptr) == BALEEN_OK) {
    const baleen_token tokens[] = {0, 3, 2};
    Check(baleen_session_append(session, tokens, 3, nullptr) == BALEEN_OK);
    baleen_session_release(session);
  }
  baleen_model_release(model);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr size_t kEdit = 4;
  static const std::vector<char> original(
      TheDisk().bytes.begin(),
      TheDisk().bytes.begin() + static_cast<ptrdiff_t>(TheDisk().editable));
  Disk& disk = TheDisk();
  for (size_t at = 1; at + kEdit <= size; at += kEdit) {
    const size_t place =
        data[at] | size_t{data[at + 1]} << 8 | size_t{data[at + 2]} << 16;
    disk.bytes[place % disk.editable] = static_cast<char>(data[at + 3]);
  }
  if ((data[0] & 1) != 0) Mend(&disk);
  Load((data[0] & 2) != 0 ? BALEEN_MODEL_VERIFY : 0);
  std::copy(original.begin(), original.end(), disk.bytes.begin());
  return 0;
}
