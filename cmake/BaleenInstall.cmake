# What `cmake --install` lays down, in components:
#   runtime       the shared library, the tool `baleen` and the pocket model
#   dev           headers of C and C++, the static library, CMake package and
#                 pkg-config file, the Lua binding
#   python        the Python package, which any Python 3 of the system reads
#   backend-cuda  the plug-in, where it was built, beside the library
#   examples      their sources; only where they are asked for
include(CMakePackageConfigHelpers)

set(BALEEN_PYTHON_DIR "lib/python3/dist-packages" CACHE STRING
    "Where the Python package is installed, below the prefix")
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/baleen)

install(TARGETS baleen EXPORT baleen
  LIBRARY COMPONENT runtime NAMELINK_COMPONENT dev
  ARCHIVE COMPONENT dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/baleen
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev
  FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/bindings/cpp/baleen.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/baleen COMPONENT dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/cpp/hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/baleen COMPONENT dev)

install(EXPORT baleen NAMESPACE baleen:: FILE baleenTargets.cmake
  DESTINATION ${package_dir} COMPONENT dev)
set(backend_dir ${CMAKE_INSTALL_FULL_LIBDIR})
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/lib/baleenConfig.cmake.in
  ${PROJECT_BINARY_DIR}/baleenConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  PATH_VARS backend_dir CMAKE_INSTALL_FULL_BINDIR
            CMAKE_INSTALL_FULL_INCLUDEDIR)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/baleenConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/baleenConfig.cmake
  ${PROJECT_BINARY_DIR}/baleenConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT dev)

# The prefix is found from where the .pc file lies, so that an installation can
# be moved.
file(RELATIVE_PATH prefix_from_pc
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
# What the static library needs of the system; a shared one has it inside.
set(private_libs "-lstdc++ -lm -lpthread -l${CMAKE_DL_LIBS}")
configure_file(${PROJECT_SOURCE_DIR}/lib/baleen.pc.in
               ${PROJECT_BINARY_DIR}/baleen.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/baleen.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

if(TARGET baleen_tool)
  file(RELATIVE_PATH lib_from_bin
    ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(baleen_tool PROPERTIES
    INSTALL_RPATH "$ORIGIN/${lib_from_bin}")
  install(TARGETS baleen_tool RUNTIME COMPONENT runtime)
  set(pocket ${PROJECT_SOURCE_DIR}/tests/data/pocket)
  install(FILES
    ${pocket}/MODEL_CARD.md
    ${pocket}/config.json
    ${pocket}/generation_config.json
    ${pocket}/model.safetensors
    ${pocket}/model.safetensors.index.json
    ${pocket}/tokenizer.json
    ${pocket}/tokenizer_config.json
    DESTINATION ${CMAKE_INSTALL_DATADIR}/baleen/pocket COMPONENT runtime)
endif()

# The Lua binding, where LuaJIT looks by itself if the prefix is /usr.
install(FILES ${PROJECT_SOURCE_DIR}/bindings/lua/baleen.lua
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lua/5.1 COMPONENT dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/lua/baleen
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lua/5.1 COMPONENT dev)

# The Python package, where Debian's Python looks by itself if the prefix is
# /usr; it has no part that is compiled.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/python/baleen
  DESTINATION ${BALEEN_PYTHON_DIR} COMPONENT python
  FILES_MATCHING PATTERN "*.py" PATTERN "py.typed"
  PATTERN "__pycache__" EXCLUDE)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/
  DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
  COMPONENT examples EXCLUDE_FROM_ALL)
