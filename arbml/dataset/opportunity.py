"""Opportunities, what was known when they were seen, and whether they paid, for the scorer."""

import numpy as np
import pandas as pd

from arbml.config import CostsConfig, ScorerConfig
from arbml.dataset.price import features_in_order
from arbml.dataset.types import Array, Dataset, hashed
from arbml.errors import NotEnoughData
from arbml.features import FEATURE_NAMES, SCORER_FEATURE_NAMES, feature_set_id, route_features
from arbml.frames import ExecutionFrame, FeatureFrame, TickFrame, in_order
from arbml.labels import moments, opportunity_labels, replay_labels, rows_by_stream
from arbml.market import UNKNOWN_FEE_BPS, Opportunity

STEP_MS = 1_000
MAX_MOMENTS = 20_000  # of a replay; a month of 5 s ticks would otherwise take minutes and train on near-copies


def opportunity_dataset(
    ticks: TickFrame, features: FeatureFrame, executions: ExecutionFrame | None, costs: CostsConfig, scorer: ScorerConfig
) -> Dataset:
    """Build one row for each opportunity with a known fate.

    Recorded executions are used where enough of them (`scorer.min_samples`) stored their opportunity, otherwise the market is
    replayed (`replay_labels`): the first outcomes of a new bot must not take away what could be learned without them.
    The market features of a row are the last ones of the stream of its first leg that were known when it was seen.

    Args:
        ticks: in any order.
        features: of `compute_features`.
        executions: recorded outcomes, or None.
        costs: for the replay.
        scorer: whose minimum of successes `notes` compare with; nothing is refused for it here (`require_enough` does).

    Returns:
        Inputs `SCORER_FEATURE_NAMES`, target `success`, economics net_profit, revert_cost and profit (quote token),
        and routes.

    Raises:
        NotEnoughData: if there is no opportunity at all. ConfigError: if the price of gas is unknown.
    """
    ticks = in_order(ticks)
    labels, notes = _labels(ticks, executions, costs, scorer.min_samples)
    if labels.empty:
        raise _none_at_all(ticks)
    features = features_in_order(features)
    row_of = _last_known_row(labels, features)
    if np.any(row_of < 0):
        notes.append(f"{int(np.sum(row_of < 0))} opportunities are left out: no features of their market were known yet")
    if np.all(row_of < 0):
        missing = ", ".join(sorted({found.entry_stream for found in labels["opportunity"]})[:3])
        mend = f"collect ticks of {missing} from before the opportunities"
        raise NotEnoughData("opportunities whose market was known when they were seen", 0, 1, mend)
    labels, row_of = labels[row_of >= 0], row_of[row_of >= 0]
    opportunities = labels["opportunity"].tolist()
    market = features[list(FEATURE_NAMES)].to_numpy(dtype=np.float64)[row_of]
    route = np.stack([route_features(opportunity) for opportunity in opportunities])
    success = labels["success"].to_numpy(dtype=np.float64)
    if min(success.sum(), len(success) - success.sum()) < scorer.min_positive:
        notes.append(f"{int(success.sum())} of {len(success)} opportunities succeed; a model needs {scorer.min_positive} of each kind")
    entries = [opportunity.entry_stream for opportunity in opportunities]
    streams = tuple(sorted(set(entries)))
    return hashed(
        Dataset(
            kind="scorer",
            X=np.hstack([market, route]),
            y=success[:, None],
            ts_ms=labels["ts_ms"].to_numpy(),
            label_end_ms=labels["label_end_ms"].to_numpy(),
            feature_names=tuple(SCORER_FEATURE_NAMES),
            target_names=("success",),
            feature_set_id=feature_set_id(),
            streams=streams,
            stream_of=np.searchsorted(np.array(streams), np.array(entries)),
            prices=np.array([opportunity.route.legs[0].price for opportunity in opportunities]),
            economics=_economics(labels),
            notes=tuple(notes),
            routes=_routes(opportunities, ticks),
        )
    )


def _labels(
    ticks: TickFrame, executions: ExecutionFrame | None, costs: CostsConfig, enough: int
) -> tuple[pd.DataFrame, list[str]]:
    """Return labels from executions or by replay, and what was assumed."""
    if executions is not None and len(executions):
        labels = opportunity_labels(executions)
        without = len(executions) - len(labels)
        notes = [f"{without} of {len(executions)} executions are left out: they did not record their opportunity"] if without else []
        if len(labels) >= enough:
            return labels, [f"labels are {len(labels)} recorded executions: only what was sent has one", *notes]
        notes.append(f"only {len(labels)} of the {enough} recorded executions that a model needs: the market is replayed instead")
    else:
        notes = []
    step_ms = _step_ms(ticks)
    notes.append("labels are replayed: would the opportunity still have paid "
                 f"{costs.inclusion_delay_ms / 1_000:g} s later, after fees, price impact and gas")
    if step_ms > STEP_MS:
        notes.append(f"the replay looks every {step_ms / 1_000:g} s, so that it sees at most {MAX_MOMENTS} moments")
    if ticks["gas_price_gwei"].isna().all():
        notes.append(f"no tick states a gas price: {costs.default_gas_price_gwei:g} gwei is assumed")
    if ticks["fee_bps"].isna().any():
        notes.append(f"{int(ticks['fee_bps'].isna().sum())} ticks state no fee: {UNKNOWN_FEE_BPS:g} bps is assumed")
    return replay_labels(ticks, costs, step_ms), notes


def _step_ms(ticks: TickFrame) -> int:
    """Return the step of the replay's clock: a second, or as many as leave `MAX_MOMENTS` of a long period."""
    known_ms = ticks["ts_known_ms"].to_numpy()
    if len(moments(known_ms, STEP_MS)) <= MAX_MOMENTS:
        return STEP_MS
    return STEP_MS * int(np.ceil((known_ms[-1] - known_ms[0]) / MAX_MOMENTS / STEP_MS))


def _last_known_row(labels: pd.DataFrame, features: FeatureFrame) -> Array:
    """Return for each label the last feature row of its entry stream known at its `ts_ms`; -1 where there is none."""
    known_ms, by_stream = features["ts_known_ms"].to_numpy(), rows_by_stream(features)
    entries = np.array([opportunity.entry_stream for opportunity in labels["opportunity"]], dtype=object)
    seen_ms = labels["ts_ms"].to_numpy()
    found = np.full(len(labels), -1, dtype=np.int64)
    for stream in set(entries.tolist()) & set(by_stream):
        rows, at = by_stream[stream], np.flatnonzero(entries == stream)
        last = np.searchsorted(known_ms[rows], seen_ms[at], side="right") - 1
        found[at] = np.where(last >= 0, rows[np.maximum(last, 0)], -1)
    return found


def _economics(labels: pd.DataFrame) -> pd.DataFrame:
    opportunities = labels["opportunity"].tolist()
    return pd.DataFrame(
        {
            "net_profit": [opportunity.net_profit for opportunity in opportunities],
            "revert_cost": [opportunity.revert_cost for opportunity in opportunities],
            "profit": labels["profit"].to_numpy(dtype=np.float64),
        }
    )


def _routes(opportunities: list[Opportunity], ticks: TickFrame) -> pd.DataFrame:
    """Return what the routes are called, and where they begin."""
    said = ticks[["venue", "pair", "chain_id"]].dropna(subset="chain_id").drop_duplicates(["venue", "pair"])
    chains = dict(zip(said["venue"] + "|" + said["pair"], said["chain_id"], strict=True))
    return pd.DataFrame(
        {
            "route": [found.route.name for found in opportunities],
            "venues": [found.route.venues for found in opportunities],
            "pair": [found.pair for found in opportunities],
            "chain_id": [float(chains.get(found.entry_stream, np.nan)) for found in opportunities],
            "token": [found.token for found in opportunities],
        }
    )


def _none_at_all(ticks: TickFrame) -> NotEnoughData:
    venues = ticks.groupby("pair")["venue"].nunique() if len(ticks) else pd.Series(dtype=np.int64)
    if venues.max() > 1:
        return NotEnoughData("opportunities", 0, 1, "no two venues of a pair ever differed in price while both were known; collect more")
    have = int(venues.max()) if len(venues) else 0
    return NotEnoughData("venues of one pair to see an opportunity", have, 2, "collect the same pair from a second venue")
