#!/usr/bin/env bash
# standards.sh FLAG...: the header, and what a C++20 program writes with it, by
# each compiler there is, for ctest, which sets INCLUDES and CXX.
set -euo pipefail
read -ra includes <<<"$INCLUDES"

# What an aggregate with names for its members shows only in use.
program='#include <baleen/baleen.hpp>
#include <iterator>
#include <ranges>
#include <span>
static_assert(std::input_iterator<baleen::TokenStream::Iterator>);
static_assert(std::ranges::input_range<baleen::TokenStream>);
baleen::Session Open(const char* path, std::span<const baleen::Token> tokens) {
  const baleen::Context context({.thread_count = 2});
  const baleen::Model model = context.Load(path, {.verify = true});
  baleen::Session session = model.NewSession({.seed = 7});
  session.Append(tokens);
  session.Generate({.sampling = {.greedy = true}, .max_tokens = 3},
                   [](const baleen::Piece&) {});
  return session;
}'

compilers=0
for compiler in g++ clang++; do
  command -v "$compiler" >/dev/null || continue
  compilers=$((compilers + 1))
  for standard in c++17 c++20; do
    for option in -fexceptions -fno-exceptions; do
      "$compiler" -x c++ -std=$standard $option "$@" "${includes[@]}" \
        -fsyntax-only - <<<'#include <baleen/baleen.hpp>'
    done
  done
  "$compiler" -x c++ -std=c++20 "$@" "${includes[@]}" -fsyntax-only - \
    <<<"$program"
done
((compilers > 0)) || { echo "there is neither g++ nor clang++" && exit 1; }
