#!/usr/bin/env bash
# test.sh PART SOURCE BUILD: a part of the Rust crates' tests, for ctest, which
# sets the environment.
set -euo pipefail
part=$1 source=$2 build=$3
cd "$source/bindings/rust"

# The program in docs/embedding.md, in a crate of its own, as a reader would set
# it up.
run_snippet() {
  local folder=$build/snippet text
  mkdir -p "$folder/src"
  awk '/^```rust$/ { inside = 1; next } /^```$/ { inside = 0 } inside' \
    "$source/docs/embedding.md" >"$folder/src/main.rs"
  cat >"$folder/Cargo.toml" <<END
[package]
name = "snippet"
version = "0.0.0"
edition = "2021"

[dependencies]
baleen = { path = "$source/bindings/rust/baleen" }
END
  (cd "$folder" && "$CARGO" build --quiet)
  text=$("$CARGO_TARGET_DIR/debug/snippet" "$BALEEN_POCKET" \
    "Tell me about the sea.")
  ((${#text} > 20)) || { echo "the snippet said only: $text" && return 1; }
}

case $part in
  crates)
    "$CARGO" test --locked --workspace
    run_snippet
    ;;
  leaks)
    # Cargo's own processes are not looked at, only what it runs.
    host=$("$RUSTC" -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${host}_RUNNER=env LD_PRELOAD=$BALEEN_LSAN"
    "$CARGO" test --locked --package baleen --tests
    "$CARGO" run --locked --example chat -- "$BALEEN_POCKET" "Tell me more."
    # It must be able to fail.
    status=0
    report=$("$CARGO" test --locked --package baleen --test leaks -- \
      --ignored 2>&1) || status=$?
    ((status != 0)) && [[ $report == *"detected memory leaks"* ]] ||
      { echo "a forgotten model is not reported: $report" && exit 1; }
    ;;
esac
