"""The compose file says nothing that the code or Compose would not understand; no container engine is needed to see that."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from arbml.settings import known_names

COMPOSE: dict[str, Any] = yaml.safe_load(Path("docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("setup", "scheduler", "service")

# the part of the Compose specification that the file uses
SCHEMA = {
    "type": "object",
    "required": ["services"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {}},
    "properties": {
        "volumes": {"type": "object"},
        "services": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "anyOf": [{"required": ["image"]}, {"required": ["build"]}],
                "properties": {
                    "image": {"type": "string", "pattern": r"^[\w./-]+:[\w.-]+$"},
                    "build": {"type": "string"},
                    "command": {"type": "array", "items": {"type": "string"}},
                    "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                    "volumes": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+:/"}},
                    "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
                    "restart": {"enum": ["unless-stopped", "no"]},
                    "healthcheck": {"type": "object", "required": ["test", "interval", "retries"]},
                    "depends_on": {
                        "type": "object",
                        "additionalProperties": {"properties": {"condition": {"enum": ["service_started", "service_healthy"]}}},
                    },
                },
            },
        },
    },
}


def test_the_file_has_the_shape_that_compose_reads() -> None:
    jsonschema.validate(COMPOSE, SCHEMA)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_exists(name: str) -> None:
    service = SERVICES[name]
    for other, how in service.get("depends_on", {}).items():
        assert other in SERVICES
        assert how["condition"] == "service_started" or "healthcheck" in SERVICES[other]
    for volume in service.get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"]
    if "build" in service:
        assert (Path(service["build"]) / "Dockerfile").is_file()


@pytest.mark.parametrize("name", OURS)
def test_our_services_use_settings_and_commands_that_exist(name: str) -> None:
    service = SERVICES[name]
    assert set(service["environment"]) - set(known_names()) == {"PREFECT_API_URL"}
    help_text = Path("README.md").read_text()
    assert f"arbml {service['command'][0]}" in help_text


def test_no_password_is_written_down() -> None:
    for value in re.findall(r"PASSWORD: (.*)", Path("docker-compose.yml").read_text()):
        assert value.startswith("${POSTGRES_PASSWORD:?")


def test_pinned_servers_are_the_versions_that_the_lock_pins() -> None:
    lock = Path("requirements.lock").read_text()
    assert f"prefect=={SERVICES['prefect']['image'].split(':')[1].split('-')[0]} " in lock
    (version,) = re.findall(r"mlflow==([\d.]+)", Path("mlflow/Dockerfile").read_text())
    assert f"\nmlflow=={version} " in lock
