# `cmake --workflow --preset tidy`: clang-tidy (checks in .clang-tidy) on every source of ours but tests of
# measure, each of which parses LibTorch anew.
# It reads compile_commands.json without precompiled headers, which GCC writes and clang cannot read.
find_program(RUN_CLANG_TIDY_EXECUTABLE NAMES run-clang-tidy-16 run-clang-tidy)
if(RUN_CLANG_TIDY_EXECUTABLE)
  add_custom_target(tidy
    COMMAND ${RUN_CLANG_TIDY_EXECUTABLE} -quiet -p ${PROJECT_BINARY_DIR}
      -extra-arg-before=-include${PROJECT_SOURCE_DIR}/cmake/clang_vector.h "^((?!tests/measure/).)*$"
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} USES_TERMINAL VERBATIM)
endif()
