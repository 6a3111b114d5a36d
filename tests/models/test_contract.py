"""What holds for every model, whatever it learns; a new model gets all of this by being a Case in conftest."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arbml.dataset import Dataset
from arbml.errors import FeatureSetMismatch, ModelFileError, NotFitted
from arbml.models import load_model
from arbml.models.base import META, Model, ServingModel, read_meta


@pytest.fixture
def saved(fitted: Any, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "model")
    return tmp_path / "model"


def test_it_is_a_model(case: Any, fitted: Any) -> None:
    assert isinstance(fitted, Model)
    assert fitted.meta.model == case.name
    assert fitted.meta.kind == case.parts()[0].kind


def test_predict_before_fit(case: Any, tmp_path: Path) -> None:
    model = case.build()
    with pytest.raises(NotFitted, match=case.name):
        model.predict(case.parts()[2])
    with pytest.raises(NotFitted, match=case.name):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_same_data_and_seed_give_the_same_model(case: Any, fitted: Any, tmp_path: Path) -> None:
    again = case.build()
    train, validation, test = case.parts()
    again.fit(train, validation)
    assert np.array_equal(again.predict(test), fitted.predict(test))
    fitted.save(tmp_path / "a")
    again.save(tmp_path / "b")
    assert read_meta(tmp_path / "a").params == read_meta(tmp_path / "b").params


def test_fit_and_predict_leave_the_data_alone(case: Any) -> None:
    parts = case.parts()
    before = [(part.X.copy(), part.y.copy(), None if part.rows is None else part.rows.copy()) for part in parts]
    model = case.build()
    model.fit(*parts[:2])
    model.predict(parts[2])
    for part, (X, y, rows) in zip(parts, before, strict=True):
        assert np.array_equal(part.X, X, equal_nan=True)
        assert np.array_equal(part.y, y)
        assert rows is None or np.array_equal(part.rows, rows, equal_nan=True)


def test_answers_are_finite_and_of_the_promised_shape(case: Any, fitted: Any) -> None:
    test = case.parts()[2]
    prediction = fitted.predict(test)
    shape = {"lstm": (len(test), 2, 3), "scorer": (len(test),), "volatility": (len(test),)}[test.kind]
    assert prediction.shape == shape
    assert prediction.dtype == np.float64
    assert np.isfinite(prediction).all()
    if test.kind == "lstm":
        assert (np.diff(prediction, axis=2) >= 0).all()
    if test.kind == "scorer":
        assert ((prediction > 0) & (prediction < 1)).all()
    if test.kind == "volatility":
        assert (prediction > 0).all()


def test_no_rows_no_answers(case: Any, fitted: Any) -> None:
    empty = case.parts()[2].take(np.arange(0))
    assert len(fitted.predict(empty)) == 0


def test_saved_and_loaded_answers_the_same(case: Any, fitted: Any, saved: Path) -> None:
    test = case.parts()[2]
    loaded = load_model(saved)
    assert isinstance(loaded, ServingModel)
    assert loaded.meta == read_meta(saved)
    assert np.array_equal(loaded.predict(test), fitted.predict(test))


def test_save_replaces_an_older_model(case: Any, fitted: Any, saved: Path) -> None:
    (saved / "left over.bin").write_bytes(b"of another version")
    fitted.save(saved)
    assert not (saved / "left over.bin").exists()
    assert [path.name for path in saved.parent.iterdir()] == ["model"]
    load_model(saved)


def test_a_row_alone_is_answered_as_among_many(case: Any, fitted: Any) -> None:
    test = case.parts()[2]
    many = fitted.predict(test)
    rows = (0,) if case.recursive else (0, 3, len(test) - 1)  # a recursive answer depends on the rows before
    for row in rows:
        alone = fitted.predict(test.take(np.array([row])))[0]
        np.testing.assert_allclose(alone, many[row], rtol=case.tolerance, atol=case.tolerance * 1e-4)


def test_later_rows_change_no_earlier_answer(case: Any, fitted: Any) -> None:
    test = case.parts()[2]
    half = len(test) // 2
    rng = np.random.default_rng(3)
    X = test.X.copy()
    X[half:] = rng.normal(size=X[half:].shape)
    changed = replace(test, X=X, rows=None if test.rows is None else _after(test, half, rng))
    tolerance = {"rtol": case.tolerance, "atol": case.tolerance * 1e-4}
    np.testing.assert_allclose(fitted.predict(changed)[:half], fitted.predict(test)[:half], **tolerance)
    np.testing.assert_allclose(fitted.predict(test.take(np.arange(half))), fitted.predict(test)[:half], **tolerance)


def _after(test: Dataset, half: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    assert test.rows is not None
    assert test.window is not None
    rows = test.rows.copy()
    rows[test.window[half - 1, -1] + 1 :] = rng.normal()
    return rows


def test_columns_in_another_order_are_refused(case: Any, fitted: Any) -> None:
    test = case.parts()[2]
    renamed = replace(test, feature_names=(*test.feature_names[:-1], "other"))
    with pytest.raises(FeatureSetMismatch, match=rf"{case.name}.*'other', not '{test.feature_names[-1]}'"):
        fitted.predict(renamed)
    if len(test.feature_names) > 1:
        order = np.arange(len(test.feature_names))[::-1]
        permuted = replace(test, X=test.X[:, order], feature_names=test.feature_names[::-1])
        with pytest.raises(FeatureSetMismatch, match=f"column 0 is '{test.feature_names[-1]}'"):
            fitted.predict(permuted)


def test_another_feature_set_is_refused(case: Any, fitted: Any, saved: Path) -> None:
    other = replace(case.parts()[2], feature_set_id="set-2")
    for model in (fitted, load_model(saved)):
        with pytest.raises(FeatureSetMismatch, match=r"set-1.*set-2.*train again"):
            model.predict(other)


def test_a_cut_file_is_refused_by_name(saved: Path) -> None:
    for path in sorted(saved.iterdir()):
        whole = path.read_bytes()
        for kept in (0, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:kept])
            if path.name == META and kept == len(whole) - 1:
                continue  # only the last line end is missing
            with pytest.raises(ModelFileError, match=path.name):
                load_model(saved)
        path.write_bytes(whole)
    load_model(saved)


def test_a_missing_file_is_refused_by_name(saved: Path, tmp_path: Path) -> None:
    for name in [path.name for path in saved.iterdir()]:
        copy = tmp_path / f"without {name}"
        shutil.copytree(saved, copy)
        (copy / name).unlink()
        with pytest.raises(ModelFileError, match=name):
            load_model(copy)
    with pytest.raises(ModelFileError, match="nowhere"):
        load_model(tmp_path / "nowhere")


def test_a_changed_number_is_refused(saved: Path) -> None:
    content = json.loads((saved / META).read_text())
    content["trained_to_ms"] += 1
    (saved / META).write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match=r"meta\.json: changed since it was saved"):
        load_model(saved)


def test_meta_tells_where_it_comes_from(case: Any, fitted: Any) -> None:
    train, validation, _ = case.parts()
    meta = fitted.meta
    assert (meta.trained_from_ms, meta.trained_to_ms) == (train.ts_ms.min(), validation.ts_ms.max())
    assert (meta.n_train, meta.n_validation) == (len(train), len(validation))
    assert (meta.feature_names, meta.target_names) == (train.feature_names, train.target_names)
    assert meta.data_hash == train.data_hash
