#!/usr/bin/env bash
# Serves a model with one rank for each device, from the argument forms of MindFormers' msrun_launcher.sh.
#
#   launch-multi-device.sh COMMAND
#   launch-multi-device.sh COMMAND WORKER_NUM
#   launch-multi-device.sh COMMAND WORKER_NUM MASTER_PORT LOG_DIR JOIN CLUSTER_TIME_OUT
#   launch-multi-device.sh COMMAND WORKER_NUM LOCAL_WORKER MASTER_ADDR MASTER_PORT NODE_RANK LOG_DIR JOIN CLUSTER_TIME_OUT
#
# COMMAND       flags of `troupe serve` as one word; quotes inside it hold: "--model './my model' --port 9000"
# WORKER_NUM    ranks; 8 when left out
# LOG_DIR       gets worker_K.log for each rank, and server.log when the server runs in the background
# JOIN          True waits for the server to end; False, the default, leaves it in the background and prints its process
# The rest is for clusters. Ranks are threads of one process here, so LOCAL_WORKER must be WORKER_NUM and NODE_RANK 0;
# MASTER_ADDR, MASTER_PORT and CLUSTER_TIME_OUT have nothing to do.
#
# Environment:  DEVICE_KIND       cpu (default), cuda, webgpu or dml: ranks run on cpu:0, cpu:1, ...
#               THREADS_PER_RANK  default: cores / ranks
#               TROUPE            the program to start; default: this checkout's, else `troupe` on the PATH
set -euo pipefail

usage() {
  sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'
  exit 1
}

fail() {
  printf 'launch-multi-device.sh: %s\n' "$1" >&2
  exit 1
}

worker_num=8
local_worker=8
node_rank=0
log_dir=output/msrun_log
join=False
case $# in
  1) ;;
  2) worker_num=$2 local_worker=$2 ;;
  6) worker_num=$2 local_worker=$2 log_dir=$4 join=$5 ;;
  9) worker_num=$2 local_worker=$3 node_rank=$6 log_dir=$7 join=$8 ;;
  *) usage ;;
esac

[[ $worker_num =~ ^[1-9][0-9]*$ ]] || fail "WORKER_NUM must be a number from 1 up, not '$worker_num'."
[[ $local_worker == "$worker_num" && $node_rank == 0 ]] ||
  fail "ranks are threads of one process: LOCAL_WORKER must be WORKER_NUM ($worker_num) and NODE_RANK 0."
[[ $join == [Tt]rue || $join == [Ff]alse ]] || fail "JOIN must be True or False, not '$join'."

# Words and quotes of COMMAND as a shell reads them, but nothing in it is run or expanded.
words=()
if [[ $1 =~ [^[:space:]] ]]; then
  lines=$(printf '%s' "$1" | xargs printf '%s\n') || fail "COMMAND has a quote that does not end: $1"
  while IFS= read -r word; do words+=("$word"); done <<<"$lines"
fi
[[ ${words[0]-} == troupe ]] && words=("${words[@]:1}")
[[ ${words[0]-} == serve || ${words[0]-} == launch ]] && words=("${words[@]:1}")

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -n ${TROUPE-} ]]; then
  program=("$TROUPE")
elif [[ -x $root/node_modules/.bin/node ]]; then
  program=("$root/node_modules/.bin/node" "$root/src/cli/main.ts")
else
  program=(troupe)
fi

devices=()
for ((rank = 0; rank < worker_num; rank++)); do devices+=("${DEVICE_KIND:-cpu}:$rank"); done
arguments=(launch --devices "$(IFS=,; printf '%s' "${devices[*]}")" --log-dir "$log_dir")
[[ -n ${THREADS_PER_RANK-} ]] && arguments+=(--threads-per-rank "$THREADS_PER_RANK")
[[ ${#words[@]} -gt 0 ]] && arguments+=("${words[@]}")

if [[ $join == [Tt]rue ]]; then exec "${program[@]}" "${arguments[@]}"; fi
mkdir -p "$log_dir"
nohup "${program[@]}" "${arguments[@]}" >"$log_dir/server.log" 2>&1 </dev/null &
printf 'process %s, logs in %s\n' "$!" "$log_dir"
