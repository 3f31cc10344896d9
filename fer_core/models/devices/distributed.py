"""What the processes of one stage tell each other when torchrun has started several, each with a
device of its own.

Gloo carries what is on the CPU and NCCL what is on CUDA devices. Outside a group every function
here returns its argument and does nothing else, so that callers need not ask whether there is one,
and a single process computes what it would without this file.
"""

import atexit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby, pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from fer_core.base.errors import GroupError
from fer_core.base.processes import place

__all__ = [
    "check_alike",
    "deal",
    "gather_rows",
    "highest",
    "is_first",
    "join",
    "on_first",
    "rank",
    "size",
    "sum_over_ranks",
]

T = TypeVar("T")

_PATIENCE = timedelta(hours=1)
_BUCKET = 32 << 20  # bytes


def join(device: torch.device) -> None:
    """Meet the other processes that torchrun started; nothing to do for a process on its own, or
    the second time.

    Args:
        device: of this process, and its current one.

    Raises:
        GroupError: they cannot be reached.
    """
    here = place()
    if here.size == 1 or size() > 1:
        return
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE
        )
    except (RuntimeError, ValueError) as error:
        raise GroupError(
            "The processes of this stage cannot find each other.",
            where=f"rank {here.rank}",
            found=error,
            expected=f"{here.size} processes",
            remedy="see that MASTER_ADDR and MASTER_PORT can be reached from every machine; "
            "GLOO_SOCKET_IFNAME names the network to use",
        ) from error
    atexit.register(dist.destroy_process_group)


def size() -> int:
    """Number of processes in the group; 1 outside one."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process in the group, from 0."""
    return dist.get_rank() if size() > 1 else 0


def is_first() -> bool:
    """Whether this is the process that writes."""
    return rank() == 0


def on_first(work: Callable[[], T]) -> T:
    """Do something in the first process alone and give its result to all.

    Args:
        work: what to do; its result must be picklable.

    Raises:
        Exception: in the first process, as `work` does.
        SystemExit: in the others, where it failed: the first tells why.
    """
    if size() == 1:
        return work()
    failure: Exception | None = None
    said: list[Any] = [None, False]
    if is_first():
        try:
            said = [work(), False]
        except Exception as error:  # noqa: BLE001  raised again below, once the others know
            failure, said = error, [None, True]
    with _all_there():
        dist.broadcast_object_list(said, src=0)
    if failure is not None:
        raise failure
    if said[1]:
        raise SystemExit(1)
    result: T = said[0]
    return result


def check_alike(what: str, value: object) -> None:
    """See that all processes hold the same.

    Args:
        what: name of the value, for the message.
        value: picklable; compared by its text.

    Raises:
        GroupError: they do not.
    """
    if size() == 1:
        return
    found: list[Any] = [None] * size()
    with _all_there():
        dist.all_gather_object(found, repr(value))
    if len(set(found)) > 1:
        others = [number for number, text in enumerate(found) if text != found[0]]
        raise GroupError(
            f"The processes of this stage differ in {what}.",
            where=f"ranks {others} against rank 0",
            found=next(text for text in found if text != found[0])[:500],
            expected=found[0][:500],
            remedy="every machine needs the same code, params, data and package versions",
        )


def highest(number: int) -> int:
    """The greatest of the numbers that the processes give."""
    if size() == 1:
        return number
    shared = torch.tensor([number])
    with _all_there():
        dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


@torch.no_grad()
def sum_over_ranks(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over the processes, the same bits in each; all must give
    tensors of the same shapes.
    """
    if size() == 1:
        return
    with _all_there():
        sums = []
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            sums.append((bucket, flat, dist.all_reduce(flat, async_op=True)))
        for bucket, flat, pending in sums:
            pending.wait()
            for tensor, part in zip(
                bucket, flat.split([tensor.numel() for tensor in bucket]), strict=True
            ):
                tensor.copy_(part.view(tensor.shape))


def gather_rows(own: Tensor, counts: Sequence[int]) -> Tensor:
    """Rows of all processes, those of rank 0 first, in every process; a gradient reaches each
    process's own rows alone.

    Args:
        own: [n, ...]; what goes beyond this process's count is left out.
        counts: rows of each process.

    Returns:
        [sum(counts), ...]
    """
    if size() == 1:
        return own
    own = own[: counts[rank()]]
    padded = own.new_zeros((max(counts), *own.shape[1:]))
    padded[: len(own)] = own.detach()
    parts = [torch.empty_like(padded) for _ in counts]
    with _all_there():
        dist.all_gather(parts, padded)
    rows = [part[:count] for part, count in zip(parts, counts, strict=True)]
    rows[rank()] = own
    return torch.cat(rows)


def deal(starts: Sequence[int], end: int) -> list[slice]:
    """Deal rows out to the processes, as evenly as whole blocks of rows allow; the first process
    always has some.

    Args:
        starts: first row of every block, in order, from 0.
        end: number of rows.

    Returns:
        The rows of each process; those of all follow each other and cover all rows once.
    """
    edges = [*starts, end]
    blocks = [-(-len(starts) * number // size()) for number in range(size() + 1)]
    return [slice(edges[first], edges[last]) for first, last in pairwise(blocks)]


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors in lists of one type and about `_BUCKET` bytes, for each message costs time of its
    own.
    """
    for _, alike in groupby(tensors, key=lambda tensor: tensor.dtype):
        bucket: list[Tensor] = []
        for tensor in alike:
            bucket.append(tensor)
            if sum(part.nbytes for part in bucket) >= _BUCKET:
                yield bucket
                bucket = []
        if bucket:
            yield bucket


@contextmanager
def _all_there() -> Iterator[None]:
    """Context of an exchange, which fails when another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise GroupError(
            "Another process of this stage has ended or cannot be reached.",
            where=f"rank {rank()}",
            found=str(error).splitlines()[0],
            remedy="its own message says why; run again, and finished epochs are not repeated",
        ) from error
