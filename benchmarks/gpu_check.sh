#!/usr/bin/env bash
# benchmarks/gpu_check.sh OUT: on a machine with a GPU and no network, runs the
# operators' tests on the GPU, compares models with the CPU, measures, and looks
# for memory errors and races.  Takes under eight minutes.
#
# Writes OUT/gpu_check.json and OUT/gpu_check.log, and prints a short table last.
# A part that fails, hangs or is killed takes nothing from the others.  Exit
# status: 0 all is well, 1 something is not, 2 wrong arguments, 3 there is no GPU.
#
# benchmarks/gpu_check.sh --build [ARCHITECTURES]: builds the programs only, e.g.
# for 90a-real (the default), where there is nvcc and no GPU; their folder can be
# carried to a machine that has neither compiler, CMake nor GoogleTest.
#
#   BALEEN_GPU_PROGRAMS  that folder (build/gpu_programs); what is there is used
#   BALEEN_GPU_SLICE     folder for the weights that are measured, 6 GB
#                        ($TMPDIR/baleen-slice); random, kept if whole
#   BALEEN_GPU_SECONDS   how long the whole may take (465)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

usage() {
  sed -n '2,19s/^# \{0,1\}//p' benchmarks/gpu_check.sh >&2
  exit 2
}

programs=${BALEEN_GPU_PROGRAMS:-build/gpu_programs}
log=/dev/null
SECONDS=0

say() { printf '== %s\n' "$*" | tee -a "$log"; }

# ---- Building ----------------------------------------------------------------

find_nvcc() {
  local nvcc
  for nvcc in "${CUDACXX:-}" "$(command -v nvcc)" /usr/local/cuda/bin/nvcc; do
    [[ -n $nvcc && -x $nvcc ]] && printf '%s' "$nvcc" && return
  done
  return 1
}

# build_programs ARCHITECTURES
build_programs() {
  local nvcc generator=() name from
  if ! nvcc=$(find_nvcc) || ! command -v cmake >/dev/null; then
    say "no programs in $programs, and no nvcc and cmake to build them"
    return 1
  fi
  command -v ninja >/dev/null && generator=(-G Ninja)
  say "building for $1"
  # Their own C++ runtime: that of the machine with the GPU may be older.
  if ! {
    CUDACXX=$nvcc cmake -B build/gpu -S . "${generator[@]}" -Wno-dev \
      -DCMAKE_BUILD_TYPE=Release -DBALEEN_DEVELOPER_MODE=OFF -DBALEEN_TOOL=OFF \
      -DBALEEN_CUDA=ON -DBALEEN_GPU_CHECK=ON -DBALEEN_STATIC_RUNTIME=ON \
      -DCMAKE_EXE_LINKER_FLAGS="-static-libstdc++ -static-libgcc" \
      -DCMAKE_MODULE_LINKER_FLAGS="-static-libstdc++ -static-libgcc" \
      -DBALEEN_CUDA_ARCHITECTURES="$1" &&
      cmake --build build/gpu -j "${BALEEN_GPU_JOBS:-$(nproc)}"
  } >>"$log" 2>&1; then
    say "the build failed"
    return 1
  fi
  mkdir -p "$programs"
  for name in gpu_check make_slice cuda_gpu_operators_test libbaleen.so.1 \
    libbaleen-cuda.so; do
    # Links are followed: libbaleen.so.1 is one.
    from=$(find build/gpu -name "$name" ! -type d | head -n 1)
    [[ -n $from ]] || continue
    rm -f "$programs/$name"
    strip -o "$programs/$name" "$(readlink -f "$from")" 2>>"$log" ||
      cp -L "$from" "$programs/$name"
    chmod +x "$programs/$name"
  done
  git rev-parse --short HEAD >"$programs/commit" 2>/dev/null || true
}

# For this machine's GPU; 90a-real where that cannot be found out.
own_architecture() {
  local found
  found=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null |
    head -n 1 | tr -d '. ')
  [[ $found =~ ^[0-9]+$ ]] || found=90
  [[ $found == 90 ]] && found=90a
  printf '%s-real' "$found"
}

if [[ ${1:-} == --build ]] && (($# <= 2)); then
  log=build/gpu_build.log
  mkdir -p build && : >"$log"
  build_programs "${2:-90a-real}" || { tail -n 20 "$log"; exit 1; }
  say "$programs: $(du -sh "$programs" | cut -f 1), in $SECONDS s"
  exit 0
fi
if (($# != 1)) || [[ $1 == -* ]]; then usage; fi

# ---- Parts -------------------------------------------------------------------

mkdir -p "$1/parts" || exit 1
out=$(cd "$1" && pwd)
log=$out/gpu_check.log
: >"$log"
rm -f "$out"/parts/*.json "$out/gpu_check.json"
deadline=${BALEEN_GPU_SECONDS:-465}
status=0
complete=1
strict=1
names=() states=() times=()

record() {
  [[ $2 == ok ]] || complete=0
  names+=("$1") states+=("$2") times+=("$3")
  printf '   %-40s %-10s %4d s\n' "$1" "$2" "$3" | tee -a "$log"
}

# part NAME SECONDS COMMAND...: with a time limit of its own and what is left of
# the whole; its output goes to the log, and lines of results to the terminal.
part() {
  local name=$1 limit=$2 begin=$SECONDS code state left=$((deadline - SECONDS))
  shift 2
  ((left < limit)) && limit=$left
  if ((limit < 3)); then
    record "$name" "no time" 0
    return 1
  fi
  printf '== %s\n' "$name" >>"$log"
  timeout --kill-after=5 "$limit" "$@" >"$out/parts/output" 2>&1 </dev/null
  code=$?
  cat "$out/parts/output" >>"$log"
  case $code in
    0) state=ok ;;
    3) state="no device" ;;
    124 | 137) state="timed out" ;;
    *) state=FAILED ;;
  esac
  # A check that does not end may hang; slow tools and timings are cut off.
  [[ $state == ok || ($state == "timed out" && $strict == 0) ]] ||
    status=1
  record "$name" "$state" $((SECONDS - begin))
  return "$code"
}

check() {  # check NAME SECONDS JSON ARGUMENT...
  local name=$1 limit=$2 json=$out/parts/$3.json code
  shift 3
  part "$name" "$limit" "$programs/gpu_check" "$plugin" "$json" "$@"
  code=$?
  # Figures and reasons only; the rest is in the log.
  grep -E ' FAILED$|^FAILED|^no device|[0-9] (tok/s|TFLOP/s|GB/s|GB|us|%)? *$' \
    "$out/parts/output" | sed 's/^/      /'
  # One figure too slow or wrong is a failure, not one too many.
  return "$code"
}

{
  date -u +%FT%TZ
  uname -a
  nvidia-smi
} >>"$log" 2>&1
[[ -x $programs/gpu_check && -e $programs/libbaleen-cuda.so ]] ||
  build_programs "$(own_architecture)" || exit 1
commit=$(cat "$programs/commit" 2>/dev/null || echo unknown)
plugin=$(readlink -f "$programs/libbaleen-cuda.so")
programs=$(cd "$programs" && pwd)
export LD_LIBRARY_PATH=$programs:${LD_LIBRARY_PATH:-}
export BALEEN_CUDA_PLUGIN=$plugin

check "device" 60 copies copies
case $? in
  3) exit 3 ;;
esac

# Weights are made while the GPU is busy with other things.
slice=${BALEEN_GPU_SLICE:-${TMPDIR:-/tmp}/baleen-slice}
maker=
if [[ -x $programs/make_slice ]]; then
  timeout --kill-after=5 200 "$programs/make_slice" flash "$slice" \
    >"$out/parts/slice.log" 2>&1 &
  maker=$!
fi

# Each operator in a process of its own: an error of a kernel spoils what follows
# in the same one.
tests=$programs/cuda_gpu_operators_test
# Of the CPU alone: instruction sets, its floating-point mode, plans that are
# looked at on the host.
not_here='Device.IsRefused*:Device.DoesNotMind*:Moe.RefusesAPlan*'
products='DraftHead.*:Head.*:InProj.*:Linear.*:Moe*:QUp.*:WoA.*:WoB.*'
failures=$out/parts/failures
: >"$failures"
if [[ -x $tests ]]; then
  for suite in $("$tests" --gtest_list_tests 2>>"$log" | grep -E '^[A-Za-z0-9_]+\.$'); do
    part "operators: ${suite%.}" 40 "$tests" \
      --gtest_filter="$suite*-$not_here" --gtest_brief=1 \
      --gtest_output="json:$out/parts/test_${suite%.}.json"
    grep -E '^\[  FAILED  \] [A-Za-z]' "$out/parts/output" |
      grep -v 'listed below' | awk '{print $4}' | sort -u >>"$failures"
  done
  # Weights of few rows that come by asynchronous copies.
  part "operators: bulk copies" 60 env \
    BALEEN_CUDA_TEST_SETTING=cuda.bulk_copies=on "$tests" --gtest_brief=1 \
    --gtest_filter="$products-$not_here" \
    --gtest_output="json:$out/parts/test_bulk_copies.json"
  grep -E '^\[  FAILED  \] [A-Za-z]' "$out/parts/output" |
    grep -v 'listed below' | awk '{print $4 " with cuda.bulk_copies"}' |
    sort -u >>"$failures"
else
  record "operators" skipped 0
  say "without GoogleTest at the build there are no tests of operators"
fi

check "tiny model" 45 cuts_tiny cuts tests/data/tiny_v4
check "pocket model" 60 compare_pocket compare tests/data/pocket
check "pocket model, early launch" 30 cuts_early \
  --setting cuda.early_launch on cuts tests/data/pocket
check "pocket model, bulk copies" 30 cuts_bulk \
  --setting cuda.bulk_copies on cuts tests/data/pocket
strict=0
check "single operators" 75 operators operators
check "single operators, bulk copies" 40 operators_bulk \
  --setting cuda.bulk_copies on operators

if [[ -n $maker ]]; then
  begin=$SECONDS
  wait "$maker"
  code=$?
  cat "$out/parts/slice.log" >>"$log"
  if ((code == 0)); then
    record "waiting for the slice" ok $((SECONDS - begin))
    check "slice of V4-Flash" 110 measure measure "$slice"
    check "slice, bulk copies" 45 measure_bulk \
      --setting cuda.bulk_copies on measure "$slice"
    check "slice, copies and early launch" 45 measure_early \
      --setting cuda.bulk_copies on --setting cuda.early_launch on \
      measure "$slice"
  else
    status=1
    record "slice of V4-Flash" FAILED $((SECONDS - begin))
  fi
fi

sanitizer=
for name in "$(command -v compute-sanitizer)" \
  /usr/local/cuda/bin/compute-sanitizer; do
  [[ -n $name && -x $name ]] && sanitizer=$name && break
done
# Small cases of each kernel.
small='Compress.*:QkvPost.*:IndexerQ.*:TopkSelect.*:Router.*:Embed.*:HcHead.*'
small+=':MhcBoundary.*:WoA.*:QUp.*:InProj.*:Moe.*'
if [[ -n $sanitizer ]]; then
  for tool in memcheck racecheck; do
    part "$tool: tiny model" 50 "$sanitizer" --tool "$tool" \
      --error-exitcode 9 "$programs/gpu_check" "$plugin" \
      "$out/parts/smoke_$tool.json" smoke tests/data/tiny_v4
    [[ -x $tests ]] &&
      part "$tool: operators" 50 "$sanitizer" --tool "$tool" \
        --error-exitcode 9 "$tests" --gtest_filter="$small-$not_here" \
        --gtest_brief=1
  done
else
  record "memcheck, racecheck" skipped 0
  say "compute-sanitizer is not installed"
fi

# ---- What came of it -----------------------------------------------------------

json_text() { printf '"%s"' "$(printf '%s' "$1" | tr -d '"\\\n\r\t')"; }

{
  printf '{"date": %s,\n "commit": %s,\n' "$(json_text "$(date -u +%FT%TZ)")" \
    "$(json_text "$commit")"
  printf ' "gpu": %s,\n' "$(json_text "$(nvidia-smi \
    --query-gpu=name,driver_version,memory.total,clocks.max.sm \
    --format=csv,noheader 2>/dev/null | head -n 1)")"
  printf ' "seconds": %d,\n "parts": [' "$SECONDS"
  separator=
  for i in "${!names[@]}"; do
    printf '%s\n  {"name": %s, "state": %s, "seconds": %d}' "$separator" \
      "$(json_text "${names[i]}")" "$(json_text "${states[i]}")" "${times[i]}"
    separator=,
  done
  printf '],\n "failed_tests": ['
  separator=
  while read -r name; do
    printf '%s%s' "$separator" "$(json_text "$name")"
    separator=', '
  done <"$failures"
  printf '],\n "reports": ['
  separator=
  for name in copies cuts_tiny compare_pocket cuts_early cuts_bulk operators \
    operators_bulk measure measure_bulk measure_early smoke_memcheck \
    smoke_racecheck; do
    [[ -s $out/parts/$name.json ]] || continue
    printf '%s\n' "$separator"
    cat "$out/parts/$name.json"
    separator=,
  done
  printf ']}\n'
} >"$out/gpu_check.json"

say "summary: commit $commit, $SECONDS s"
# figures PART: NAME|VALUE|UNIT|FAILED of each.
figures() {
  grep -h -o '"name": "[^"]*", "value": [^,]*, "unit": "[^"]*", "failed": [a-z]*' \
    "$out/parts/$1.json" 2>/dev/null |
    sed -E 's/"name": "([^"]*)", "value": ([^,]*), "unit": "([^"]*)", "failed": (true|false)/\1|\2|\3|\4/'
}
# Side by side: plain, with bulk copies, with early launch too.
{
  figures copies | awk -F'|' '{printf "%-52s %9.4g %s\n", $1, $2, $3}'
  printf '%-52s %9s %9s %9s\n' "" plain copies "+ early"
  for part in measure:1 operators:1 measure_bulk:2 operators_bulk:2 \
    measure_early:3; do
    figures "${part%:*}" | sed "s/\$/|${part#*:}/"
  done | awk -F'|' '
    $3 == "us" || $1 ~ /of the peak|, 64 rows/ { next }
    {
      name = $1; sub(/: of the copies. bandwidth/, "", name)
      name = name ", " $3
      if (!(name in seen)) { seen[name] = 1; order[++count] = name }
      value[name, $5] = sprintf("%.4g%s", $2, $4 == "true" ? "!" : "")
    }
    END {
      for (i = 1; i <= count; ++i) {
        printf "%-52s %9s %9s %9s\n", order[i], value[order[i], 1],
               value[order[i], 2], value[order[i], 3]
      }
    }'
} | tee -a "$log"
for i in "${!names[@]}"; do
  [[ ${states[i]} == ok ]] && continue
  printf '%-56s %12s\n' "${names[i]}" "${states[i]}"
done | tee -a "$log"
sed 's/^/failed test: /' "$failures" | tee -a "$log"
if ((status != 0)); then
  say "something is not as it should be; see $log"
elif ((complete)); then
  say "all is well"
else
  say "what was done is well, but not all was done"
fi
exit "$status"
