"""What `conan create` tries a package with: examples/embed_c, built against it
and run, without a model to open."""

import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class BaleenTest(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps", "CMakeToolchain", "VirtualRunEnv"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure(
            build_script_folder=os.path.join(
                "..", "..", "..", "..", "examples", "embed_c"
            )
        )
        cmake.build()

    def test(self):
        if not can_run(self):
            return
        program = os.path.join(self.cpp.build.bindir, "embed_c")
        said = os.path.join(self.build_folder, "said")
        # It says what it misses, which only the library can have told it.
        command = f'! "{program}" nowhere Hello 2>"{said}"'
        self.run(command, env="conanrun")
        with open(said, encoding="utf-8") as file:
            text = file.read()
        assert "nowhere" in text, text
