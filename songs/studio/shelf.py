"""Shelf: finished files in the site's storage, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage

DEFAULT_MODE = 0o644


def has(key: str) -> bool:
    return default_storage.exists(key)


def keep(key: str, content: bytes) -> None:
    """Store `content` under exactly `key`, unless the key exists: it is the same song then."""
    if has(key):
        return
    path = _local_path(default_storage, key)
    if path is None:
        default_storage.save(key, ContentFile(content))
    else:
        _write_whole(path, content)


def _local_path(storage: Storage, key: str) -> Path | None:
    """The path in a storage of files; None for a bucket, which writes whole files by itself."""
    try:
        return Path(storage.path(key))
    except NotImplementedError:
        return None


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside the file and rename: a reader sees all or nothing, even after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".studio-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, settings.FILE_UPLOAD_PERMISSIONS or DEFAULT_MODE)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
