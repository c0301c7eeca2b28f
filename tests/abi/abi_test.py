"""Compares the headers with what is promised and with the built library."""

import os
import re
import subprocess
import unittest

import headers

SOURCE = os.environ["BALEEN_SOURCE"]
LIBRARY = os.environ.get("BALEEN_LIBRARY", "")
COMPILER = os.environ.get("BALEEN_COMPILER", "cc")
INCLUDE = os.path.join(SOURCE, "include")
HERE = os.path.dirname(os.path.abspath(__file__))


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


class AbiTest(unittest.TestCase):
    maxDiff = None

    def declared(self):
        return sorted(name for text in headers.read(INCLUDE)
                      for name in headers.functions(text))

    def test_declared_functions_are_those_promised(self):
        self.assertEqual(self.declared(),
                         read(HERE, "symbols_1.txt").split())

    def test_version_script_lists_each_function(self):
        script = read(SOURCE, "lib", "baleen.map")
        self.assertEqual(sorted(re.findall(r"\b(baleen_\w+);", script)),
                         self.declared())

    @unittest.skipUnless(LIBRARY.endswith(".so") or ".so." in LIBRARY,
                         "the library is not shared")
    def test_library_exports_the_functions_and_nothing_else(self):
        output = subprocess.run(["nm", "-D", "--defined-only", LIBRARY],
                                check=True, capture_output=True)
        exported = []
        for line in output.stdout.decode().splitlines():
            kind, name = line.split()[-2:]
            if kind == "A":  # The version itself.
                continue
            name, _, version = name.partition("@@")
            self.assertEqual(version, "BALEEN_1.0", name)
            exported.append(name)
        self.assertEqual(sorted(exported), self.declared())

    def test_layout_list_is_complete(self):
        stored = [line for line in read(HERE, "layout_1_0.inc").splitlines()
                  if not line.startswith(("/*", " *"))]
        self.assertEqual(headers.layout(INCLUDE, COMPILER), stored)

    def test_the_first_headers_are_those_of_the_layout_list(self):
        def lines(text):  # Only comments say which structs are frozen.
            return [line.replace("EXACT(", "SIZE(") for line in text]

        stored = lines(read(HERE, "layout_1_0.inc").splitlines())
        first = lines(headers.layout(os.path.join(HERE, "first"), COMPILER))
        self.assertEqual(first, stored[-len(first):])

    def test_each_function_has_a_comment(self):
        for text in headers.read(INCLUDE):
            lines = text.split("\n")
            for number, line in enumerate(lines):
                if line.startswith("BALEEN_API"):
                    self.assertTrue(lines[number - 1].endswith("*/"), line)

    def test_each_struct_that_grows_begins_with_its_size(self):
        # Those that are lent by their maker alone need no size.
        for text in headers.read(INCLUDE):
            for struct in headers.structs(text):
                if struct.frozen:
                    continue
                first = struct.members[0]
                self.assertIn(first, ("struct_size", "common"), struct.name)

    def test_features_are_documented(self):
        source = read(SOURCE, "lib", "api", "version_api.cc")
        table = re.search(r"kFeatures\[\] = \{(.*?)\};", source, re.S).group(1)
        listed = re.findall(r"^\| `([\w.]+)` \|",
                            read(SOURCE, "docs", "features.md"), re.M)
        self.assertEqual(re.findall(r'"([\w.]+)"', table), listed)


if __name__ == "__main__":
    unittest.main()
