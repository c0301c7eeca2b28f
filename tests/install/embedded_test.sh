#!/usr/bin/env bash
# The library as a part of somebody's project, static: add_subdirectory gives the
# library and nothing else.  Then that static library, installed: by find_package
# and by pkg-config, from C.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tree=$work_dir/tree
prefix=$work_dir/prefix

# As the build tree compiles.
read_cache() { sed -n "s/^$1:[A-Z]*=//p" "$build_dir/CMakeCache.txt"; }

"$CMAKE" -G "$(read_cache CMAKE_GENERATOR)" \
  -S "$source_dir/tests/install/embedder" -B "$tree" \
  -DBALEEN_SOURCE_DIR="$source_dir" \
  -DBUILD_SHARED_LIBS=OFF -DBALEEN_INSTALL=ON \
  -DBALEEN_WERROR="$(read_cache BALEEN_WERROR)" \
  -DCMAKE_BUILD_TYPE="$(read_cache CMAKE_BUILD_TYPE)" \
  -DCMAKE_C_COMPILER_LAUNCHER="$(read_cache CMAKE_C_COMPILER_LAUNCHER)" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$(read_cache CMAKE_CXX_COMPILER_LAUNCHER)" \
  -DCMAKE_INSTALL_PREFIX="$prefix" >/dev/null
"$CMAKE" --build "$tree" -j "$(nproc)" >/dev/null
try "$tree/embedder"

# No tests, no tool, no benchmarks: one program, the embedder's own.
programs=$(find "$tree" -type f -perm -u+x ! -path '*/CMakeFiles/*')
[[ $programs == "$tree/embedder" ]] || fail "also built: $programs"
[[ ! -e $tree/CTestTestfile.cmake ]] || fail "the library added tests"

"$CMAKE" --install "$tree" >/dev/null
[[ ! -e $prefix/bin ]] || fail "programs were installed"
build_by_cmake "$prefix" by_cmake
try "$work_dir/by_cmake/embed_c"
build_by_pkg_config "$prefix" "$example/chat.c" by_pkg_config --static
try "$work_dir/by_pkg_config"
# The wrapper's names and the library's own do not meet in one program.
try_cpp "$prefix" in_cpp --static
! ldd "$work_dir/by_pkg_config" | grep -q libbaleen ||
  fail "the static program needs libbaleen.so"

# The same objects as a shared library that brings the C++ runtime along, as
# games ship it.
"$CMAKE" -B "$tree" -DBUILD_SHARED_LIBS=ON -DBALEEN_STATIC_RUNTIME=ON >/dev/null
"$CMAKE" --build "$tree" -j "$(nproc)" >/dev/null
try "$tree/embedder"
needed=$(objdump -p "$(find "$tree" -name 'libbaleen.so.1')" |
  awk '$1 == "NEEDED" { print $2 }')
[[ $needed != *libstdc++* && $needed != *libgcc_s* ]] ||
  fail "the library with a static runtime needs $needed"
