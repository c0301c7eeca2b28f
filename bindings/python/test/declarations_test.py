"""What ctypes makes of the declarations, against the promised layout.

    declarations_test.py LAYOUT...
"""

import ctypes
import re
import sys

from pocket import baleen

from baleen import _declarations as c
from baleen._library import C

ENTRY = re.compile(r"(EXACT|SIZE|AT|IS)\((\w+), (?:(\w+), )?(-?\d+)\)")


def check_entry(kind, name, member, number):
    if kind == "IS":
        found = getattr(c, name)
    elif kind == "AT":
        found = getattr(getattr(c, name), member).offset
    else:
        found = ctypes.sizeof(getattr(c, name))
        if kind == "SIZE" and found > number:  # It has grown since.
            found = number
    assert found == number, (kind, name, member, found)


def main():
    count = 0
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            for kind, name, member, number in ENTRY.findall(file.read()):
                # The others are of backend.h.
                if hasattr(c, name):
                    check_entry(kind, name, member, int(number))
                    count += 1
    assert count > 200, "the layout was not found"
    assert all(hasattr(C, name) for name in c.FUNCTIONS)
    assert baleen.version_number() == c.BALEEN_VERSION


main()
