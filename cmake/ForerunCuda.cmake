# forerun::cuda: the CUDA runtime and NCCL that LibTorch loads, or of the same
# version. Looked for, in this order, in
#   -DCUDAToolkit_ROOT=DIR, -DNCCL_ROOT=DIR   a folder with include/ and lib/
#   the NVIDIA packages beside torch in its site-packages: LibTorch's own run path
#   the toolkit of the nvcc on PATH; /usr/local/cuda; /usr
# Neither nvcc nor CMake's CUDA language is needed: nothing of ours is device code.

set(CUDAToolkit_ROOT "" CACHE PATH "CUDA toolkit: a folder with include/cuda_runtime_api.h")
set(NCCL_ROOT "" CACHE PATH "NCCL: a folder with include/nccl.h")

# Sets <out>_HEADERS (a folder) and <out>_LIBRARY (a file) from the first of the folders with both.
function(forerun_cuda_part out header library)
  foreach(folder ${ARGN})
    file(GLOB found ${folder}/lib/${library}.so* ${folder}/lib64/${library}.so*
      ${folder}/lib/${CMAKE_LIBRARY_ARCHITECTURE}/${library}.so*)
    if(found AND EXISTS ${folder}/include/${header})
      list(GET found 0 found)
      set(${out}_HEADERS ${folder}/include PARENT_SCOPE)
      set(${out}_LIBRARY ${found} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  string(REPLACE ";" ", " folders "${ARGN}")
  message(FATAL_ERROR "include/${header} and lib/${library}.so not found in ${folders}: load your site's CUDA module, or "
    "name a folder by -DCUDAToolkit_ROOT=DIR or -DNCCL_ROOT=DIR")
endfunction()

# The number that a header defines.
function(forerun_defined_number out header name)
  file(STRINGS ${header} line REGEX "define +${name} +[0-9]+")
  string(REGEX MATCH "[0-9]+$" number "${line}")
  set(${out} "${number}" PARENT_SCOPE)
endfunction()

# What LibTorch asks the loader for: `13` of libcudart.so.13.
file(STRINGS ${torch_LIBRARIES}/libc10_cuda.so torch_cudart REGEX "^libcudart\\.so\\.[0-9]+")
string(REGEX MATCH "[0-9]+" torch_CUDA_MAJOR "${torch_cudart}")

get_filename_component(torch_SITE ${torch_LIBRARIES}/../.. ABSOLUTE)
find_program(FORERUN_NVCC nvcc)
set(toolkit "")
if(FORERUN_NVCC)
  file(REAL_PATH ${FORERUN_NVCC} toolkit)
  get_filename_component(toolkit ${toolkit}/../.. ABSOLUTE)
endif()
forerun_cuda_part(cuda cuda_runtime_api.h libcudart ${CUDAToolkit_ROOT} ${torch_SITE}/nvidia/cu${torch_CUDA_MAJOR}
  ${torch_SITE}/nvidia/cuda_runtime ${toolkit} /usr/local/cuda /usr)
forerun_cuda_part(nccl nccl.h libnccl ${NCCL_ROOT} ${torch_SITE}/nvidia/nccl ${CUDAToolkit_ROOT} ${toolkit}
  /usr/local/cuda /usr/local /usr)

forerun_defined_number(cuda_version ${cuda_HEADERS}/cuda_runtime_api.h CUDART_VERSION)
math(EXPR cuda_MAJOR "${cuda_version} / 1000")
math(EXPR cuda_MINOR "${cuda_version} / 10 % 100")
forerun_report("CUDA runtime" ${cuda_MAJOR}.${cuda_MINOR} ${cuda_LIBRARY})
if(NOT cuda_MAJOR EQUAL torch_CUDA_MAJOR)
  message(FATAL_ERROR "LibTorch in ${torch_LIBRARIES} was built for CUDA ${torch_CUDA_MAJOR}, but the CUDA runtime in "
    "${cuda_LIBRARY} is of CUDA ${cuda_MAJOR}.${cuda_MINOR}: two runtimes in one process do not share streams; "
    "name one of CUDA ${torch_CUDA_MAJOR} by -DCUDAToolkit_ROOT=DIR, or another LibTorch by -DForerun_TORCH_ROOT=DIR")
endif()

set(nccl_version "")
foreach(part MAJOR MINOR PATCH)
  forerun_defined_number(number ${nccl_HEADERS}/nccl.h NCCL_${part})
  list(APPEND nccl_version ${number})
endforeach()
list(JOIN nccl_version . nccl_version)
forerun_report(NCCL ${nccl_version} ${nccl_LIBRARY})

# A wheel's metadata name the NCCL that it was built with; a libtorch folder says nothing.
set(FORERUN_TORCH_NCCL "")
file(GLOB metadata ${torch_SITE}/torch-${torch_VERSION}*.dist-info/METADATA)
if(metadata)
  file(STRINGS ${metadata} requirement REGEX "^Requires-Dist: nvidia-nccl-")
  string(REGEX MATCH "== *([0-9.]*[0-9])" _ "${requirement}")
  set(FORERUN_TORCH_NCCL "${CMAKE_MATCH_1}")
endif()
string(REGEX MATCH "^[0-9]+[.][0-9]+" nccl_series ${nccl_version})
if(FORERUN_TORCH_NCCL AND NOT FORERUN_TORCH_NCCL MATCHES "^${nccl_series}[.]")
  message(FATAL_ERROR "LibTorch in ${torch_LIBRARIES} was built with NCCL ${FORERUN_TORCH_NCCL}, but ${nccl_HEADERS}/nccl.h "
    "is of NCCL ${nccl_version}: one process loads only one of them; name that of LibTorch by -DNCCL_ROOT=DIR "
    "(pip install nvidia-nccl-cu${torch_CUDA_MAJOR}==${FORERUN_TORCH_NCCL} brings it)")
endif()

# Headers apart from libraries: tests link a stand-in.
add_library(forerun_cuda_headers INTERFACE)
target_include_directories(forerun_cuda_headers SYSTEM INTERFACE ${cuda_HEADERS} ${nccl_HEADERS})
add_library(forerun_cuda_libraries INTERFACE)
add_library(forerun::cuda ALIAS forerun_cuda_libraries)
target_link_libraries(forerun_cuda_libraries INTERFACE forerun_cuda_headers ${nccl_LIBRARY} ${cuda_LIBRARY})
