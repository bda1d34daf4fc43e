"""The tree of reruns (`rerun_of`): a run, its reruns, and theirs."""

from __future__ import annotations


def with_reruns(roots: str) -> str:
    """SQL of `reruns(root, id)`: the runs of `roots`, a query of both, and all their reruns."""
    return f"""
WITH RECURSIVE reruns(root, id) AS (
  {roots}
  UNION
  SELECT f.root, r.id FROM reruns f JOIN jobs_run r ON r.rerun_of_id = f.id)"""  # noqa: S608
