#!/usr/bin/env bash
# One machine plays a cluster: K hosts behind shaped links, for tests and for trying things out. See --help.
set -euo pipefail
PATH=$PATH:$(cd "$(dirname "$0")/.." && pwd)/build/bin  # which the PATH of sudo does not have

usage() {
  cat <<'TEXT'
usage: examples/emulated-cluster.sh check
       examples/emulated-cluster.sh up   [OPTIONS]
       examples/emulated-cluster.sh run  [OPTIONS] -- COMMAND...
       examples/emulated-cluster.sh down [--name NAME]

Each host is a network namespace with its own name, joined to a switch (a bridge in a namespace of
its own) by a link that is shaped both ways. Open MPI over TCP connects their ranks. Needs root.

  check  says whether this machine can do it; exit 3 if not, with the reason
  up     makes the cluster; it stays until `down`
  run    runs COMMAND, such as `measure --model mnist-cnn`, as one rank per slot of the cluster. On
         a cluster made by `up`, or on one of its own, which goes when the command ends or dies
  down   removes a cluster, what runs on it, and what a killed one left; harmless if there is none

  --hosts K             (default 2)
  --ranks-per-host R    shared memory inside a host, TCP between hosts (default 1)
  --bandwidth RATE      of each link, each way: 200mbit, 1gbit (default 400mbit)
  --quota CORES         processor time of each host, such as 0.5 (default: no limit)
  --slow-host H[:X]     host H gets X of the quota, or of one core where there is none (default 0.5)
  --slow-link H[:X]     host H's link gets X of the bandwidth (default 0.5)
  --mpi-defaults        Open MPI chooses its algorithms; otherwise all-reduces, reduce-scatters and
                        all-gathers are rings without rendezvous: a matter of bandwidth alone
  --name NAME           of the cluster, where there are several (default forerun)

What `measure` writes there is labelled "emulated": links are true to 2 %, processors are shared.
TEXT
}

me=$(basename "$0")
die() { printf '%s: %s\n' "$me" "$2" >&2; exit "$1"; }

hosts=2 ranks_per_host=1 bandwidth=400mbit name=forerun
quota='' slow_host='' slow_link='' mpi_defaults=''
action=${1:-}
case $action in
  check | up | run | down) shift ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac
asked=''  # options that make a cluster
while (($# > 0)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --) shift; break ;;
    --mpi-defaults) mpi_defaults=1; shift ;;
    --name) (($# > 1)) || die 2 "--name needs a name"; name=$2; shift 2 ;;
    --hosts | --ranks-per-host | --bandwidth | --quota | --slow-host | --slow-link)
      (($# > 1)) || die 2 "$1 needs a value; --help tells more"
      option=${1#--}
      printf -v "${option//-/_}" '%s' "$2"
      asked=1
      shift 2
      ;;
    *) die 2 "unknown argument $1; --help tells more" ;;
  esac
done

# --- what was asked, checked -------------------------------------------------------------------
valid() { [[ $2 =~ ^($3)$ ]] || die 2 "$1 \"$2\": expected $4"; }
number='0*[1-9][0-9]*|[0-9]*\.[0-9]*[1-9][0-9]*|[1-9][0-9]*\.[0-9]*'
valid --hosts "$hosts" '[1-9][0-9]?' "1 to 99"
valid --ranks-per-host "$ranks_per_host" '[1-9][0-9]?' "1 to 99"
valid --bandwidth "$bandwidth" '[1-9][0-9]*[kmg]bit' "a rate such as 400mbit"
valid --quota "$quota" "|$number" "a number of cores such as 0.5"
valid --name "$name" '[a-z][a-z0-9]{0,15}' "up to 16 small letters and digits"
for option in slow_host slow_link; do
  valid "--${option/_/-}" "${!option}" "|[1-9][0-9]?(:($number))?" "HOST or HOST:SHARE, such as 2:0.5"
  [[ -z ${!option} ]] || ((${!option%%:*} <= hosts)) || die 2 "--${option/_/-} ${!option}: there are $hosts hosts"
done
# share_of LIST HOST: X of `H:X` for this host, else 1.
share_of() {
  [[ -n $1 && ${1%%:*} == "$2" ]] || { echo 1; return; }
  [[ $1 == *:* ]] && echo "${1#*:}" || echo 0.5
}
product() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.6g", a * b }'; }

# --- what this machine can do ------------------------------------------------------------------
state=/run/forerun-$name  # marks a cluster that is up
cgroup_parent() {  # of version 1 or 2, writable
  if [[ -w /sys/fs/cgroup/cpu/cgroup.procs ]]; then
    echo /sys/fs/cgroup/cpu
  elif grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null && [[ -w /sys/fs/cgroup/cgroup.subtree_control ]]; then
    echo /sys/fs/cgroup
  fi
}
why_not() {
  ((EUID == 0)) || { echo "it needs root, to make network namespaces"; return; }
  local tool
  for tool in ip tc nsenter unshare hostname mpirun; do
    command -v "$tool" >/dev/null || { echo "there is no $tool (Debian: iproute2 util-linux hostname openmpi-bin)"; return; }
  done
  mpirun --version 2>/dev/null | grep -q "Open MPI" || { echo "mpirun is not Open MPI's"; return; }
  local probe=forerun-probe-$$ reason=''
  if ! ip netns add "$probe" 2>/dev/null; then
    reason="this kernel or container allows no network namespaces"
  elif ! ip -n "$probe" link show >/dev/null 2>&1; then
    reason="ip cannot enter network namespaces here (in a chroot, / must be a mount: mount --bind DIR DIR before)"
  elif ! ip -n "$probe" link add eth0 type veth peer name eth1 2>/dev/null; then
    reason="there are no veth links here"
  elif ! ip -n "$probe" link add switch type bridge 2>/dev/null; then
    reason="there are no bridges here"
  elif ! tc -n "$probe" qdisc add dev eth0 root tbf rate 1mbit burst 10kb latency 50ms 2>/dev/null; then
    reason="tc tbf does not work here (kernel module sch_tbf)"
  elif ! nsenter --net="/run/netns/$probe" unshare --uts hostname "$probe" 2>/dev/null; then
    reason="no UTS namespaces here: hosts could not have names of their own"
  elif [[ -n $quota$slow_host && -z $(cgroup_parent) ]]; then
    reason="a quota needs the cgroup cpu controller, version 1 or 2, writable"
  fi
  ip netns del "$probe" 2>/dev/null || true
  echo "$reason"
}

# --- down --------------------------------------------------------------------------------------
namespaces() { ip netns list 2>/dev/null | awk -v p="$name-" 'index($1, p) == 1 { print $1 }'; }
down() {
  local ns pid folder _
  for _ in 1 2 3; do
    for ns in $(namespaces); do
      for pid in $(ip netns pids "$ns" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
    done
    sleep 0.1
  done
  for ns in $(namespaces); do ip netns del "$ns" || true; done
  for folder in /sys/fs/cgroup/cpu/"$name"-* /sys/fs/cgroup/"$name"-*; do
    [[ -d $folder ]] || continue
    for _ in {1..10}; do rmdir "$folder" 2>/dev/null && break; sleep 0.1; done
  done
  rm -rf "$state"
}

# --- up ----------------------------------------------------------------------------------------
# Jumbo frames: with 1500 bytes the machine cannot keep up with 16 hosts. tbf passes its burst at
# line rate: no longer than two frames.
mtu=62000 gso=65536 burst=131kb queue=16mb
shaped_link() {  # HOST RATE
  local host=$name-$1 hub=$name-hub port=host$1
  ip link add "$port" netns "$hub" type veth peer name eth0 netns "$host"
  ip -n "$hub" link set "$port" mtu $mtu gso_max_size $gso master switch up
  ip -n "$host" link set eth0 mtu $mtu gso_max_size $gso up
  ip -n "$host" addr add "10.77.0.$1/16" dev eth0
  tc -n "$host" qdisc add dev eth0 root tbf rate "$2" burst $burst limit $queue
  tc -n "$hub" qdisc add dev "$port" root tbf rate "$2" burst $burst limit $queue
}
add_namespace() {
  ip netns add "$1"
  ip -n "$1" link set lo up
  # Not every congestion control of the machine is allowed in a namespace.
  nsenter --net="/run/netns/$1" sh -c 'echo reno > /proc/sys/net/ipv4/tcp_congestion_control' 2>/dev/null || true
}
limit_cpu() {  # HOST CORES
  local parent folder period
  parent=$(cgroup_parent) folder=$parent/$name-$1
  # Short periods, so that a stop is short against a step; not below the kernel's least quota, 1 ms.
  period=$(awk -v q="$2" 'BEGIN { p = 5000; while (p * q < 1000) p *= 2; print p }')
  local us
  us=$(awk -v q="$2" -v p="$period" 'BEGIN { printf "%d", p * q }')
  [[ $parent == /sys/fs/cgroup/cpu ]] || echo +cpu > "$parent/cgroup.subtree_control"
  mkdir -p "$folder"
  if [[ -e $folder/cpu.cfs_quota_us ]]; then
    echo "$period" > "$folder/cpu.cfs_period_us"
    echo "$us" > "$folder/cpu.cfs_quota_us"
  else
    echo "$us $period" > "$folder/cpu.max"
  fi
}
describe() {
  printf '%s links' "$bandwidth"
  [[ -z $quota ]] || printf ', %s cores a host' "$quota"
  [[ -z $slow_host ]] || printf ', host %s has %s of that' "${slow_host%%:*}" "$(share_of "$slow_host" "${slow_host%%:*}")"
  [[ -z $slow_link ]] || printf ', link %s has %s of that' "${slow_link%%:*}" "$(share_of "$slow_link" "${slow_link%%:*}")"
  [[ -z $mpi_defaults ]] || printf ", Open MPI's default algorithms"
}
up() {
  local reason h unit=${bandwidth##*[0-9]} cores
  reason=$(why_not)
  [[ -z $reason ]] || die 3 "cannot emulate a cluster: $reason"
  [[ ! -e $state ]] || die 1 "cluster \"$name\" is up; take it down first, or choose another --name"
  down  # what a killed one left
  mkdir -p "$state"
  add_namespace "$name-hub"
  ip -n "$name-hub" link add switch mtu $mtu type bridge
  ip -n "$name-hub" addr add 10.77.255.254/16 dev switch
  ip -n "$name-hub" link set switch up
  : > "$state/hostfile"
  for ((h = 1; h <= hosts; ++h)); do
    add_namespace "$name-$h"
    shaped_link "$h" "$(product "${bandwidth%"$unit"}" "$(share_of "$slow_link" "$h")")$unit"
    cores=$quota
    if [[ $(share_of "$slow_host" "$h") != 1 ]]; then cores=$(product "${quota:-1}" "$(share_of "$slow_host" "$h")"); fi
    [[ -z $cores ]] || limit_cpu "$h" "$cores"
    echo "$name-$h slots=$ranks_per_host" >> "$state/hostfile"
  done
  # What mpirun calls in place of ssh: enter HOST COMMAND...
  cat > "$state/enter" <<TEXT
#!/bin/sh
host=\$1
shift
for procs in /sys/fs/cgroup/cpu/\$host/cgroup.procs /sys/fs/cgroup/\$host/cgroup.procs; do
  if [ -w "\$procs" ]; then echo \$\$ > "\$procs"; break; fi
done
exec nsenter --net=/run/netns/\$host unshare --uts sh -c 'hostname "\$0"; eval "exec \$*"' "\$host" "\$@"
TEXT
  chmod +x "$state/enter"
  {
    declare -p hosts ranks_per_host mpi_defaults
    echo "description=$(printf '%q' "$(describe)")"
  } > "$state/settings"
}

# --- run ---------------------------------------------------------------------------------------
# Waiting ranks of Open MPI poll, yielding in between: many hosts would fight for few cores. With this
# they sleep between two looks. All-reduces of 25 MiB on 2, 4, 8 and 16 hosts behind 400 Mbit/s took 1.07,
# 1.15, 1.10 and 1.11 times 2(n-1)/n bytes over bandwidth with pauses of 30 us (16 hosts then fill two cores),
# 1.01, 1.02, 1.02 and 1.03 times with 300 us (one core), and no less with 600 us or 1 ms. What a pause delays,
# the shaper's burst makes good. Prints the library's name, nothing where there is no C compiler.
patient_yield() {
  cat > "$state/yield.c" <<'TEXT'
#include <sys/prctl.h>
#include <time.h>
int sched_yield(void) {
  static __thread int fine;
  if (!fine) fine = 1, prctl(PR_SET_TIMERSLACK, 1000UL);
  const struct timespec pause = {0, 300000};
  nanosleep(&pause, 0);
  return 0;
}
TEXT
  if cc -O2 -shared -fPIC -o "$state/yield.so" "$state/yield.c" 2>/dev/null; then
    echo "$state/yield.so"
  else
    echo "$me: no C compiler (cc): waiting ranks poll, and more hosts than cores disturb each other" >&2
  fi
}
# Becomes the launcher.
run_on_it() {
  local description=  # and the rest of what `up` was asked
  # shellcheck source=/dev/null
  source "$state/settings"
  local mca=("plm_rsh_agent $state/enter" "btl tcp,vader,self" "pml ob1" "btl_tcp_if_include 10.77.0.0/16"
    "oob_tcp_if_include 10.77.0.0/16" "mpi_yield_when_idle 1")
  [[ -n $mpi_defaults ]] || mca+=("coll_tuned_use_dynamic_rules 1" "coll_tuned_allreduce_algorithm 4"
    "coll_tuned_reduce_scatter_algorithm 3" "coll_tuned_allgather_algorithm 4"
    "btl_tcp_eager_limit 33554432" "btl_tcp_rndv_eager_limit 33554432" "btl_tcp_max_send_size 33554432")
  local yield=''
  yield=$(patient_yield)
  # The launcher sits beside the switch.
  # shellcheck disable=SC2016,SC2048,SC2086
  exec env ${yield:+LD_PRELOAD="$yield"} FORERUN_EMULATED="$description" FORERUN_EMULATED_CORES="$ranks_per_host" \
    nsenter --net="/run/netns/$name-hub" unshare --uts sh -c 'hostname "$0"; exec "$@"' "$name-hub" \
    mpirun --allow-run-as-root --hostfile "$state/hostfile" -np $((hosts * ranks_per_host)) --bind-to none \
    ${mca[*]/#/--mca } ${yield:+-x LD_PRELOAD} -x FORERUN_EMULATED -x FORERUN_EMULATED_CORES "$@"
}
# Takes the cluster down when this script ends, however it ends: the reader of a pipe sees the end
# of its writer, which even a kill -9 brings.
watch_over() {
  exec {lifeline}> >(trap '' INT TERM HUP QUIT; cat > /dev/null; down > /dev/null 2>&1)
}
run() {
  (($# > 0)) || die 2 "run needs a command after --"
  if [[ -e $state ]]; then
    [[ -z $asked ]] || die 2 "cluster \"$name\" is up as it is; its options belong to \"up\""
    run_on_it "$@"
  fi
  watch_over
  trap down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  up {lifeline}>&-
  local status=0
  run_on_it "$@" {lifeline}>&- &
  child=$!
  trap 'stop 130' INT
  trap 'stop 143' TERM HUP
  wait "$child" || status=$?
  return $status
}
# stop STATUS: mpirun ends the ranks, which may save what they have first.
stop() {
  trap '' INT TERM HUP
  kill -TERM "$child" 2>/dev/null || true
  wait "$child" || true
  exit "$1"
}

case $action in
  check)
    reason=$(why_not)
    [[ -z $reason ]] || die 3 "cannot emulate a cluster: $reason"
    echo "this machine can emulate a cluster$([[ -n $(cgroup_parent) ]] || echo ", without --quota (no writable cgroup cpu controller)")"
    ;;
  up)
    trap 'down' ERR
    trap 'down; exit 130' INT TERM HUP
    up
    echo "cluster \"$name\" is up: $hosts hosts, $ranks_per_host ranks each, $(describe)"
    ;;
  run) run "$@" ;;
  down) ((EUID == 0)) || die 3 "it needs root"; down ;;
esac
