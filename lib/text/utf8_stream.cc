// The stream reads what it held back together with what comes next, and all the
// rest where it lies.
#include "text/utf8_stream.h"

#include <algorithm>

#include "base/utf8.h"

namespace baleen {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Appends the characters of `bytes` up to its end or to the beginning of one
// there, and returns how many bytes that leaves.
size_t AppendCharacters(std::string_view bytes, String* text) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  const char* run = at;  // Characters not appended yet.
  while (at != end) {
    size_t size = 0;
    const Utf8 what = ReadUtf8(at, end, &size);
    if (what == Utf8::kIncomplete) break;
    at += size;
    if (what == Utf8::kInvalid) {
      text->append(run, at - size);
      text->append(kReplacement);
      run = at;
    }
  }
  text->append(run, at);
  return static_cast<size_t>(end - at);
}

}  // namespace

void Utf8Stream::Write(std::string_view bytes, String* text) {
  const size_t old_size = text->size();
  // What is held with as many new bytes as could complete it.
  char joined[2 * sizeof held_];
  size_t joined_size = held_size_;
  std::copy(held_, held_ + held_size_, joined);
  try {
    size_t taken = 0;
    if (held_size_ > 0) {
      taken = std::min(bytes.size(), sizeof held_);
      std::copy(bytes.data(), bytes.data() + taken, joined + held_size_);
      joined_size += taken;
    }
    size_t left = AppendCharacters({joined, joined_size}, text);
    if (taken < bytes.size()) {
      // What is left began among the new bytes, as no beginning is longer than
      // three, so it is read again with what follows it.
      left = AppendCharacters(bytes.substr(taken - left), text);
      std::copy(bytes.end() - left, bytes.end(), held_);
    } else {
      std::copy(joined + joined_size - left, joined + joined_size, held_);
    }
    held_size_ = left;
  } catch (...) {
    text->resize(old_size);
    throw;
  }
}

void Utf8Stream::Finish(String* text) {
  if (held_size_ > 0) text->append(kReplacement);
  held_size_ = 0;
}

}  // namespace baleen
