"""Settings come from real variables and real .env files; every mistake names the variable and the mend."""

from pathlib import Path

import pytest

from arbml.config import Config
from arbml.errors import ConfigError
from arbml.settings import SHORT_NAMES, example_env, known_names, load_settings

PROMISED = {
    "ML_DATA_COLLECTION_ENABLED": True,
    "ML_DATA_INTERVAL": 5000,
    "ML_LSTM_ENABLED": True,
    "ML_SCORER_ENABLED": True,
    "ML_VOLATILITY_ENABLED": True,
    "ML_CONFIDENCE_THRESHOLD": 0.7,
    "ML_USE_GPU": False,
    "ML_MODELS_PATH": Path("./models"),
    "REDIS_HOST": None,
    "REDIS_PORT": 6379,
    "TIMESERIES_CONNECTION_STRING": None,
}


def value_at(config: object, path: tuple[str, ...]) -> object:
    for name in path:
        config = getattr(config, name)
    return config


@pytest.mark.parametrize(("name", "default"), PROMISED.items())
def test_a_promised_name_has_its_promised_default(name: str, default: object, tmp_path: Path) -> None:
    assert value_at(Config(), SHORT_NAMES[name]) == default


def test_every_section_field_can_be_set_by_a_name() -> None:
    for name, path in known_names().items():
        value_at(Config(), path)
        assert name == name.upper()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ML_DATA_INTERVAL", "2000", 2000),
        ("ML_LSTM__HORIZONS_S", "60,120,300", (60, 120, 300)),
        ("ML_LSTM__HORIZONS_S", "[60, 120]", (60, 120)),
        ("ML_USE_GPU", "true", True),
        ("ML_COSTS__NATIVE_PRICE_QUOTE", "", None),
        ("REDIS_HOST", "10.0.0.1", "10.0.0.1"),
    ],
)
def test_a_value_is_parsed(name: str, text: str, expected: object) -> None:
    assert value_at(load_settings({name: text}), known_names()[name]) == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ML_DATA_INTERVALL": "1"}, "ML_DATA_INTERVALL: no such setting; did you mean ML_DATA_INTERVAL?"),
        ({"ML_DATA_INTERVAL": "3"}, "ML_DATA_INTERVAL: input should be greater than or equal to 1000 (given: '3')"),
        ({"ML_LSTM__HORIZONS_S": "60,10"}, "ML_LSTM__HORIZONS_S: horizons must be positive"),
        ({"ML_USE_GPU": "maybe"}, "ML_USE_GPU: input should be a valid boolean"),
        ({"ML_DATA_INTERVAL": "2000", "ML_COLLECTION__INTERVAL_MS": "3000"}, "set the same thing to different values"),
        ({"ML_TRAINING__FOLDS": "5", "ML_TRAINING__TEST_SPLIT": "0.3"}, "leaves less than 30 %"),
    ],
)
def test_a_mistake_names_the_variable(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ML_DATA_INTERVAL=2000\nREDIS_PORT=7000\n")
    config = load_settings({"ML_DATA_INTERVAL": "3000"}, dotenv=file)
    assert (config.collection.interval_ms, config.redis.port) == (3000, 7000)


def test_an_unknown_name_in_the_file_is_located(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ML_TYPO=1\n")
    with pytest.raises(ConfigError, match=str(file)):
        load_settings({}, dotenv=file)


def test_a_database_password_is_never_shown() -> None:
    config = load_settings({"TIMESERIES_CONNECTION_STRING": "postgresql://u:hunter2@h/db"})
    assert "hunter2" not in repr(config)
    assert config.store.connection_string is not None


def test_sections_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().lstm.sequence_length = 3  # type: ignore[misc]


def test_the_example_file_is_the_code() -> None:
    assert Path(".env.example").read_text() == example_env(), "regenerate it: see example_env"


def test_the_example_file_uncommented_is_the_default_configuration(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    lines = [line[1:].split("   #")[0] for line in example_env().splitlines() if line.startswith("#") and not line.startswith("# ")]
    file.write_text("\n".join(lines))
    assert load_settings({}, dotenv=file) == Config()
