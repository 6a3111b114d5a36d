"""Logging for the entry points: one plain line a record on standard error, quiet libraries, no secrets."""

import logging
import os
import re
import warnings

_SECRET = re.compile(r"(://[^:/\s@]*:)[^@\s]+(@)")
_NOISY = (
    "alembic", "mlflow", "great_expectations", "evidently", "bentoml", "httpx", "httpcore", "matplotlib", "tensorflow",
    "absl", "prefect", "git", "numba", "tf2onnx", "skl2onnx", "urllib3", "asyncio",
)

_RAISED = ("prefect.flow_runs", "prefect.task_runs")  # with tracebacks; the command says in one line what they raise


class _HideSecrets(logging.Filter):
    """Replace passwords in URLs, whatever library logs them."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = _SECRET.sub(r"\1***\2", text)
        if clean != text:
            record.msg, record.args = clean, ()
        return True


class _Ours(logging.Filter):
    """Let libraries speak only when something broke that nobody else reports: some set their own levels after we set them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_RAISED):
            return False
        return record.levelno >= logging.ERROR or not record.name.startswith(_NOISY)


def quiet_libraries() -> None:
    """Set what the libraries read before they are imported: no telemetry, no banners.

    Only for processes that arbml owns (CLI, flows, service); a program that embeds arbml is left alone.
    """
    for name, value in {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "BENTOML_DO_NOT_TRACK": "True",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)


def configure_logging(debug: bool = False) -> None:
    """Log arbml at INFO (DEBUG with `debug`) and libraries at ERROR (INFO with `debug`) to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    handler.addFilter(_HideSecrets())
    if not debug:
        handler.addFilter(_Ours())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("arbml").setLevel(logging.DEBUG if debug else logging.INFO)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.INFO if debug else logging.ERROR)
    if not debug:
        warnings.simplefilter("ignore")
