"""The learning half of an arbitrage bot: collect, validate, train, promote on evidence, serve.

The classes live in their packages (`arbml.features.FeatureExtractor`, `arbml.models.LSTMPredictor` and so on);
this module only names the version, so that importing it costs nothing.
"""

__version__ = "0.1.0"
