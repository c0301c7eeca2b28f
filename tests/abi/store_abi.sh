#!/usr/bin/env bash
# store_abi.sh LIBRARY INCLUDE_FOLDER: writes libbaleen.abi, which abidiff holds
# the library to.  A change of it is a change of the ABI: review it as one, and
# say why in CHANGELOG.md.
set -euo pipefail
abidw --exported-interfaces-only --headers-dir "$2" --no-show-locs \
  --no-corpus-path --no-comp-dir-path --no-elf-needed --no-parameter-names \
  --drop-private-types --type-id-style hash "$1" |
  sed -E "s| path='[^']*/(lib/[^']*)'| path='\1'|" \
    >"$(dirname "${BASH_SOURCE[0]}")/libbaleen.abi"
