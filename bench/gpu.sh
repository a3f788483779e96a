#!/usr/bin/env bash
# Builds, tests and measures Dure on a machine with a GPU.
#
#   bench/gpu.sh pack FOLDER    on a Debian or Ubuntu machine that can build Dure:
#                               copies headers and libraries that it needs
#   bench/gpu.sh build          configures and builds what test and bench run
#   bench/gpu.sh test           runs every test of the GPU
#   bench/gpu.sh bench          measures operations and training steps
#
# build, test and bench take less than ten minutes each on 16 cores. The machine
# needs nvcc, CMake 3.24, Ninja and g++ 12, and Python for the results; no root,
# no network. Variables of the environment:
#
#   DURE_DEPENDENCIES   a folder that pack made; without it the system's are taken
#   DURE_PRESET         of CMakePresets.json: cuda, or cuda-emulated, which needs
#                       no GPU and measures nothing: its benchmarks are smoke tests
#   DURE_ARCHITECTURES  for which GPUs, "80;90" for instance; default: this one's
#   DURE_RESULTS        the folder of the results; default: bench/results, and
#                       that of the build where the device is emulated
#
# Results are Markdown: tests_, operations_ and step_, then the GPU and the month.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${DURE_PRESET:-cuda}
build=build/$preset
results=${DURE_RESULTS:-bench/results}
jobs=$(nproc)
smoke=()
if [ "$preset" = cuda-emulated ]; then
  smoke=(--smoke)
  results=${DURE_RESULTS:-$build/results}
fi

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

die() {
  echo "gpu.sh: $*" >&2
  exit 1
}

# The packages whose files pack copies: what a build without MPI, hwloc, oneDNN
# and SentencePiece takes, and what it needs at run time.
packages() {
  local wanted
  wanted=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' \
    'libhwy*' 'libpcre2*' 'libutf8proc*' 'nlohmann-json3-dev' 'libtomlplusplus*' \
    'libcli11-dev' 'libspdlog*' 'libfmt*' 'libxxhash*' 'zlib1g*' 'libzstd*' \
    'liblzma*' 'libbz2*' 'libsimdjson*' 'libgtest-dev' 'libgmock-dev' \
    'googletest' 'libbenchmark*' 2>/dev/null || true)
  sed -n 's/ installed$//p' <<<"$wanted" | sort -u
}

pack() {
  local folder=${1:?usage: bench/gpu.sh pack FOLDER} name file
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  for name in $(packages); do
    dpkg -L "$name" | while read -r file; do
      case $file in
        */share/doc/* | */share/man/* | /usr/src/*) ;;
        *.so | *.so.* | *.a | *.h | *.hpp | *.hh | *.ipp | *.cmake | *.pc | */CLI/* | */toml++/*)
          if [ -f "$file" ]; then copy "$file" "$folder/usr${file#/usr}"; fi
          ;;
      esac
    done
  done
  du -sh "$folder"
}

# A link becomes a copy, so that a folder that keeps no links will do, too.
copy() {
  mkdir -p "$(dirname "$2")"
  cp --dereference --preserve=timestamps "$1" "$2"
}

# Lets compiler, linker, loader, CMake and pkg-config look into the folder first.
use_dependencies() {
  [ -n "${DURE_DEPENDENCIES:-}" ] || return 0
  local root libraries
  root=$(cd "$DURE_DEPENDENCIES" 2>/dev/null && pwd) ||
    die "there is no folder $DURE_DEPENDENCIES: make it by bench/gpu.sh pack"
  libraries=$root/usr/lib/$(g++ -dumpmachine)
  export CMAKE_PREFIX_PATH=$root/usr
  export PKG_CONFIG_SYSROOT_DIR=$root
  export PKG_CONFIG_PATH=$libraries/pkgconfig:$root/usr/share/pkgconfig
  export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
  export CPATH=$root/usr/include${CPATH:+:$CPATH}
  export LIBRARY_PATH=$libraries${LIBRARY_PATH:+:$LIBRARY_PATH}
  export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

build() {
  local options=(-DDURE_WITH_MPI=OFF -DDURE_BUILD_EXAMPLES=OFF)
  if [ -n "${DURE_DEPENDENCIES:-}" ]; then
    options+=(-DDURE_WITH_HWLOC=OFF -DDURE_WITH_ONEDNN=OFF -DDURE_WITH_SENTENCEPIECE=OFF)
  fi
  if [ "$preset" = cuda ]; then
    options+=("-DCMAKE_CUDA_ARCHITECTURES=${DURE_ARCHITECTURES:-native}")
  fi
  cmake --preset "$preset" "${options[@]}"
  cmake --build "$build" --parallel "$jobs" --target dure kernels_test \
    cuda_training_test cuda_program_test doctor_test roofline_test step_bench
}

# The GPU's name as part of a file's: nvidia-h100-80gb-hbm3.
gpu_name() {
  if [ "$preset" = cuda-emulated ]; then
    echo emulated
  else
    nvidia-smi --query-gpu=name --format=csv,noheader --id=0 |
      tr '[:upper:] /' '[:lower:]--'
  fi
}

# The file of a kind of results.
file_of() { echo "$results/$1_$(gpu_name)_$(date +%Y%m).md"; }

# What every results file begins with: $1 is its title.
header() {
  echo "# $1"
  echo
  echo "Commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), preset $preset, $(date +%Y-%m-%d)."
  echo
  echo '```'
  "$build/bin/dure" doctor | grep -E '^(dure|compiler|processor|threads |cuda)' || true
  if [ "$preset" = cuda ]; then
    nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.max.memory,power.limit --format=csv
  fi
  echo '```'
  echo
}

run_tests() {
  local file log status=0
  file=$(file_of tests)
  log=$(mktemp)
  tools/run_tests "$build" --parallel 1 --tests-regex \
    '^(kernels_cuda|roofline_cuda|cuda_training|cuda_program|doctor|bench_smoke_step_cuda)$' 2>&1 |
    tee "$log" || status=$?
  {
    header "Tests on a GPU"
    echo '```'
    grep -E '^ *[0-9]+/[0-9]+ Test|passed' "$log"
    echo '```'
  } >"$file"
  rm -f "$log"
  echo "gpu.sh: $file"
  return "$status"
}

measure_operations() {
  header "Operations against their roofline"
  echo "\`dure bench operations --device cuda\`: times by the device's clock, beside a"
  echo "triad and cuBLASLt's products in the same run. Above 100 % the data stayed"
  echo "in a cache."
  echo
  "$build/bin/dure" bench operations --device cuda --repetitions 5 "${smoke[@]}"
}

# A batch that the GPU has memory for: PyTorch keeps the logits, Dure does not.
measure_steps() {
  local dure=$build/bench/step_bench type
  header "Training steps of GPT-2 124M on a GPU"
  if [ ${#smoke[@]} -eq 0 ] && python3 -c 'import torch' 2>/dev/null; then
    echo "\`bench/peers/pytorch_gpu_step.py\`: medians of rounds of ten steps."
    echo
    python3 bench/peers/pytorch_gpu_step.py --dure "$dure"
    echo
    echo "PyTorch with \`torch.compile\`:"
    echo
    python3 bench/peers/pytorch_gpu_step.py --compile ||
      echo "it failed here"
    echo
  else
    echo "Without PyTorch, which this machine has not."
    echo
  fi
  for type in f32 bf16; do
    echo '```'
    "$dure" --device cuda --type "$type" --batch 8 --sequence 1024 --steps 5 \
      --operations "${smoke[@]}"
    echo '```'
  done
}

bench() {
  local file
  file=$(file_of operations)
  measure_operations >"$file"
  echo "gpu.sh: $file"
  file=$(file_of step)
  measure_steps >"$file"
  echo "gpu.sh: $file"
}

command=${1:-}
if [ $# -gt 0 ]; then shift; fi
case $command in
  pack) pack "$@" ;;
  build | test | bench)
    use_dependencies
    mkdir -p "$results"
    case $command in
      build) build ;;
      test) run_tests ;;
      bench) bench ;;
    esac
    ;;
  --help | -h) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
