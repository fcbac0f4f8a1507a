# forerun::torch: LibTorch from one chosen root, and from nowhere else.
#
# LibTorch's own TorchConfig.cmake searches default paths: with a wheel and Debian's package on one
# machine it mixes their libraries in one process, and CUDA wheels make it ask for nvcc. So the target
# is made here. The root is, in this order
#   -DForerun_TORCH_ROOT=DIR   a libtorch folder, or .../site-packages/torch
#   Debian's libtorch-dev      which has no CUDA: not looked at with FORERUN_CUDA
#   the torch package of the python3 on PATH

set(Forerun_TORCH_ROOT "" CACHE PATH "LibTorch: a libtorch folder or .../site-packages/torch")

# Sets <out>_HEADERS (the folder that holds torch/csrc) and <out>_LIBRARIES (that holds libtorch.so),
# or leaves both empty.
function(forerun_torch_layout root out)
  set(${out}_HEADERS "" PARENT_SCOPE)
  set(${out}_LIBRARIES "" PARENT_SCOPE)
  foreach(lib lib lib/${CMAKE_LIBRARY_ARCHITECTURE} lib64)
    if(EXISTS ${root}/include/torch/csrc/api/include/torch/torch.h AND EXISTS ${root}/${lib}/libtorch_cpu.so)
      set(${out}_HEADERS ${root}/include PARENT_SCOPE)
      set(${out}_LIBRARIES ${root}/${lib} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

function(forerun_python_torch_root out)
  set(${out} "" PARENT_SCOPE)
  find_program(FORERUN_PYTHON3 python3)
  if(FORERUN_PYTHON3)
    execute_process(OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed
      COMMAND ${FORERUN_PYTHON3} -c "import importlib.util as u, os; print(os.path.dirname(u.find_spec('torch').origin))")
    if(NOT failed)
      set(${out} ${root} PARENT_SCOPE)
    endif()
  endif()
endfunction()

# `2.11.0` from either of the two headers that hold it.
function(forerun_torch_version headers out)
  set(found "")
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS ${headers}/${header} AND NOT found)
      file(STRINGS ${headers}/${header} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
      string(REGEX REPLACE "[^0-9;]" "" lines "${lines}")
      string(REPLACE ";" "." found "${lines}")
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# Wheels before 2.6 have std::string with the old ABI; nothing of ours could be linked with them.
function(forerun_require_cxx11_abi library)
  find_program(FORERUN_NM nm)
  if(NOT FORERUN_NM)
    return()
  endif()
  execute_process(COMMAND ${FORERUN_NM} -D --defined-only ${library} OUTPUT_VARIABLE symbols ERROR_QUIET)
  if(symbols MATCHES "c10" AND NOT symbols MATCHES "__cxx11")
    message(FATAL_ERROR "${library} was built with the old C++ ABI (PyTorch wheels before 2.6): "
      "take torch >= 2.6, the cxx11-abi build of libtorch, or Debian's libtorch-dev")
  endif()
endfunction()

if(Forerun_TORCH_ROOT)
  forerun_torch_layout(${Forerun_TORCH_ROOT} torch)
  if(NOT torch_LIBRARIES)
    message(FATAL_ERROR "Forerun_TORCH_ROOT=${Forerun_TORCH_ROOT} holds no LibTorch: looked for "
      "include/torch/csrc/api/include/torch/torch.h and lib/libtorch_cpu.so")
  endif()
else()
  set(torch_LIBRARIES "")
  if(NOT FORERUN_CUDA)
    forerun_torch_layout(/usr torch)
  endif()
  if(NOT torch_LIBRARIES)
    forerun_python_torch_root(python_root)
    forerun_torch_layout("${python_root}" torch)
  endif()
  if(NOT torch_LIBRARIES)
    set(remedy "apt-get install libtorch-dev")
    if(FORERUN_CUDA)
      set(remedy "pip install torch for the python3 on PATH")
    endif()
    message(FATAL_ERROR "LibTorch not found: ${remedy}, or name a copy by "
      "-DForerun_TORCH_ROOT=DIR (a libtorch folder, or .../site-packages/torch); "
      "-DFORERUN_MEASURE=OFF builds everything that needs none")
  endif()
endif()

forerun_torch_version(${torch_HEADERS} torch_VERSION)
if(torch_VERSION VERSION_LESS 1.13)
  message(FATAL_ERROR "LibTorch ${torch_VERSION} in ${torch_LIBRARIES} is too old (>= 1.13)")
endif()
forerun_require_cxx11_abi(${torch_LIBRARIES}/libc10.so)

add_library(forerun_torch INTERFACE)
add_library(forerun::torch ALIAS forerun_torch)
target_include_directories(forerun_torch SYSTEM INTERFACE
  ${torch_HEADERS}/torch/csrc/api/include)
if(NOT torch_HEADERS STREQUAL /usr/include)  # naming a default folder would reorder the search
  target_include_directories(forerun_torch SYSTEM INTERFACE ${torch_HEADERS})
endif()
target_link_libraries(forerun_torch INTERFACE
  ${torch_LIBRARIES}/libtorch_cpu.so ${torch_LIBRARIES}/libc10.so Threads::Threads)

if(EXISTS ${torch_LIBRARIES}/libtorch_cuda.so)  # a wheel's NVIDIA packages need not be there to link
  target_link_options(forerun_torch INTERFACE -Wl,--allow-shlib-undefined)
endif()
set(torch_DEVICE CPU)
if(FORERUN_CUDA)
  if(NOT EXISTS ${torch_LIBRARIES}/libtorch_cuda.so)
    message(FATAL_ERROR "LibTorch ${torch_VERSION} in ${torch_LIBRARIES} was built without CUDA: name one with it by "
      "-DForerun_TORCH_ROOT=DIR, or build for CPUs with -DFORERUN_CUDA=OFF")
  endif()
  set(torch_DEVICE CUDA)
  # Nothing of ours names a symbol of libtorch_cuda: its kernels register themselves when it is loaded.
  target_link_libraries(forerun_torch INTERFACE ${torch_LIBRARIES}/libc10_cuda.so
    -Wl,--no-as-needed ${torch_LIBRARIES}/libtorch_cuda.so -Wl,--as-needed)
endif()
forerun_report("LibTorch (${torch_DEVICE})" ${torch_VERSION} ${torch_LIBRARIES})

# One precompiled torch/torch.h for all: it costs 20 to 45 s wherever it is compiled anew.
add_library(forerun_torch_pch OBJECT ${PROJECT_SOURCE_DIR}/measure/pch.cc)
target_link_libraries(forerun_torch_pch PRIVATE forerun::torch forerun_options)
target_precompile_headers(forerun_torch_pch PRIVATE ${PROJECT_SOURCE_DIR}/measure/pch.h)

# The precompiled header for a target that links LibTorch already, through another.
function(forerun_use_torch_pch target)
  target_precompile_headers(${target} REUSE_FROM forerun_torch_pch)
endfunction()

# forerun_use_torch(TARGET): links LibTorch, with the precompiled header.
function(forerun_use_torch target)
  target_link_libraries(${target} PUBLIC forerun::torch)
  forerun_use_torch_pch(${target})
endfunction()
