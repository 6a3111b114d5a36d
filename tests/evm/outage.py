"""A collector that runs while something goes wrong."""

import random
import threading

from arbml.clock import SystemClock, stopwatch_s
from arbml.collectors.evm.block import BlockReader
from arbml.collectors.evm.collector import ChainReport, EvmCollector, Plan
from arbml.store import Store


class Running:
    """A collector in a thread of its own; `stop` returns its report or raises its error."""

    def __init__(self, reader: BlockReader, store: Store, plan: Plan) -> None:
        self._stop, self._done, self._error = threading.Event(), list[ChainReport](), list[Exception]()
        collector = EvmCollector(reader, plan, SystemClock(), stopwatch_s, self._stop.wait, random.Random(5))

        def run() -> None:
            try:
                self._done.append(collector.collect_into(store.chain))
            except Exception as error:
                self._error.append(error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> ChainReport:
        self._stop.set()
        self._thread.join(30)
        if self._error:
            raise self._error[0]
        return self._done[0]
