"""What the whole session needs: a database that answers, and no waiting for its disk."""

from __future__ import annotations

import hypothesis
import pytest
from django.conf import settings

from melodymaker import embedded

# How long an example takes is the machine's business, and no law.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    if settings.EMBEDDED_DATABASE:
        embedded.start(settings.BASE_DIR)
    options = settings.DATABASES["default"]["OPTIONS"]
    # A test's rows are worth nothing after a power cut.
    options["options"] = f"{options.get('options', '')} -c synchronous_commit=off".strip()
    # The files of the pages are collected for production only.
    config.addinivalue_line("filterwarnings", "ignore:No directory at:UserWarning")
