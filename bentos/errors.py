"""The one place where an error becomes an HTTP status."""

from dataclasses import dataclass

from arbml.errors import ArbmlError, ConfigError, InvalidRequest, ModelError, NotReady, RequestConflict, RequestError, StoreError


class NotAcceptable(RequestError):
    """The HTTP around the request is wrong: its size, type, encoding or pace."""

    def __init__(self, status: int, code: str, message: str, mend: str) -> None:
        super().__init__(message, mend=mend)
        self.status, self.code = status, code


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error looks like from outside. `blame` is true where the service is at fault."""

    status: int
    code: str
    blame: bool = False


# The first class that fits counts, so subclasses come first.
TABLE: tuple[tuple[type[Exception], Problem], ...] = (
    (InvalidRequest, Problem(422, "invalid_request")),
    (RequestConflict, Problem(409, "conflict")),
    (NotReady, Problem(503, "not_ready")),
    (ConfigError, Problem(503, "wrong_setting", blame=True)),
    (StoreError, Problem(503, "store_unavailable", blame=True)),
    (ModelError, Problem(503, "model_unavailable", blame=True)),
    (ArbmlError, Problem(503, "unavailable", blame=True)),
    (Exception, Problem(500, "internal_error", blame=True)),
)


def problem_of(error: Exception) -> Problem:
    """Return what an error looks like from outside."""
    if isinstance(error, NotAcceptable):
        return Problem(error.status, error.code)
    return next(problem for kind, problem in TABLE if isinstance(error, kind))


def error_body(error: Exception) -> dict[str, dict[str, str]]:
    """Return the body that goes with the status. An unforeseen error tells nothing of its inside."""
    problem = problem_of(error)
    if isinstance(error, RequestError):
        return _body(problem.code, error.field, error.message, error.mend)
    if isinstance(error, ArbmlError):
        return _body(problem.code, "", str(error), "see the log of the service")
    return _body(problem.code, "", "the service failed on this request", "see the log of the service")


def _body(code: str, field: str, message: str, mend: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "field": field, "message": message, "mend": mend}}
