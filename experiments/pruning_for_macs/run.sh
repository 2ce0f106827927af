#!/usr/bin/env bash
# usage: experiments/pruning_for_macs/run.sh IMAGES [OVERRIDE ...]
# IMAGES: a folder with train/ and test/ (docs/data.md), or the word digits. Prunes single weights to a number of weights
# and to a number of MACs, with the same epochs, on two models and three seeds, and tries Taylor scores and exponents at 90 %.
# MODELS and SEEDS choose fewer; ROWS=main leaves the other exponents and Taylor scores out; OUTPUTS is the folder of runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH=experiments/pruning_for_macs${PYTHONPATH:+:$PYTHONPATH}
IMAGES=$1; shift
if [ "$IMAGES" = digits ]; then data=(data=digits); else data=(experiment=cifar10_pruning "data.root=$IMAGES"); fi
run() {
  local name=$1; shift
  python train.py "${data[@]}" strategy=iterative_l1 strategy.schedule.steps=3 runtime.peak_memory=false \
    runtime.repeats=50 "name=macs-$name" "output_dir=${OUTPUTS:-outputs}" "${own[@]}" "$@"
}
for model in ${MODELS:-mobilenet_v2 resnet18}; do
  case $model in
    # An epoch of this network takes twice as long, and it recovers in a few updates.
    resnet18) own=(training.epochs=3 strategy.recovery.epochs=0 strategy.recovery.min_updates=60) ;;
    *) own=() ;;
  esac
  for seed in ${SEEDS:-0 1 2}; do
    for sparsity in 0.9 0.95; do
      run "$model-macs-$sparsity-$seed" "model=$model" "seed=$seed" "sparsity=$sparsity" strategy.target=macs "$@"
    done
    # To leave as few MACs as the targets above, a number of weights must be much higher.
    for sparsity in 0.98 0.99 0.95 0.9; do
      run "$model-weights-$sparsity-$seed" "model=$model" "seed=$seed" "sparsity=$sparsity" "$@"
    done
    [ "${ROWS:-all}" = all ] || continue
    run "$model-taylor-0.9-$seed" "model=$model" "seed=$seed" sparsity=0.9 strategy.target=macs \
      strategy.criterion._target_=compression.pruning.criteria.taylor.Taylor "$@"
    for exponent in 0 0.125 0.5; do
      run "$model-exponent$exponent-0.9-$seed" "model=$model" "seed=$seed" sparsity=0.9 strategy.target=macs \
        strategy.criterion._target_=costed_magnitude.CostedMagnitude "+strategy.criterion.cost_exponent=$exponent" "$@"
    done
  done
done
python experiments/pruning_for_macs/collect.py "${OUTPUTS:-outputs}"/macs-*/metrics.json
