"""Which code a cluster runs, in eight characters, the same on all machines of a deployment."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.apps import apps

from jobs import conf


@cache
def code_version() -> str:
    """JOBS["VERSION"], or a digest of the project's imported files when first asked for."""
    return conf.version() or _digest()


def _digest() -> str:
    digest = hashlib.sha256()
    for name, file in sorted(_own_modules()):
        digest.update(f"{name}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def _own_modules() -> Iterator[tuple[str, Path]]:
    """Of installed apps outside Python's packages."""
    own = {
        config.name.partition(".")[0]
        for config in apps.get_app_configs()
        if not {"site-packages", "dist-packages"} & set(Path(config.path).parts)
    }
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name.partition(".")[0] in own and Path(file).is_file():
            yield name, Path(file)
