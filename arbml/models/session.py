"""One exported network or forest, run by ONNX Runtime on one thread: the thread pools of three libraries fight for two cores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbml.errors import ModelError, ModelFileError


class OnnxSession:
    """Runs a model that has one input; stateless and safe to share between threads.

    Args:
        content: the serialised ONNX model.
        source: where it comes from, for messages.
        output: name of the output to return; the first one without it.

    Raises:
        ModelFileError: if ONNX Runtime cannot read it.
    """

    def __init__(self, content: bytes, source: str, output: str | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no base
            reason = _first_line(error)
            raise ModelFileError(f"{source}: ONNX Runtime cannot read it ({reason}); train the model again") from error
        self._source = source
        self._input = self._session.get_inputs()[0].name
        self._output = output or self._session.get_outputs()[0].name

    def run(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the output for a batch, first axis rows.

        Raises:
            ModelError: if the shape is not the model's.
        """
        try:
            answer: NDArray[np.float32] = self._session.run([self._output], {self._input: X})[0]
        except Exception as error:  # onnxruntime's own exceptions share no base
            raise ModelError(f"{self._source}: cannot answer an input of shape {X.shape} ({_first_line(error)})") from error
        return answer


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
