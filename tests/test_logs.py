"""Logs are plain lines without secrets, and libraries keep quiet unless something broke."""

import logging

import pytest

from arbml.logs import configure_logging


@pytest.fixture(autouse=True)
def _restore() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_password_in_a_url_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    logging.getLogger("arbml.store").warning("cannot reach %s", "postgresql://arbml:hunter2@db/arbml")
    line = capsys.readouterr().err
    assert "hunter2" not in line
    assert "postgresql://arbml:***@db/arbml" in line


@pytest.mark.parametrize(("debug", "expected"), [(False, False), (True, True)])
def test_libraries_speak_only_when_asked(debug: bool, expected: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(debug)
    logger = logging.getLogger("prefect.events")
    logger.setLevel(logging.DEBUG)  # as prefect does after us
    logger.info("connected")
    assert ("connected" in capsys.readouterr().err) is expected
    logger.error("the connection broke")
    assert "the connection broke" in capsys.readouterr().err


@pytest.mark.parametrize(("debug", "expected"), [(False, False), (True, True)])
def test_a_flow_that_raises_is_left_to_the_command(debug: bool, expected: bool, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(debug)
    logging.getLogger("prefect.flow_runs").error("Encountered exception during execution")
    assert ("Encountered exception" in capsys.readouterr().err) is expected
