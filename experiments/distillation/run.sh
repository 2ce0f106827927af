#!/usr/bin/env bash
# usage: experiments/distillation/run.sh IMAGES   IMAGES: CIFAR-10 as a folder with train/ and test/
# Trains pruned networks with and without the dense model as teacher: digits with three seeds, CIFAR-10 with one.
set -euo pipefail
cd "$(dirname "$0")/../.."
quick=(threads=1 runtime.repeats=5 runtime.peak_memory=false)
# The schedule of the record, which is longer than today's default for digits.
digits=(training.epochs=20 training.optimizer.lr=0.1 strategy.recovery.min_updates=100)
for strategy in oneshot_l1 iterative_l1; do
  for sparsity in 0.9 0.95; do
    for distillation in none logit; do
      for seed in 0 1 2; do
        python train.py "${quick[@]}" "${digits[@]}" "seed=$seed" "strategy=$strategy" "sparsity=$sparsity" "distillation=$distillation" \
          "name=digits-$strategy-$sparsity-$distillation-$seed"
      done
    done
  done
done
for sparsity in 0.9 0.95; do
  for distillation in none logit; do
    python train.py "${quick[@]}" data=image_folder "data.root=$1" data.image_size=32 model.stem=imagenet training.epochs=15 \
      strategy=oneshot_l1 strategy.recovery.epochs=3 "sparsity=$sparsity" "distillation=$distillation" \
      "name=cifar10-oneshot_l1-$sparsity-$distillation-42"
  done
done
python experiments/distillation/collect.py outputs
