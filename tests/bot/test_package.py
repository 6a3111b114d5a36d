"""What `arbml.bot` exports."""

import importlib
import subprocess
import sys

import pytest

import arbml.bot


@pytest.mark.parametrize("name", arbml.bot.__all__)
def test_a_name_is_what_it_says_also_after_its_module_was_imported(name: str) -> None:
    home = arbml.bot._HOME[name]
    module = importlib.import_module(f"arbml.bot.{home}")
    assert name != home, "the module would hide what it holds"
    assert getattr(arbml.bot, name) is getattr(module, name)


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Advice'"):
        _ = arbml.bot.Advice


def test_the_bots_own_classes_load_no_heavy_library() -> None:
    code = (
        "import sys, arbml.bot as bot; [getattr(bot, name) for name in bot.__all__]; "
        "print([m for m in sys.modules if m in {'numpy', 'pandas', 'numba', 'onnxruntime', 'bentoml', 'prefect'}])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
