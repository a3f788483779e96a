# How a folder of dure/ becomes a library and its tests.
#
#   dure_library(base SOURCES a.cpp b.cpp TESTS a_test.cpp DEPENDS ... LINK ...)
#
# makes the static library dure_base (alias dure::base) and, from TESTS, one
# test program base_test, registered with CTest as `base`. DEPENDS names other
# folders of dure/ (public), LINK third-party targets (private), PUBLIC_LINK
# third-party targets that our own headers include.

# The options that all our targets are compiled with.
add_library(dure_options INTERFACE)
target_include_directories(dure_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
  $<INSTALL_INTERFACE:include>)
# nvcc makes C++ of its own, which these would complain about.
target_compile_options(dure_options INTERFACE
  "$<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wno-sign-conversion>>")
if(DURE_WERROR)
  target_compile_options(dure_options INTERFACE $<BUILD_INTERFACE:-Werror>)
endif()
if(DURE_SANITIZE)
  target_compile_options(dure_options INTERFACE $<BUILD_INTERFACE:
    -fsanitize=${DURE_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>)
  target_link_options(dure_options INTERFACE $<BUILD_INTERFACE:
    -fsanitize=${DURE_SANITIZE}>)
endif()

set_property(GLOBAL PROPERTY DURE_LIBRARIES "")

# For code that runs once, such as a test's own and a command's: the time to
# compile it counts, not its speed.
function(dure_compile_quickly target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# For a folder whose code and tests run loops: the sanitizers' builds, which are
# otherwise compiled quickly, optimise both. Checks of pointers, of which the
# address sanitizer sees what matters, would take more time to compile than all else
# there, and so would its own, were they not calls. Only a library that is FUZZED
# needs coverage.
add_library(dure_fewer_checks INTERFACE)
target_compile_options(dure_fewer_checks INTERFACE
  -fno-sanitize=alignment,null,object-size,pointer-overflow,vptr,fuzzer-no-link)
if(DURE_SANITIZE MATCHES address AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(dure_fewer_checks INTERFACE
    -fsanitize-address-outline-instrumentation)
endif()
function(dure_optimise folder)
  dure_optimise_target(dure_${folder} ${ARGN})
  if(DURE_BUILD_TESTS)
    dure_optimise_target(${folder}_test)
  endif()
endfunction()
function(dure_optimise_target target)
  if(DURE_SANITIZE)
    target_compile_options(${target} PRIVATE -O1)
    if(NOT "${ARGN}" STREQUAL FUZZED)
      # Linked last, its options come after those that they take back.
      target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:dure_fewer_checks>)
    endif()
  endif()
endfunction()

function(dure_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE dure_options ${ARG_LINK}
    GTest::gmock GTest::gtest_main)
  dure_compile_quickly(${name})
  string(REGEX REPLACE "_test$" "" test_name ${name})
  add_test(NAME ${test_name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  if(DURE_SANITIZE)
    math(EXPR ARG_TIMEOUT "2 * ${ARG_TIMEOUT}")
  endif()
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  # Slow tests check numbers, not memory, so sanitizers do not run them.
  if(DURE_SANITIZE AND ARG_LABEL STREQUAL slow)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  # Every test checks the order of streams (dure/tensor/stream_order.h).
  set_tests_properties(${test_name} PROPERTIES
    TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABEL}" ENVIRONMENT DURE_CHECK_STREAMS=1)
endfunction()

function(dure_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;DEPENDS;LINK;PUBLIC_LINK;TEST_LINK" ${ARGN})
  string(REPLACE "/" "_" id ${name})
  add_library(dure_${id} STATIC ${ARG_SOURCES})
  add_library(dure::${id} ALIAS dure_${id})
  set_target_properties(dure_${id} PROPERTIES EXPORT_NAME ${id})
  list(TRANSFORM ARG_DEPENDS PREPEND dure_)
  target_link_libraries(dure_${id}
    PUBLIC dure_options ${ARG_DEPENDS} ${ARG_PUBLIC_LINK}
    PRIVATE ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY DURE_LIBRARIES dure_${id})
  if(DURE_BUILD_TESTS AND ARG_TESTS)
    dure_test(${id}_test SOURCES ${ARG_TESTS} LINK dure_${id} ${ARG_TEST_LINK})
  endif()
endfunction()
