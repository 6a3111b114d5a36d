"""Runs, versions and aliases: the only door to MLflow, which is loaded on first use and not by importing this.

MLflow keeps everything in SQLite under `<home>/mlflow`, or on the server that `RegistryConfig.tracking_uri` names. Of its
vocabulary arbml uses runs, versions and the two aliases `champion` (serves) and `challenger` (competes); never stages.
"""

from arbml.registry.provenance import Process
from arbml.registry.registry import Registry
from arbml.registry.run import RunLog
from arbml.registry.versions import CHALLENGER, CHAMPION, KINDS, Action, Event, Version, lineage, model_name

__all__ = ["CHALLENGER", "CHAMPION", "KINDS", "Action", "Event", "Process", "Registry", "RunLog", "Version", "lineage", "model_name"]
