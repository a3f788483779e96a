# Writes the texts of problems/*.txt into a source: problem_lists().
#
#   cmake -DFOLDER=problems -DOUTPUT=problem_lists.cpp -P problem_lists.cmake
file(GLOB lists ${FOLDER}/*.txt)
set(code "#include \"dure/roofline/operations.h\"\n\nnamespace dure::roofline {\n\n")
string(APPEND code "std::span<const ProblemList> problem_lists() {\n")
string(APPEND code "  static constexpr ProblemList kLists[] = {\n")
foreach(list IN LISTS lists)
  get_filename_component(name ${list} NAME_WE)
  file(READ ${list} text)
  string(APPEND code "      {\"${name}\", R\"LIST(${text})LIST\"},\n")
endforeach()
string(APPEND code "  };\n  return kLists;\n}\n\n}  // namespace dure::roofline\n")
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT "${code}")
