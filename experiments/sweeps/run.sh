#!/usr/bin/env bash
# The sweeps of this folder. usage: experiments/sweeps/run.sh IMAGES   (a folder with train/ and test/, a folder a class)
set -euo pipefail
cd "$(dirname "$0")/../.."
IMAGES=$1
OUT=${OUT:-outputs}
PYTHON=${PYTHON:-.venv/bin/python}
SETTINGS=(data=image_folder "data.root=$IMAGES" data.image_size=32 model.stem=imagenet training.epochs=15 threads=1
  "output_dir=$OUT" name=sweep-cifar10-mobilenet_v2)

"$PYTHON" train.py -m +sweep=grid "${SETTINGS[@]}"
# Table and pictures beside this file.
"$PYTHON" experiments/sweeps/collect.py "$OUT/sweep-cifar10-mobilenet_v2"
"$PYTHON" experiments/sweeps/sharing.py "$OUT/sharing"
