"""Puts the shared library into the wheel, if there is one to put.

With BALEEN_LIBRARY set to a libbaleen.so, the wheel carries it and is for
machines like this one; without, the wheel is for any machine that has Baleen
installed.  All else is in pyproject.toml.
"""

import os
import shutil
import sys

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from wheel.bdist_wheel import bdist_wheel

LIBRARY = os.environ.get("BALEEN_LIBRARY")


def library_name():
    """As the package looks for it beside itself."""
    if sys.platform == "win32":
        return "baleen.dll"
    return "libbaleen.1.dylib" if sys.platform == "darwin" else "libbaleen.so.1"


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        if LIBRARY:
            shutil.copyfile(LIBRARY, os.path.join(self.build_lib, "baleen",
                                                  library_name()))


class DistributionWithLibrary(Distribution):
    def has_ext_modules(self):
        return bool(LIBRARY)  # Which makes it one for machines of one kind.


class Wheel(bdist_wheel):
    def get_tag(self):
        # No part of it is compiled for a version of Python.
        return ("py3", "none", super().get_tag()[2] if LIBRARY else "any")


setup(distclass=DistributionWithLibrary,
      cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": Wheel})
