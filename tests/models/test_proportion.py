"""The interval of a share is Wilson's, as scipy computes it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from arbml.models.proportion import wilson


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_is_scipys(case: tuple[int, int]) -> None:
    hits, n = case
    known = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits / n, n) == (pytest.approx(known.low, abs=1e-12), pytest.approx(known.high, abs=1e-12))


def test_shares_side_by_side_and_none_where_nothing_was_seen() -> None:
    low, high = wilson(np.array([0.0, 1.0, 0.5, 0.5]), np.array([1, 3, 400, 0]))
    for i, (share, n) in enumerate([(0.0, 1), (1.0, 3), (0.5, 400)]):
        assert (low[i], high[i]) == wilson(share, n)
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert np.isnan([low[3], high[3]]).all()
    assert np.isnan(wilson(math.nan, 0)).all()
