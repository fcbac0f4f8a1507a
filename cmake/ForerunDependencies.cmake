# What we build on: each is looked for here once and reported in one line: what, version, where.
# Name another copy by hand: -DCeres_DIR=..., -DEigen3_DIR=..., -DForerun_TORCH_ROOT=..., -DMPI_HOME=...

function(forerun_report name version where)
  if(NOT version)
    set(version "of unknown version")
  endif()
  message(STATUS "found ${name} ${version} (${where})")
endfunction()

# find_package() without what others' modules say about dependencies of their own; errors are printed.
macro(forerun_find_package)
  set(CMAKE_MESSAGE_LOG_LEVEL WARNING)
  find_package(${ARGV})
  unset(CMAKE_MESSAGE_LOG_LEVEL)
endmacro()

forerun_find_package(Threads REQUIRED)

forerun_find_package(Eigen3 3.4 REQUIRED NO_MODULE)
forerun_report(Eigen ${Eigen3_VERSION} ${Eigen3_DIR})

forerun_find_package(nlohmann_json 3.10 REQUIRED)
forerun_report(nlohmann-json ${nlohmann_json_VERSION} ${nlohmann_json_DIR})

forerun_find_package(Ceres 2.0 REQUIRED)
forerun_report(Ceres ${Ceres_VERSION} ${Ceres_DIR})

forerun_find_package(CLI11 2.1 REQUIRED)
forerun_report(CLI11 ${CLI11_VERSION} ${CLI11_DIR})

find_path(LIBCSV_INCLUDE_DIR csv.h)
find_library(LIBCSV_LIBRARY csv)
if(NOT LIBCSV_INCLUDE_DIR OR NOT LIBCSV_LIBRARY)
  message(FATAL_ERROR "libcsv not found (Debian: libcsv-dev; or -DLIBCSV_INCLUDE_DIR=... -DLIBCSV_LIBRARY=...)")
endif()
file(STRINGS ${LIBCSV_INCLUDE_DIR}/csv.h csv_version REGEX "define CSV_(MAJOR|MINOR|RELEASE)")
string(REGEX REPLACE "[^0-9;]" "" csv_version "${csv_version}")
string(REPLACE ";" "." csv_version "${csv_version}")
forerun_report(libcsv ${csv_version} ${LIBCSV_LIBRARY})
add_library(forerun_libcsv INTERFACE)
target_include_directories(forerun_libcsv SYSTEM INTERFACE $<BUILD_INTERFACE:${LIBCSV_INCLUDE_DIR}>)
target_link_libraries(forerun_libcsv INTERFACE ${LIBCSV_LIBRARY})

find_program(GNUPLOT_EXECUTABLE gnuplot)
if(GNUPLOT_EXECUTABLE)
  execute_process(COMMAND ${GNUPLOT_EXECUTABLE} --version OUTPUT_VARIABLE gnuplot_version ERROR_QUIET)
  string(REGEX MATCH "[0-9]+[.][0-9]+( patchlevel [0-9]+)?" gnuplot_version "${gnuplot_version}")
  string(REPLACE " patchlevel " "." gnuplot_version "${gnuplot_version}")
  forerun_report(gnuplot "${gnuplot_version}" ${GNUPLOT_EXECUTABLE})
else()
  message(STATUS "no gnuplot: report needs it when it runs (Debian: gnuplot-nox)")
endif()

# Warnings for our own targets; the code is clean under them.
add_library(forerun_options INTERFACE)
target_compile_options(forerun_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wno-psabi
  -Wno-missing-field-initializers  # designated initializers leave the rest at its default
  -Wno-restrict)  # false positives of GCC 12 on std::string (GCC bug 105651)
