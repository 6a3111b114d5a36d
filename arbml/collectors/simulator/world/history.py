"""What happened in a world, and what would have happened: any second can be gone back to, and continued otherwise."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from arbml.collectors.simulator.world.arrays import Floats, Rules, Seen, State
from arbml.collectors.simulator.world.config import WorldConfig
from arbml.collectors.simulator.world.kernels import columns, entries
from arbml.collectors.simulator.world.layout import first_state, rules_of

KEPT_S = 3600  # the state of every hour is kept
NO_ATTEMPT, NO_ANSWER = np.full(columns.N_ATTEMPT, -1.0), np.zeros(columns.N_ANSWER)


class History:
    """A world from its first second on. Nothing is computed before it is asked for.

    Args:
        config: the world.
    """

    def __init__(self, config: WorldConfig) -> None:
        self._config = config
        self._unseen = Seen.empty(0, len(config.pools), len(config.chains), len(config.tokens) + 1)
        self._held: tuple[int, State] | None = None  # the state before a second: questions mostly come in the order of time

    @cached_property
    def rules(self) -> Rules:
        """What never changes."""
        return rules_of(self._config)

    def keys(self, n: int) -> npt.NDArray[np.uint64]:
        """Return n keys; the first one is that of the numbers that were drawn, the others are of worlds that were not."""
        return np.random.SeedSequence(self._config.seed).generate_state(n, np.uint64).astype(np.uint64, copy=False)

    @property
    def seen(self) -> Seen:
        """What was recorded at the polls."""
        return self._lived[0]

    @property
    def end(self) -> State:
        """The state after the last second; not to be written to."""
        return self._lived[2]

    def after(self, second: int) -> State:
        """Return the state after a second, in arrays of its own."""
        hour = (second + 1) // KEPT_S
        kept = self._lived[1]
        hour = min(hour, len(kept) - 1)
        begin, state = hour * KEPT_S, kept[hour].copy()
        if self._held is not None and begin < self._held[0] <= second + 1:
            begin, state = self._held
        entries.advance(self.rules, state, self.keys(1)[0], begin, second + 1, 0, self._unseen, NO_ATTEMPT, NO_ANSWER)
        self._held = second + 1, state
        return state.copy()

    def told(self, attempt: Floats, decided: int, keys: npt.NDArray[np.uint64]) -> Floats:
        """Return what becomes of an attempt, (keys, 3) status, profit and price paid, if the world goes on with each key.

        Args:
            attempt: as `kernels` has it, with the second of its block.
            decided: the second after which the world may go on otherwise.
        """
        answers = np.zeros((len(keys), columns.N_ANSWER))
        entries.fates(self.rules, self.after(decided), keys, decided + 1, attempt, self._unseen, answers)
        return answers

    @cached_property
    def _lived(self) -> tuple[Seen, list[State], State]:
        config, (key,) = self._config, self.keys(1)
        every, n = config.interval_s, config.steps
        seen = Seen.empty(n, len(config.pools), len(config.chains), len(config.tokens) + 1)
        state, kept, end = first_state(config, self.rules, key), list[State](), (n - 1) * every + 1
        for begin in range(0, end, KEPT_S):
            kept.append(state.copy())
            last = min(begin + KEPT_S, end)
            part = Seen(*(array[-(-begin // every) : -(-last // every)] for array in seen))
            entries.advance(self.rules, state, key, begin, last, every, part, NO_ATTEMPT, NO_ANSWER)
        return seen, kept, state
