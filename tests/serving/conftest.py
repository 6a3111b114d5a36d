"""A kit per test, over models that are made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.kit import Kit, Trained, save_baselines, save_models


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("trained")
    return Trained(save_models(root / "models"), save_baselines(root / "baselines"))


@pytest.fixture
def kit(tmp_path: Path, trained: Trained) -> Iterator[Kit]:
    made = Kit(tmp_path, trained)
    yield made
    made.restart()
