#!/usr/bin/env bash
# The Debian packages of this build tree, unpacked into an empty root: the tool
# runs there, and a program is built against them.  The recipes for vcpkg and
# Conan are held to the project's version and options.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=$work_dir/packages
root=$work_dir/root
"$(dirname "$CMAKE")/cpack" -G DEB -B "$packages" \
  --config "$build_dir/CPackConfig.cmake" >/dev/null
mkdir "$root"
for package in "$packages"/*.deb; do
  dpkg-deb --extract "$package" "$root"
  dpkg-deb --field "$package" Package Version Depends
done
[[ -e $(echo "$packages"/baleen_*.deb) ]] || fail "no package baleen"

text=$("$root/usr/bin/baleen" complete --greedy -n 8 "Call me")
((${#text} > 5)) || fail "the packaged tool said only: $text"
# The example as it is packaged, built against the packaged library.
example=$root/usr/share/doc/baleen/examples/embed_c
build_by_cmake "$root/usr" by_cmake
try "$work_dir/by_cmake/embed_c"

# The package of Python, by the Python that runs the tests.
if command -v python3 >/dev/null; then
  version=$(PYTHONPATH=$root/usr/lib/python3/dist-packages \
    PYTHONDONTWRITEBYTECODE=1 \
    BALEEN_LIBRARY=$(find "$root" -name 'libbaleen.so.1') \
    python3 -c 'import baleen; print(baleen.version(), baleen.__file__)')
  [[ $version == 1.*$root* ]] || fail "the packaged Python is of $version"
  [[ -z $(find "$root" -name '__pycache__') ]] || fail "bytecode is packaged"
fi

# What an embedder carries: under two megabytes.
library=$(readlink -f "$(find "$root" -name 'libbaleen.so.1')")
size=$(stat -c %s "$library")
((size < 2000000)) || fail "the stripped library has $size bytes"
echo "the stripped library has $size bytes"

# Components of find_package: those there are, and one that there is not.
mkdir "$work_dir/components"
cat >"$work_dir/components/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(components LANGUAGES C)
find_package(baleen 1 CONFIG REQUIRED COMPONENTS library tool cpp)
find_package(baleen 1 CONFIG QUIET COMPONENTS library telepathy)
if(baleen_FOUND)
  message(FATAL_ERROR "there is a component telepathy")
endif()
END
"$CMAKE" -S "$work_dir/components" -B "$work_dir/components/build" \
  -DCMAKE_PREFIX_PATH="$root/usr" >/dev/null

# The recipes name this version and options that there are.
packaging=$source_dir/lib/packaging
version=$(dpkg-deb --field "$(echo "$packages"/baleen_*.deb)" Version)
python3 - "$packaging" "$version" "$source_dir/CMakeLists.txt" <<'END'
import ast
import json
import pathlib
import re
import sys

packaging, version = pathlib.Path(sys.argv[1]), sys.argv[2]
options = set(re.findall(r"BALEEN_\w+|BUILD_SHARED_LIBS",
                         pathlib.Path(sys.argv[3]).read_text()))
port = json.loads((packaging / "vcpkg/baleen/vcpkg.json").read_text())
assert port["version"] == version, "vcpkg.json has another version"
recipe = (packaging / "conan/conanfile.py").read_text()
ast.parse(recipe)
ast.parse((packaging / "conan/test_package/conanfile.py").read_text())
assert f'version = "{version}"' in recipe, "conanfile.py has another version"
portfile = (packaging / "vcpkg/baleen/portfile.cmake").read_text()
for name in re.findall(r"BALEEN_\w+|BUILD_SHARED_LIBS", recipe + portfile):
    assert name in options, f"there is no option {name}"
END
