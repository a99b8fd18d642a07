"""Images of predictors that misbehave towards users, each in one way."""

from __future__ import annotations

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


def provide(place: Place, progress: Progress) -> None:
    """Build all of them, and load them into the cluster."""
    builder = Builder(default_cache(), progress)
    builder.prepare()
    for fault in FAULTS:
        arguments = {"BASE": PREDICTOR.tag, "FAULT": fault}
        builder.build(ImageBuild(image(fault), FOLDER / "Dockerfile", FOLDER, arguments))
    tags = [image(fault) for fault in FAULTS]
    ImageStore(place.node_pid).load(builder, tags, progress)
