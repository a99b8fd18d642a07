"""A server for every test that asks for one, and failures that are tried again at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.corpus.servers import Site, serving

from mt_corpus import steady

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(steady, "PAUSES", (0.0, 0.0, 0.0))
    with serving() as running:
        yield running
