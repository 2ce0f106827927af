#!/usr/bin/env bash
# usage: experiments/pruning_order/run.sh IMAGES   (a folder with train/ and test/; see docs/data.md)
set -euo pipefail
cd "$(dirname "$0")/../.."
run() { python train.py experiment=cifar10_resnet18 "data.root=$IMAGES" runtime.repeats=200 "$@"; }
IMAGES=$1
run name=order-iterative_l1-90 strategy=iterative_l1 sparsity=0.9 strategy.schedule.steps=10
run name=order-oneshot_l1-50 strategy=oneshot_l1 sparsity=0.5
run name=order-oneshot_l1-90 strategy=oneshot_l1 sparsity=0.9
run name=order-oneshot_random-90 strategy=oneshot_random sparsity=0.9
run name=order-oneshot_l1-90-long strategy=oneshot_l1 sparsity=0.9 strategy.recovery.epochs=10
python experiments/pruning_order/collect.py outputs/order-*/metrics.json
