#!/usr/bin/env bash
# usage: experiments/quantization/run.sh IMAGES   IMAGES: CIFAR-10 as a folder with train/ and test/
# About two hours on two cores: dense training of both models, then observers, repairs, 8 bits, and training at 4 bits.
set -euo pipefail
cd "$(dirname "$0")/../.."
common=(data=image_folder "data.root=$1" data.image_size=32 model.stem=imagenet training.epochs=15 threads=1)
for model in mobilenet_v2 resnet18; do
  python experiments/quantization/observers.py "experiments/quantization/observers_$model.json" "${common[@]}" "model=$model"
  python experiments/quantization/repairs.py "experiments/quantization/repairs_$model.json" "${common[@]}" "model=$model"
  measured=(model="$model" strategy=none runtime.repeats=10 runtime.peak_memory=false)
  python train.py "${common[@]}" "${measured[@]}" bits=8 "name=w8a8-$model"
  python train.py "${common[@]}" "${measured[@]}" bits=4 quantization=qat \
    quantization.scale_bits=null quantization.bias_bits=null "name=qat-w4a4-$model"
done
python train.py "${common[@]}" model=vgg11 training.epochs=4 trainer.precision=bf16-mixed strategy=none bits=8 name=w8a8-vgg11
python experiments/quantization/collect.py outputs
python experiments/quantization/speed.py experiments/quantization/speed.json 2 50
python experiments/quantization/plot.py
