#!/usr/bin/env bash
# Installs what is missing, builds, and runs everything that must hold. See --help.
set -uo pipefail
# shellcheck source=examples/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../examples/setup.sh"

usage() {
  cat <<'TEXT'
usage: tests/run.sh [CHECK...]

Without arguments all checks, in this order; each by its name runs alone:
  unit        the default preset, and its tests
  format      clang-format on our own files
  tidy        clang-tidy on our own files (checks in .clang-tidy)
  asan        tests under the address and undefined-behaviour sanitizers, without LibTorch and MPI
  install     cmake --install, and a program that uses find_package(forerun)
  cuda        the preset for GPUs: compiles and links, and runs what runs without a GPU
  quickstart  examples/quickstart.sh with a short budget, and what it left
  readme      the commands in README.md, on what the quickstart left
The last line says how many passed and failed; exit 1 if one failed.
TEXT
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$root" || exit 1

passed=0 failed=0 failures=() left_out=()

# check NAME COMMAND...: counts one check.
check() {
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    printf 'FAILED: %s\n' "$name" >&2
    failed=$((failed + 1)) failures+=("$name")
  fi
}

# check_ctest PRESET: counts each test case.
check_ctest() {
  ctest --preset "$1" 2>&1 | tee "$work/ctest.log" | grep -vE ' Passed |^ +Start ' >&2
  local total bad
  read -r bad total < <(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\)/\1 \2/p' "$work/ctest.log")
  if [[ -z ${total:-} || $total == 0 ]]; then
    check "ctest ($1)" false
    return
  fi
  passed=$((passed + total - bad)) failed=$((failed + bad))
  if ((bad > 0)); then failures+=("$bad test cases ($1)"); fi
}

our_sources() { git ls-files 2>/dev/null | grep -E '\.(cc|h)$' || find calib measure model predict tests -name '*.cc' -o -name '*.h'; }

run_unit() {
  check "build" build default -DFORERUN_TESTS=ON
  check_ctest default
}

run_format() {
  mapfile -t sources < <(our_sources)
  check "clang-format" clang-format --dry-run -Werror "${sources[@]}"
}

run_tidy() {
  check "clang-tidy" tidy_is_clean
}
tidy_is_clean() {
  if ! (run cmake --preset tidy && cmake --build --preset tidy) >"$work/tidy.log" 2>&1; then
    grep -E 'error:|warning:' -A 3 "$work/tidy.log" >&2 || tail -n 30 "$work/tidy.log" >&2
    return 1
  fi
}

# Preset asan is preset predict with tests and sanitizers.
run_asan() {
  check "asan build" build asan
  check "no LibTorch or MPI in what predicts" needs_neither
  check_ctest asan
}
needs_neither() {
  local program
  for program in predict calibrate report; do
    ! ldd "build-asan/bin/$program" | grep -E 'libtorch|libmpi' >&2 || return 1
  done
}

run_install() {
  build default -DFORERUN_TESTS=ON >/dev/null 2>&1
  check "install" run cmake --install build --prefix "$work/prefix"
  check "find_package(forerun)" consumer_builds_and_runs
  check "installed programs" installed_programs_start
}
consumer_builds_and_runs() {
  cmake -S tests/install -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" >&2 &&
    cmake --build "$work/consumer" >&2 &&
    [[ $("$work/consumer/consumer") == "52.08 ms" ]]
}
installed_programs_start() {
  local program
  for program in measure calibrate predict report; do
    "$work/prefix/bin/$program" --help >"$work/help" && [[ -s $work/help ]] || return 1
  done
  [[ -s $work/prefix/share/forerun/schema/profile.schema.json ]]
}

# For GPUs, on a machine that may have none; without MPI, as on clusters that have torchrun or srun only. Not
# optimized: nothing here is timed.
cuda=build-cuda-check
run_cuda() {
  local torch
  torch=$(cuda_torch)
  if [[ -z $torch && -z $named ]]; then
    left_out+=("cuda: no LibTorch with CUDA here, and PyPI gave none (tests/run.sh cuda says why)")
    return
  fi
  check "a LibTorch with CUDA" test -n "$torch"
  [[ -n $torch ]] || return
  stand_in_for_missing "$torch/lib" "$work/missing"
  local LD_LIBRARY_PATH=$work/missing:${LD_LIBRARY_PATH:-}
  export LD_LIBRARY_PATH
  check "cuda preset" cuda_builds "$torch"
  check "NCCL's calls on a stand-in" "$cuda/bin/measure_cuda_test" --gtest_brief=1
  check "fused updates, loss scale" "$cuda/bin/measure_device_test" --gtest_brief=1
  check "start without MPI" "$cuda/bin/measure_store_test" --gtest_brief=1
  check "no MPI in it" no_mpi_in_the_cuda_build
  check "measure starts" cuda_measure_starts
  check "no GPU: said, and CPUs taken only when told" no_gpu_is_said
  check "one rank trains without MPI" trains_without_mpi
}
cuda_builds() {
  run cmake --preset cuda -B "$cuda" -DForerun_TORCH_ROOT="$1" -DFORERUN_MPI=OFF \
    -DCMAKE_CXX_FLAGS_RELEASE=-O0 >&2 &&
    run cmake --build "$cuda" --target measure measure_cuda_test measure_device_test measure_store_test >&2
}
# A wheel without NVIDIA's packages: libraries that no toolkit has (cuSPARSELt, NVSHMEM, cuFile), without a
# toolkit cuBLAS and others, too, are missing, and nothing that runs here calls them. Empty ones let the loader pass.
stand_in_for_missing() {
  mkdir -p "$2"
  local library
  for library in $(ldd "$1"/libtorch_cuda.so "$1"/libtorch_cpu.so | awk '/not found/ { print $1 }' | sort -u); do
    run gcc -shared -o "$2/$library" -Wl,-soname,"$library" -x c /dev/null
  done
}
no_mpi_in_the_cuda_build() { ! ldd "$cuda/bin/measure" | grep libmpi >&2; }
cuda_measure_starts() { "$cuda/bin/measure" models | grep -q '^resnet50 '; }
no_gpu_is_said() {
  if ldconfig -p | grep -q libnvidia-ml; then
    echo "there is a driver: not looked at" >&2
    return
  fi
  "$cuda/bin/measure" --devices | grep -q '^no GPU: driver not found' &&
    ! "$cuda/bin/measure" --devices --device cuda >/dev/null &&
    ! "$cuda/bin/measure" --store "$work/cuda" 2>"$work/cuda.err" && grep -q 'no GPU: driver not found.*add --device cpu' "$work/cuda.err"
}
trains_without_mpi() {
  "$cuda/bin/measure" --device cpu --model mnist-cnn --batch 16 --budget 6s --store "$work/cuda" --json | grep -q '"throughput_samples_per_s"' &&
    ! "$cuda/bin/measure" --device cpu --world-sizes 2 --store "$work/cuda" 2>"$work/cuda.err" && grep -q 'on CPUs needs MPI' "$work/cuda.err"
}

# The quickstart runs where a newcomer would run it, and its store is kept for the README.
store=$work/here/forerun
run_quickstart() {
  mkdir -p "$work/here"
  check "quickstart" quickstart_ends_well
  check "store is valid" build/bin/forerun_check_store "$store" "$work/forecast.json"
  check "report is there" report_is_whole
  check "errors of the check are printed" grep -qE 'median error [0-9.]+ %' "$work/quickstart.out"
  check "second quickstart rebuilds nothing" nothing_is_rebuilt
}
quickstart_ends_well() {
  (cd "$work/here" && unset FORERUN_HOME && "$root/examples/quickstart.sh" \
    --model mnist-cnn --budget 40s --check-steps 6 </dev/null >"$work/quickstart.out") &&
    build/bin/predict --store "$store" --model mnist-cnn --batch 128 --json >"$work/forecast.json"
  local status=$?
  cat "$work/quickstart.out"
  return $status
}
report_is_whole() {
  local page=$store/report/index.html
  [[ -s $page && -s $store/report/predicted_vs_observed.csv ]] && grep -q '<svg' "$page" &&
    ! grep -qiE '<script|(src|href)="https?:' "$page" && compgen -G "$store/report/*.svg" >/dev/null &&
    compgen -G "$store/report/*.png" >/dev/null
}
nothing_is_rebuilt() { build default 2>&1 | grep -q 'no work to do'; }

# Blocks fenced as ```sh in README.md run as they stand, except where the line above the fence says
# <!-- not run: why -->.
readme_commands() {
  awk '/<!-- not run/ { skip = 1; next }
       /^```sh$/ { if (!skip) inside = 1; skip = 0; next }
       /^```/ { inside = 0; next }
       inside { sub(/^\$ /, ""); print }' README.md
}
run_readme() {
  [[ -e $store/profile.json ]] || run_quickstart
  local command
  : >"$work/readme.all"
  while IFS= read -r command; do
    check "README: $command" readme_command_works "$command"
    cat "$work/readme.out" >>"$work/readme.all"
  done < <(readme_commands)
  check "README: what its commands print" prints_all "$work/readme.all" readme_output
  check "accuracy on the data that ship" accuracy_tables
  check "ACCURACY.md: what its command prints" prints_all ACCURACY.md grep '^|' "$work/accuracy.out"
}
accuracy_tables() { ACCURACY=$root/build/bin/accuracy tests/accuracy/run.sh >"$work/accuracy.out"; }
# Blocks that say so: output that is the same on every machine.
readme_output() {
  awk '/<!-- printed by a command above -->/ { said = 1; next }
       /^```$/ { inside = said && !inside; said = 0; next }
       inside { print }' README.md
}
# prints_all FILE COMMAND...: every line of what COMMAND prints, of which there is one, is in FILE.
prints_all() {
  local file=$1 line lines=0 absent=0
  shift
  while IFS= read -r line; do
    lines=$((lines + 1))
    if ! grep -qFx -- "$line" "$file"; then
      printf 'not there: %s\n' "$line" >&2
      absent=$((absent + 1))
    fi
  done < <("$@")
  ((lines > 0 && absent == 0))
}
readme_command_works() {
  if ! HOME=$work/home FORERUN_HOME=$store PATH=$root/build/bin:$PATH \
    bash -euo pipefail -c "$1" </dev/null >"$work/readme.out" 2>&1; then
    cat "$work/readme.out" >&2
    return 1
  fi
}

all=(unit format tidy asan install cuda quickstart readme)
case ${1:-} in -h | --help) usage; exit 0 ;; esac
for name in "$@"; do
  [[ " ${all[*]} " == *" $name "* ]] || { printf 'run.sh: no check "%s"\n\n' "$name" >&2; usage >&2; exit 2; }
done
named=$*  # what was asked for fails where it cannot run; of all, it is left out
(($# > 0)) || set -- "${all[@]}"

phase "install packages"
install_packages "${build_packages[@]}" "${test_packages[@]}"
for name in "$@"; do
  phase "$name"
  "run_$name"
done
phase ""

if ((${#left_out[@]} > 0)); then printf 'NOT RUN: %s\n' "${left_out[@]}"; fi
if ((failed > 0)); then printf 'FAILED: %s\n' "${failures[@]}"; fi
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
