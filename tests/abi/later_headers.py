"""Writes headers of a later version: later_headers.py INCLUDE_FOLDER OUT_FOLDER.

Each struct that may grow has grown by two members.  A program compiled against
them is to the library of today what one of today is to the first library.
"""

import os
import re
import sys

import headers

MEMBERS = "  uint64_t later_number;\n  const void* later_pointer;\n"


def later(text):
    for struct in headers.structs(text):
        if not struct.frozen and struct.members[0] == "struct_size":
            end = "} %s;" % struct.name
            assert text.count(end) == 1, struct.name
            text = text.replace(end, MEMBERS + end)
    return re.sub(r"(#define BALEEN_VERSION )\d+",
                  lambda match: match.group(1) + "19900", text)


os.makedirs(os.path.join(sys.argv[2], "baleen"), exist_ok=True)
for name, text in zip(headers.HEADERS, headers.read(sys.argv[1])):
    with open(os.path.join(sys.argv[2], name), "w", encoding="utf-8") as file:
        file.write(later(text))
