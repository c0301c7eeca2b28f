#!/usr/bin/env python3
"""Writes src/bindings.rs and tests/layout.inc from the C header and its layout.

They are kept in git, so that whoever builds the crate needs no generator:

    generate.py            writes both
    generate.py --check    fails unless both are what it would write
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
HEADER = os.path.join(ROOT, "include", "baleen", "baleen.h")
LAYOUT = os.path.join(ROOT, "tests", "abi", "layout_1_0.inc")

SCALARS = {
    "void": "c_void", "char": "c_char", "float": "f32", "double": "f64",
    "size_t": "usize", "int32_t": "i32", "uint32_t": "u32",
    "uint64_t": "u64",
}

TOKEN = re.compile(r"/\*.*?\*/|\w+|[^\s\w]", re.S)
DECLARATION = re.compile(
    r"(?P<comment>(?:/\*(?:(?!\*/).)*\*/[ \t]*\n)?)"
    r"(?:typedef struct (?P<opaque>\w+) (?P=opaque);"
    r"|typedef struct (?P<struct>\w+) \{(?P<members>.*?)\} (?P=struct);"
    r"|typedef (?P<result>[\w\s]+?)\(\*(?P<pointer>\w+)\)"
    r"\((?P<pointed>.*?)\);"
    r"|typedef (?P<old>\w+) (?P<new>\w+);"
    r"|enum \{(?P<values>.*?)\};"
    r"|BALEEN_API (?P<returns>[\w\s*]+?)\b(?P<function>baleen_\w+)"
    r"\((?P<arguments>.*?)\);)", re.S)


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
    words = re.findall(r"\w+|\*", text)
    name = next(word for word in words if word not in ("const", "*"))
    constant = words.index("const") < words.index(name) \
        if "const" in words else False
    rust = SCALARS.get(name, name)
    for word in words[words.index(name) + 1:]:
        if word == "*":
            rust = "*%s %s" % ("const" if constant else "mut", rust)
            constant = False
        elif word == "const":
            constant = True
    return rust


def argument_list(text):
    text = " ".join(text.split())
    if text == "void":
        return []
    pairs = []
    for argument in text.split(","):
        kind, name = re.match(r"\s*(.*?)(\w+)\s*$", argument).groups()
        pairs.append((name, rust_type(kind)))
    return pairs


def signature(arguments, returns, indent):
    inner = ["%s: %s" % pair for pair in argument_list(arguments)]
    kind = "" if returns.strip() == "void" else " -> " + rust_type(returns)
    line = "(%s)%s" % (", ".join(inner), kind)
    if len(line) + len(indent) + 60 <= 100 and len(inner) < 3:
        return line
    rows = "".join("%s    %s,\n" % (indent, row) for row in inner)
    return "(\n%s%s)%s" % (rows, indent, kind)


def member_lines(body):
    """Members with the comments behind or before them."""
    items = []
    for token in TOKEN.findall(body):
        if token.startswith("/*"):  # Always about the member before it.
            items[-1][1].append(token)
            continue
        if not items or (items[-1][0] and items[-1][0][-1] == ";"):
            items.append(([], []))
        items[-1][0].append(token)
    return [(" ".join(tokens[:-1]), comments) for tokens, comments in items]


def member(text):
    text = text.replace("( * ", "(*")
    function = re.match(r"(.*)\(\*(\w+) \) \( (.*) \)$", text)
    if function:
        returns, name, arguments = function.groups()
        return name, "Option<\n        unsafe extern \"C\" fn%s,\n    >" % \
            signature(arguments, returns, "        ")
    array = re.match(r"(.*?)(\w+) \[ (\d+) \]$", text)
    if array:
        kind, name, count = array.groups()
        return name, "[%s; %s]" % (rust_type(kind), count)
    kind, name = re.match(r"(.*?)(\w+)$", text).groups()
    kind = rust_type(kind)
    return name, "Option<%s>" % kind if kind.endswith("_fn") else kind


def struct(name, comment, body):
    lines = doc(comment) + "#[repr(C)]\n#[derive(Clone, Copy)]\npub struct %s {\n" % name
    for text, comments in member_lines(body):
        member_name, kind = member(text)
        for each in comments:
            lines += doc(each, "    ")
        lines += "    pub %s: %s,\n" % (member_name, kind)
    return lines + "}\n"


def constants(body, kind):
    lines = ""
    pattern = r"\b(BALEEN_\w+) = ([^,/]+?),?\s*(/\*.*?\*/)?\s*(?=BALEEN_|$)"
    for name, value, comment in re.findall(pattern, body.strip(), re.S):
        if name == "BALEEN_PART_COUNT":
            continue
        if comment:
            lines += doc(comment)
        lines += "pub const %s: %s = %s;\n" % (name, kind, value.strip())
    return lines


def bindings(header):
    header = header[header.index('extern "C" {'):] \
        .replace('extern "C" {\n#endif', "", 1)
    version = re.search(r"#define BALEEN_VERSION (\d+)", open_header()).group(1)
    text = '''//! Written by generate.py from baleen.h, which is their manual.
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_void};

/// The version of the header that this was made of.
pub const BALEEN_VERSION: u32 = %s;
''' % version
    functions = ""
    kind = None  # Of the typedef just read: the constants behind it are its.
    last_end = 0
    for match in DECLARATION.finditer(header):
        part = match.groupdict()
        comment = part["comment"]
        # A line across the page is not about what follows it.
        if comment.startswith("/* ----"):
            comment = ""
        if part["opaque"]:
            text += '''
/// A handle; see baleen.h.
#[repr(C)]
pub struct %s {
    _private: [u8; 0],
}
''' % part["opaque"]
        elif part["struct"]:
            text += "\n" + struct(part["struct"], comment, part["members"])
        elif part["pointer"]:
            text += "\n%spub type %s = unsafe extern \"C\" fn%s;\n" % (
                doc(comment), part["pointer"],
                signature(part["pointed"], part["result"], ""))
        elif part["new"]:
            text += "\n%spub type %s = %s;\n" % (
                doc(comment), part["new"], SCALARS[part["old"]])
            kind = part["new"]
        elif part["values"]:
            # Flags, and parts, have no type of their own.
            named = match.start() - last_end < 3 and kind
            text += "\n" + doc(comment) + constants(
                part["values"], kind if named else "u32")
        elif part["function"]:
            functions += "\n%s    pub fn %s%s;\n" % (
                doc(comment, "    "), part["function"],
                signature(part["arguments"], part["returns"], "    "))
        last_end = match.end()
        if not part["new"]:
            kind = None
    if functions.count("    pub fn ") != header.count("\nBALEEN_API "):
        sys.exit("a function of the header was not understood")
    return text + "\nextern \"C\" {" + functions + "}\n"


def open_header():
    with open(HEADER, encoding="utf-8") as file:
        return file.read()


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
    header = open_header()
    files = {
        os.path.join(HERE, "src", "bindings.rs"): bindings(header),
        os.path.join(HERE, "tests", "layout.inc"): layout(header),
    }
    for path, text in files.items():
        if "--check" not in sys.argv:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            continue
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit("%s is not what the header says: run %s" %
                         (path, os.path.abspath(__file__)))


if __name__ == "__main__":
    main()
