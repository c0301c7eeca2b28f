"""Prints layout_1_0.inc from the headers: store_layout.py INCLUDE_FOLDER.

For a release that adds members, the new lines go to a file of its own
(layout_1_1.inc); what a released file says never changes within a major
version.
"""

import sys

import headers

print("/* Sizes, offsets and values of version 1.0 on 64-bit systems, made by")
print(" * store_layout.py.  Within a major version lines are only added. */")
print("/* clang-format off */")
print("\n".join(headers.layout(sys.argv[1], "cc")))
