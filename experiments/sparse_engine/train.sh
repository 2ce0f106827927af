#!/usr/bin/env bash
# usage: experiments/sparse_engine/train.sh IMAGES [OVERRIDE ...]
# IMAGES: a folder with train/ and test/ (docs/data.md). Trains five networks for a short time and prunes single weights of
# each to 80, 90, 95 and 98 %, by number and, where the row says macs, by MACs. Then bench.py measures every file.
# NETWORKS chooses fewer; OUTPUTS is the folder of runs; RESULTS that of bench.py. MEASURE=no only trains: the same
# command without it then finds everything trained and measures.
set -euo pipefail
cd "$(dirname "$0")/../.."
IMAGES=$1; shift
OUTPUTS=${OUTPUTS:-outputs} RESULTS=${RESULTS:-$OUTPUTS/sparse_engine}
run() {
  local name=$1; shift
  python train.py data=image_folder "data.root=$IMAGES" runtime=default runtime.engines=[eager] runtime.repeats=5 \
    runtime.peak_memory=false logger=csv "name=$name" "output_dir=$OUTPUTS" "$@"
}
for network in ${NETWORKS:-mobilenet_v2-imagenet mobilenet_v2-cifar resnet18-imagenet resnet18-cifar vgg11-cifar}; do
  model=${network%-*} stem=${network#*-}
  case $network in
    # The same trainings as those of seed 0 in ../pruning_for_macs.
    mobilenet_v2-imagenet) training=(training.epochs=6 seed=0) recovery=(strategy.schedule.steps=3) ;;
    resnet18-imagenet) training=(training.epochs=3 seed=0)
      recovery=(strategy.schedule.steps=3 strategy.recovery.epochs=0 strategy.recovery.min_updates=60) ;;
    *) training=(training.epochs=4)
      recovery=(strategy.schedule.steps=2 strategy.recovery.epochs=0 strategy.recovery.min_updates=20) ;;
  esac
  training=("model=$model" "data.stem=$stem" "${training[@]}")
  own=("${training[@]}" strategy=iterative_l1 "${recovery[@]}" "$@")
  files=()
  for sparsity in 0.8 0.9 0.95 0.98; do
    run "$network-weights-$sparsity" "${own[@]}" "sparsity=$sparsity"
    files+=("weights-$sparsity=$OUTPUTS/$network-weights-$sparsity/model.cmp")
  done
  for sparsity in 0.9 0.95; do
    run "$network-macs-$sparsity" "${own[@]}" strategy.target=macs "sparsity=$sparsity"
    files+=("macs-$sparsity=$OUTPUTS/$network-macs-$sparsity/model.cmp")
  done
  # Two networks in integers as well. parity.sparse of their metrics.json is the agreement on all test images.
  case $network in mobilenet_v2-imagenet | resnet18-imagenet)
    for bits in 8 6 4; do
      run "$network-w$bits" "${own[@]}" sparsity=0.9 "bits=$bits" runtime.engines=[eager,sparse]
      files+=("w${bits}a$bits=$OUTPUTS/$network-w$bits/model.cmp")
    done ;;
  esac
  # Settings of the recovery among the overrides would have no meaning without pruning.
  others=(); for word in "$@"; do [[ $word = strategy.* ]] || others+=("$word"); done
  run "$network-int8" "${training[@]}" "${others[@]}" strategy=none bits=8
  [ "${MEASURE:-yes}" = no ] || python experiments/sparse_engine/bench.py --out "$RESULTS/$network" --int8 "$OUTPUTS/$network-int8/model.onnx" \
    "${files[@]}"
done
