// The tokenizer's speed on one thread: bytes of text a second, and how long the
// official tokenizer.json (6.4 MB, 128,000 tokens) takes to be read.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

namespace {

using baleen::HostMemory;
using baleen::JsonDocument;
using baleen::TextPart;
using baleen::Tokenizer;

constexpr size_t kMegabyte = 1 << 20;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string OfficialFile(const std::string& name) {
  return ReadFile(BALEEN_TEST_DATA_BUILT "/tokenizer/" + name);
}

const Tokenizer* OfficialTokenizer() {
  static HostMemory memory(nullptr);
  static const auto tokenizer = Tokenizer::Parse(OfficialFile("tokenizer.json"),
                                                 "tokenizer.json", &memory);
  return tokenizer.ok() ? &*tokenizer : nullptr;
}

// A megabyte or more of a text, over and over.
std::string Repeat(const std::string& text) {
  std::string repeated;
  while (!text.empty() && repeated.size() < kMegabyte) repeated += text;
  return repeated;
}

// Prose of the pocket model's held-out texts.
std::string English() {
  return Repeat(ReadFile(BALEEN_TEST_DATA "/pocket/heldout.txt"));
}

// This file, and the data of the chat encoder's tests: nested JSON.
std::string Code() {
  return Repeat(
      ReadFile(__FILE__) +
      ReadFile(BALEEN_TEST_DATA "/encoding/encode_cases_v4_preview.json"));
}

// The golden texts, in some thirty scripts, a third of them Chinese; they are
// strings of a JSON document.
std::string Mixed() {
  HostMemory memory(nullptr);
  const std::string json = OfficialFile("hf_golden_vectors.json");
  const auto document = JsonDocument::Parse(json, "vectors", &memory);
  std::string text;
  if (document.ok()) {
    for (const baleen::Json vector : document->root()) {
      text += vector.Find("t").text();
    }
  }
  return Repeat(text);
}

std::string Letters() { return std::string(kMegabyte, 'a'); }
std::string Spaces() { return std::string(kMegabyte, ' '); }
std::string Digits() { return std::string(kMegabyte, '1'); }
std::string Ideographs() { return Repeat("中"); }

// Lower-case letters without sense: one piece, all of it merged.
std::string Noise() {
  std::string text(kMegabyte, '\0');
  uint32_t state = 1;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>('a' + (state >> 24) % 26);
  }
  return text;
}

void Encode(benchmark::State& state, std::string (*make_text)()) {
  const std::string text = make_text();
  const Tokenizer* tokenizer = OfficialTokenizer();
  if (tokenizer == nullptr || text.empty()) {
    state.SkipWithError("the test data cannot be read");
    return;
  }
  HostMemory memory(nullptr);
  const TextPart part = {text, false};
  size_t count = 0;
  for (auto _ : state) {
    baleen::Vector<baleen_token> tokens(&memory);
    tokenizer->Encode({&part, 1}, &tokens);
    count = tokens.size();
    benchmark::DoNotOptimize(tokens.data());
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
  state.counters["bytes/token"] =
      static_cast<double>(text.size()) / static_cast<double>(count);
}

BENCHMARK_CAPTURE(Encode, English, English);
BENCHMARK_CAPTURE(Encode, Code, Code);
BENCHMARK_CAPTURE(Encode, Mixed, Mixed);
BENCHMARK_CAPTURE(Encode, Letters, Letters);
BENCHMARK_CAPTURE(Encode, Spaces, Spaces);
BENCHMARK_CAPTURE(Encode, Digits, Digits);
BENCHMARK_CAPTURE(Encode, Ideographs, Ideographs);
BENCHMARK_CAPTURE(Encode, Noise, Noise);

// The scanner alone; the rest of Encode is look-ups and merging.
void CutIntoPieces(benchmark::State& state) {
  const std::string text = English();
  for (auto _ : state) {
    baleen::PieceScanner scanner(text);
    std::string_view piece;
    while (scanner.Next(&piece)) benchmark::DoNotOptimize(piece);
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(CutIntoPieces);

void Decode(benchmark::State& state) {
  const std::string text = English();
  const Tokenizer* tokenizer = OfficialTokenizer();
  if (tokenizer == nullptr || text.empty()) {
    state.SkipWithError("the test data cannot be read");
    return;
  }
  baleen::Vector<baleen_token> tokens;
  const TextPart part = {text, false};
  tokenizer->Encode({&part, 1}, &tokens);
  for (auto _ : state) {
    baleen::String decoded;
    for (const baleen_token token : tokens) {
      tokenizer->Decode(token, false, &decoded);
    }
    benchmark::DoNotOptimize(decoded.data());
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(Decode);

void ReadTokenizer(benchmark::State& state) {
  const std::string text = OfficialFile("tokenizer.json");
  HostMemory memory(nullptr);
  for (auto _ : state) {
    const auto tokenizer = Tokenizer::Parse(text, "tokenizer.json", &memory);
    if (!tokenizer.ok()) state.SkipWithError(tokenizer.status().message());
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(ReadTokenizer)->Unit(benchmark::kMillisecond);

// The part of it that is JSON.
void ReadJson(benchmark::State& state) {
  const std::string text = OfficialFile("tokenizer.json");
  HostMemory memory(nullptr);
  for (auto _ : state) {
    const auto document = JsonDocument::Parse(text, "tokenizer.json", &memory);
    benchmark::DoNotOptimize(document.ok());
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(text.size()));
}
BENCHMARK(ReadJson)->Unit(benchmark::kMillisecond);

}  // namespace
