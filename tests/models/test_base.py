"""Saving is all or nothing."""

from pathlib import Path

import pytest

from arbml.errors import FeatureSetMismatch, ModelFileError
from arbml.models.base import META, ModelMeta, check_features, read_file, read_meta, writing

META_OF_X = ModelMeta("scorer", "X", ("a", "b"), ("success",), "set-1", "hash", 1, 2, 3, 4, notes=("n",), params={"p": 0.1})


def save(directory: Path, content: bytes = b"first") -> None:
    with writing(directory, META_OF_X) as folder:
        (folder / "model.onnx").write_bytes(content)


def test_meta_and_files_come_back(tmp_path: Path) -> None:
    save(tmp_path / "m")
    meta = read_meta(tmp_path / "m")
    assert read_file(tmp_path / "m", meta, "model.onnx") == b"first"
    assert meta.params == {"p": 0.1}
    assert (meta.feature_names, meta.notes, meta.seed) == (("a", "b"), ("n",), None)


def test_an_error_while_saving_leaves_the_old_model(tmp_path: Path) -> None:
    save(tmp_path / "m")
    def fail(directory: Path) -> None:
        with writing(directory, META_OF_X) as folder:
            (folder / "model.onnx").write_bytes(b"half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert read_file(tmp_path / "m", read_meta(tmp_path / "m"), "model.onnx") == b"first"


def test_a_number_that_json_cannot_hold_is_not_saved(tmp_path: Path) -> None:
    bad = ModelMeta("scorer", "X", (), (), "", "", 0, 0, 0, 0, params={"p": float("nan")})
    with pytest.raises(ValueError, match="JSON"), writing(tmp_path / "m", bad):
        pass
    assert list(tmp_path.iterdir()) == []


def test_unknown_format_and_fields_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "m")
    path = tmp_path / "m" / META
    text = path.read_text()
    path.write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(ModelFileError, match=r"format 99, this version reads format 1; train the model again"):
        read_meta(tmp_path / "m")
    path.write_text("[]")
    with pytest.raises(ModelFileError, match=r"meta\.json"):
        read_meta(tmp_path / "m")


def test_only_named_files_belong_to_the_model(tmp_path: Path) -> None:
    save(tmp_path / "m")
    (tmp_path / "m" / "stray.bin").write_bytes(b"")
    with pytest.raises(ModelFileError, match="not part of the saved X"):
        read_file(tmp_path / "m", read_meta(tmp_path / "m"), "stray.bin")


def test_features_must_be_those_of_the_training() -> None:
    check_features(META_OF_X, ["a", "b"], "set-1")
    with pytest.raises(FeatureSetMismatch, match="column 0 is 'b', not 'a'"):
        check_features(META_OF_X, ["b", "a"], "set-1")
    with pytest.raises(FeatureSetMismatch, match="there are 1 columns, not 2"):
        check_features(META_OF_X, ["a"], "set-1")
    with pytest.raises(FeatureSetMismatch, match="feature set set-1, the data has set-2"):
        check_features(META_OF_X, ["a", "b"], "set-2")
