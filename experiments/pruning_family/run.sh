#!/usr/bin/env bash
# usage: experiments/pruning_family/run.sh IMAGES MODEL   (images: a folder with train/ and test/, see docs/data.md;
# model: mobilenet_v2 | vgg11). Trains one dense model, then prunes it by every method.
set -euo pipefail
cd "$(dirname "$0")/../.."
IMAGES=$1 MODEL=$2
case $MODEL in
  mobilenet_v2) R=3 SCRATCH=9 SETTINGS="" ;;
  # bf16 and fewer epochs each halve the time of these wide convolutions.
  vgg11) R=2 SCRATCH=4 SETTINGS="training.epochs=4 trainer.precision=bf16-mixed" ;;
esac
run() {
  local name=$1; shift
  python train.py experiment=cifar10_pruning "model=$MODEL" "data.root=$IMAGES" "name=family-$MODEL-$name" \
    runtime.repeats=100 "$@" $SETTINGS
}
once="strategy.recovery.epochs=$R" steps="strategy.schedule.steps=$R"
structured=(strategy=iterative_structured_l2 "$steps")

# The control: the same extra training with (nearly) nothing pruned.
run control strategy=oneshot_l1 sparsity=0.001 "$once"
run oneshot_l1-50 strategy=oneshot_l1 sparsity=0.5 "$once"
run oneshot_l1-90 strategy=oneshot_l1 sparsity=0.9 "$once"
run iterative_l1-90 strategy=iterative_l1 sparsity=0.9 "$steps"
run gmp-90 strategy=gmp sparsity=0.9 "$once"
run rigl-90 strategy=rigl sparsity=0.9 "strategy.recovery.epochs=$SCRATCH"
run layerwise_l1-90 strategy=layerwise_l1 sparsity=0.9 "$steps"
run oneshot_random-90 strategy=oneshot_random sparsity=0.9 "$once"
run structured_l2-macs50 "${structured[@]}" strategy.target=macs sparsity=0.5
run structured_l2-macs70 "${structured[@]}" strategy.target=macs sparsity=0.7
run structured_l2-channels90 "${structured[@]}" sparsity=0.9

# MobileNetV2, 90 % of the channels: from the simplest method to ours, one change at a time.
[ "$MODEL" = vgg11 ] || {
naive=(strategy=oneshot_structured_l2 sparsity=0.9)
plain="strategy.recovery.epochs=0" raw="strategy.granularity.normalize=false" no_floor="strategy.allocation.floor=0"
run naive "${naive[@]}" $plain $raw $no_floor strategy.recovery.batch_norm_batches=0
run naive-bn "${naive[@]}" $plain $raw $no_floor
run naive-bn-floor "${naive[@]}" $plain $raw
run naive-bn-floor-normalize "${naive[@]}" $plain
run oneshot_structured_l2-channels90 "${naive[@]}" "$once"
run naive-recovered "${naive[@]}" "$once" $raw $no_floor
}

python experiments/pruning_family/collect.py "$MODEL" outputs/family-"$MODEL"-*/metrics.json
