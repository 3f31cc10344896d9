"""Files and folders by hash: into a DVC cache, to a DVC remote and back.

A store is a DVC cache that every node sees, or else a DVC remote; then each node has a cache of its
own. Only the objects that are asked for move, never a whole cache.
"""

import copy
import logging
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fer_core.base.errors import ArtifactError, MachineError
from fer_core.workers.order import Item

if TYPE_CHECKING:
    from dvc.repo import Repo

__all__ = ["LostError", "Store", "remote_settings"]

_SECRETS = frozenset(
    ("password", "passphrase", "access_key_id", "secret_access_key", "session_token", "sas_token")
    + ("connection_string", "account_key", "client_secret", "token", "gdrive_client_secret")
)
_WRITE = (
    "check its address and that this user may write there: `dvc push -r NAME` on that machine "
    "says more; then `fer run` goes on"
)

_ANEW = (
    "`dvc push -r NAME` sends it again from a machine that has it; where none has, `fer run "
    "--force STAGE` makes it anew"
)


class LostError(ArtifactError):
    """The store lacks an object that it should have."""


def remote_settings(repo: "Repo", name: str) -> dict[str, Any]:
    """Settings of a remote for other machines, without secrets: each node has its own.

    Raises:
        MachineError: there is no remote of that name.
    """
    remotes = repo.config["remote"]
    if name not in remotes:
        raise MachineError(
            "There is no DVC remote of that name.",
            where="store",
            found=name,
            expected=", ".join(sorted(remotes)) or "none is set up",
            remedy="`dvc remote add --local NAME URL`, or leave `store` out where all nodes see "
            "one cache",
        )
    plain = (str, int, float, bool)
    return {
        key: value
        for key, value in remotes[name].items()
        if isinstance(value, plain) and key not in _SECRETS
    }


class Store:
    """The store as one checkout sees it.

    Args:
        repo: its DVC repository; `repo.cache.local` is the cache.
        remote: name of the remote; "" where the cache itself is shared.
    """

    def __init__(self, repo: "Repo", remote: str) -> None:
        self._repo, self._remote = repo, remote
        self._cache = repo.cache.local
        self._root = Path(repo.root_dir)
        self._lock = threading.RLock()  # DVC's transfers are parallel in themselves
        self._copies = copy.copy(self._cache)
        self._copies.cache_types = ["copy"]

    def add(self, path: str) -> Item:
        """Put a file or folder of the checkout into the cache."""
        from dvc.fs import localfs
        from dvc_data.hashfile.build import build
        from dvc_data.hashfile.transfer import transfer

        full = str(self._root / path)
        with self._lock, _told("What a stage reads or makes cannot be put into the cache.", path):
            staging, _, found = build(
                self._cache, full, localfs, "md5", ignore=self._repo.dvcignore
            )
            transfer(staging, self._cache, {found.hash_info}, shallow=False)
        return Item(path, str(found.hash_info.value))

    def send(self, items: Collection[Item], again: bool = False) -> None:
        """Send what the remote lacks.

        Args:
            items: all in the cache.
            again: whether to ask the remote for every object, and believe no index.

        Raises:
            MachineError: it cannot be written.
            LostError: the cache lacks an object.
        """
        from dvc_data.hashfile.db import get_index

        if self._remote and items:
            with self._lock, _told("The store cannot be written.", self._remote):
                other = self._repo.cloud.get_remote_odb(self._remote)
                index = get_index(other)
                if again:  # DVC believes that a folder whose list is there is there
                    index.clear()
                hashes = {_hash(item) for item in items}
                options = {"dest_index": None if again else index, "shallow": False}
                self._move(self._cache, other, hashes, options)

    def fetch(self, items: Collection[Item]) -> None:
        """Bring what the cache lacks; every object is hashed as it arrives.

        Raises:
            MachineError: the remote cannot be read.
            LostError: an object is not there, or not what its name says.
        """
        if self._remote and items:
            with self._lock, _told("The store cannot be read.", self._remote):
                other = self._repo.cloud.get_remote_odb(self._remote)
                hashes = {_hash(item) for item in items}
                self._move(other, self._cache, hashes, {"verify": True})
                # a cache may have a folder's list, and lack its files
                if lacking := {one for one in self._inside(hashes) if not self._has(one)}:
                    self._move(other, self._cache, lacking, {"verify": True})

    def place(self, items: Iterable[Item], copies: Collection[str] = ()) -> None:
        """Put files and folders of the cache where they belong.

        Args:
            items: all in the cache.
            copies: paths that must be files of their own, and no links.

        Raises:
            LostError: the cache lacks an object.
        """
        from dvc.fs import localfs
        from dvc_data.hashfile import load
        from dvc_data.hashfile.checkout import checkout

        for item in items:
            full = self._root / item.path
            full.parent.mkdir(parents=True, exist_ok=True)
            cache = self._copies if item.path in copies else self._cache
            with self._lock, _told("The store has lost an object.", item.path, LostError):
                found = load(cache, _hash(item))
                checkout(str(full), localfs, found, cache, force=True, state=self._repo.state)

    def _inside(self, hashes: Iterable[Any]) -> Iterator[Any]:
        from dvc_data.hashfile import load

        for one in hashes:
            if one.isdir:
                yield from (hash_info for _, _, hash_info in cast("Any", load(self._cache, one)))

    def _has(self, one: Any) -> bool:
        return bool(self._cache.exists(one.value))

    def _move(
        self, source: Any, target: Any, hashes: Collection[Any], options: dict[str, Any]
    ) -> None:
        from dvc_data.hashfile.transfer import transfer

        missing: set[Any] = set()
        result = transfer(
            source,
            target,
            hashes,
            cache_odb=self._cache,
            validate_status=lambda status: missing.update(status.missing),
            **options,
        )
        if result.failed and source is self._cache and not missing:
            raise OSError(f"{len(result.failed)} objects could not be sent")
        if missing or result.failed:
            names = sorted(str(one.value) for one in missing or result.failed)
            raise LostError(
                "The store has lost an object.",
                where=self._remote,
                found=", ".join(names[:3]),
                remedy=_ANEW,
            )


def _hash(item: Item) -> Any:
    from dvc_data.hashfile.hash_info import HashInfo

    return HashInfo("md5", item.hash)


@contextmanager
def _told(
    problem: str, where: object, kind: type[MachineError | LostError] = MachineError
) -> Iterator[None]:
    """Context in which what DVC and the system refuse becomes an error of ours."""
    from dvc.exceptions import DvcException
    from dvc_data.hashfile.checkout import CheckoutError
    from dvc_objects.errors import ObjectFormatError

    logging.getLogger("dvc_objects").setLevel(logging.CRITICAL)  # it is told once, by us
    try:
        yield
    except FileNotFoundError as error:
        raise LostError(
            "The store has lost an object.",
            where=where,
            found=error,
            remedy=_ANEW,
        ) from error
    except (DvcException, CheckoutError, ObjectFormatError, OSError) as error:
        raise kind(
            problem, where=where, found=f"{type(error).__name__}: {error}", remedy=_WRITE
        ) from error
