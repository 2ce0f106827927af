#!/usr/bin/env bash
# Runs the demo with three seeds. usage: experiments/digits/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
for seed in 42 1 2; do
  python train.py strategy=iterative_l1 sparsity=0.9 "seed=$seed" "name=digits-seed$seed"
done
python experiments/digits/collect.py outputs/digits-seed*/metrics.json
