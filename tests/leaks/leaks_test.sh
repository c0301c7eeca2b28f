#!/usr/bin/env bash
# leaks_test.sh SANITIZER PROGRAM MODEL_FOLDER: the program under LeakSanitizer,
# which is loaded first, and once more where it forgets something, which must be
# found.
set -euo pipefail
sanitizer=$1 program=$2 pocket=$3

run_chat() {
  LD_PRELOAD=$sanitizer LSAN_OPTIONS=exitcode=23 "$program" "$pocket" "$@"
}

run_chat
status=0
report=$(run_chat forget 2>&1) || status=$?
if ((status != 23)) || [[ $report != *"detected memory leaks"* ]]; then
  echo "a session that was forgotten is not reported: $status $report" >&2
  exit 1
fi
