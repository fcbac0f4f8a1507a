#!/usr/bin/env bash
# What must be seen on a machine with a GPU, in one command. See --help.
set -uo pipefail
# shellcheck source=examples/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../examples/setup.sh"

usage() {
  cat <<'TEXT'
usage: tests/gpu/run.sh [--build DIR] [--device cuda|cpu] [--out DIR] [STAGE...]

Runs each stage however the others end, then prints one table. Without names, all stages:
  build     the preset "cuda" (not with --build)
  unit      tests that need a GPU, or its driver
  devices   measure --devices
  beside    one GPU: our step beside PyTorch's eager one, in turns; energy; memory
  forecast  fitted on small batches, larger ones predicted: step time, memory, the largest batch;
            another precision is refused
  ranks     2 and 4 ranks on one GPU (function only), started as torchrun starts them
  timeline  buckets of a step for Perfetto

  --build DIR   a folder that was built elsewhere, with bin/ in it
  --device cpu  the same on processor cores, tiny: tests this script
  --out DIR     where tables and logs go (default: $OUT, else ./forerun-gpu)
MODELS, BATCHES, PRECISIONS and STEPS in the environment change what is trained.
Needs python3; with its torch package ours is compared. Exit 1 if a stage failed.
TEXT
}

build_dir='' device=cuda out=${OUT:-./forerun-gpu} chosen=()
all=(build unit devices beside forecast ranks timeline)
while (($# > 0)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --build) build_dir=${2:?--build needs a folder}; shift 2 ;;
    --device) device=${2:?--device needs cuda or cpu}; shift 2 ;;
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    *)
      [[ " ${all[*]} " == *" $1 "* ]] || { printf 'run.sh: no stage "%s"\n\n' "$1" >&2; usage >&2; exit 2; }
      chosen+=("$1"); shift
      ;;
  esac
done
((${#chosen[@]} > 0)) || chosen=("${all[@]}")
if [[ $device == cuda ]]; then
  preset=cuda
  export MODELS=${MODELS:-resnet50,densenet121,vit_b_16,bert-base} BATCHES=${BATCHES:-16,32,64,128}
  export PRECISIONS=${PRECISIONS:-float32,tf32,bfloat16} STEPS=${STEPS:-30}
elif [[ $device == cpu ]]; then
  preset=default
  export MODELS=${MODELS:-mnist-cnn} BATCHES=${BATCHES:-4,8} PRECISIONS=${PRECISIONS:-float32} STEPS=${STEPS:-8}
else
  usage >&2
  exit 2
fi

mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
bin=$(cd "${build_dir:-$root/build${preset/default/}}" 2>/dev/null && pwd)/bin
[[ -z $build_dir && $preset == cuda ]] && bin=$root/build-cuda/bin
table() { python3 "$root/tests/gpu/table.py" --bin "$bin" --device "$device" --out "$out" "$@"; }

run_build() { [[ -n $build_dir ]] || build "$preset"; }

run_unit() {
  local test found=0 status=0
  for test in "$bin"/measure_gpu_test "$bin"/measure_cuda_test; do
    [[ -x $test ]] || continue
    found=1
    run "$test" --gtest_brief=1 || status=1
  done
  ((found)) || echo "no unit tests in $bin" >&2
  return $((status || !found))
}

run_devices() { run "$bin/measure" --devices --device "$device" | tee "$out/devices.txt"; }
run_beside() { table beside; }
run_forecast() { table forecast; }
run_ranks() { table ranks; }

run_timeline() {
  run "$bin/report" --store "$out/ranks/2" --out "$out/report" >/dev/null &&
    [[ -s $out/report/timeline.json ]] && echo "timeline: $out/report/timeline.json (ui.perfetto.dev opens it)"
}

failures=()
for stage in "${chosen[@]}"; do
  phase "$stage"
  "run_$stage" 2>&1 | tee "$out/$stage.log" || failures+=("$stage")
done
phase ""

table summary
if ((${#failures[@]} > 0)); then printf 'FAILED: %s (see %s)\n' "${failures[*]}" "$out/STAGE.log"; fi
((${#failures[@]} == 0))
