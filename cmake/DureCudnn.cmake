# cuDNN with the headers of cudnn-frontend, for attention on GPUs. Both are found
# beside the toolkit or in the system's folders, or say where they are with
# -DCUDNN_INCLUDE_DIR, -DCUDNN_LIBRARY and -DDURE_CUDNN_FRONTEND.
if(NOT DURE_WITH_CUDNN)
  dure_found(cuDNN off "attention by Dure's own kernels alone")
  return()
endif()

find_path(CUDNN_INCLUDE_DIR cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h
  HINTS ${DURE_CUDNN_FRONTEND} ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE_DIR}
  PATH_SUFFIXES include)
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY CUDNN_FRONTEND_INCLUDE_DIR)
if(NOT CUDNN_INCLUDE_DIR OR NOT CUDNN_LIBRARY)
  dure_found(cuDNN - "not found: attention by Dure's own kernels alone")
  return()
endif()
if(NOT CUDNN_FRONTEND_INCLUDE_DIR)
  dure_found(cuDNN -
    "no cudnn_frontend.h (-DDURE_CUDNN_FRONTEND): Dure's own kernels alone")
  return()
endif()

file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h cudnn_lines
  REGEX "define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
string(REGEX REPLACE "[^0-9;]" "" cudnn_VERSION "${cudnn_lines}")
string(REPLACE ";" "." cudnn_VERSION "${cudnn_VERSION}")
add_library(dure_cudnn INTERFACE)
target_compile_definitions(dure_cudnn INTERFACE DURE_WITH_CUDNN)
target_include_directories(dure_cudnn SYSTEM INTERFACE
  $<BUILD_INTERFACE:${CUDNN_INCLUDE_DIR}>
  $<BUILD_INTERFACE:${CUDNN_FRONTEND_INCLUDE_DIR}>)
target_link_libraries(dure_cudnn INTERFACE
  ${CUDNN_LIBRARY} CUDA::cudart CUDA::nvrtc ${CMAKE_DL_LIBS})
dure_found(cuDNN "${cudnn_VERSION}" "attention on GPUs, for what it knows")
