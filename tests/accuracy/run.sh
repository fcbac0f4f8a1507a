#!/usr/bin/env bash
# The accuracy table for every protocol and every set of step times at hand. See --help.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
program=${ACCURACY:-$root/build/bin/accuracy}

usage() {
  cat <<'TEXT'
usage: tests/accuracy/run.sh [-v] [DATA_DIR]

Prints how wrong predictions are on scales that were not fitted, as Markdown tables: the T4 cluster in examples/data,
and what of these there is in DATA_DIR:
  pollux-t4/observations.csv   gpu-clusters/rtx_part.csv   gpu-clusters/v100.csv   (cluster,model,nodes,gpus,placement,
                               local_batch,step_time_s: the columns that calibrate --observations reads)
  hkbu-ddl/throughput.csv      (model,batch_per_gpu,network,method,gpus,samples_per_s)
  dlperf/throughput.csv        (framework,model,precision,batch_per_gpu,nodes,gpus,samples_per_s)
  -v   a line for each workload as well
$ACCURACY names the program (default: build/bin/accuracy).
TEXT
}

options=() data=
for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    -v) options+=(-v) ;;
    -*) usage >&2; exit 2 ;;
    *) data=$argument ;;
  esac
done
if [[ ! -x $program ]]; then
  printf 'run.sh: there is no %s; build it: cmake --build --preset default --target accuracy\n' "$program" >&2
  exit 1
fi
if [[ -n $data && ! -d $data ]]; then
  printf 'run.sh: %s is not a folder\n' "$data" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Of ResNet-50, ResNet-18, BERT and YOLOv3 in float32: 4 bytes a parameter.
bytes=(imagenet=102.2e6 cifar10=44.7e6 bert=438e6 yolov3=248e6)

# table TITLE FILE ARGUMENT...
table() {
  local title=$1 file=$2
  shift 2
  printf '\n### %s\n\n' "$title"
  "$program" "$file" "${options[@]}" "$@"
}

# scales TITLE FILE: all protocols, where there is such a file.
scales() {
  if [[ ! -e $2 ]]; then
    printf 'run.sh: %s is not there\n' "$2" >&2
    return
  fi
  table "$1" "$2" "${bytes[@]}"
  table "$1, each workload alone" "$2" --alone
}

# throughput KIND FILE GPUS...: converted, fitted up to so many GPUs, one line a cluster.
throughput() {
  local kind=$1 file=$2 gpus
  if [[ ! -e $file ]]; then
    printf 'run.sh: %s is not there\n' "$file" >&2
    return
  fi
  python3 "$here/convert.py" "$kind" "$file" >"$work/$kind.csv"
  for gpus in "${@:3}"; do
    table "$kind: fit <= $gpus GPUs, predict up to 32" "$work/$kind.csv" --up-to "$gpus"
  done
}

scales "pollux-t4, as shipped" "$root/examples/data/pollux-t4/observations.csv"
[[ -n $data ]] || exit 0
scales "pollux-t4, every placement" "$data/pollux-t4/observations.csv"
scales "rtx_part" "$data/gpu-clusters/rtx_part.csv"
scales "v100" "$data/gpu-clusters/v100.csv"
throughput hkbu "$data/hkbu-ddl/throughput.csv" 8
throughput dlperf "$data/dlperf/throughput.csv" 8 16
