#!/usr/bin/env python3
"""Writes src/bindings.rs and tests/layout.inc from the C header and its layout.

They are kept in git, so that whoever builds the crate needs no generator:

    generate.py            writes both
    generate.py --check    fails unless both are what it would write
"""

import os
import re
import sys

sys.dont_write_bytecode = True  # Of the module, beside the sources.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", ".."))
import header as c

HERE = os.path.dirname(os.path.abspath(__file__))
LAYOUT = os.path.join(c.ROOT, "tests", "abi", "layout_1_0.inc")

SCALARS = {
    "void": "c_void", "char": "c_char", "float": "f32", "double": "f64",
    "size_t": "usize", "int32_t": "i32", "uint32_t": "u32",
    "uint64_t": "u64",
}


def doc(comment, indent=""):
    """A C comment as Rust's lines of documentation."""
    comment = re.sub(r"^/\*+|\*/\s*$", "", comment.strip())
    lines = [re.sub(r"^\s*\*?\s?", "", line).rstrip()
             for line in comment.split("\n")]
    text = " ".join(line.strip() for line in lines if line)
    # What looks like a link or a tag to rustdoc is none.
    text = re.sub(r"([\[\]<>])", r"\\\1", text.replace("  ", " "))
    rows, row = [], ""
    for word in text.split():
        if row and len(indent) + 4 + len(row) + 1 + len(word) > 80:
            rows.append(row)
            row = word
        else:
            row = (row + " " + word).strip()
    rows.append(row)
    return "".join("%s/// %s\n" % (indent, row) for row in rows if row)


def rust_type(text):
    """The Rust for a C type such as `const char* const*`."""
    name, stars = c.pointers(text)
    rust = SCALARS.get(name, name)
    for constant in stars:
        rust = "*%s %s" % ("const" if constant else "mut", rust)
    return rust


def signature(arguments, returns, indent):
    inner = ["%s: %s" % (argument.name, rust_type(argument.type))
             for argument in arguments]
    kind = "" if returns.strip() == "void" else " -> " + rust_type(returns)
    line = "(%s)%s" % (", ".join(inner), kind)
    if len(line) + len(indent) + 60 <= 100 and len(inner) < 3:
        return line
    rows = "".join("%s    %s,\n" % (indent, row) for row in inner)
    return "(\n%s%s)%s" % (rows, indent, kind)


def member_type(member):
    if member.arguments is not None:
        return "Option<\n        unsafe extern \"C\" fn%s,\n    >" % \
            signature(member.arguments, member.type, "        ")
    kind = rust_type(member.type)
    if member.count:
        return "[%s; %s]" % (kind, member.count)
    return "Option<%s>" % kind if kind.endswith("_fn") else kind


def struct(declared):
    lines = doc(declared.comment) + \
        "#[repr(C)]\n#[derive(Clone, Copy)]\npub struct %s {\n" % declared.name
    for member in declared.members:
        for each in member.comments:
            lines += doc(each, "    ")
        lines += "    pub %s: %s,\n" % (member.name, member_type(member))
    return lines + "}\n"


def constants(declared):
    # Flags, and parts, have no type of their own.
    kind = declared.type or "u32"
    return doc(declared.comment) + "".join(
        "%spub const %s: %s = %s;\n" % (
            doc(each.comment) if each.comment else "", each.name, kind,
            each.value)
        for each in declared.constants)


def declaration(declared):
    if isinstance(declared, c.Opaque):
        return '''/// A handle; see baleen.h.
#[repr(C)]
pub struct %s {
    _private: [u8; 0],
}
''' % declared.name
    if isinstance(declared, c.Struct):
        return struct(declared)
    if isinstance(declared, c.Callback):
        return "%spub type %s = unsafe extern \"C\" fn%s;\n" % (
            doc(declared.comment), declared.name,
            signature(declared.arguments, declared.returns, ""))
    if isinstance(declared, c.Alias):
        return "%spub type %s = %s;\n" % (
            doc(declared.comment), declared.name, SCALARS[declared.old])
    return constants(declared)


def bindings(header):
    text = '''//! Written by generate.py from baleen.h, which is their manual.
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_void};

/// The version of the header that this was made of.
pub const BALEEN_VERSION: u32 = %s;
''' % c.version(header)
    functions = ""
    for declared in c.declarations(header):
        if isinstance(declared, c.Function):
            functions += "\n%s    pub fn %s%s;\n" % (
                doc(declared.comment, "    "), declared.name,
                signature(declared.arguments, declared.returns, "    "))
        else:
            text += "\n" + declaration(declared)
    return text + "\nextern \"C\" {" + functions + "}\n"


def layout(header):
    """The lines of the layout that are about baleen.h, as macros of Rust."""
    text = "// Written by generate.py from tests/abi/layout_1_0.inc.\n{\n"
    with open(LAYOUT, encoding="utf-8") as file:
        for line in file:
            match = re.match(r"(\w+)\((\w+)(.*)\)$", line)
            if match and re.search(r"\b%s\b" % match.group(2), header):
                text += "    %s!(%s%s);\n" % (match.group(1).lower(),
                                              match.group(2), match.group(3))
    return text + "}\n"


def main():
    header = c.read_text()
    c.main({
        os.path.join(HERE, "src", "bindings.rs"): bindings(header),
        os.path.join(HERE, "tests", "layout.inc"): layout(header),
    })


if __name__ == "__main__":
    main()
