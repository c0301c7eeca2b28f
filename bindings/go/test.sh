#!/usr/bin/env bash
# test.sh PART SOURCE BUILD: a part of the Go package's tests, for ctest, which
# sets the environment.
set -euo pipefail
part=$1 source=$2 build=$3
cd "$source/bindings/go"
mkdir -p "$build"

# The program in docs/embedding.md, in a module of its own, as a reader would
# set it up.
run_snippet() {
  local folder=$build/snippet text
  mkdir -p "$folder"
  awk '/^```go$/ { inside = 1; next } /^```$/ { inside = 0 } inside' \
    "$source/docs/embedding.md" >"$folder/main.go"
  cat >"$folder/go.mod" <<END
module snippet

go 1.19

require baleen v0.0.0

replace baleen => $source/bindings/go
END
  (cd "$folder" && "$GO" vet . && "$GO" build -o snippet .)
  text=$("$folder/snippet" "$BALEEN_POCKET" "Tell me about the sea.")
  ((${#text} > 20)) || { echo "the snippet said only: $text" && return 1; }
}

case $part in
  package)
    unformatted=$("$(dirname "$(realpath "$GO")")/gofmt" -l .)
    [[ -z $unformatted ]] || { echo "gofmt: $unformatted" && exit 1; }
    "$GO" vet ./...
    "$GO" test -count=1 ./...
    run_snippet
    ;;
  leaks)
    "$GO" build -o "$build/leakcheck" ./internal/leakcheck
    export LD_PRELOAD=$BALEEN_LSAN
    "$build/leakcheck" "$BALEEN_POCKET"
    # It must be able to fail.
    status=0
    report=$("$build/leakcheck" "$BALEEN_POCKET" forget 2>&1) || status=$?
    ((status == 1)) && [[ $report == *"detected memory leaks"* ]] ||
      { echo "a forgotten engine is not reported: $report" && exit 1; }
    ;;
esac
