#!/usr/bin/env bash
# What must be known on a new GPU, in under ten minutes: steps and logits of every network of
# profiles/protocol.yaml against timm alone, peak memory, bf16 and compiled, and that a training
# goes on with the same bits. One table on stdout.
#
# Run: bash bench/gpu_check.sh [cuda|cpu] (cpu tries the script itself, on one small network)
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda}
python=.venv/bin/python
networks=resnet18,mobilenetv3_large_100,tf_efficientnet_b3,convnext_tiny,resnet50
size=(--size 224 --batch 64 --rounds 3)
[ "$device" = cpu ] && networks=test_resnet && size=(--size 32 --batch 8 --rounds 1)

step() { $python -m bench.step_bench --device "$device" "${size[@]}" "$@"; echo; }

step --archs "$networks" --precision fp32
step --archs "$networks" --precision bf16
step --archs "${networks%%,*}" --precision bf16 --compile
if [ "$device" = cuda ]; then
  $python -m bench.step_bench --device cuda --archs vit_base_patch16_384,tf_efficientnet_b3 --size 384 --batch 32 --rounds 2 --precision bf16
  echo
fi

# An interrupted training ends with the weights of an uninterrupted one, on this device.
FER_DEVICE=$device $python -m pytest -q -n 0 tests/training/test_resume.py -k "interrupted_run_ends"
