#!/usr/bin/env bash
# usage: experiments/magnetic_tiles/run.sh TILES WEIGHTS [OVERRIDE ...]
# TILES: the folder magnetic_tiles with six class folders. WEIGHTS: a MobileNetV2 with the ImageNet stem, trained on
# CIFAR-10 (dense.safetensors or model.cmp of a run). OUTPUTS is the folder of runs. Three sweeps of five folds each:
# by transfer, padded and cropped, plain and weighted; the padded, weighted one pruned and quantized; from scratch, padded.
set -euo pipefail
cd "$(dirname "$0")/../.."
TILES=$1 WEIGHTS=$2; shift 2
run() {
  python train.py -m data=image_folder "data.root=$TILES" data.channels=1 data.image_size=64 data.stem=imagenet \
    data.batch_size=32 data.val_fraction=0.2 data.folds=5 'data.group_pattern="num_(\d*)\d{3}\.jpg"' \
    model=mobilenet_v2 training=adam training.epochs=30 training.monitor=macro_f1 threads=1 runtime.peak_memory=false \
    "output_dir=${OUTPUTS:-outputs}" "$@"
}
dense=(strategy=none until=evaluate "runtime.engines=[eager]" runtime.repeats=5)
run name=tiles-transfer "${dense[@]}" "model.weights=$WEIGHTS" data.fit=pad,crop training.class_weights=none,balanced "$@"
run name=tiles-compressed "model.weights=$WEIGHTS" data.fit=pad training.class_weights=balanced strategy=iterative_l1 \
  sparsity=0.9 bits=8 "$@"
run name=tiles-scratch "${dense[@]}" data.fit=pad training.class_weights=none,balanced "$@"
