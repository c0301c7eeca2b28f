# What the install tests share: where things are, and how a built program is
# tried.  Sourced with the arguments SOURCE_DIR BUILD_DIR WORK_DIR.
set -euo pipefail

source_dir=$1
build_dir=$2
work_dir=$3
example=$source_dir/examples/embed_c
pocket=$source_dir/tests/data/pocket
question='Tell me about the sea and the whale.'

rm -rf "$work_dir"
mkdir -p "$work_dir"

fail() {
  echo "$*" >&2
  exit 1
}

# try PROGRAM: it must answer, and fail with a sentence where it cannot.  The
# program takes a fresh seed each time, and so small a model now and then thinks
# until its limit, or has nothing to say: one answer of eight is enough.
try() {
  local answer='' i
  for ((i = 0; i < 8 && ${#answer} <= 10; ++i)); do
    answer=$("$1" "$pocket" "$question") || fail "$1 failed"
  done
  ((${#answer} > 10)) || fail "$1 said only: $answer"
  ! "$1" "$work_dir/none" "$question" 2>"$work_dir/error" ||
    fail "$1 opened a model that does not exist"
  grep -q '^chat: .*none' "$work_dir/error" ||
    fail "$1 did not say what is missing: $(cat "$work_dir/error")"
  echo "$1: $answer"
}

# build_by_cmake PREFIX NAME [OPTION...]
build_by_cmake() {
  local prefix=$1 name=$2
  shift 2
  "$CMAKE" -S "$example" -B "$work_dir/$name" \
    -DCMAKE_PREFIX_PATH="$prefix" "$@" >/dev/null
  "$CMAKE" --build "$work_dir/$name" >/dev/null
}

# build_by_pkg_config PREFIX SOURCE NAME [FLAG...]
build_by_pkg_config() {
  local prefix=$1 source=$2 name=$3 flags
  shift 3
  flags=$(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name baleen.pc)") \
    pkg-config --cflags --libs "$@" baleen)
  # shellcheck disable=SC2086  # The flags are words.
  "$CC" -std=c99 -Wall -Wextra -Wpedantic -Werror "$source" $flags \
    -Wl,-rpath,"$(dirname "$(find "$prefix" -name 'libbaleen.*' | head -n 1)")" \
    -o "$work_dir/$name"
}

# try_cpp PREFIX NAME [FLAG...]: a program in C++, by pkg-config.
try_cpp() {
  local prefix=$1 name=$2 flags
  shift 2
  flags=$(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name baleen.pc)") \
    pkg-config --cflags --libs "$@" baleen)
  # shellcheck disable=SC2086  # The flags are words.
  "$CXX" -std=c++17 -fno-exceptions -Wall -Wextra -Werror \
    "$source_dir/bindings/cpp/test/no_exceptions_test.cc" $flags \
    -Wl,-rpath,"$(dirname "$(find "$prefix" -name 'libbaleen.*' | head -n 1)")" \
    -o "$work_dir/$name"
  "$work_dir/$name" "$pocket" || fail "the program in C++ failed"
}
