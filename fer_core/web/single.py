"""The page as one file that works from disk: scripts, styles, runtime and graphs inside it."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from pathlib import Path

from fer_core.base.errors import ArtifactError

__all__ = ["single_file"]

_SCRIPT = re.compile(r'<script type="module"[^>]* src="\./(?P<path>[^"]+)"></script>')
_STYLE = re.compile(r'<link rel="stylesheet"[^>]* href="\./(?P<path>[^"]+)"[^>]*>')
_ICON = re.compile(r'(?P<start><link rel="icon" href=")\./(?P<path>[^"]+)"')
_POLICY = re.compile(r'content="default-src[^"]+"')
_LICENCES = re.compile(r'<p[^>]*><a href="\./licences\.txt">(?P<text>[^<]+)</a></p>')


def single_file(parts: Path, licences: str, files: Mapping[str, bytes]) -> str:
    """The page's HTML with everything inside.

    Its policy allows the very script and style that are inside it, and no address at all.

    Args:
        parts: folder of the page that was built to be one file.
        licences: text of them.
        files: what the page reads, by the names it knows; those that end with ".gz" are unpacked
            by the page, which knows them without that end.

    Raises:
        ArtifactError: the page is not made of one script and one style.
    """
    text = (parts / "index.html").read_text(encoding="utf-8")
    script = _part(_SCRIPT, text, parts).replace("</script", "<\\/script")
    style = _part(_STYLE, text, parts)
    icon = base64.b64encode(_part(_ICON, text, parts).encode()).decode()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}' 'wasm-unsafe-eval'",
            f"style-src '{_hash(style)}'",
            "worker-src blob:",
            "img-src blob: data:",
            "media-src blob:",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    notes = (
        '<details class="quietly"><summary>\\g<text></summary>'
        f"<pre>{html.escape(licences)}</pre></details>"
    )
    text = _SCRIPT.sub("", text)
    text = _STYLE.sub(lambda _: f"<style>{style}</style>", text)
    text = _ICON.sub(rf'\g<start>data:image/svg+xml;base64,{icon}"', text)
    text = _LICENCES.sub(notes, text)
    text = _POLICY.sub(lambda _: f'content="{policy}"', text)
    inside = "\n".join(_inside(name, data) for name, data in files.items())
    body = f'{inside}\n<script type="module">{script}</script>\n  </body>'
    return text.replace("</body>", body, 1)


def _part(pattern: re.Pattern[str], text: str, parts: Path) -> str:
    found = pattern.findall(text)
    match = pattern.search(text)
    if len(found) != 1 or match is None:
        raise ArtifactError(
            "The page cannot be made one file.",
            where=parts / "index.html",
            found=f"{len(found)} of {pattern.pattern}",
            expected="one",
            remedy="`make setup` builds the page anew",
        )
    return (parts / match["path"]).read_text(encoding="utf-8")


def _inside(name: str, data: bytes) -> str:
    """An element that no browser runs, with the file in it."""
    packed = ' data-packed="gzip"' if name.endswith(".gz") else ""
    start = f'<script type="application/octet-stream" id="file:{name.removesuffix(".gz")}"{packed}>'
    return f"{start}{base64.b64encode(data).decode()}</script>"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
