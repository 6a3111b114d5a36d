"""Our recursion against arch's, and its forecasts against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.models.garch import GarchParams, filtered, targeted

stationary = st.tuples(st.floats(0, 0.3), st.floats(-0.2, 0.3), st.floats(0, 0.69)).filter(
    lambda x: x[0] + x[1] >= 0 and 0 <= x[0] + x[1] / 2 + x[2] < 0.999
)


@pytest.mark.parametrize(("name", "asymmetry", "student"), [("GARCH-normal", 0, False), ("GARCH-t", 0, True), ("GJR-t", 1, True)])
def test_equals_archs_conditional_variance(make, name: str, asymmetry: int, student: bool) -> None:  # type: ignore[no-untyped-def]
    from arch.univariate import GARCH, Normal, StudentsT, ZeroMean

    from arbml.models.volatility import _fitted_by_arch

    returns = make.garch_returns(3000, seed=5)
    params = _fitted_by_arch(name, returns, asymmetry, student)
    model = ZeroMean(returns * params.scale, rescale=False, volatility=GARCH(p=1, o=asymmetry, q=1))
    model.distribution = StudentsT() if student else Normal()
    values = [params.omega * params.scale**2, params.alpha, *([params.gamma] if asymmetry else []), params.beta]
    reference = model.fix([*values, *([params.nu] if student else [])])

    ours = filtered(params, returns.tolist(), [1] * len(returns), params.start)
    theirs = np.square(reference.conditional_volatility / params.scale)
    np.testing.assert_allclose(ours[:-1], theirs[1:], rtol=1e-9)
    ahead = reference.forecast(horizon=20, reindex=False).variance.to_numpy()[-1] / params.scale**2
    np.testing.assert_allclose(params.path(float(ours[-1]), 20), ahead, rtol=1e-9)


@given(stationary, st.floats(1e-12, 1.0), st.floats(1e-12, 1.0), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_total_is_the_sum_of_the_path(shape: tuple[float, float, float], omega: float, variance: float, bars: int) -> None:
    alpha, gamma, beta = shape
    params = GarchParams("x", omega, alpha, gamma, beta, start=1.0)
    path = params.path(variance, bars)
    assert (path > 0).all()
    assert params.total(variance, bars) == pytest.approx(path.sum(), rel=1e-9)
    assert path[-1] == pytest.approx(params.ahead(variance, bars - 1), rel=1e-12)
    between = params.total(variance, bars - 0.5)
    assert between == pytest.approx(path[: bars - 1].sum() + path[-1] / 2, rel=1e-9)


def test_missing_bars_are_bridged_by_the_forecast() -> None:
    params = GarchParams("x", omega=1.0, alpha=0.1, gamma=0.1, beta=0.5, start=1.0)
    variance, log_return = 9.0, -2.0
    bridged = params.long_run + params.persistence**3 * (variance - params.long_run)
    expected = 1.0 + (0.1 + 0.1) * 4.0 + 0.5 * bridged
    assert filtered(params, [log_return], [4], variance).tolist() == pytest.approx([expected])


def test_a_quiet_market_keeps_some_variance() -> None:
    params = targeted(0.06, 0.998, 4.0)
    quiet = filtered(params, [0.0] * 5000, [1] * 5000, params.start)
    assert quiet[-1] > 0.004
    assert params.long_run == pytest.approx(4.0)
    assert GarchParams.from_dict(params.to_dict()) == params
