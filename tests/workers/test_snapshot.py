"""What travels to workers: what git knows and what set-up built, and nothing that stages make."""

from pathlib import Path

from fer_core.workers.snapshot import Snapshots
from tests.pipeline.checkouts import lay_checkout


def test_the_built_page_travels_though_git_ignores_it(tmp_path: Path) -> None:
    root = lay_checkout(tmp_path / "checkout")
    (root / ".gitignore").write_text("/web/dist\n/made\n")
    snapshots = Snapshots(root, ["made/a", "made/b"], tmp_path / "orders")
    before = snapshots.take()
    assert "stage.py" in before.files and not any("dist" in name for name in before.files)
    for name in ("web/dist/index.html", "web/dist/assets/app.js", "made/a/value.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    after = snapshots.take()
    assert after.files - before.files == {"web/dist/index.html", "web/dist/assets/app.js"}
    assert after.digest != before.digest
    assert (after.folder / "web/dist/index.html").read_text() == "web/dist/index.html"
