#!/usr/bin/env bash
# Runs the sweeps of this folder. usage: experiments/sweeps/run.sh IMAGES   (train/ and test/, a folder per class)
set -euo pipefail
cd "$(dirname "$0")/../.."
IMAGES=$1
OUT=${OUT:-outputs}
PYTHON=${PYTHON:-.venv/bin/python}
SETTINGS=(data=image_folder "data.root=$IMAGES" data.image_size=32 model.stem=imagenet threads=1 "output_dir=$OUT")
SWEEP=("${SETTINGS[@]}" training.epochs=15 name=sweep-cifar10-mobilenet_v2)

"$PYTHON" train.py -m +sweep=grid "${SWEEP[@]}"
# Baselines of two configurations, in the same folder.
"$PYTHON" train.py -m +sweep=grid "${SWEEP[@]}" sparsity=0.5,0.9 weight_bits=6 activation_bits=8 baselines=true
# The dense network, trained as long as a pruned network in all.
"$PYTHON" train.py strategy=none "${SETTINGS[@]}" training.epochs=20 name=dense-20
# Copy the table and pictures to this folder.
"$PYTHON" experiments/sweeps/collect.py "$OUT/sweep-cifar10-mobilenet_v2" "$OUT/dense-20/metrics.json"
"$PYTHON" experiments/sweeps/sharing.py "$OUT/sharing"
