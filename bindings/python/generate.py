#!/usr/bin/env python3
"""Writes baleen/_declarations.py, what ctypes knows of baleen.h.

It is kept in git, so that whoever installs the package needs no generator:

    generate.py            writes it
    generate.py --check    fails unless it is what it would write
"""

import os
import sys

sys.dont_write_bytecode = True  # Of the module, beside the sources.
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import header as c

SCALARS = {
    "char": "c_char", "float": "c_float", "double": "c_double",
    "size_t": "c_size_t", "int32_t": "c_int32", "uint32_t": "c_uint32",
    "uint64_t": "c_uint64",
}


def python_type(text, sized=False):
    """The ctypes type of a C type.  `sized` text has its size beside it, and
    so need not end in NUL."""
    name, stars = c.pointers(text)
    if not stars:
        return "None" if name == "void" else SCALARS.get(name, name)
    python = SCALARS.get(name, name)
    if name == "void" or (name == "char" and sized):
        python, stars = "c_void_p", stars[1:]
    elif name == "char" and stars[0]:
        python, stars = "c_char_p", stars[1:]
    for _ in stars:
        python = "POINTER(%s)" % python
    return python


def function_type(returns, arguments):
    kinds = [python_type(returns)]
    kinds += [python_type(argument.type) for argument in arguments]
    return "CFUNCTYPE(%s)" % ", ".join(kinds)


def struct(declared):
    names = {member.name for member in declared.members}
    lines = "class %s(Structure):\n    _fields_ = [\n" % declared.name
    for member in declared.members:
        if member.arguments is not None:
            kind = function_type(member.type, member.arguments)
        else:
            kind = python_type(member.type, member.name + "_size" in names)
        if member.count:
            kind += " * %s" % member.count
        lines += '        ("%s", %s),\n' % (member.name, kind)
    return lines + "    ]\n"


def declaration(declared):
    if isinstance(declared, c.Opaque):
        return "class %s(Structure):\n    pass\n" % declared.name
    if isinstance(declared, c.Struct):
        return struct(declared)
    if isinstance(declared, c.Callback):
        return "%s = %s\n" % (declared.name, function_type(
            declared.returns, declared.arguments))
    if isinstance(declared, c.Alias):
        return "%s = %s\n" % (declared.name, SCALARS[declared.old])
    return "".join("%s = %s\n" % (each.name, each.value)
                   for each in declared.constants)


def function(declared):
    kinds = "".join("        %s,\n" % python_type(argument.type)
                    for argument in declared.arguments)
    arguments = "[\n%s    ]" % kinds if kinds else "[]"
    return '    "%s": (%s, %s),\n' % (
        declared.name, python_type(declared.returns), arguments)


def bindings(header):
    text = '''"""Written by generate.py from baleen.h, which is their manual."""

from __future__ import annotations

from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double,
                    c_float, c_int32, c_size_t, c_uint32, c_uint64, c_void_p)
from typing import Any

BALEEN_VERSION = %s
''' % c.version(header)
    functions = ""
    spacious = False
    for declared in c.declarations(header):
        if isinstance(declared, c.Function):
            functions += function(declared)
            continue
        lines = declaration(declared)
        is_class = lines.startswith("class ")
        text += ("\n\n" if is_class or spacious else "\n") + lines
        spacious = is_class
    return text + '''
# The result and the arguments of each.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
%s}
''' % functions


def main():
    path = os.path.join(HERE, "baleen", "_declarations.py")
    c.main({path: bindings(c.read_text())})


if __name__ == "__main__":
    main()
