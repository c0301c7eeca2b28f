#!/usr/bin/env bash
# benchmarks/gpu_check.sh OUT: on a machine with a GPU and no network, builds what
# is needed (or uses what was built elsewhere and carried here), compares the GPU
# with the CPU, looks for memory errors and races, and measures.  Takes under
# eight minutes.
#
# Writes OUT/gpu_check.json and OUT/gpu_check.log, and prints a short table last.
# Exit status: 0 all is well, 1 something is not, 3 there is no GPU.
#
#   BALEEN_GPU_BUILD   a build folder to use (build/gpu); carried from a machine
#                      with nvcc, it needs neither compiler nor CMake here
#   BALEEN_GPU_SLICE   folder for the weights that are measured, 6 GB
#                      (OUT/slice); made from random numbers, kept if whole
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if (($# != 1)); then
  sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
build=${BALEEN_GPU_BUILD:-build/gpu}
slice=${BALEEN_GPU_SLICE:-$out/slice}
log=$out/gpu_check.log
: >"$log"

say() { printf '== %s\n' "$*" | tee -a "$log"; }

# Everything that takes long has a limit, so that the whole ends in time.
limited() {
  local seconds=$1
  shift
  timeout --kill-after=10 "$seconds" "$@"
}

find_program() {
  [[ -x $build/benchmarks/gpu/gpu_check ]] &&
    compgen -G "$build/plugins/libbaleen-cuda.so" >/dev/null
}

build_here() {
  local nvcc=${CUDACXX:-}
  [[ -n $nvcc ]] || nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
  if [[ ! -x $nvcc ]] || ! command -v cmake >/dev/null; then
    say "nothing is built in $build, and there is no nvcc or cmake to build it"
    return 1
  fi
  # For this machine's GPU only.
  local capability
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader |
    head -n 1 | tr -d '. ')
  [[ $capability == 90 ]] && capability=90a
  local generator=()
  command -v ninja >/dev/null && generator=(-G Ninja)
  say "building for sm_$capability"
  CUDACXX=$nvcc cmake -B "$build" -S . "${generator[@]}" \
    -DCMAKE_BUILD_TYPE=Release -DBALEEN_DEVELOPER_MODE=OFF -DBALEEN_TOOL=OFF \
    -DBALEEN_CUDA=ON -DBALEEN_GPU_CHECK=ON \
    -DBALEEN_CUDA_ARCHITECTURES="$capability-real" >>"$log" 2>&1
  cmake --build "$build" -j "$(nproc)" >>"$log" 2>&1
}

if ! command -v nvidia-smi >/dev/null || ! nvidia-smi -L >/dev/null 2>&1; then
  say "no device: nvidia-smi finds no GPU"
  exit 3
fi
nvidia-smi -L | tee -a "$log"
find_program || build_here || exit 1
# Where it was carried, the library may not be where it was linked.
export LD_LIBRARY_PATH=$PWD/$build/lib:$PWD/$build:${LD_LIBRARY_PATH:-}
check=$build/benchmarks/gpu/gpu_check
plugin=$PWD/$build/plugins/libbaleen-cuda.so
[[ $plugin == "$PWD//"* ]] && plugin=${plugin#"$PWD/"}

status=0
sanitizer=$(command -v compute-sanitizer ||
  echo /usr/local/cuda/bin/compute-sanitizer)
if [[ -x $sanitizer ]]; then
  mkdir -p "$out/sanitizer"
  for tool in memcheck racecheck; do
    say "$tool on the tiny model"
    limited 90 "$sanitizer" --tool "$tool" --error-exitcode 9 \
      "$check" "$plugin" "$out/sanitizer" --compare tests/data/tiny_v4 \
      >>"$log" 2>&1 && code=0 || code=$?
    case $code in
      9) say "$tool found errors; see $log" && status=1 ;;
      124 | 137) say "$tool was not done in 90 s" ;;
      # Random models differ from the CPU's by more than the pocket model; what
      # is looked for here are the sanitizer's own findings.
      *) say "$tool found nothing" ;;
    esac
  done
else
  say "skipped: compute-sanitizer is not installed"
fi

measured=()
maker=$build/benchmarks/slice/make_slice
if [[ -x $maker ]]; then
  say "making a slice of V4-Flash in $slice"
  if limited 120 "$maker" flash "$slice" >>"$log" 2>&1; then
    measured=(--measure "$slice")
  else
    say "the slice was not made; see $log"
    status=1
  fi
fi
say "comparing and measuring"
limited 200 "$check" "$plugin" "$out" --compare tests/data/pocket \
  "${measured[@]}" 2>>"$log" | tee -a "$log" || status=1
((status == 0)) && say "all is well" || say "something is not as it should be"
exit "$status"
