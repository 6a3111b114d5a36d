"""Finds patterns in the first part of a period and lets the later part confirm or refuse them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from arbml.clock import iso
from arbml.config import PatternsConfig
from arbml.dataset import Dataset
from arbml.errors import NotEnoughData
from arbml.frames import FeatureFrame
from arbml.models.patterns.candidates import Candidate, candidates, overlap, pays, tested_by
from arbml.models.patterns.cases import Cases
from arbml.models.patterns.conditions import DAY_MS, Hours, Near
from arbml.models.patterns.pattern import Pattern, Sample
from arbml.models.patterns.significance import LEAST_DAYS, Period, q_values

ROUNDS_FOUND = 2_000       # draws in discovery, where a p-value only sorts
ROUNDS_CONFIRMED = 10_000  # in confirmation, where the smallest must pass the correction
LEAST_SUPPORT = 10         # in confirmation, whatever the configuration
INHERITS = 0.5             # share of rows (Jaccard) from which a band or cluster is the known one, found again


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detection came to.

    Attributes:
        patterns: confirmed, best first.
        tested: all candidates that the later period could test, confirmed or not, by q-value.
        looked_at: conditions that the period of discovery was asked about. promising: of them, the candidates.
        found_rows, confirmed_rows: opportunities in either period.
        split_ms: between the periods, UTC ms.
        notes: what was left out or assumed, for people.
    """

    patterns: tuple[Pattern, ...]
    tested: tuple[Pattern, ...]
    looked_at: int
    promising: int
    found_rows: int
    confirmed_rows: int
    split_ms: int
    notes: tuple[str, ...]


class PatternDetector:
    """Looks for profitable patterns by time, venue, sequence and cluster. The same data and seed give the same patterns.

    Args:
        config: least support, split, rate of false discoveries, memory, clusters.
        seed: of k-means and of the bootstrap.
    """

    def __init__(self, config: PatternsConfig, seed: int = 0) -> None:
        self._config = config
        self._seed = seed

    def detect(self, ds: Dataset, features: FeatureFrame | None = None, known: Sequence[Pattern] = ()) -> Detection:
        """Find candidates in the first part, confirm them in the later one.

        The later part begins `memory_s` after the split, and no label of the first part was still open at the split. Candidates
        are tested one-sidedly and corrected together (Benjamini and Hochberg): tests that overlap are mostly positively
        dependent, for which the rate holds (Benjamini and Yekutieli 2001); near copies are left out before.

        Args:
            ds: of `opportunity_dataset`; rows in any order.
            features: feature rows of the same ticks, for market events; without them there are none.
            known: patterns that are active; a band or cluster that is one of them again takes over its key.

        Raises:
            NotEnoughData: if either period has too few opportunities, or successes, or non-successes.
            DataError: if the dataset names no routes.
        """
        ds = ds.take(np.argsort(ds.ts_ms, kind="stable")) if len(ds) and np.any(np.diff(ds.ts_ms) < 0) else ds
        split_ms, first, later = self._periods(ds)
        cases = Cases.of(ds, features, self._config.memory_s * 1000, split_ms)
        early, late = self._period(ds, first, ROUNDS_FOUND), self._period(ds, later, ROUNDS_CONFIRMED)
        found, looked_at, notes = candidates(_part(cases, first), early, self._config, self._seed)
        tested = self._tested(found, cases, later, late, _hash(ds))
        confirmed = [one for one in tested if one.q_value <= self._config.false_discovery_rate and pays(one.confirmed)]
        named = _inherit(sorted(confirmed, key=lambda p: p.order), known, cases)
        notes += self._notes(ds, features, first, later, len(found) - len(tested))
        return Detection(
            tuple(named), tuple(tested), looked_at, len(found), len(first), len(later), split_ms, (*ds.notes, *notes)
        )

    def _periods(self, ds: Dataset) -> tuple[int, np.ndarray, np.ndarray]:
        """Return where the periods part, UTC ms, and the rows of either."""
        config, n = self._config, len(ds)
        cut = min(int(n * (1.0 - config.confirm_split)), n - 1)
        split_ms = int(ds.ts_ms[cut]) if n else 0
        first = np.flatnonzero((ds.ts_ms < split_ms) & (ds.label_end_ms < split_ms))
        later = np.flatnonzero(ds.ts_ms >= split_ms + config.memory_s * 1000)
        for name, rows in (("found", first), ("confirmed", later)):
            hits = int(ds.y[rows, 0].sum())
            least = min(hits, len(rows) - hits)
            if least < config.min_support:
                what = f"successes (and failures) in the period in which patterns are {name} ({len(rows)} opportunities, {hits} succeeded)"
                raise NotEnoughData(what, least, config.min_support, "collect more, or set ML_PATTERNS__MIN_SUPPORT lower")
        return split_ms, first, later

    def _period(self, ds: Dataset, rows: np.ndarray, rounds: int) -> Period:
        assert ds.economics is not None
        horizon_ms = int(np.median(ds.label_end_ms[rows] - ds.ts_ms[rows]))
        profit = ds.economics["profit"].to_numpy(dtype=np.float64)[rows]
        return Period(ds.ts_ms[rows], (ds.y[rows, 0] > 0.5).astype(np.float64), profit, horizon_ms, rounds, self._seed)

    def _tested(
        self, found: list[Candidate], cases: Cases, later: np.ndarray, late: Period, data_hash: str
    ) -> list[Pattern]:
        """Return the candidates that the later period could test, by q-value."""
        config, part = self._config, _part(cases, later)
        share = config.confirm_split / (1.0 - config.confirm_split)
        least = max(LEAST_SUPPORT, int(config.min_support * min(1.0, share)))
        samples: list[tuple[Candidate, Sample]] = []
        for one in found:
            meets, among = part.meets(one.condition), part.among(one.condition)
            if min(meets.sum(), (among & ~meets).sum()) < least:  # says nothing of success, so the correction need not count it
                continue
            sample = late.measure(meets, among, tested_by(one.condition))
            if sample is not None:
                samples.append((one, sample))
        q = q_values(np.array([sample.p_value for _, sample in samples])) if samples else np.empty(0)
        patterns = [
            Pattern(c.condition.key, c.condition, c.found, sample, float(rate), _token(part, c), cases.ds.feature_set_id, data_hash)
            for (c, sample), rate in zip(samples, q, strict=True)
        ]
        return sorted(patterns, key=lambda p: (p.q_value, p.order))

    def _notes(self, ds: Dataset, features: FeatureFrame | None, first: np.ndarray, later: np.ndarray, untested: int) -> list[str]:
        notes = []
        days = min(len(np.unique(ds.ts_ms[rows] // DAY_MS)) for rows in (first, later))
        if days < LEAST_DAYS:
            notes.append(f"no times of day or week: the shorter of the two periods has {days} days, {LEAST_DAYS} are needed")
        if features is None:
            notes.append("no market events in sequences: no features were given")
        if untested:
            notes.append(f"{untested} candidates were met too rarely after {iso(int(ds.ts_ms[later[0]]))} to be tested")
        assert ds.economics is not None
        if ds.economics["profit"].isna().all():
            notes.append("no profit was recorded: patterns are judged by their hit rate alone")
        return notes


def _part(cases: Cases, rows: np.ndarray) -> Cases:
    """Return the cases of some rows, ascending; what was known before each stays."""
    place = np.full(len(cases), -1)
    place[rows] = np.arange(len(rows))
    before = {event: place[known][place[known] >= 0] for event, known in cases.before.items()}
    routes = cases.routes.iloc[rows].reset_index(drop=True)
    return replace(cases, ds=cases.ds.take(rows), hour=cases.hour[rows], weekday=cases.weekday[rows], routes=routes, before=before)


def _token(part: Cases, candidate: Candidate) -> str:
    """Return the token in which most of the matched opportunities earn."""
    tokens = part.routes["token"][part.meets(candidate.condition)]
    return str(tokens.mode().iloc[0])


def _inherit(found: Sequence[Pattern], known: Sequence[Pattern], cases: Cases) -> list[Pattern]:
    """Give bands and clusters that cover mostly the same rows as a known one its key: their edges move with each detection."""
    left = [one for one in known if isinstance(one.condition, Hours | Near) and one.feature_set_id == cases.ds.feature_set_id]
    named = []
    for pattern in found:
        if isinstance(pattern.condition, Hours | Near):
            meets = cases.meets(pattern.condition)
            shared = [(overlap(meets, cases.meets(one.condition)), one.key, one) for one in left if one.kind == pattern.kind]
            if shared and (best := max(shared, key=lambda s: s[:2]))[0] >= INHERITS:
                left.remove(best[2])
                pattern = replace(pattern, key=best[1])
        named.append(pattern)
    return named


def _hash(ds: Dataset) -> str:
    """Return the hash of the dataset with its routes, which its own leaves out."""
    routes = pd.util.hash_pandas_object(ds.routes, index=False).to_numpy()
    return hashlib.sha256(ds.data_hash.encode() + routes.astype("<u8").tobytes()).hexdigest()
