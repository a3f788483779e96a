# Runs PROGRAM; fails unless it prints what EXPECTED holds and exits with 0.
execute_process(COMMAND ${PROGRAM}
  OUTPUT_VARIABLE printed RESULT_VARIABLE status TIMEOUT 30)
file(READ ${EXPECTED} expected)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with ${status}")
endif()
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "wanted\n${expected}\nbut ${PROGRAM} printed\n${printed}")
endif()
