#!/usr/bin/env bash
# snippet.sh SOURCE BUILD MODEL: compiles and runs the C++ of docs/embedding.md
# as it is printed there, for ctest, which sets INCLUDES and CXX.
set -euo pipefail
source=$1 build=$2 model=$3
read -ra includes <<<"$INCLUDES"
mkdir -p "$build"
awk '/^```cpp$/ { inside = 1; next } /^```$/ { inside = 0 } inside' \
  "$source/docs/embedding.md" >"$build/snippet.cc"
"$CXX" -std=c++17 -Wall -Wextra -Werror "${includes[@]}" "$build/snippet.cc" \
  -L"$LD_LIBRARY_PATH" -lbaleen -o "$build/snippet"
text=$("$build/snippet" "$model" "Tell me about the sea.")
((${#text} > 20)) || { echo "the snippet said only: $text" && exit 1; }
