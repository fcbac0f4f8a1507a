#!/usr/bin/env bash
# What must be seen on a machine with a GPU, in one command. See --help.
set -uo pipefail
# shellcheck source=examples/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/setup.sh"

usage() {
  cat <<'TEXT'
usage: tests/gpu/run.sh [--build DIR] [--device cuda|cpu] [--out DIR] [--seconds N] [STAGE...]
       tests/gpu/run.sh --pack DIR [--build DIR]

Runs each stage however the others end, then prints one table. Without names, all stages:
  build     the preset "cuda" (not with --build)
  unit      tests that need a GPU, or its driver
  devices   measure --devices
  beside    one GPU: our step beside PyTorch's eager one, in turns; energy; memory
  forecast  fitted on small batches, larger ones predicted: step time, memory; another precision is
            refused; what measuring costs
  largest   the largest batch predicted, beside the largest that trains (after forecast)
  ranks     2 and 4 ranks on one GPU (function only), started as torchrun starts them
  timeline  buckets of a step for Perfetto (after ranks)

  --build DIR    a folder that was built elsewhere, with bin/ in it, and lib/ if it was packed
  --device cpu   the same on processor cores, tiny: tests this script
  --out DIR      a folder for each stage goes there, with its log, tables and stores, and table.md
                 (default: $OUT, else ./forerun-gpu). What is there stays: stages can run one by one
  --seconds N    share so much time out among the stages; what has no room is named and left out
  --pack DIR     strips the programs of a build (default: build-cuda) into DIR, with the libraries that
                 a machine with PyTorch lacks; at most 64 MiB
MODELS, BATCHES, PRECISIONS and STEPS in the environment change what is trained.
Needs python3; with its torch package ours is compared. Exit 1 if a stage failed.

Built on one machine, run in 9 minutes on another that has the GPU and the same torch:
  cmake --preset cuda -DFORERUN_MPI=OFF -DForerun_TORCH_ROOT=.../site-packages/torch
  cmake --build --preset cuda
  tests/gpu/run.sh --pack .carry              # there: this folder beside the sources
  tests/gpu/run.sh --build .carry --seconds 520 --out /tmp/gpu
  tar czf gpu.tar.gz -C /tmp gpu              # all of it; /tmp/gpu/table.md is the summary
TEXT
}

build_dir='' device=cuda out=${OUT:-./forerun-gpu} seconds='' pack='' chosen=()
all=(build unit devices beside forecast largest ranks timeline)
# What share of the time each may take, of what is left when it begins.
declare -A weight=([build]=0 [unit]=4 [devices]=1 [beside]=40 [forecast]=35 [largest]=8 [ranks]=10 [timeline]=2)
while (($# > 0)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --build) build_dir=${2:?--build needs a folder}; shift 2 ;;
    --device) device=${2:?--device needs cuda or cpu}; shift 2 ;;
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
    --pack) pack=${2:?--pack needs a folder}; shift 2 ;;
    *)
      [[ " ${all[*]} " == *" $1 "* ]] || { printf 'run.sh: no stage "%s"\n\n' "$1" >&2; usage >&2; exit 2; }
      chosen+=("$1"); shift
      ;;
  esac
done
((${#chosen[@]} > 0)) || chosen=("${all[@]}")
if [[ $device == cuda ]]; then
  preset=cuda
  export MODELS=${MODELS:-resnet50,bert-base,vit_b_16,densenet121} BATCHES=${BATCHES:-16,32,64}
  export PRECISIONS=${PRECISIONS:-bfloat16,tf32} STEPS=${STEPS:-20}
elif [[ $device == cpu ]]; then
  preset=default
  export MODELS=${MODELS:-mnist-cnn} BATCHES=${BATCHES:-4,8} PRECISIONS=${PRECISIONS:-float32} STEPS=${STEPS:-8}
else
  usage >&2
  exit 2
fi
usual=$root/build
[[ $preset == cuda ]] && usual=$root/build-cuda
bin=$(cd "${build_dir:-$usual}" 2>/dev/null && pwd)/bin
[[ -n $build_dir ]] || bin=$usual/bin

# Libraries of a packed build, and of the active Python's torch, which is the one it was built with.
find_libraries() {
  local site
  site=$(python3 -c 'import importlib.util as u, os; print(os.path.dirname(os.path.dirname(u.find_spec("torch").origin)))' 2>/dev/null)
  local folder path=
  for folder in "$bin/../lib" "$site"/torch/lib "$site"/nvidia/*/lib; do
    [[ -d $folder ]] && path+=$folder:
  done
  export LD_LIBRARY_PATH=$path${LD_LIBRARY_PATH:-}
}
[[ -n $build_dir && $device == cuda ]] && find_libraries

# What every machine has, and what belongs to its torch.
not_packed='linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|torch[a-z_]*|c10[a-z_]*|gomp[-0-9a-f]*|cu[A-Za-z]*|nccl|nv[A-Za-z_]*)\.so'
pack_build() {
  local program programs=()
  rm -rf "$pack"
  mkdir -p "$pack/bin" "$pack/lib" || return 1
  # measure_gpu_test needs no GPU, but files beside the sources.
  for program in measure calibrate predict report measure_device_test; do
    [[ -x $bin/$program ]] && strip -o "$pack/bin/$program" "$bin/$program" && programs+=("$bin/$program")
  done
  [[ -x $pack/bin/measure ]] || die "no measure in $bin"
  ldd "${programs[@]}" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | grep -vE "/($not_packed)" |
    xargs -r cp -Lt "$pack/lib"
  strip --strip-unneeded "$pack"/lib/* 2>/dev/null
  local mib
  mib=$(du -sm "$pack" | cut -f1)
  echo "$pack: $mib MiB"
  ((mib <= 64))
}
if [[ -n $pack ]]; then
  pack_build
  exit
fi

mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
table() {
  python3 -u "$root/tests/gpu/table.py" --bin "$bin" --device "$device" --out "$out" ${stage_seconds:+--seconds "$stage_seconds"} "$@"
}

run_build() {
  [[ -n $build_dir ]] && return
  local mpi=()
  [[ $preset == cuda ]] && ! command -v mpicc >/dev/null && mpi=(-DFORERUN_MPI=OFF)
  build "$preset" "${mpi[@]}"
}

run_unit() {
  local test found=0 status=0
  for test in "$bin"/measure_gpu_test "$bin"/measure_device_test; do
    [[ -x $test ]] || continue
    found=1
    run "$test" --gtest_brief=1 || status=1
  done
  ((found)) || echo "no unit tests in $bin" >&2
  return $((status || !found))
}

run_devices() { run "$bin/measure" --devices --device "$device" | tee "$out/devices/devices.txt"; }
run_beside() { table beside; }
run_forecast() { table forecast; }
run_largest() { table largest; }
run_ranks() { table ranks; }

# Without gnuplot there are no plots; the timeline comes before them.
run_timeline() {
  run "$bin/report" --store "$out/ranks/2" --out "$out/timeline" >/dev/null
  [[ -s $out/timeline/timeline.json ]] && echo "timeline: $out/timeline/timeline.json (ui.perfetto.dev opens it)"
}

# share_out STAGE...: seconds for the first of them.
share_out() {
  local stage total=0
  for stage in "$@"; do total=$((total + weight[$stage])); done
  ((total > 0)) || total=1
  echo $(((seconds - SECONDS) * weight[$1] / total))
}

failures=()
for i in "${!chosen[@]}"; do
  stage=${chosen[$i]}
  stage_seconds=
  [[ -n $seconds ]] && stage_seconds=$(share_out "${chosen[@]:$i}")
  phase "$stage${stage_seconds:+ (at most $stage_seconds s)}"
  mkdir -p "$out/$stage"
  "run_$stage" 2>&1 | tee "$out/$stage/log.txt" || failures+=("$stage")
done
phase ""

table summary
if ((${#failures[@]} > 0)); then printf 'FAILED: %s (see %s)\n' "${failures[*]}" "$out/STAGE/log.txt"; fi
((${#failures[@]} == 0))
