# The CUDA compiler, and what kernels and the host code around them are compiled
# with.
set(BALEEN_CUDA_ARCHITECTURES "80-real;89-real;90a-real;100-real;120-real"
    CACHE STRING "Compute capabilities to compile for")
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${BALEEN_CUDA_ARCHITECTURES})
endif()
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND
   EXISTS /usr/local/cuda/bin/nvcc)
  set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

add_library(baleen_cuda_flags INTERFACE)
target_compile_features(baleen_cuda_flags INTERFACE cxx_std_20)
target_include_directories(baleen_cuda_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include)
# Nothing is fused that is not written so: bits must not depend on how a compiler
# combines operations.  -Wpedantic minds the lines that nvcc puts in.
target_compile_options(baleen_cuda_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false --expt-relaxed-constexpr
    -Xcompiler=-Wall,-Wextra,-fvisibility=hidden>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion
    -fvisibility=hidden -fvisibility-inlines-hidden -ffp-contract=off>)
if(BALEEN_WERROR)
  target_compile_options(baleen_cuda_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>
    $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
target_link_libraries(baleen_cuda_flags INTERFACE CUDA::cudart_static)
