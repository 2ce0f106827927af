#!/usr/bin/env bash
# usage: experiments/vgg11_recipe/run.sh IMAGES   (a folder with train/ and test/; see docs/data.md)
set -euo pipefail
cd "$(dirname "$0")/../.."
settings=(experiment=cifar10_pruning model=vgg11 "data.root=$1" training.epochs=4 trainer.precision=bf16-mixed runtime.repeats=100)
run() { python train.py "${settings[@]}" "$@"; }
# 1. Measure how much pruning each layer tolerates. (This also trains the dense model.)
python -m compression sensitivity "${settings[@]}"
# 2. Prune single weights, most in the layers that tolerate it.
run name=recipe-unstructured strategy=layerwise_l1 sparsity=0.9 strategy.schedule.steps=2
# 3. Prune channels by the same measurement: a new, smaller architecture, before ...
structured=(strategy=layerwise_structured_l1 sparsity=0.5 strategy.schedule.steps=1 strategy.recovery.epochs=0)
run name=recipe-structured "${structured[@]}"
# 4. ... and after training it as an ordinary network.
run name=recipe-structured-finetuned "${structured[@]}" strategy.finetune.epochs=4 strategy.finetune.lr_factor=0.5
python experiments/vgg11_recipe/collect.py outputs/recipe-*/metrics.json
