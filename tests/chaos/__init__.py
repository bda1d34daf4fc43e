"""The engine under fire: `make chaos`, or `python -m tests.chaos --help`. See docs/chaos.md."""
