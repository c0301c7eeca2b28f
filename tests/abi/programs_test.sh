#!/usr/bin/env bash
# programs_test.sh MODEL PLUGIN FIRST_PLUGIN FIRST TODAY LATER: that programs
# compiled against the first headers, those of today and later ones do the same
# with the library of today, with a plug-in of today and one of the first.
set -euo pipefail
model=$1 plugin=$2 first_plugin=$3 first=$4 today=$5 later=$6
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

expected=$("$today" "$model" "$plugin" "$folder")
printf '%s\n' "$expected"
for pair in "$first $plugin" "$first $first_plugin" "$today $first_plugin" \
  "$later $plugin"; do
  read -r program with <<<"$pair"
  printed=$("$program" "$model" "$with" "$folder")
  [[ $printed == "$expected" ]] || {
    printf 'but %s with %s:\n%s\n' "$program" "$with" "$printed"
    exit 1
  }
done
