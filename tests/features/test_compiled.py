"""What the compiled code must not do: fail where no folder can be written, or use vector versions of log and sin."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from numba import njit

from arbml.features import kernels

ROOT = Path(__file__).parents[2]
TRY = """
from arbml.features import FeatureStream
from arbml.market import Tick
print(FeatureStream().update(Tick(0, "a", "B/Q", 2.0, ts_known_ms=0)).values[18])
from arbml.features import kernels
print(len(kernels.advance.stats.cache_hits), len(kernels.advance.stats.cache_misses), type(kernels.advance._cache).__name__)
"""


@pytest.mark.slow
def test_no_writable_folder_is_no_obstacle(tmp_path: Path) -> None:
    """Root may write anywhere, so the folders are taken: by files of their names."""
    shutil.copytree(ROOT / "arbml", tmp_path / "arbml", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "arbml" / "features" / "__pycache__").write_text("not a folder")
    (tmp_path / "file").write_text("not a folder")
    nowhere = str(tmp_path / "file" / "below")
    environment = {"PATH": os.environ["PATH"], "HOME": nowhere, "XDG_CACHE_HOME": nowhere, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", TRY], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    value, cache = done.stdout.splitlines()
    assert value == "0.0"
    assert cache.endswith("NullCache")


def test_the_cache_is_used_by_the_next_process() -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", TRY], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[1].startswith("1 0 ")


MATHEMATICS = {"log", "log1p", "log2", "log10", "exp", "expm1", "pow", "sin", "cos", "tan", "tanh"}


def innermost_with_mathematics(source: str) -> list[str]:
    """Functions in which a loop, with no loop inside it or inside what it calls, takes a logarithm or the like."""
    functions = {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}

    def holds(node: ast.AST, wanted: Callable[[ast.AST], bool]) -> bool:
        called = [n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
        return any(wanted(n) for n in ast.walk(node) if n is not node) or any(
            holds(functions[name], wanted) for name in called if name in functions
        )

    def loops(node: ast.AST) -> bool:
        return isinstance(node, ast.For | ast.While)

    def mathematics(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr in MATHEMATICS

    return [
        name for name, function in functions.items()
        if any(loops(node) and not holds(node, loops) and holds(node, mathematics) for node in ast.walk(function))
    ]


def test_no_logarithm_in_an_innermost_loop() -> None:
    """There LLVM may use a vector version, which differs in the last bit, in one path and not in the other."""
    assert innermost_with_mathematics(Path(kernels.__file__).read_text()) == []
    bad = "def f(x):\n    return np.log(x)\ndef g(xs):\n    for x in xs:\n        f(x)\ndef h(xs):\n    for x in xs:\n        g(np.sin(x))"
    assert innermost_with_mathematics(bad) == ["g"]


@pytest.mark.slow
def test_no_vector_version_of_a_logarithm_is_compiled() -> None:
    """Says something only where SVML is installed; the test above holds everywhere."""
    vectors = re.compile(r"__svml_\w+|\b(?:log1p|log|sin|cos|exp|pow)\.v\d+f64")
    for entry in (kernels.observe_all, kernels.rows_all, kernels.advance):
        (signature,) = entry.signatures
        (code,) = njit(signature, **kernels._OPTIONS)(entry.py_func).inspect_llvm().values()
        assert re.search(r"@(llvm\.)?log", code)
        assert vectors.findall(code) == []


def test_options_keep_the_order_of_sums() -> None:
    assert kernels._OPTIONS["fastmath"] is False
    for entry in (kernels.observe_all, kernels.rows_all, kernels.advance):
        assert entry.targetoptions.get("fastmath") is False
        assert not entry.targetoptions.get("parallel", False)
