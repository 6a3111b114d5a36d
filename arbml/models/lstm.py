"""Where the price goes in the next seconds: an LSTM beside a straight line, with quantiles that keep their word.

How it gets an edge where there is one, and stays harmless where there is none:

* A venue that lags behind another one is an error correction: the log gap of the last row, times a speed. A recurrent
  network needs thousands of steps to find that straight line, so it is given: the last row goes to the output also
  directly (a skip connection), and that line starts at a ridge regression, whose strength the validation rows choose, zero
  included. The LSTM learns what a line cannot: thresholds set by fees, speeds that depend on volatility.
* Everything else starts at the baseline: median zero, the quantiles of the training returns. Training can only improve on
  that, for the weights with the best loss on the validation rows are kept, those of the start included.
* A price that often does not move at all has a median of zero, and a forecast that trembles around it only adds error. So
  at the end each horizon's median is drawn towards zero as far as the validation rows ask for, down to exactly zero.
* Quantiles cannot cross: lower = median - softplus(a), upper = median + softplus(b).
* The intervals are conformalised on the validation rows, the latest of them first (`arbml.models.quantiles`), so that they
  cover what they promise even if the fit was too bold.

How it stays quick on two cores: one epoch is at most 96 batches, so that early stopping looks often, and on a CPU the
network is trained with TensorFlow's fused kernel, which needs half the time of a loop over the rows. Its weights are moved
to an ordinary Keras LSTM for the export, and the exported network is compared with the trained one, fused kernel included.
"""

import contextlib
import dataclasses
import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arbml.config import LstmConfig, TrainingConfig
from arbml.errors import NotEnoughData, NotFitted, TrainingDiverged
from arbml.models.base import ONNX, ModelMeta, describe, writing
from arbml.models.quantiles import conformal_factors, finish
from arbml.models.runtime import PriceForecaster
from arbml.models.scaler import InputScaler
from arbml.models.sequence import Output, Windows, median_factors, spread_evenly, starting_output, target_scale
from arbml.models.session import OnnxSession

if TYPE_CHECKING:
    from arbml.dataset import Dataset

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]

EPOCH_BATCHES = 96        # early stopping looks at least this often
FUSED_STEPS = 16          # batches per call into TensorFlow; the call itself costs as much as a small batch
VALIDATION_ROWS = 6000    # that calibrate the intervals and check the export, spread evenly: more add seconds, not digits
WATCHED_ROWS = 2048       # validation rows that early stopping looks at, spread evenly
CHUNK = 2048              # rows of one forward pass
MIN_DELTA = 1e-4          # improvement that counts, scaled pinball loss (a start is near 0.2)
MAX_DIFFERENCE = 1e-3     # between the exported and the trained network, scaled: a thousandth of a standard deviation


class LSTMPredictor:
    """Learns quantiles of log-returns at several horizons; implements `arbml.models.base.Model`.

    What is evaluated is what is served: after `fit`, predictions come from the exported ONNX network, which was compared
    with the trained Keras network on every validation row.

    Attributes:
        history: after `fit`, the scaled pinball loss per epoch: {"loss": training, "val_loss": validation}; the first entry
            is the start, before any step.
    """

    kind = "lstm"

    def __init__(self, lstm: LstmConfig, training: TrainingConfig) -> None:
        self._lstm = lstm
        self._training = training
        self._served: PriceForecaster | None = None
        self._onnx = b""
        self.history: dict[str, list[float]] = {}

    @property
    def meta(self) -> ModelMeta:
        """What is known of the fitted model. Raises NotFitted before `fit`."""
        return self._fitted().meta

    def fit(self, train: "Dataset", validation: "Dataset") -> None:
        """Learn from `train`; stop early, conformalise and check the export on `validation`.

        Args:
            train, validation: kind "lstm"; y (n, H) log-returns; `validation` is later in time.

        Raises:
            NotEnoughData: with fewer rows than `min_samples`, or no validation rows.
            TrainingDiverged: if no price moved, the loss is not finite, or the export says something else than the network.
        """
        self._check_amount(len(train), len(validation))
        validation = validation.take(spread_evenly(len(validation), VALIDATION_ROWS))
        scaler = InputScaler.fit(train.X, train.feature_names)
        inputs, targets = Windows.of(train, scaler), Windows.of(validation, scaler)
        scale, quantiles = target_scale(train.y), self._lstm.quantiles
        tensorflow, keras = _load_tensorflow(self._training)
        network = self.build_model(len(scaler.kept), train.y.shape[1])
        _start_at_baseline(network, starting_output(inputs.last(), train.y / scale, targets.last(), validation.y / scale, quantiles))
        history = self._run(tensorflow, network, (inputs, train.y / scale), (targets, validation.y / scale))
        drawn = median_factors(_forward(network, targets), validation.y / scale, quantiles)
        _draw_medians(network, drawn)
        onnx = _export(self._plain(network, len(scaler.kept), train.y.shape[1]))
        trained, exported = _forward(network, targets), _forward(OnnxSession(onnx, "LSTMPredictor").run, targets)
        keras.utils.clear_session(free_memory=False)
        difference = _checked_difference(trained, exported)

        factors = conformal_factors(validation.y, exported, scale, quantiles)
        meta = describe("LSTMPredictor", train, validation, seed=self._training.seed, onnx_max_difference=difference)
        params: dict[str, Any] = {
            "sequence_length": int(inputs.window.shape[1]),
            "horizons_s": list(train.horizons_s),
            "quantiles": list(quantiles),
            "target_scale": scale,
            "conformal": [list(pair) for pair in factors],
            "scaler": scaler.to_dict(),
            "coverage": _coverage(validation.y, exported, scale, factors),
        }
        notes = _notes(history, scaler, params["coverage"], drawn, train.horizons_s)
        self._served = PriceForecaster(dataclasses.replace(meta, params=params, notes=notes), onnx)
        self._onnx, self.history = onnx, history

    def train(self, train: "Dataset", validation: "Dataset") -> None:
        """Same as `fit`."""
        self.fit(train, validation)

    def predict(self, ds: "Dataset") -> Floats:
        """Return (n, H, 3) log-returns, lower, median and upper, from the exported network."""
        return self._fitted().predict(ds)

    def save(self, directory: Path) -> None:
        """Write `meta.json` and `model.onnx`, all or nothing."""
        with writing(directory, self.meta) as folder:
            (folder / ONNX).write_bytes(self._onnx)

    def save_model(self, directory: Path) -> None:
        """Same as `save`."""
        self.save(directory)

    def build_model(self, n_features: int, n_horizons: int) -> Any:
        """Return the compiled Keras network, (n, sequence_length, n_features) to (n, n_horizons, 3) scaled quantiles."""
        _, keras = _load_tensorflow(self._training)
        keras.utils.set_random_seed(self._training.seed)
        layer = keras.layers.LSTM if self._training.use_gpu else _fused_layer()
        network = self._network(layer, n_features, n_horizons)
        # jit_compile: XLA knows no fused LSTM, and brought nothing where it does the loop
        network.compile(
            optimizer=keras.optimizers.Adam(self._training.learning_rate, clipnorm=1.0),
            loss=_pinball(keras, self._lstm.quantiles),
            jit_compile=False,
        )
        return network

    def _network(self, layer: Any, n_features: int, n_horizons: int) -> Any:
        import keras

        window = keras.Input((self._lstm.sequence_length, n_features), name="window")
        memory = window
        for i, units in enumerate(self._lstm.units, start=1):
            memory = layer(units, return_sequences=i < len(self._lstm.units), name=f"lstm_{i}")(memory)
        memory = keras.layers.Dropout(self._lstm.dropout, name="dropout")(memory)
        head = keras.layers.Dense(n_horizons * 3, kernel_initializer="zeros", name="head")(memory)
        line = keras.layers.Dense(n_horizons * 3, kernel_initializer="zeros", use_bias=False, name="line")(window[:, -1, :])
        raw = keras.layers.Reshape((n_horizons, 3), name="raw")(head + line)
        median, width = raw[:, :, 1:2], keras.ops.softplus(raw)
        quantiles = keras.ops.concatenate([median - width[:, :, 0:1], median, median + width[:, :, 2:3]], axis=-1)
        return keras.Model(window, quantiles, name="price")

    def _plain(self, network: Any, n_features: int, n_horizons: int) -> Any:
        """Return the same network of standard layers, which ONNX knows."""
        import keras

        plain = self._network(keras.layers.LSTM, n_features, n_horizons)
        plain.set_weights(network.get_weights())
        plain(np.zeros((1, self._lstm.sequence_length, n_features), np.float32))  # the export refuses a network that never ran
        return plain

    def _run(
        self, tensorflow: Any, network: Any, train: tuple[Windows, Floats], validation: tuple[Windows, Floats],
    ) -> dict[str, list[float]]:
        """Train until the validation rows see no more improvement; leave the best weights, those of the start included."""
        import keras

        chosen = spread_evenly(len(train[1]), self._lstm.max_samples)
        watched = spread_evenly(len(validation[1]), WATCHED_ROWS)
        x, y = validation[0].take(watched), validation[1][watched].astype(np.float32)
        batches = -(-len(chosen) // self._training.batch_size)
        together = min(FUSED_STEPS, batches)
        steps = min(EPOCH_BATCHES, batches) // together * together
        network.steps_per_execution = together
        some = chosen[spread_evenly(len(chosen), WATCHED_ROWS)]
        started = network.get_weights()
        starts = {
            "loss": network.evaluate(train[0].take(some), train[1][some].astype(np.float32), batch_size=CHUNK, verbose=0),
            "val_loss": network.evaluate(x, y, batch_size=CHUNK, verbose=0),
        }
        patience = self._training.patience
        fitted = network.fit(
            _batches(tensorflow, train[0], train[1].astype(np.float32), chosen, self._training),
            steps_per_epoch=steps,
            epochs=self._training.max_epochs,
            validation_data=(x, y),
            validation_batch_size=CHUNK,
            shuffle=False,  # the batches come shuffled
            verbose=0,
            callbacks=[
                keras.callbacks.EarlyStopping("val_loss", min_delta=MIN_DELTA, patience=patience, restore_best_weights=True),
                keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=max(1, patience // 3), min_delta=MIN_DELTA),
                keras.callbacks.TerminateOnNaN(),
            ],
        )
        history = {name: [float(start), *map(float, fitted.history[name])] for name, start in starts.items()}
        if not np.isfinite([*history["loss"], *history["val_loss"]]).all():
            raise TrainingDiverged(
                f"LSTMPredictor: the loss is not finite after {len(history['loss']) - 1} epochs; "
                f"lower ML_TRAINING__LEARNING_RATE (now {self._training.learning_rate:g})"
            )
        if min(history["val_loss"]) >= history["val_loss"][0] - MIN_DELTA:
            network.set_weights(started)
        return history

    def _fitted(self) -> PriceForecaster:
        if self._served is None:
            raise NotFitted("LSTMPredictor: predict before fit; call fit(train, validation) or load a saved one")
        return self._served

    def _check_amount(self, n_train: int, n_validation: int) -> None:
        if n_train + n_validation < self._lstm.min_samples:
            mend = "collect more, or set ML_LSTM__MIN_SAMPLES lower"
            raise NotEnoughData("labelled sequences", n_train + n_validation, self._lstm.min_samples, mend)
        if not n_validation:
            raise NotEnoughData("validation sequences", 0, 1)


def preload(training: TrainingConfig) -> None:
    """Import TensorFlow, which takes ten seconds, while something else is being waited for."""
    _load_tensorflow(training)


def _load_tensorflow(training: TrainingConfig) -> tuple[Any, Any]:
    """Import TensorFlow quietly, with few threads and reproducible arithmetic; the first call in a process sets the threads."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its sums differ from machine to machine
    import tensorflow

    tensorflow.get_logger().setLevel(logging.ERROR)
    with contextlib.suppress(RuntimeError):  # it has run before: then they stay as they were
        tensorflow.config.threading.set_intra_op_parallelism_threads(training.threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(training.threads)
        if not training.use_gpu:
            tensorflow.config.set_visible_devices([], "GPU")
    tensorflow.config.experimental.enable_op_determinism()
    import keras

    return tensorflow, keras


def _fused_layer() -> Any:
    """Return a Keras LSTM that runs all its steps in one kernel: the same weights, the same numbers, half the time."""
    import keras
    import tensorflow as tf

    class FusedLSTM(keras.layers.LSTM):  # type: ignore[misc]
        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
            i, f, c, o = tf.split(tf.concat([self.cell.kernel, self.cell.recurrent_kernel], axis=0), 4, axis=1)
            b_i, b_f, b_c, b_o = tf.split(self.cell.bias, 4)
            first = tf.zeros((tf.shape(sequences)[0], self.units))
            unused = tf.zeros((self.units,))
            # BlockLSTM, not BlockLSTMV2: TensorFlow 2.21 registers the gradient of the former for both, and the gates of
            # the latter are in another order, so that its gradients are wrong
            steps = tf.raw_ops.BlockLSTM(
                seq_len_max=tf.cast(tf.shape(sequences)[1], tf.int64),
                x=tf.transpose(sequences, [1, 0, 2]),
                cs_prev=first, h_prev=first,
                w=tf.concat([i, c, f, o], axis=1), b=tf.concat([b_i, b_c, b_f, b_o], axis=0),
                wci=unused, wcf=unused, wco=unused, use_peephole=False, forget_bias=0.0, cell_clip=-1.0,
            ).h
            return tf.transpose(steps, [1, 0, 2]) if self.return_sequences else steps[-1]

    return FusedLSTM


def _pinball(keras: Any, quantiles: tuple[float, ...]) -> Any:
    levels = np.array(quantiles, np.float32)

    def pinball(y: Any, predicted: Any) -> Any:
        error = keras.ops.expand_dims(y, -1) - predicted
        return keras.ops.mean(keras.ops.maximum(levels * error, (levels - 1.0) * error))

    return pinball


def _batches(tensorflow: Any, inputs: Windows, y: Float32s, chosen: NDArray[np.intp], training: TrainingConfig) -> Any:
    """Return batches without end: all chosen rows in random order, then again in another one."""
    rows, window, targets = (tensorflow.constant(part) for part in (inputs.rows, inputs.window[chosen], y[chosen]))
    numbers = tensorflow.data.Dataset.range(len(chosen)).shuffle(len(chosen), seed=training.seed).batch(training.batch_size).repeat()
    return numbers.map(
        lambda picked: (tensorflow.gather(rows, tensorflow.gather(window, picked)), tensorflow.gather(targets, picked))
    ).prefetch(1)


def _start_at_baseline(network: Any, start: Output) -> None:
    """Set the output layers, so that the untrained network answers like the baseline plus the line."""
    network.get_layer("line").set_weights([start.line.reshape(len(start.line), -1).astype(np.float32)])
    kernel = network.get_layer("head").get_weights()[0]
    network.get_layer("head").set_weights([kernel, start.bias.reshape(-1).astype(np.float32)])


def _draw_medians(network: Any, factors: list[float]) -> None:
    """Multiply each horizon's median by its factor; the interval moves along, its width stays."""
    for name in ("head", "line"):
        layer = network.get_layer(name)
        weights = [np.array(part) for part in layer.get_weights()]
        for part in weights:
            part.reshape(*part.shape[:-1], -1, 3)[..., 1] *= np.array(factors, np.float32)
        layer.set_weights(weights)


def _export(network: Any) -> bytes:
    """Return the network as ONNX."""
    quiet = logging.getLogger("tf2onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of numpy, about how keras asks for tf2onnx
            path = Path(folder) / ONNX
            network.export(str(path), format="onnx", verbose=False)
            return path.read_bytes()
    finally:
        quiet.setLevel(level)


def _forward(network: Any, inputs: Windows) -> Floats:
    """Return (n, H, 3) scaled quantiles of all rows, a chunk at a time."""
    chunks = [np.arange(start, min(start + CHUNK, len(inputs))) for start in range(0, len(inputs), CHUNK)]
    return np.concatenate([np.asarray(network(inputs.take(chunk)), np.float64) for chunk in chunks])


def _checked_difference(trained: Floats, exported: Floats) -> float:
    difference = float(np.abs(trained - exported).max())
    if not difference <= MAX_DIFFERENCE:  # also refuses NaN
        raise TrainingDiverged(
            f"LSTMPredictor: ONNX differs from Keras by {difference:.2g} standard deviations on {len(trained)} validation rows, "
            f"limit {MAX_DIFFERENCE:g}; check the versions of keras, tf2onnx and onnxruntime"
        )
    return difference


def _coverage(y: Floats, raw: Floats, scale: list[float], factors: list[tuple[float, float]]) -> dict[str, list[float]]:
    """Return per horizon the share of validation rows inside the interval, before and after it was conformalised."""
    found = {}
    for name, pairs in (("raw", [(1.0, 1.0)] * len(scale)), ("conformal", factors)):
        forecast = finish(raw, scale, pairs)
        found[name] = ((y >= forecast[:, :, 0]) & (y <= forecast[:, :, 2])).mean(axis=0).tolist()
    return found


def _notes(
    history: dict[str, list[float]],
    scaler: InputScaler,
    coverage: dict[str, list[float]],
    drawn: list[float],
    horizons_s: tuple[int, ...],
) -> tuple[str, ...]:
    best = int(np.argmin(history["val_loss"]))
    found = [f"best of {len(history['val_loss']) - 1} epochs: {best}" + ("" if best else ", the start: nothing more was to be learnt")]
    still = [f"{h} s" for h, factor in zip(horizons_s, drawn, strict=True) if factor == 0.0]
    if still:
        found.append(f"the median is no change at {', '.join(still)}: any other was worse on the validation rows")
    if scaler.dropped:
        found.append("left out: " + ", ".join(f"{name} ({why})" for name, why in scaler.dropped.items()))
    shares = ", ".join(f"{h} s {raw:.1%}" for h, raw in zip(horizons_s, coverage["raw"], strict=True))
    return (*found, f"validation rows inside the interval before it was conformalised: {shares}")
