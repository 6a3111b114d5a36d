"""Every error arbml raises, grouped by what the caller must do about it.

    ArbmlError
    |- ConfigError              stop at start-up; the operator mends a setting (the message names it)
    |- CollectError             one source failed
    |  |- TransientError        try again with back-off; the only error a flow retries
    |  +- SourceError           do not try again: wrong file, bad schema, refused access
    |- DataError                the data cannot be used
    |  |- SchemaError           a frame lacks a column, or a value has the wrong type or range
    |  |- DataQualityError      a critical expectation failed; carries the report
    |  +- NotEnoughData         less history than needed; carries have and need
    |- StoreError               the database refused
    |  +- StoreUnavailable      it cannot be reached or is busy now; nothing was kept; the same write may succeed later
    |- ModelError
    |  |- NotFitted             predict before fit
    |  |- ModelFileError        a saved model is missing, cut short or of another format
    |  |- FeatureSetMismatch    the model was trained on another feature set than the running code computes
    |  +- TrainingDiverged      the fit gave NaN or did not converge
    |- TrainingBusy             the same model is being trained by another process; wait for it
    |- RegistryError            no such version or alias, or the registry cannot be reached
    |- ServiceError             the served Bento did not start, stop or answer
    +- RequestError             the service refuses a request; carries field and mend
       |- InvalidRequest        the client must change the request
       |- RequestConflict       the same request id was used before for something else
       +- NotReady              the service is starting or stopping; ask again

Each message is one line: what is wrong, where, and how to mend it. HTTP statuses and exit codes are decided at the
edges (`bentos`, `arbml.cli`), never here.
"""


class ArbmlError(Exception):
    """Base of all errors that arbml raises on purpose."""


class ConfigError(ArbmlError):
    """A setting is wrong; stop and mend it."""


class CollectError(ArbmlError):
    """A source of ticks failed."""


class TransientError(CollectError):
    """The source may answer if asked again later."""


class SourceError(CollectError):
    """The source will not answer differently if asked again."""


class DataError(ArbmlError):
    """The data cannot be used as it is."""


class SchemaError(DataError):
    """A frame does not have the shape, types or value ranges that its schema states."""


class DataQualityError(DataError):
    """A critical expectation failed.

    Args:
        message: one line for people.
        report: the full text of the validation report.
    """

    def __init__(self, message: str, report: str = "") -> None:
        super().__init__(message)
        self.report = report


class NotEnoughData(DataError):
    """There is less history than the work needs.

    Args:
        what: what is counted, e.g. "labelled opportunities".
        have: how many there are.
        need: how many are needed.
        mend: what the user can do about it.
    """

    def __init__(self, what: str, have: int, need: int, mend: str = "collect more") -> None:
        super().__init__(f"not enough {what}: have {have}, need {need}; {mend}")
        self.what, self.have, self.need, self.mend = what, have, need, mend

    def __reduce__(self) -> tuple[type["NotEnoughData"], tuple[str, int, int, str]]:
        return type(self), (self.what, self.have, self.need, self.mend)


class StoreError(ArbmlError):
    """The database refused the work or cannot be reached."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, is stopping, full or locked: the same work may succeed later.

    Nothing of it was kept, unless the connection was lost during the commit. Every append may simply be repeated: rows that
    are there already change nothing. Whoever collects live keeps what it has and tries again.
    """


class StoreFull(StoreUnavailable):
    """The disk under the database is full or refuses to write: nothing gets better by waiting unless somebody mends it."""


class ModelError(ArbmlError):
    """A model cannot do what was asked."""


class NotFitted(ModelError):
    """The model was asked to predict before it was fitted or loaded."""


class ModelFileError(ModelError):
    """A saved model is missing, incomplete or of an unknown format."""


class FeatureSetMismatch(ModelError):
    """The model knows another feature set than the code that calls it."""


class TrainingDiverged(ModelError):
    """The fit did not converge to finite values."""


class TrainingBusy(ArbmlError):
    """Another process is training the same model; nothing was done."""


class RegistryError(ArbmlError):
    """No such version or alias, or the registry cannot be reached."""


class ServiceError(ArbmlError):
    """The served Bento did not start, stop or answer as it should."""


class RequestError(ArbmlError):
    """The service refuses a request.

    Args:
        message: what is wrong.
        field: where, as a path into the request, e.g. "legs[0].price"; empty for the request as a whole.
        mend: what the client can do about it.
    """

    def __init__(self, message: str, field: str = "", mend: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message, self.field, self.mend = message, field, mend

    def __reduce__(self) -> tuple[type["RequestError"], tuple[str, str, str]]:
        return type(self), (self.message, self.field, self.mend)


class InvalidRequest(RequestError):
    """A field of the request is missing, unknown, or has a value that it cannot have."""


class RequestConflict(RequestError):
    """The request id was used before, with another content."""


class NotReady(RequestError):
    """The service is warming up or shutting down."""
