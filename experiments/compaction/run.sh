#!/usr/bin/env bash
# usage: experiments/compaction/run.sh   Trains and prunes five architectures on digits; compares masked and compacted.
set -euo pipefail
cd "$(dirname "$0")/../.."
run() {
  local name=$1; shift
  python train.py "$@" strategy=oneshot_structured_l2 sparsity=0.5 training.epochs=2 training.optimizer.lr=0.1 strategy.recovery.min_updates=0 \
    until=compact "output_dir=outputs/compaction/$name"
}
run mobilenet_v2 model=mobilenet_v2
run resnet18 model=resnet18
run vgg11 model=vgg11
run densenet121 model=custom model._target_=torchvision.models.densenet121
# Two epochs are too few for EfficientNet-B0: see the README.
python train.py model=custom model._target_=torchvision.models.efficientnet_b0 training=adam training.epochs=8 \
  strategy=oneshot_structured_l2 sparsity=0.5 strategy.recovery.epochs=3 strategy.recovery.min_updates=0 \
  until=compact output_dir=outputs/compaction/efficientnet_b0
python experiments/compaction/collect.py outputs/compaction
