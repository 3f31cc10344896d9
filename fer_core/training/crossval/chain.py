"""Which trainings a student went through; free of torch, so that the pipeline can ask before
anything runs.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["chain_of"]


def chain_of(params: Mapping[str, Any], method: str) -> tuple[str, ...]:
    """The methods that a method's student went through, its own last.

    Args:
        params: all of params.yaml; a ring of methods, which is refused elsewhere, ends where it
            closes.
        method: of `student.methods`.
    """
    chain: list[str] = []
    following: str | None = method
    while following is not None and following not in chain:
        chain.append(following)
        following = (params["student"].get(following) or {}).get("start")
    return tuple(reversed(chain))
