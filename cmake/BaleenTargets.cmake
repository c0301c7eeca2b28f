# Components (one folder of lib/ or backends/ each) and the library made of them.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

# What every file of the project is compiled with.
add_library(baleen_flags INTERFACE)
target_compile_features(baleen_flags INTERFACE cxx_std_20)
target_include_directories(baleen_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include)
target_compile_options(baleen_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wconversion -Wold-style-cast>
  -fvisibility=hidden
  $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>
  # Results must not depend on how the compiler contracts or reorders.
  -ffp-contract=off -fno-math-errno)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND
   CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlaps in assignments to strings that are none (its bug
  # 105651).
  target_compile_options(baleen_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(BALEEN_WERROR)
  target_compile_options(baleen_flags INTERFACE -Werror)
endif()
if(BALEEN_SANITIZE)
  target_compile_options(baleen_flags INTERFACE
    -fsanitize=${BALEEN_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(baleen_flags INTERFACE -fsanitize=${BALEEN_SANITIZE})
endif()
if(BALEEN_FUZZ)
  target_compile_options(baleen_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

set_property(GLOBAL PROPERTY BALEEN_COMPONENTS "")

# baleen_component(NAME [SOURCES ...] [DEPENDS component ...])
#   baleen_NAME          static library of the folder's files, for tests
#   baleen_NAME_objects  the same objects, for the library proper
function(baleen_component name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  endif()
  if(NOT ARG_SOURCES)  # Headers only.
    add_library(baleen_${name} INTERFACE)
    target_include_directories(baleen_${name} INTERFACE
      ${PROJECT_SOURCE_DIR}/lib)
    foreach(dependency IN LISTS ARG_DEPENDS)
      target_link_libraries(baleen_${name} INTERFACE baleen_${dependency})
    endforeach()
    return()
  endif()
  add_library(baleen_${name}_objects OBJECT ${ARG_SOURCES})
  set_target_properties(baleen_${name}_objects PROPERTIES
    POSITION_INDEPENDENT_CODE ON)
  target_compile_definitions(baleen_${name}_objects PRIVATE BALEEN_BUILD)
  target_include_directories(baleen_${name}_objects PRIVATE
    ${PROJECT_SOURCE_DIR}/lib)
  target_link_libraries(baleen_${name}_objects PRIVATE baleen_flags)
  add_library(baleen_${name} STATIC EXCLUDE_FROM_ALL
    $<TARGET_OBJECTS:baleen_${name}_objects>)
  target_include_directories(baleen_${name} PUBLIC ${PROJECT_SOURCE_DIR}/lib)
  target_link_libraries(baleen_${name} PUBLIC baleen_flags Threads::Threads)
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(baleen_${name} PUBLIC baleen_${dependency})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY BALEEN_COMPONENTS baleen_${name}_objects)
endfunction()

# The library `baleen`, of all components, and its alias baleen::baleen.
function(baleen_add_library)
  get_property(components GLOBAL PROPERTY BALEEN_COMPONENTS)
  set(objects "")
  foreach(component IN LISTS components)
    list(APPEND objects $<TARGET_OBJECTS:${component}>)
  endforeach()
  add_library(baleen ${objects})
  add_library(baleen::baleen ALIAS baleen)
  set_target_properties(baleen PROPERTIES
    LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR})
  # The C++ wrapper, laid out as it is installed.
  set(cpp ${PROJECT_SOURCE_DIR}/bindings/cpp)
  file(GLOB parts CONFIGURE_DEPENDS RELATIVE ${cpp} ${cpp}/hpp/*.hpp)
  foreach(part IN ITEMS baleen.hpp LISTS parts)
    configure_file(${cpp}/${part} ${PROJECT_BINARY_DIR}/include/baleen/${part}
                   COPYONLY)
  endforeach()
  target_include_directories(baleen INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(baleen PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  if(BALEEN_SANITIZE)
    target_link_options(baleen PRIVATE -fsanitize=${BALEEN_SANITIZE})
  endif()
  if(BUILD_SHARED_LIBS)
    set(map ${PROJECT_SOURCE_DIR}/lib/baleen.map)
    target_link_options(baleen PRIVATE
      -Wl,--version-script=${map} -Wl,-Bsymbolic-functions)
    if(NOT BALEEN_SANITIZE)
      target_link_options(baleen PRIVATE -Wl,-z,defs)
    endif()
    set_target_properties(baleen PROPERTIES LINK_DEPENDS ${map})
  endif()
  if(BALEEN_STATIC_RUNTIME)
    target_link_options(baleen PRIVATE -static-libstdc++ -static-libgcc)
  endif()
endfunction()
