"""The papers as a site: `python -m docs.tools.site` gathers them and builds it, into .local/docs.

README.md and the engine's README become pages. A link to another file of the repository becomes the
file's name, since the site has no code. mkdocs refuses a link that leads nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs.tools import signatures

ROOT = Path(__file__).parents[2]
GATHERED = ROOT / ".local" / "docs-pages"
PICTURES = {".svg", ".png"}
MOVED = {"README.md": "index.md", "jobs/README.md": "engine.md"}
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def pages() -> dict[Path, Path]:
    """Each paper, and its place on the site."""
    found = {ROOT / name: Path(place) for name, place in MOVED.items()}
    return found | {path: Path(path.name) for path in sorted((ROOT / "docs").glob("*.md"))}


def gather() -> None:
    places = pages()
    shutil.rmtree(GATHERED, ignore_errors=True)
    GATHERED.mkdir(parents=True)
    for path, place in places.items():
        (GATHERED / place).write_text(linked(path, places))
    for picture in (ROOT / "docs").iterdir():
        if picture.suffix in PICTURES:
            shutil.copy(picture, GATHERED / picture.name)


def linked(path: Path, places: dict[Path, Path]) -> str:
    """A paper's text with links that hold on the site."""

    def moved(match: re.Match[str]) -> str:
        words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        file, _, place = target.partition("#")
        found = (path.parent / file).resolve()
        if found in places:
            return f"[{words}]({places[found]}{'#' + place if place else ''})"
        return match[0] if found.suffix in PICTURES and found.parent == ROOT / "docs" else words

    text = LINK.sub(moved, path.read_text())
    return re.sub(r"\]\((?:\.\./)?docs/(\S+\.(?:png|svg))\)", r"](\1)", text)


def main() -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "melodymaker.settings")
    django.setup()
    signatures.PAGE.write_text(signatures.page())
    gather()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", "mkdocs.yml"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    raise SystemExit(main())
