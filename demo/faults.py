"""Releases of the predictor that misbehave towards users, each in one way: images of faulty/.

The story stops one of them by live analysis, the end-to-end tests all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from demo.cluster import PREDICTOR, Place
from localcluster.cache import default_cache
from localcluster.image_content import ImageBuild
from localcluster.image_store import ImageStore
from localcluster.images import Builder
from localcluster.progress import Progress

FOLDER = Path(__file__).parent / "faulty"
FAULTS = ("errors", "empty", "crash", "steady", "slow", "unready")


def image(fault: str) -> str:
    """Return the tag of the predictor with a fault."""
    return f"localhost/translation-predictor-faulty:{fault}"


def provide(place: Place, progress: Progress, faults: Sequence[str] = FAULTS) -> None:
    """Build these, and load them into the local cluster."""
    builder = Builder(default_cache(), progress)
    builder.prepare()
    for fault in faults:
        arguments = {"BASE": PREDICTOR.tag, "FAULT": fault}
        builder.build(ImageBuild(image(fault), FOLDER / "Dockerfile", FOLDER, arguments))
    tags = [image(fault) for fault in faults]
    ImageStore(place.node_pid).load(builder, tags, progress)
