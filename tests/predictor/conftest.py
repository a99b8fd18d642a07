"""What is dear to make and never changed: one artifact and one server for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.predictor.builders import build_artifact
from tests.predictor.running import COMPILED, Running, serving

from mt_predictor import engine
from mt_predictor.cpu import Threads
from mt_predictor.settings import EngineSettings
from mt_predictor.translator import Translator

# For the test modules, which are imported after this one.
sys.dont_write_bytecode, sys.pycache_prefix = False, str(COMPILED)
FLOAT32 = EngineSettings("CTranslate2", "Float32", 2)


@pytest.fixture(scope="session")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact") / "model"
    build_artifact(folder)
    return folder


@pytest.fixture(scope="session")
def translator(artifact_folder: Path) -> Translator:
    return Translator(engine.load(artifact_folder, None, FLOAT32, Threads(2, 1)))


@pytest.fixture(scope="session")
def server(artifact_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(artifact_folder, tmp_path_factory.mktemp("server")) as running:
        yield running
