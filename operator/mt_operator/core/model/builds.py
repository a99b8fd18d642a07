"""Which revisions does a status speak of?"""

from __future__ import annotations

from mt_operator.core.model.state import ModelStatus, Revision


def builds(status: ModelStatus) -> tuple[Revision, ...]:
    """Return the revisions whose pods the status implies."""
    candidate = status.candidate
    trying = (candidate.build,) if candidate and candidate.build else ()
    serving = (status.production,) if status.production else ()
    return (*serving, *trying, *(entry.build for entry in status.retiring))
