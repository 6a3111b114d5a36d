"""Notices that a bundle was written anew, which is how a promotion arrives on this machine."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"


class Fingerprint(NamedTuple):
    """Tells one manifest from the next without reading it: each bundle is written to a new folder and put in place."""

    inode: int
    changed_ns: int
    size: int


def fingerprint(bundle_path: Path | None) -> Fingerprint | None:
    """Return that of the bundle at a path, None while there is none."""
    try:
        found = (bundle_path / MANIFEST).stat() if bundle_path is not None else None
    except OSError:
        return None
    return None if found is None else Fingerprint(found.st_ino, found.st_mtime_ns, found.st_size)


class Watcher:
    """A thread that calls `look` every `interval_s` until it is stopped."""

    def __init__(self, look: Callable[[], None], interval_s: float) -> None:
        self._look = look
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bundle-watcher", daemon=True)
        self.started = False

    def start(self) -> None:
        """Begin."""
        self.started = True
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End; a look that has begun may take until `timeout_s`."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self._look()
            except Exception:  # the next look may go well
                log.exception("looking for a new bundle failed")
