"""Writes the service's OpenAPI document as TypeScript types: `python -m tests.examples.openapi_types`."""

from pathlib import Path
from typing import Any

from bentos.door import Door
from bentos.http import build_app

TARGET = Path(__file__).parents[2] / "examples" / "typescript" / "schema.ts"


def typescript() -> str:
    """Return the types of all requests (by path) and answers (by name) as a module."""
    document = build_app(Door()).openapi()
    parts = ["// Made from the service's /openapi.json by python -m tests.examples.openapi_types; do not edit."]
    for path, operations in document["paths"].items():
        schema = operations["post"]["requestBody"]["content"]["application/json"]["schema"]
        name = "".join(word.title() for word in path[1:].split("_")) + "Request"
        parts.append(f"/** POST {path}: {_line(schema.get('description', ''))} */\nexport type {name} = {_type(schema, '')};")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"/** {_line(schema.get('description', ''))} */\nexport interface {name} {_type(schema, '')}")
    return "\n\n".join(parts) + "\n"


def _type(schema: dict[str, Any], indent: str) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(_type(one, indent) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"Array<{_type(schema['items'], indent)}>"
    if kind == "object":
        return _object(schema, indent)
    return {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}[str(kind)]


def _object(schema: dict[str, Any], indent: str) -> str:
    if "properties" not in schema:
        inner = schema.get("additionalProperties", True)
        return f"Record<string, {_type(inner, indent) if isinstance(inner, dict) else 'never'}>"
    needed = set(schema.get("required", ()))
    lines = []
    for name, one in schema["properties"].items():
        said = _line(one.get("description", ""))
        lines += [f"{indent}  /** {said} */"] if said else []
        lines.append(f"{indent}  {name}{'' if name in needed else '?'}: {_type(one, indent + '  ')};")
    return "{\n" + "\n".join(lines) + f"\n{indent}}}" if lines else "Record<string, never>"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("*/", "* /")


if __name__ == "__main__":
    TARGET.write_text(typescript(), encoding="utf-8")
