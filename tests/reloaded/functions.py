from __future__ import annotations

import os
import time
from pathlib import Path

from jobs.api import Context, TriggerEvent, create_function


@create_function(fn_id="under-way", trigger=TriggerEvent(event="test/under-way"), retries=0)
def under_way(ctx: Context) -> None:
    """A step that waits until a file is there, and a step behind it. Each leaves a line in another
    file: its name, and the group of its process, which is its cluster's."""
    folder = Path(ctx.event.data["folder"])
    ctx.step.run("first", first, folder, atomic=False)
    ctx.step.run("second", write, folder, "second", atomic=False)


def first(folder: Path) -> None:
    write(folder, "first")
    while not (folder / "go on").exists():
        time.sleep(0.02)


def write(folder: Path, step: str) -> None:
    with (folder / "diary").open("a") as diary:
        diary.write(f"{step} {os.getpgrp()}\n")
