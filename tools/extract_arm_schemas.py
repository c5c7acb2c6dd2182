"""Extracts infra/schemas.json, the schemas of our templates' resources, from Microsoft's own clients.

Their wheels are downloaded from the package registry, pinned by hash, and read without running them. The schemas contain
names, types, allowed values and required properties, but no prose. Unlike the schemas that Microsoft publishes, they are
closed: Azure does not know a property that they do not name. `--check` writes nothing, but fails if the file is not up to
date.
"""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "infra" / "schemas.json"
CACHE = ROOT / ".cache" / "arm"
#: The properties of every resource in a template, in addition to those that its provider defines.
_ENVELOPE = ("comments", "condition", "copy", "dependsOn", "scope", "apiVersion", "name", "type")
_READ_ONLY = frozenset({"id", "name", "type", "systemData", "etag"})
_PLAIN = {"str": "string", "bool": "boolean", "int": "integer", "float": "number"}


@dataclass(frozen=True, slots=True)
class Client:
    """A provider's client, and the model for each type of resource; `folder` is where the wheel has the models."""

    package: str
    version: str
    sha256: str
    folder: str
    models: dict[str, str]


CLIENTS = (
    Client(
        "azure-mgmt-web",
        "11.0.1",
        "de06c73ea9a9076cbdad3ed1b463438e004c20ec96fba1d06f8f0a838c002ab7",
        "azure/mgmt/web/models",
        {
            "Microsoft.Web/staticSites": "StaticSiteARMResource",
            "Microsoft.Web/staticSites/config": "StringDictionary",
            "Microsoft.Web/staticSites/linkedBackends": "StaticSiteLinkedBackendARMResource",
            "Microsoft.Web/serverfarms": "AppServicePlan",
            "Microsoft.Web/sites": "Site",
            "Microsoft.Web/sites/config": "StringDictionary",
            "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "CsmPublishingCredentialsPoliciesEntity",
        },
    ),
    Client(
        "azure-mgmt-cognitiveservices",
        "14.1.0",
        "3c0eecc00d183842a11d754f4f5c3328ff86f2d6c0a2b81b28dd7e073680258e",
        "azure/mgmt/cognitiveservices/models",
        {
            "Microsoft.CognitiveServices/accounts": "Account",
            "Microsoft.CognitiveServices/accounts/deployments": "Deployment",
        },
    ),
    Client(
        "azure-mgmt-storage",
        "25.3.0",
        "cb26707847202a4eb34d6d4ba621d9f4d0b322b2af1565da6109d2a1ec161b8e",
        "azure/mgmt/storage/models",
        {
            "Microsoft.Storage/storageAccounts": "StorageAccountCreateParameters",
            "Microsoft.Storage/storageAccounts/blobServices/containers": "BlobContainer",
        },
    ),
    Client(
        "azure-mgmt-keyvault",
        "14.1.0",
        "d4e2e459adbf2752f03fb14894d30595d4e26efb3edfb22c91486c73ea01f9a6",
        "azure/mgmt/keyvault/models",
        {
            "Microsoft.KeyVault/vaults": "VaultCreateOrUpdateParameters",
            "Microsoft.KeyVault/vaults/secrets": "SecretCreateOrUpdateParameters",
        },
    ),
    Client(
        "azure-mgmt-loganalytics",
        "14.0.0",
        "f8c9938c4d51a6f472e253e631f67ecb043fabf4e55ac79b1e1f299dc5e46b3d",
        "azure/mgmt/loganalytics/models",
        {"Microsoft.OperationalInsights/workspaces": "Workspace"},
    ),
    Client(
        "azure-mgmt-applicationinsights",
        "4.1.0",
        "9e71f29b01e505a773501451d12fd6a10482cf4b13e9ac2bff72f5380496d979",
        "azure/mgmt/applicationinsights/v2020_02_02/models",
        {"Microsoft.Insights/components": "ApplicationInsightsComponent"},
    ),
    Client(
        "azure-mgmt-authorization",
        "4.0.0",
        "d8feeb3842e6ddf1a370963ca4f61fb6edc124e8997b807dd025bc9b2379cd1a",
        "azure/mgmt/authorization/v2022_04_01/models",
        {"Microsoft.Authorization/roleAssignments": "RoleAssignmentCreateParameters"},
    ),
)


def main() -> None:
    """Write the schemas, or, with `--check`, compare them."""
    text = file_text(extract())
    if "--check" in sys.argv:
        sys.exit(
            None if SCHEMAS.read_text() == text else f"{SCHEMAS} is not up to date; run tools/{Path(__file__).name}"
        )
    SCHEMAS.write_text(text)
    print(f"{SCHEMAS.relative_to(ROOT)}  {len(text) // 1024} kB")


def file_text(schemas: dict[str, Any]) -> str:
    """The file's text: one line for each source and each definition."""
    sources = ",\n  ".join(json.dumps(source) for source in schemas["sources"])
    rows = ",\n  ".join(
        f"{json.dumps(name)}: {json.dumps(schemas['$defs'][name])}" for name in sorted(schemas["$defs"])
    )
    return f'{{"$schema": "{schemas["$schema"]}",\n "sources": [\n  {sources}],\n "$defs": {{\n  {rows}}}}}\n'


def extract() -> dict[str, Any]:
    """JSON Schema 2020-12: `$defs` has a definition for each type of resource and each model that it refers to."""
    definitions: dict[str, Any] = {}
    sources = []
    for client in CLIENTS:
        classes, enums = read(download(client), client.folder)
        models = Models(client.package.removeprefix("azure-mgmt-"), classes, enums, definitions)
        for resource, model in client.models.items():
            fields, required = models.fields(model)
            envelope: dict[str, Any] = dict.fromkeys(_ENVELOPE, True)
            required_names = sorted({"apiVersion", "name", "type", *required} - (_READ_ONLY - {"name", "type"}))
            definitions[resource] = closed(fields | envelope, required_names)
        sources.append({"package": client.package, "version": client.version, "sha256": client.sha256})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "sources": sources, "$defs": definitions}


def closed(fields: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": fields,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


@dataclass(frozen=True, slots=True)
class Models:
    """The models of one client; `definitions` collects those that are used."""

    prefix: str
    classes: dict[str, ast.ClassDef]
    enums: dict[str, list[str]]
    definitions: dict[str, Any]

    def fields(self, name: str) -> tuple[dict[str, Any], list[str]]:
        """A model's writable properties by their JSON names, with those of its bases; and the names of the required ones."""
        fields: dict[str, Any] = {}
        required: list[str] = []
        node = self.classes.get(name)
        for base in (base.id for base in node.bases if isinstance(base, ast.Name)) if node else ():
            base_fields, base_required = self.fields(base)
            fields, required = fields | base_fields, required + base_required
        for wire, schema, is_required in self._own(node) if node else ():
            top, _, inner = wire.partition(".")
            if inner:
                outer = fields.setdefault(top, closed({}, []))
                outer["properties"][inner] = schema
                if is_required:
                    outer["required"] = [*outer.get("required", ()), inner]
                continue
            fields[wire] = schema
            if is_required:
                required.append(wire)
        return fields, sorted(set(required))

    def _own(self, node: ast.ClassDef) -> Iterator[tuple[str, Any, bool]]:
        assigned = {_target(item): item.value for item in node.body if isinstance(item, ast.Assign)}
        if "_attribute_map" in assigned:
            yield from self._mapped(node, ast.literal_eval(assigned["_attribute_map"]), assigned.get("_validation"))
            return
        for item in node.body:
            if (
                isinstance(item, ast.AnnAssign)
                and isinstance(item.value, ast.Call)
                and isinstance(item.target, ast.Name)
            ):
                keywords = {
                    keyword.arg: ast.literal_eval(keyword.value)
                    for keyword in item.value.keywords
                    if keyword.arg in ("name", "visibility")
                }
                if keywords.get("visibility") != ["read"]:
                    required = not ast.unparse(item.annotation).startswith("Optional")
                    yield keywords.get("name", item.target.id), self.schema(item.annotation), required

    def _mapped(
        self, node: ast.ClassDef, names: dict[str, Any], validation: ast.expr | None
    ) -> Iterator[tuple[str, Any, bool]]:
        rules = ast.literal_eval(validation) if validation else {}
        init = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
        types = {argument.arg: argument.annotation for argument in init.args.kwonlyargs}
        for name, mapping in names.items():
            annotation, rule = types.get(name), rules.get(name, {})
            if annotation is not None and not rule.get("readonly"):
                yield mapping["key"].replace("\\\\.", "."), self.schema(annotation), bool(rule.get("required"))

    def schema(self, annotation: ast.expr) -> Any:
        """The schema of an annotated type; true where every value is allowed."""
        text = ast.unparse(annotation).replace('"', "").replace("'", "").replace("_models.", "")
        return self._typed(text)

    def _typed(self, text: str) -> Any:
        outer, _, rest = text.partition("[")
        inner = rest[:-1]
        if outer == "Optional":
            return self._typed(inner)
        if outer in ("list", "List"):
            return {"type": "array", "items": self._typed(inner)}
        if outer in ("dict", "Dict"):
            return {"type": "object", "additionalProperties": self._typed(inner.partition(", ")[2])}
        if outer == "Union":
            return self._typed(inner.rpartition(", ")[2])
        if outer in _PLAIN:
            return {"type": _PLAIN[outer]}
        if outer in self.enums:
            return {"enum": self.enums[outer]}
        if outer not in self.classes:
            return True
        key = f"{self.prefix}.{outer}"
        if key not in self.definitions:
            self.definitions[key] = {}  # a model may refer to itself
            self.definitions[key] = closed(*self.fields(outer))
        return {"$ref": f"#/$defs/{key}"}


def _target(node: ast.Assign) -> str:
    return node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""


def read(wheel: Path, folder: str) -> tuple[dict[str, ast.ClassDef], dict[str, list[str]]]:
    """The classes of a client's models, and the values of its enumerations."""
    classes: dict[str, ast.ClassDef] = {}
    enums: dict[str, list[str]] = {}
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            if not name.startswith(folder) or not name.endswith(".py"):
                continue
            for node in ast.parse(packed.read(name)).body:
                if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
                    enums[node.name] = [
                        item.value.value
                        for item in node.body
                        if isinstance(item, ast.Assign)
                        and isinstance(item.value, ast.Constant)
                        and isinstance(item.value.value, str)
                    ]
                elif isinstance(node, ast.ClassDef):
                    classes[node.name] = node
    return classes, enums


def download(client: Client) -> Path:
    """The client's wheel.

    Raises:
        SystemExit: the downloaded file does not have the pinned hash.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    pattern = f"{client.package.replace('-', '_')}-{client.version}-*.whl"
    if not list(CACHE.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "-d", str(CACHE), f"{client.package}=={client.version}"], check=True)
    wheel = next(CACHE.glob(pattern))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != client.sha256:
        sys.exit(f"{wheel} does not have the pinned SHA-256; delete it and try again")
    return wheel


if __name__ == "__main__":
    main()
