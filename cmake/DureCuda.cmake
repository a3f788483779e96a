# CUDA, from NVIDIA's toolkit, for a GPU or for the emulated device.
#
#   DURE_WITH_CUDA                       builds the .cu files
#   DURE_CUDA_EMULATED                   by the host's compiler, for the CPU
#   DURE_KERNEL_RESOURCES                lets ptxas say what each kernel takes
#   CMAKE_CUDA_ARCHITECTURES             for which GPUs, 90 for instance
#   DURE_WITH_CUDNN                      attention by cuDNN, where it is found
#   DURE_CUDNN_FRONTEND                  the folder of cudnn_frontend.h
#
# The target dure_cuda is the runtime and the libraries that the host's code calls.
# dure_cudnn is there if cuDNN is.
set(DURE_HAS_CUDA FALSE)
if(NOT DURE_WITH_CUDA)
  dure_found(CUDA off "no GPUs (DURE_WITH_CUDA)")
  # The test of cuDNN's graphs needs neither nvcc nor a GPU.
  if(DURE_CUDNN_FRONTEND)
    find_package(CUDAToolkit REQUIRED)
    include(DureCudnn)
  endif()
  return()
endif()

if(NOT DURE_CUDA_EMULATED)
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(CMAKE_CUDA_COMPILER nvcc HINTS /usr/local/cuda/bin)
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 75 80 90 100)
  endif()
  enable_language(CUDA)
  # CMake 3.25.1 does not know that nvcc has C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
endif()
find_package(CUDAToolkit QUIET)
if(NOT CUDAToolkit_FOUND)
  message(FATAL_ERROR "DURE_WITH_CUDA: the CUDA toolkit is missing. Install it, or "
    "say where it is with -DCUDAToolkit_ROOT=DIRECTORY.")
endif()

set(DURE_HAS_CUDA TRUE)
add_library(dure_cuda INTERFACE)
target_compile_definitions(dure_cuda INTERFACE DURE_WITH_CUDA)
target_include_directories(dure_cuda SYSTEM INTERFACE
  $<BUILD_INTERFACE:${CUDAToolkit_INCLUDE_DIRS}>)
if(DURE_CUDA_EMULATED)
  target_compile_definitions(dure_cuda INTERFACE DURE_CUDA_EMULATED)
  add_subdirectory(${PROJECT_SOURCE_DIR}/tools/cuda_emulator
    ${PROJECT_BINARY_DIR}/cuda_emulator)
  target_link_libraries(dure_cuda INTERFACE $<BUILD_INTERFACE:cuda_emulator>)
  dure_found(CUDA "${CUDAToolkit_VERSION}" "emulated on the CPU")
else()
  target_link_libraries(dure_cuda INTERFACE CUDA::cudart CUDA::cublasLt)
  dure_found(CUDA "${CUDAToolkit_VERSION}" "GPUs ${CMAKE_CUDA_ARCHITECTURES}")
  include(DureCudnn)
endif()

# The version in a header that defines PREFIX_MAJOR, PREFIX_MINOR and a third
# part, as in dure_header_version(out cudnn_version.h CUDNN PATCHLEVEL); "" if
# there is no such header.
function(dure_header_version out header prefix third)
  find_path(${out}_INCLUDE_DIR ${header} HINTS ${CUDAToolkit_INCLUDE_DIRS})
  mark_as_advanced(${out}_INCLUDE_DIR)
  set(version "")
  if(${out}_INCLUDE_DIR)
    foreach(part MAJOR MINOR ${third})
      file(STRINGS ${${out}_INCLUDE_DIR}/${header} line
        REGEX "^#define ${prefix}_${part} +[0-9]+")
      string(REGEX MATCH "[0-9]+$" number "${line}")
      list(APPEND version "${number}")
    endforeach()
    list(JOIN version "." version)
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()
dure_header_version(DURE_CUDNN_VERSION cudnn_version.h CUDNN PATCHLEVEL)
dure_header_version(DURE_NCCL_VERSION nccl.h NCCL PATCH)

# A library of objects from .cu files.
function(dure_cuda_library name)
  add_library(${name} OBJECT ${ARGN})
  target_link_libraries(${name} PUBLIC dure_cuda)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(DURE_CUDA_EMULATED)
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX)
    target_compile_options(${name} PRIVATE
      -Wall -Wextra -Wshadow "SHELL:-include tools/cuda_emulator/simt.h" -x c++)
  else()
    # Products and sums stay apart, as on the CPU. fmt checks no text when it is
    # compiled by nvcc.
    target_compile_options(${name} PRIVATE
      --expt-relaxed-constexpr -fmad=false -lineinfo
      $<$<BOOL:${DURE_KERNEL_RESOURCES}>:-Xptxas=-v>)
    target_compile_definitions(${name} PRIVATE FMT_CONSTEVAL= FMT_USE_CONSTEXPR=1)
  endif()
endfunction()
