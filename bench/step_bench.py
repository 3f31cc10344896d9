"""Training steps and logits of our loop against the bare timm network on synthetic tensors, in one
process.

Run: python -m bench.step_bench [--archs resnet18,mobilenetv3_large_100] [--size 224] [--batch 32]
     [--device cuda] [--precision bf16] [--compile]

Ours: images of the bank (cut, coloured and normalised for every batch), loss, backward and
optimiser step as the stages do them; logits as the export of logits does them. The reference: the
same timm network, channels last, the same number format, fused AdamW and cross-entropy on one batch
of random numbers that never changes; in evaluation its forward pass alone. Rounds in turns, the
best of each counts. The ratio is ours to the reference: 1 means that data and bookkeeping cost
nothing. With --compile both are compiled (`torch.compile`), ours as the machine's setting `compile`
has it.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from torch.nn import functional

from bench.clahe_bench import best_seconds
from bench.loader_bench import MEAN, STD, VIEWS, _files, _pack
from fer_core.base.params import Params
from fer_core.base.settings import load_settings
from fer_core.images.bank import ImageBank
from fer_core.models.devices.device import compile_network, prepare_device
from fer_core.models.networks.backbone import build_classifier
from fer_core.models.networks.inference import autocast, logits_of
from fer_core.pixels.opencv import cv2
from fer_core.pixels.preprocessing import Preprocessing
from fer_core.training.loop.options import TrainOptions
from fer_core.training.loop.step import Trainer
from fer_core.training.losses.ce import CE
from fer_core.training.students.student import StudentTask

ARCHS = "resnet18,mobilenetv3_large_100"
"""On a GPU also resnet50, tf_efficientnet_b3, convnext_tiny, vit_base_patch16_384."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archs", default=ARCHS)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--compile", action="store_true", help="compile both networks")
    parser.add_argument("--steps", type=int, default=4, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    device = prepare_device(
        load_settings().model_copy(
            update={"device": options.device, "threads": torch.get_num_threads()}
        )
    )
    cv2.setNumThreads(1)
    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"CPU, {torch.get_num_threads()} threads"
    )
    how = f"{options.precision}, compiled" if options.compile else options.precision
    print(
        f"{where}, {options.size} px, batch {options.batch}, {how}; images/s, best of "
        f"{options.rounds} rounds\n"
    )
    print(
        "| network | training: ours | timm alone | ratio | logits: ours | timm alone | ratio "
        "| peak GB |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        pack = _pack(Path(folder) / "pack", _files(Path(folder), options.steps * options.batch))
        threads = torch.get_num_threads()
        for arch in options.archs.split(","):
            preprocessing = Preprocessing(options.size, 1.0, False, 2.0, 8, MEAN, STD)
            bank = ImageBank(pack, range(len(pack)), preprocessing, VIEWS, threads, device)
            trained = _rates(
                [_our_steps(arch, bank, options, device), _bare_steps(arch, options, device)],
                options,
                device,
            )
            logits = _rates(
                [_our_logits(arch, bank, options, device), _bare_logits(arch, options, device)],
                options,
                device,
            )
            peak = _peak(_our_steps(arch, bank, options, device), device)
            cells = [
                cell
                for ours, bare in (trained, logits)
                for cell in (f"{ours:,.0f}", f"{bare:,.0f}", f"{ours / bare:.2f}")
            ]
            print(f"| {arch} | {' | '.join(cells)} | {peak} |", flush=True)


def _rates(
    calls: list[Callable[[], None]], options: argparse.Namespace, device: torch.device
) -> tuple[float, float]:
    """Images a second of both, each call being a round; the first round of each is for warming
    up.
    """

    def finished(call: Callable[[], None]) -> None:
        call()
        _wait(device)

    whole = [partial(finished, call) for call in calls]
    best_seconds(whole, 1)
    ours, bare = best_seconds(whole, options.rounds)
    images = options.steps * options.batch
    return images / ours, images / bare


def _peak(steps: Callable[[], None], device: torch.device) -> str:
    """Memory of a GPU that our training takes at most; nothing is told of a CPU."""
    if device.type != "cuda":
        return "–"
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    steps()
    return f"{torch.cuda.max_memory_allocated(device) / 1e9:.1f}"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _our_steps(
    arch: str, bank: ImageBank, options: argparse.Namespace, device: torch.device
) -> Callable[[], None]:
    settings = (
        Params.load()
        .section("student.train", TrainOptions)
        .model_copy(update={"batch": options.batch, "precision": options.precision})
    )
    network = _ours(arch, options, device).train()
    task = _task(network)
    trainer = Trainer(task, settings, 0, device)
    truths = (torch.arange(options.steps * options.batch, device=device) % 7).split(options.batch)

    def steps() -> None:
        for number, truth in enumerate(truths):
            rows = np.arange(number * options.batch, (number + 1) * options.batch)
            trainer.step(trainer.batch(rows, truth, 0, number), bank.view(rows, 1), 1e-4)

    return steps


def _task(network: torch.nn.Module) -> StudentTask:
    return StudentTask(network, CE(label_smoothing=0.0), None, lambda epoch: 1)


def _bare_steps(arch: str, options: argparse.Namespace, device: torch.device) -> Callable[[], None]:
    network = _bare(arch, options, device).train()
    adamw = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    images, labels = (
        _synthetic(options.batch, options.size, device),
        torch.arange(options.batch, device=device) % 7,
    )

    def steps() -> None:
        for _ in range(options.steps):
            with autocast(device, options.precision):
                loss = functional.cross_entropy(network(images).float(), labels)
            loss.backward()
            adamw.step()
            adamw.zero_grad(set_to_none=True)

    return steps


def _our_logits(
    arch: str, bank: ImageBank, options: argparse.Namespace, device: torch.device
) -> Callable[[], None]:
    network = _ours(arch, options, device).eval()
    rows = np.arange(options.steps * options.batch)

    def export() -> None:
        logits_of(network, bank, rows, range(1, 2), options.precision)

    return export


def _bare_logits(
    arch: str, options: argparse.Namespace, device: torch.device
) -> Callable[[], None]:
    network = _bare(arch, options, device).eval()
    images = _synthetic(options.steps * options.batch, options.size, device)

    def steps() -> None:
        with torch.inference_mode(), autocast(device, options.precision):
            for start in range(
                0, len(images), 256
            ):  # as many at a time as the export of logits takes
                network(images[start : start + 256]).float().cpu()

    return steps


def _ours(arch: str, options: argparse.Namespace, device: torch.device) -> torch.nn.Module:
    network = build_classifier(arch, options.size).to(device, memory_format=torch.channels_last)
    if options.compile:
        compile_network(network)
    return network


def _bare(arch: str, options: argparse.Namespace, device: torch.device) -> torch.nn.Module:
    config = timm.get_pretrained_cfg(arch)
    fixed = {"img_size": options.size} if config is not None and config.fixed_input_size else {}
    network: torch.nn.Module = timm.create_model(arch, num_classes=7, **fixed).to(
        device, memory_format=torch.channels_last
    )
    if options.compile:
        network.compile(dynamic=False)
    return network


def _synthetic(count: int, size: int, device: torch.device) -> torch.Tensor:
    return torch.randn(count, 3, size, size, device=device).contiguous(
        memory_format=torch.channels_last
    )


if __name__ == "__main__":
    main()
