#!/usr/bin/env bash
# store_abi.sh LIBRARY INCLUDE_FOLDER: writes the baseline: libbaleen.abi, which
# abidiff holds the library to, and first/, the headers without their comments,
# which an old program is compiled against.  A change of either is a change of
# the ABI: review it as one, and say why in CHANGELOG.md.  Once 1.0 is
# declared first/ stays, and its loop goes.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
abidw --exported-interfaces-only --headers-dir "$2" --no-show-locs \
  --no-corpus-path --no-comp-dir-path --no-elf-needed --no-parameter-names \
  --drop-private-types --type-id-style hash "$1" |
  sed -E "s| path='[^']*/(lib/[^']*)'| path='\1'|" >"$here/libbaleen.abi"
for header in baleen backend; do
  {
    echo "/* $header.h as it was at the baseline; store_abi.sh writes it. */"
    gcc -w -fpreprocessed -dD -E -P "$2/baleen/$header.h" | sed 's/ *$//'
  } >"$here/first/baleen/$header.h"
done
