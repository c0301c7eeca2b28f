#!/usr/bin/env bash
# The shared library as this build tree installs it: by find_package, by
# pkg-config, moved to another place, and with the tool and the pocket model.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

first=$work_dir/first
prefix=$work_dir/prefix
"$CMAKE" --install "$build_dir" --prefix "$first" >/dev/null

# Nothing in an installation names the place it was installed to.
mv "$first" "$prefix"

build_by_cmake "$prefix" by_cmake
try "$work_dir/by_cmake/embed_c"
build_by_pkg_config "$prefix" "$example/chat.c" by_pkg_config
try "$work_dir/by_pkg_config"

# The C of docs/embedding.md.
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' \
  "$source_dir/docs/embedding.md" >"$work_dir/snippet.c"
build_by_pkg_config "$prefix" "$work_dir/snippet.c" snippet
try "$work_dir/snippet"
try_cpp "$prefix" in_cpp

# The version that is asked for counts.
if "$CMAKE" -S "$source_dir/tests/install/wrong_version" \
  -B "$work_dir/wrong_version" -DCMAKE_PREFIX_PATH="$prefix" \
  >/dev/null 2>&1; then
  fail "find_package(baleen 2) found version 1"
fi

# The tool finds its library and the pocket model.
text=$("$prefix/bin/baleen" complete --greedy -n 8 "Call me")
((${#text} > 5)) || fail "the installed tool said only: $text"
model=$("$prefix/bin/baleen" info --json | grep '"path"')
[[ $model == *"$prefix/share/baleen/pocket"* ]] ||
  fail "the installed tool uses another model: $model"

# So does the Lua binding, with the path that a system's LuaJIT has under /usr.
if command -v luajit >/dev/null; then
  version=$(BALEEN_LIBRARY=$(find "$prefix" -name 'libbaleen.so.1') \
    LUA_PATH="$prefix/share/lua/5.1/?.lua" \
    luajit -e 'print(require("baleen").version())')
  [[ $version == 1.* ]] || fail "the installed Lua binding is of $version"
fi

# What it depends on at run time: the C and C++ libraries and nothing else.
library=$(find "$prefix" -name 'libbaleen.so.1')
needed=$(objdump -p "$library" | awk '$1 == "NEEDED" { print $2 }')
for name in $needed; do
  case $name in
    libc.so.* | libm.so.* | libstdc++.so.* | libgcc_s.so.* | ld-linux*) ;;
    *) fail "libbaleen depends on $name" ;;
  esac
done
# And what it shows: the functions of baleen.h.
stray=$(nm -D --defined-only "$library" | awk '{ print $3 }' |
  grep -v '^baleen_\|^BALEEN_' || true)
[[ -z $stray ]] || fail "libbaleen exports $stray"

# The components apart: who only runs programs gets no header.
"$CMAKE" --install "$build_dir" --prefix "$work_dir/runtime" \
  --component runtime >/dev/null
[[ ! -e $work_dir/runtime/include ]] || fail "runtime has headers"
"$CMAKE" --install "$build_dir" --prefix "$work_dir/dev" \
  --component dev >/dev/null
[[ -e $work_dir/dev/include/baleen/baleen.h ]] || fail "dev has no header"
[[ -e $work_dir/dev/include/baleen/hpp/session.hpp ]] ||
  fail "dev has no header of C++"
[[ ! -e $work_dir/dev/bin ]] || fail "dev has programs"
