"""The local chain for all tests; imported by tests/conftest.py. web3 and the compiler are loaded when the first test asks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.evm.chain import missing

if TYPE_CHECKING:
    from tests.evm.world import World

needs_chain = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@pytest.fixture(scope="session")
def evm_session() -> "Iterator[World]":
    """A chain for the session; use `world`, which leaves no traces on it."""
    why = missing()
    if why:
        pytest.skip(why)
    from tests.evm.world import started_world

    with started_world() as world:
        yield world


@pytest.fixture
def world(evm_session: "World") -> "Iterator[World]":
    """A market with everything deployed, as new for each test."""
    mark, pools, tokens = evm_session.snapshot(), list(evm_session.pools), dict(evm_session.tokens)
    yield evm_session
    evm_session.every(0)
    evm_session.restore(mark)
    evm_session.pools[:] = pools
    evm_session.made.tokens.clear()
    evm_session.made.tokens.update(tokens)
