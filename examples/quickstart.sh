#!/usr/bin/env bash
# From a bare Debian 12 machine to a prediction that was checked. See --help.
set -euo pipefail
# shellcheck source=examples/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

usage() {
  cat <<'TEXT'
usage: examples/quickstart.sh [--model M] [--batch B] [--budget TIME] [--check-steps N] [--store DIR]

Installs what is missing, builds, measures this machine with real training, predicts, trains
configurations that were not measured, and leaves a page with predicted against observed.

  --model M        what to predict (default: densenet121)
  --batch B        global batch (default: 128)
  --budget TIME    for measuring, such as 60s or 5m (default: 150s)
  --check-steps N  steps of each training that checks a prediction (default: 12)
  --store DIR      where results go (default: $FORERUN_HOME, else ./forerun)
TEXT
}

model=densenet121 batch=128 budget=150s check_steps=12 store=${FORERUN_HOME:-./forerun}
while (($# > 0)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --model | --batch | --budget | --check-steps | --store)
      (($# > 1)) || { usage >&2; exit 2; }
      name=${1#--}
      printf -v "${name//-/_}" '%s' "$2"
      shift 2
      ;;
    *) printf 'quickstart.sh: unknown argument %s\n\n' "$1" >&2; usage >&2; exit 2 ;;
  esac
done

trap 'status=$?; if ((status != 0)); then
  echo "quickstart.sh: stopped${phase_name:+ in \"$phase_name\"} (exit $status)$([[ -e $store ]] && echo "; what was measured so far is in $store")" >&2
fi' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# world_sizes RANKS: 1, 2, 4, ... and RANKS itself.
world_sizes() {
  local n out=
  for ((n = 1; n < $1; n *= 2)); do out+=$n,; done
  echo "$out$1"
}

# check_batches RANKS: global batches near 5/8, 7/8 and 5/4 of the batch, which the measuring did not
# take, each a multiple of every world size that is trained.
check_batches() {
  local multiple=1 n b out=() eighths
  while ((multiple * 2 < $1)); do multiple=$((multiple * 2)); done
  n=$multiple
  while ((n % $1 != 0)); do n=$((n + multiple)); done
  multiple=$n
  for eighths in 5 7 10; do
    b=$(((batch * eighths / 8 + multiple - 1) / multiple * multiple))
    if ((b != batch)) && [[ " ${out[*]} " != *" $b "* ]]; then out+=("$b"); fi
  done
  ((${#out[@]} > 0)) || out=($((batch + multiple)))
  (IFS=,; echo "${out[*]}")
}

phase "Install"
install_packages "${build_packages[@]}"

phase "Build"
if [[ -e $root/build/CMakeCache.txt ]]; then  # with tests, where tests/run.sh was here before
  build default
else
  build default -DFORERUN_TESTS=OFF  # they need more packages
fi
PATH=$root/build/bin:$PATH
export FORERUN_HOME=$store

phase "Measure this machine"
measured=$SECONDS
run measure --budget "$budget"

phase "Calibrate"
run calibrate

phase "Predict"
run predict --model "$model" --batch "$batch"

phase "Check: train what was not measured"
ranks=$(sed -n 's/^ *"max_ranks": \([0-9]*\).*/\1/p' "$store/profile.json" | head -n 1)
check=(--batch "$(check_batches "${ranks:?profile.json names no max_ranks}")" --world-sizes "$(world_sizes "$ranks")")
input=$(sed -n "/^ *\"name\": \"$model\"/{n;s/^ *\"input\": \"\(.*\)\".*/\1/p}" "$store/profile.json")
run measure train --model "$model" ${input:+--input "$input"} "${check[@]}" --steps "$check_steps"
if [[ $model != mnist-cnn ]]; then
  run measure train --model mnist-cnn "${check[@]}" --steps $((check_steps * 4))
fi

phase "Report"
run report
phase ""
printf '\nMeasuring, predicting and checking took %d s. Open %s\n' \
  $((SECONDS - measured)) "$(cd "$store" && pwd)/report/index.html"
