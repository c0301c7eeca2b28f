#!/usr/bin/env bash
# A whole chat from Lua under LeakSanitizer, which is preloaded: that finds what
# the binding or the library did not give back when the program ends.
set -euo pipefail
luajit=$1
sanitizer=$2
pocket=$3
here=$(dirname "${BASH_SOURCE[0]}")

run_chat() {
  LD_PRELOAD=$sanitizer LSAN_OPTIONS=exitcode=23 "$luajit" "$here/chat.lua" \
    "$pocket" "$@"
}

# It must be able to fail: a context that nobody gives back is reported.
status=0
report=$(run_chat forget 2>&1) || status=$?
if ((status != 23)) || [[ $report != *"detected memory leaks"* ]]; then
  echo "a context that was forgotten is not reported: $status $report" >&2
  exit 1
fi
run_chat
