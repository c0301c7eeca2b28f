"""Conan 2 recipe; the sources are those of the tree that it lies in.

What it makes has a C interface, so it is the same for programs of any standard
of C++: `compiler.cppstd` is no part of it, and the compiler must only be able
to read C++20 while the library is built.
"""

import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import stdcpp_library
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy
from conan.tools.scm import Version

# The oldest that are tested.
OLDEST_COMPILERS = {"gcc": "12", "clang": "14"}


class BaleenConan(ConanFile):
    name = "baleen"
    version = "1.0.0"
    license = "MIT"
    description = "DeepSeek-V4 language models behind a small, stable C ABI"
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "shared": [True, False],
        "cuda": [True, False],
        "static_runtime": [True, False],
    }
    default_options = {"shared": True, "cuda": False, "static_runtime": False}

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..", "..")
        for pattern in (
            "CMakeLists.txt",
            "LICENSE",
            "cmake/*",
            "include/*",
            "lib/*",
            "backends/*",
            "bindings/cpp/*",
            "bindings/lua/*",
            "bindings/python/*",
        ):
            copy(self, pattern, src=root, dst=self.export_sources_folder)

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        if not self.options.shared:
            self.options.rm_safe("static_runtime")

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("Baleen is made for Linux")

    def validate_build(self):
        compiler = self.settings.compiler
        oldest = OLDEST_COMPILERS.get(str(compiler))
        if oldest is None or Version(compiler.version) < oldest:
            raise ConanInvalidConfiguration(
                f"{compiler} {compiler.version} is not known to compile C++20"
            )

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["BUILD_SHARED_LIBS"] = bool(
            self.options.shared
        )
        toolchain.cache_variables["BALEEN_DEVELOPER_MODE"] = False
        toolchain.cache_variables["BALEEN_TOOL"] = False
        toolchain.cache_variables["BALEEN_INSTALL"] = True
        toolchain.cache_variables["BALEEN_CUDA"] = bool(self.options.cuda)
        toolchain.cache_variables["BALEEN_STATIC_RUNTIME"] = bool(
            self.options.get_safe("static_runtime")
        )
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(
            self,
            "LICENSE",
            src=self.source_folder,
            dst=os.path.join(self.package_folder, "licenses"),
        )

    def package_info(self):
        self.cpp_info.libs = ["baleen"]
        self.cpp_info.set_property("cmake_file_name", "baleen")
        self.cpp_info.set_property("cmake_target_name", "baleen::baleen")
        self.cpp_info.set_property("pkg_config_name", "baleen")
        if not self.options.shared:
            self.cpp_info.system_libs = ["m", "pthread", "dl"]
            # For programs in C, which know nothing of it.
            runtime = stdcpp_library(self)
            if runtime:
                self.cpp_info.system_libs.append(runtime)
