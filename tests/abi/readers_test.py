"""Has another language's tool read the headers, and compares what it makes of
them with what is promised: sizes, offsets, values and functions.

    readers_test.py bindgen|cgo|cffi

LuaJIT's FFI reads baleen.h in the test of its binding, bindings/lua.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

import headers

SOURCE = os.environ["BALEEN_SOURCE"]
LIBRARY = os.environ["BALEEN_LIBRARY"]
INCLUDE = os.path.join(SOURCE, "include")
HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDES = "".join("#include <%s>\n" % name for name in headers.HEADERS)


def promised():
    """(kind, type or constant, member or "", number) of each line."""
    pattern = re.compile(r"(EXACT|SIZE|AT|IS)\((\w+), (?:(\w+), )?(-?\d+)\)")
    entries = []
    for path in sorted(glob.glob(os.path.join(HERE, "layout_*.inc"))):
        with open(path, encoding="utf-8") as file:
            for kind, name, member, number in pattern.findall(file.read()):
                entries.append((kind, name, member, int(number)))
    assert len(entries) > 600, "the layout list was not found"
    return entries


def functions():
    return [name for text in headers.read(INCLUDE)
            for name in headers.functions(text)]


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def run(command, folder, **environment):
    subprocess.run(command, cwd=folder, check=True,
                   env={**os.environ, **environment})


RUST = """#![allow(warnings)]
include!("bindings.rs");
macro_rules! offset { ($t:ty, $m:ident) => {{
    let object = std::mem::MaybeUninit::<$t>::uninit();
    let base = object.as_ptr();
    unsafe { std::ptr::addr_of!((*base).$m) as usize - base as usize }
}} }
fn main() {
%s    let functions = [%s];
    assert!(functions.iter().all(|function| *function as usize != 0));
    assert_eq!(unsafe { baleen_version() }, BALEEN_VERSION);
}
"""


def bindgen(folder):
    form = {
        "EXACT": "assert_eq!(std::mem::size_of::<{0}>(), {2});",
        "SIZE": "assert!(std::mem::size_of::<{0}>() >= {2});",
        "AT": "assert_eq!(offset!({0}, {1}), {2});",
        "IS": "assert_eq!({0} as i64, {2}, \"{0}\");",
    }
    keywords = {"type", "fn", "in", "move", "ref", "match", "use", "loop"}
    lines = ""
    for kind, name, member, number in promised():
        member += "_" if member in keywords else ""
        lines += "    %s\n" % form[kind].format(name, member, number)
    addresses = ", ".join("%s as *const ()" % name for name in functions())
    header = write(folder, "both.h", INCLUDES)
    write(folder, "main.rs", RUST % (lines, addresses))
    run(["bindgen", "--allowlist-file", ".*/baleen/.*", "-o", "bindings.rs",
         header, "--", "-I" + INCLUDE], folder)
    library_folder = os.path.dirname(LIBRARY)
    run([os.environ.get("BALEEN_RUSTC", "rustc"), "main.rs", "-L",
         library_folder, "-l", "baleen"], folder)
    run(["./main"], folder, LD_LIBRARY_PATH=library_folder)


GO = """package main
/*
%s*/
import "C"
import (
\t"log"
\t"unsafe"
)

func check(good bool, what string) {
\tif !good {
\t\tlog.Fatal(what)
\t}
}

func main() {
%s\tfor _, function := range []unsafe.Pointer{%s} {
\t\tcheck(function != nil, "a function")
\t}
\tcheck(C.baleen_version() == C.BALEEN_VERSION, "the version")
}
"""


def cgo(folder):
    form = {
        "EXACT": "C.sizeof_{0} == {2}",
        "SIZE": "C.sizeof_{0} >= {2}",
        "AT": "unsafe.Offsetof(C.{0}{{}}.{1}) == {2}",
        "IS": "C.{0} == {2}",
    }
    keywords = {"type", "map", "range", "func", "select", "var", "go"}
    lines = ""
    for kind, name, member, number in promised():
        member = "_" * (member in keywords) + member
        lines += '\tcheck(%s, "%s %s")\n' % (
            form[kind].format(name, member, number), name, member)
    addresses = ", ".join("C.%s" % name for name in functions())
    write(folder, "go.mod", "module readers\n\ngo 1.19\n")
    write(folder, "main.go", GO % (INCLUDES, lines, addresses))
    library_folder = os.path.dirname(LIBRARY)
    run([os.environ.get("BALEEN_GO", "go"), "run", "."], folder,
        CGO_CFLAGS="-I" + INCLUDE,
        CGO_LDFLAGS="-L%s -lbaleen" % library_folder,
        LD_LIBRARY_PATH=library_folder)


def cffi(folder):
    from cffi import FFI
    # cffi knows the types of these two itself, and no preprocessor.
    for name in ("stddef.h", "stdint.h"):
        write(folder, name, "")
    source = write(folder, "both.h", INCLUDES)
    text = subprocess.run(
        [os.environ.get("BALEEN_COMPILER", "cc"), "-E", "-P", "-nostdinc",
         "-DBALEEN_API=", "-I" + folder, "-I" + INCLUDE, source],
        check=True, capture_output=True).stdout.decode()
    ffi = FFI()
    ffi.cdef(text)
    library = ffi.dlopen(LIBRARY)
    for kind, name, member, number in promised():
        if kind == "AT":
            found = ffi.offsetof(name, member)
        elif kind == "IS":
            found = getattr(library, name)
        else:
            found = ffi.sizeof(name)
        good = found >= number if kind == "SIZE" else found == number
        assert good, (name, member, found, number)
    for name in functions():
        getattr(library, name)
    assert library.baleen_version() // 10000 == 1


with tempfile.TemporaryDirectory() as work:
    {"bindgen": bindgen, "cgo": cgo, "cffi": cffi}[sys.argv[1]](work)
