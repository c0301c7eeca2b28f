// The pocket model, and what tests do with it.  Compiled into each unit of the
// tests, which also shows that the wrapper may be.
#pragma once

#include <baleen/baleen.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

inline const std::string& PocketPath() {
  static const std::string path = BALEEN_POCKET;
  return path;
}

// One model for all tests: it never changes.
inline const baleen::Model& PocketModel() {
  static const baleen::Model model = [] {
    baleen::ContextOptions options;
    options.thread_count = 2;
    return baleen::Context(options).Load(PocketPath());
  }();
  return model;
}

inline baleen::Session NewSession(uint64_t seed) {
  baleen::SessionOptions options;
  options.seed = seed;
  return PocketModel().NewSession(options);
}

// Held-out text of this many tokens.
inline std::vector<baleen::Token> Prompt(size_t count) {
  std::ifstream file(PocketPath() + "/heldout.txt", std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  text.resize(6 * count);
  std::vector<baleen::Token> tokens = PocketModel().Tokenize(text);
  tokens.insert(tokens.begin(), 0);
  tokens.resize(count);
  return tokens;
}

// The model does not end its turn.
inline baleen::Sampling Endless() {
  baleen::Sampling sampling;
  sampling.biases = {{1, -1e9f}};
  return sampling;
}

// What the model says of at most so many tokens.
inline std::string Generate(baleen::Session* session,
                            const baleen::Sampling& sampling,
                            uint64_t max_tokens) {
  std::string text;
  baleen::Generation generation;
  generation.sampling = sampling;
  generation.max_tokens = max_tokens;
  session->Generate(generation,
                    [&](const baleen::Piece& piece) { text += piece.text; });
  return text;
}

inline std::vector<baleen::Token> Copy(
    baleen::Span<const baleen::Token> tokens) {
  return {tokens.begin(), tokens.end()};
}

// The status that `call` fails with.
template <typename Call>
baleen::Status StatusOf(Call&& call) {
  try {
    call();
  } catch (const baleen::Error& error) {
    return error.status();
  }
  return baleen::Status::kOk;
}
