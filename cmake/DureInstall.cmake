# cmake --install BUILD [--prefix P] [--component NAME]: the binary, and for
# those who embed the library its headers, archives and package configuration:
#
#   find_package(dure REQUIRED)
#   target_link_libraries(mine PRIVATE dure::dure)      (or one folder: dure::data)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(DURE_LIBRARIES GLOBAL PROPERTY DURE_LIBRARIES)
list(REMOVE_ITEM DURE_LIBRARIES dure_cli)

# dure::dure links all folders.
add_library(dure_all INTERFACE)
target_link_libraries(dure_all INTERFACE ${DURE_LIBRARIES})
set_target_properties(dure_all PROPERTIES EXPORT_NAME dure)
set_target_properties(dure_options PROPERTIES EXPORT_NAME options)
target_compile_features(dure_options INTERFACE cxx_std_20)

set(DURE_HELPER_TARGETS dure_options)
if(TARGET dure_onednn)
  list(APPEND DURE_HELPER_TARGETS dure_onednn)
  set_target_properties(dure_onednn PROPERTIES EXPORT_NAME onednn)
endif()
if(TARGET dure_mpi)
  list(APPEND DURE_HELPER_TARGETS dure_mpi)
  set_target_properties(dure_mpi PROPERTIES EXPORT_NAME mpi)
endif()
if(TARGET dure_cuda)
  list(APPEND DURE_HELPER_TARGETS dure_cuda)
  set_target_properties(dure_cuda PROPERTIES EXPORT_NAME cuda)
endif()
if(TARGET dure_cudnn)
  list(APPEND DURE_HELPER_TARGETS dure_cudnn)
  set_target_properties(dure_cudnn PROPERTIES EXPORT_NAME cudnn)
endif()

set(DURE_CONFIG_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/dure)
install(TARGETS dure RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  COMPONENT binary)
install(TARGETS dure_all ${DURE_LIBRARIES} ${DURE_HELPER_TARGETS}
  EXPORT dureTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/dure
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h"
  PATTERN "*-inl.h" EXCLUDE
  PATTERN "cli" EXCLUDE)
install(EXPORT dureTargets NAMESPACE dure::
  DESTINATION ${DURE_CONFIG_FOLDER} COMPONENT development)

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/dureConfig.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/dureConfig.cmake
  INSTALL_DESTINATION ${DURE_CONFIG_FOLDER})
# Before 1.0 a minor version may change what a program sees.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/cmake/dureConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/cmake/dureConfig.cmake
  ${PROJECT_BINARY_DIR}/cmake/dureConfigVersion.cmake
  DESTINATION ${DURE_CONFIG_FOLDER} COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/dure COMPONENT binary)
