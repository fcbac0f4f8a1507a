# Sourced by examples/quickstart.sh and tests/run.sh: installs what is missing, configures, builds.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What the programs are built from and run with.
build_packages=(
  cmake ninja-build g++
  libtorch-dev libopenblas0-pthread  # measure; OpenBLAS is 3.5 times as fast as the default BLAS
  libopenmpi-dev openmpi-bin libhwloc-dev
  libceres-dev libeigen3-dev libcli11-dev nlohmann-json3-dev libcsv-dev
  gnuplot-nox
)
# What the tests need beside them.
test_packages=(
  libgtest-dev librapidcheck-dev libbenchmark-dev libvalijson-dev clang-format clang-tidy-16
  iproute2  # emulated hosts
)
# What gets a LibTorch with CUDA where the active Python has none.
cuda_packages=(python3-pip)
torch_wheel=2.11.0

die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# phase NAME: ends the phase before it, with its time, and starts another.
phase_name=
phase() {
  if [[ -n $phase_name ]]; then
    printf -- '-- %s: %d s\n' "$phase_name" $((SECONDS - phase_start)) >&2
  fi
  phase_name=$1 phase_start=$SECONDS
  if [[ -n $phase_name ]]; then printf '\n== %s\n' "$phase_name" >&2; fi
}

# run COMMAND...: shows a command, then runs it.
run() {
  printf '$ %s\n' "${*@Q}" | sed -E "s/'([A-Za-z0-9_.,:=+@%\/-]+)'/\1/g" >&2
  "$@"
}

missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      echo "$package"
  done
}

# as_root COMMAND...: as root, through sudo where it asks nothing or can ask on a terminal.
as_root() {
  if ((EUID == 0)); then
    run "$@"
  elif sudo -n true 2>/dev/null || [[ -t 0 && -t 2 ]]; then
    run sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    return 1
  fi
}

can_be_root() {
  ((EUID == 0)) || { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 && -t 2 ]]; }; }
}

# install_packages PACKAGE...: only those that are missing.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "no apt-get here: the build names what it does not find (Debian's names: $*)" >&2
    return 0
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    echo "all ${#} packages are installed" >&2
    return 0
  fi
  if ! can_be_root; then
    die "packages are missing, and installing them needs root. Ask an administrator to run

  apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}

then start this again."
  fi
  export DEBIAN_FRONTEND=noninteractive
  local install=(apt-get install --yes --no-install-recommends -qq
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o APT::Acquire::Retries=3)
  if ! apt-cache show "${missing[@]}" >/dev/null 2>&1; then
    as_root apt-get update -qq || die "apt-get update failed (is the network there?)"
  fi
  if ! as_root "${install[@]}" "${missing[@]}" >/dev/null; then
    # Lists may be older than the archive.
    as_root apt-get update -qq && as_root "${install[@]}" "${missing[@]}" >/dev/null ||
      die "could not install: ${missing[*]}"
  fi
}

# build PRESET [CMAKE OPTION...]: configures and builds; nothing is rebuilt the second time.
build() {
  local preset=$1
  shift
  (cd "$root" && run cmake --preset "$preset" "$@" && run cmake --build --preset "$preset") >&2
}

# cuda_torch: prints the folder of a LibTorch with CUDA: the active Python's, else a wheel of 530 MB that is
# fetched once, without the 3.4 GB of NVIDIA's packages that it would need to compute. Where there is no CUDA
# toolkit, those two that one compiles against: CUDA's runtime (6 MB) and NCCL (200 MB).
cuda_torch() {
  local folder
  folder=$(python3 -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").origin))' 2>/dev/null)
  if [[ -n $folder && -e $folder/lib/libtorch_cuda.so ]]; then
    echo "$folder"
    return
  fi
  local site=$root/.cache/torch-$torch_wheel
  [[ -e $site/torch/lib/libtorch_cuda.so ]] || fetch_wheels "$site" "torch==$torch_wheel" || return 1
  if ! has_cuda_toolkit && [[ ! -e $site/nvidia/nccl/include/nccl.h ]]; then
    fetch_wheels "$site" "$(required_by_torch "$site" cuda-toolkit | sed 's/\[.*\]/[cccl,crt,cudart]/')" || return 1
    fetch_wheels "$site" "$(required_by_torch "$site" nvidia-nccl)" || return 1
  fi
  echo "$site/torch"
}
has_cuda_toolkit() {
  local folder
  for folder in "$(dirname "$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)")/.." /usr/local/cuda /usr; do
    [[ -e $folder/include/cuda_runtime_api.h && -e $folder/include/nccl.h ]] && return 0
  done
  return 1
}
# required_by_torch SITE NAME: `nvidia-nccl-cu13==2.28.9` of NAME nvidia-nccl, as the wheel's metadata has it.
required_by_torch() {
  sed -n "s/^Requires-Dist: \($2[^; ]*\).*/\1/p" "$1"/torch-*.dist-info/METADATA | head -n 1
}
# fetch_wheels SITE REQUIREMENT: into SITE; of what it requires in turn, only what an extra of it names.
fetch_wheels() {
  local part=$1.part needs=--no-deps
  [[ $2 == *"["* ]] && needs=
  python3 -m pip --version >/dev/null 2>&1 || install_packages "${cuda_packages[@]}"
  rm -rf "$part"
  # shellcheck disable=SC2086  # nothing where $needs is empty
  mkdir -p "$part" "$1" && run python3 -m pip download --quiet $needs --dest "$part" "$2" >&2 || return 1
  local wheel
  for wheel in "$part"/*.whl; do
    run python3 -m zipfile -e "$wheel" "$1" >&2 || return 1
  done
  rm -rf "$part"
}
