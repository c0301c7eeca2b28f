# Debian packages of the install components: `cpack -G DEB` in the build tree, or
# `cmake --build --preset release --target package`.
#
# One package for each component that has files: baleen (runtime), baleen-dev,
# python3-baleen, baleen-examples, and baleen-backend-cuda where it was built.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME baleen)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_CONTACT "The Baleen authors <baleen@example.org>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_COMPONENTS_ALL runtime dev python examples)
if(TARGET baleen_cuda)
  list(APPEND CPACK_COMPONENTS_ALL backend-cuda)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME baleen)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION
  "The shared library, the command line tool and the pocket model.")
# Debian 12 is what packages are made on; symbols of its libraries are needed.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS
  "libc6 (>= 2.36), libgcc-s1 (>= 12), libstdc++6 (>= 12)")
if(BALEEN_STATIC_RUNTIME)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS "libc6 (>= 2.36)")
endif()
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
  ${PROJECT_SOURCE_DIR}/lib/packaging/deb/triggers)

set(same_version "baleen (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME baleen-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS ${same_version})
set(CPACK_COMPONENT_DEV_DESCRIPTION
  "Headers of C and C++, CMake package and pkg-config file.")

set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-baleen)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
# All versions of a major number fit each other.
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
  "python3 (>= 3.9), baleen (>= ${PROJECT_VERSION_MAJOR})")
set(CPACK_COMPONENT_PYTHON_DESCRIPTION "The package baleen for Python 3.")

set(CPACK_DEBIAN_EXAMPLES_PACKAGE_NAME baleen-examples)
set(CPACK_DEBIAN_EXAMPLES_PACKAGE_SECTION doc)
set(CPACK_DEBIAN_EXAMPLES_PACKAGE_RECOMMENDS baleen-dev)
set(CPACK_COMPONENT_EXAMPLES_DESCRIPTION "The examples' sources.")

set(CPACK_DEBIAN_BACKEND-CUDA_PACKAGE_NAME baleen-backend-cuda)
set(CPACK_DEBIAN_BACKEND-CUDA_PACKAGE_DEPENDS ${same_version})
set(CPACK_COMPONENT_BACKEND-CUDA_DESCRIPTION
  "The plug-in for NVIDIA GPUs; it needs no more than their driver.")

include(CPack)
