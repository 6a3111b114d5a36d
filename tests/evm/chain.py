"""anvil, a local chain of the npm package, on a free port in a home of its own, and the plainest way to ask a node."""

import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

MODULES = Path(__file__).parent / "node_modules"
NPM = shutil.which("npm") is not None
START_S = 15.0


def anvil_binary() -> Path:
    """Where `npm ci` puts the binary of this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    return MODULES / "@foundry-rs" / f"anvil-{platform.system().lower()}-{machine}" / "bin" / "anvil"


def missing() -> str | None:
    """Why there can be no chain here; None where there can."""
    if anvil_binary().exists():
        return None
    return "tests/evm is not installed; run: npm ci --prefix tests/evm --ignore-scripts --legacy-peer-deps" if NPM else "npm is absent"


class NodeRefused(Exception):
    """The node answered with an error."""


class Chain:
    """A running anvil; each transaction is a block of its own until told otherwise.

    Args:
        folder: an empty folder for its home and its log.
        block_time_s: seconds between blocks; None for a block per transaction.
        chain_id: what eth_chainId answers.
    """

    def __init__(self, folder: Path, block_time_s: float | None = None, chain_id: int = 31_337) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url, self.ws_url = f"http://127.0.0.1:{self.port}", f"ws://127.0.0.1:{self.port}"
        command = [str(anvil_binary()), "--host", "127.0.0.1", "--port", str(self.port), "--quiet", "--hardfork", "cancun"]
        command += ["--slots-in-an-epoch", "4", "--chain-id", str(chain_id)]
        command += ["--block-time", str(block_time_s)] if block_time_s else []
        environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
        with (folder / "anvil.log").open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._wait(folder)

    def ask(self, method: str, *params: Any) -> Any:
        """Return the result of one JSON-RPC call.

        Raises:
            NodeRefused: with the node's words.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        with self._lock:
            answer = json.loads(self._post(body))
        if "error" in answer:
            raise NodeRefused(f"{method}: {answer['error']}")
        return answer["result"]

    def stop(self) -> None:
        """End the process."""
        if self._connection:
            self._connection.close()
        self._process.terminate()
        self._process.wait(10)

    def _post(self, body: str) -> bytes:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return self._connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise

    def _wait(self, folder: Path) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.ask("eth_chainId")
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    raise RuntimeError(f"anvil did not start: {(folder / 'anvil.log').read_text()}") from None
                time.sleep(0.01)
