"""Extracts infra/schemas.json: what Azure takes of each kind of resource in our templates, from Microsoft's own clients.

Their wheels are fetched from the package registry, pinned by hash, and read without being run. Only names, types, allowed
values and what is required are kept, no prose. Unlike the schemas that Microsoft publishes, what is written here is closed:
a property that is not named is one that Azure does not know. `--check` writes nothing and says whether the file is what
this would write.
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
#: What a resource in a template has beside what its provider defines.
_ENVELOPE = ("comments", "condition", "copy", "dependsOn", "scope", "apiVersion", "name", "type")
_READ_ONLY = frozenset({"id", "name", "type", "systemData", "etag"})
_PLAIN = {"str": "string", "bool": "boolean", "int": "integer", "float": "number"}


@dataclass(frozen=True, slots=True)
class Client:
    """A client for one provider, and which of its models describe which resource; `folder` is where those stand in the wheel."""

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
    text = written(extracted())
    if "--check" in sys.argv:
        sys.exit(None if SCHEMAS.read_text() == text else f"{SCHEMAS} is not what {Path(__file__).name} would write")
    SCHEMAS.write_text(text)
    print(f"{SCHEMAS.relative_to(ROOT)}  {len(text) // 1024} kB")


def written(schemas: dict[str, Any]) -> str:
    """The file: a line for each source and each definition."""
    sources = ",\n  ".join(json.dumps(each) for each in schemas["sources"])
    rows = ",\n  ".join(
        f"{json.dumps(name)}: {json.dumps(schemas['$defs'][name])}" for name in sorted(schemas["$defs"])
    )
    return f'{{"$schema": "{schemas["$schema"]}",\n "sources": [\n  {sources}],\n "$defs": {{\n  {rows}}}}}\n'


def extracted() -> dict[str, Any]:
    """JSON Schema 2020-12: under `$defs` a definition for every kind of resource and for every model it reaches."""
    definitions: dict[str, Any] = {}
    sources = []
    for client in CLIENTS:
        classes, enums = read(fetched(client), client.folder)
        models = Models(client.package.removeprefix("azure-mgmt-"), classes, enums, definitions)
        for resource, model in client.models.items():
            fields, required = models.fields(model)
            envelope: dict[str, Any] = dict.fromkeys(_ENVELOPE, True)
            needed = sorted({"apiVersion", "name", "type", *required} - (_READ_ONLY - {"name", "type"}))
            definitions[resource] = closed(fields | envelope, needed)
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
    """The models of one client; `definitions` collects those that were asked for."""

    prefix: str
    classes: dict[str, ast.ClassDef]
    enums: dict[str, list[str]]
    definitions: dict[str, Any]

    def fields(self, name: str) -> tuple[dict[str, Any], list[str]]:
        """What a model's writable properties are by their names on the wire, its bases' included, and which it cannot be without."""
        fields: dict[str, Any] = {}
        required: list[str] = []
        node = self.classes.get(name)
        for base in (each.id for each in node.bases if isinstance(each, ast.Name)) if node else ():
            more, needed = self.fields(base)
            fields, required = fields | more, required + needed
        for wire, schema, needs in self._own(node) if node else ():
            top, _, inner = wire.partition(".")
            if inner:
                within = fields.setdefault(top, closed({}, []))
                within["properties"][inner] = schema
                within |= {"required": [*within.get("required", ()), inner]} if needs else {}
            else:
                fields[wire] = schema
            required += [wire] if needs and not inner else []
        return fields, sorted(set(required))

    def _own(self, node: ast.ClassDef) -> Iterator[tuple[str, Any, bool]]:
        mapped = {_target(each): each.value for each in node.body if isinstance(each, ast.Assign)}
        if "_attribute_map" in mapped:
            yield from self._mapped(node, ast.literal_eval(mapped["_attribute_map"]), mapped.get("_validation"))
            return
        for each in node.body:
            if (
                isinstance(each, ast.AnnAssign)
                and isinstance(each.value, ast.Call)
                and isinstance(each.target, ast.Name)
            ):
                said = {
                    word.arg: ast.literal_eval(word.value)
                    for word in each.value.keywords
                    if word.arg in ("name", "visibility")
                }
                if said.get("visibility") != ["read"]:
                    needs = not ast.unparse(each.annotation).startswith("Optional")
                    yield said.get("name", each.target.id), self.schema(each.annotation), needs

    def _mapped(
        self, node: ast.ClassDef, names: dict[str, Any], validation: ast.expr | None
    ) -> Iterator[tuple[str, Any, bool]]:
        rules = ast.literal_eval(validation) if validation else {}
        made = next(each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
        types = {each.arg: each.annotation for each in made.args.kwonlyargs}
        for name, said in names.items():
            annotation = types.get(name)
            if annotation is not None and not rules.get(name, {}).get("readonly"):
                yield (
                    said["key"].replace("\\\\.", "."),
                    self.schema(annotation),
                    bool(rules.get(name, {}).get("required")),
                )

    def schema(self, annotation: ast.expr) -> Any:
        """The schema of an annotated type; true where anything goes."""
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
            self.definitions[key] = {}  # a model may hold its like
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
                        each.value.value
                        for each in node.body
                        if isinstance(each, ast.Assign)
                        and isinstance(each.value, ast.Constant)
                        and isinstance(each.value.value, str)
                    ]
                elif isinstance(node, ast.ClassDef):
                    classes[node.name] = node
    return classes, enums


def fetched(client: Client) -> Path:
    """The client's wheel.

    Raises:
        SystemExit: what was fetched is not what was pinned.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    pattern = f"{client.package.replace('-', '_')}-{client.version}-*.whl"
    if not list(CACHE.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "-d", str(CACHE), f"{client.package}=={client.version}"], check=True)
    wheel = next(CACHE.glob(pattern))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != client.sha256:
        sys.exit(f"{wheel} is not the file that was pinned; delete it and try again")
    return wheel


if __name__ == "__main__":
    main()
