"""The servers that tools/fuzz_ports.py attacks, and one exchange with them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from valid_inputs import CONFIG, FORMS, SITE, TICKET_KEY, VALID

from mockserver.cassettes.real_endpoint import Credentials
from mockserver.clock import SystemClock
from mockserver.contract.addresses import Backend
from mockserver.contract.request_check import LENIENT_NAMES
from mockserver.crash import Crash
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import SiteFront
from mockserver.functions.process import FunctionsProcess, InvocationRecord
from mockserver.harness.function_app import api_environment
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.journal.records import Records
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.swa.config import FILE_NAME
from mockserver.swa.personas import load_personas
from mockserver.swa.session import Sessions
from mockserver.swa.static_web_app import load_static_web_app
from mockserver.wire.server import Servers, bind, url_of

ROOT = Path(__file__).parents[1]
HANG_S, DEAD_S, IDLE_S = 2.0, 20.0, 0.03


class Wrong(Exception):  # noqa: N818  what is looked for
    """Something that should not happen: its kind, the last place in our code, and what is known of it."""

    def __init__(self, kind: str, place: str, detail: str = "") -> None:
        super().__init__(f"{kind} at {place}: {detail}")
        self.kind, self.place, self.detail = kind, place, detail


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent to a port, in pieces of one connection; `whole` says that the server owes an answer, `label` what it is."""

    label: str
    data: bytes
    whole: bool = True


class Rig:
    """The servers that are attacked, each started when it is needed first."""

    def __init__(self, exits: ExitStack) -> None:
        self.exits = exits
        self.folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        self.records: list[Records] = []
        self.told: list[InvocationRecord] = []
        self.upstream_answer = b""
        self.personas = load_personas()
        self.clock = SystemClock()
        self.sessions = Sessions("fuzz", self.clock)

    def counts(self) -> list[int]:
        """How many crashes each server has noted."""
        return [records.crash_count for records in self.records]

    def crash_since(self, counts: Sequence[int]) -> Crash | None:
        """The newest crash of a server that has noted one since."""
        for records, before in itertools.zip_longest(self.records, counts, fillvalue=0):
            if isinstance(records, Records) and records.crash_count > before:
                return records.crashes[-1]
        return None

    def forget(self) -> None:
        """Empty every journal and crash list, and let the clock go."""
        for records in self.records:
            records.clear()
            records.crashes.clear()
            records.crash_count = 0
        if "model" in self.__dict__:
            self.model.simulation.reset()
            self.model.clock.resume()

    @cached_property
    def model(self) -> ModelEndpoint:
        """A model that makes everything up, at no pace."""
        model = self.exits.enter_context(
            ModelEndpoint(
                ModelOptions(on_miss=OnMiss.GENERATE, speed=1e6, cassettes=(ROOT / "mockserver/data/cassettes",))
            )
        )
        self.records.append(model.simulation.journal.records)
        return model

    @cached_property
    def strict_model(self) -> ModelEndpoint:
        """A model that answers from recordings alone, within limits, and explains each miss."""
        options = ModelOptions(
            cassettes=(ROOT / "mockserver" / "data" / "cassettes",), speed=1e6, limits=("*=1000000rpm,1000000000tpm",)
        )
        model = self.exits.enter_context(ModelEndpoint(options))
        self.records.append(model.simulation.journal.records)
        return model

    @cached_property
    def lenient_model(self) -> ModelEndpoint:
        """A model that refuses nothing but what no answer can be made for."""
        options = ModelOptions(on_miss=OnMiss.GENERATE, speed=1e6, lenient=LENIENT_NAMES)
        model = self.exits.enter_context(ModelEndpoint(options))
        self.records.append(model.simulation.journal.records)
        return model

    @cached_property
    def recording_model(self) -> ModelEndpoint:
        """A model that records what the upstream answers."""
        options = ModelOptions(
            on_miss=OnMiss.RECORD,
            upstream=f"{self.upstream}/v1",
            any_key=True,
            cassettes=(self.folder / "made",),
            credentials=Credentials("x"),
            keep_errors=True,
        )
        os.environ.pop("CI", None)  # nothing is recorded there
        (self.folder / "made").mkdir()
        model = self.exits.enter_context(ModelEndpoint(options))
        self.records.append(model.simulation.journal.records)
        return model

    @cached_property
    def upstream(self) -> str:
        """A server that answers everything with `upstream_answer`."""
        listener = self.exits.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client, contextlib.suppress(OSError):
                    client.settimeout(1)
                    client.recv(1 << 16)
                    client.sendall(self.upstream_answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    @cached_property
    def site(self) -> int:
        """The port of a site with an API and guarded pages."""
        folder = self.folder / "site"
        (folder / "admin").mkdir(parents=True)
        (folder / "index.html").write_text("<title>x</title>")
        (folder / "data.bin").write_bytes(bytes(1000))
        rules = {
            "routes": [*CONFIG["routes"], {"route": "/api/x", "allowedRoles": ["anonymous"]}],
            "navigationFallback": CONFIG["navigationFallback"],
            "responseOverrides": CONFIG["responseOverrides"],
        }
        (folder / FILE_NAME).write_text(json.dumps(rules))
        site = load_static_web_app(
            folder, personas=self.personas, sessions=self.sessions, clock=self.clock, api_urls=(self.upstream,)
        )
        return self._serve(site)

    @cached_property
    def fenced_site(self) -> int:
        """The port of a site with every rule that a configuration can have, and roles from its API."""
        folder = self.folder / "fenced"
        folder.mkdir(exist_ok=True)
        (folder / "index.html").write_text("<title>x</title>")
        gateway = {"allowedForwardedHosts": ["x.example"]}
        rules = {
            **CONFIG,
            "forwardingGateway": gateway,
            "networking": {"allowedIpRanges": ["127.0.0.0/8", "AzureCloud"]},
        }
        rules["auth"] = {"rolesSource": "/api/roles", "identityProviders": {"azureActiveDirectory": {}}}
        (folder / FILE_NAME).write_text(json.dumps(rules))
        site = load_static_web_app(
            folder, personas=self.personas, sessions=self.sessions, clock=self.clock, api_urls=(self.upstream,)
        )
        return self._serve(site)

    @cached_property
    def dev_site(self) -> int:
        """The port of a site before a dev server."""
        (self.folder / "rules").mkdir()
        (self.folder / "rules" / FILE_NAME).write_text("{}")
        site = load_static_web_app(
            self.upstream,
            personas=self.personas,
            sessions=self.sessions,
            clock=self.clock,
            config=self.folder / "rules",
            api_urls=(),
        )
        return self._serve(site)

    def _serve(self, site: Any) -> int:
        records = Records()
        self.records.append(records)
        front, sock = SiteFront(create_app(site), site, records=records), bind(0, "the fuzzer")
        servers = Servers((front, sock), at_end=front.close, crashed=records.crashed)
        servers.start()
        self.exits.callback(servers.stop)
        return port_of(url_of(sock))

    @cached_property
    def functions(self) -> dict[str, int]:
        """The ports of our function app, behind the gate and direct."""
        records = Records()
        self.records.append(records)
        ports = {}
        for topology, more in (("linked", {"DIRECT_URL": "http://127.0.0.1:9"}), ("direct", {"DIRECT_URL": ""})):
            environment = {
                **api_environment(self.model, Backend.OPENAI),
                "TOPOLOGY": topology,
                "TICKET_KEY": TICKET_KEY,
                **more,
            }
            process = FunctionsProcess(
                ROOT / "api",
                port=0,
                environment=environment,
                options=("--cors", SITE),
                report=self.told.append,
                crashed=records.crashed,
            )
            self.exits.callback(process.stop)
            ports[topology] = port_of(process.wait_until_ready())
        return ports

    @cached_property
    def ids(self) -> list[str]:
        """The ids of stored objects, made once."""
        made: list[str] = []
        valid: tuple[tuple[str, dict[str, Any]], ...] = (
            ("responses", {**VALID["createResponse"][0], "store": True}),
            ("chat/completions", {**VALID["createChatCompletion"][0], "store": True}),
            ("conversations", {"items": [{"role": "user", "content": "x"}]}),
            ("vector_stores", {"name": "x"}),
        )
        for path, asked in valid:
            made.append(self._made(path, json.dumps(asked).encode(), b"application/json"))
        made.append(self._made("files", *form_of(FORMS["createFile"])))
        batch = {"input_file_id": made[-1], "endpoint": "/v1/responses", "completion_window": "24h"}
        made.append(self._made("batches", json.dumps(batch).encode(), b"application/json"))
        return made

    def _made(self, path: str, body: bytes, kind: bytes) -> str:
        port = port_of(self.model.url)
        sent = request_bytes(port, "POST", f"/v1/{path}", [b"content-type: " + kind], body)
        return str(json.loads(exchange(port, Sent(path, sent)).partition(b"\r\n\r\n")[2])["id"])

    @cached_property
    def simulation(self) -> Simulation:
        """A simulation that is called directly."""
        return Simulation(on_miss=OnMiss.GENERATE)


def port_of(url: str) -> int:
    """The port in a URL."""
    return int(url.rpartition(":")[2])


def request_bytes(port: int, method: str, target: str, headers: Sequence[bytes] = (), body: bytes = b"") -> bytes:
    """One whole request, after which the connection closes."""
    first = f"{method} {target} HTTP/1.1".encode("utf-8", "surrogatepass")
    lines = [
        first,
        b"host: 127.0.0.1:%d" % port,
        b"connection: close",
        b"authorization: Bearer any",
        b"api-key: any",
        b"content-length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])


def exchange(port: int, sent: Sent) -> bytes:
    """What comes back; of what is no whole request, only what comes at once.

    Raises:
        Wrong: a whole request is not answered in time.
    """
    answer = bytearray()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=DEAD_S / 2) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(sent.data)
            client.settimeout(DEAD_S / 2 if sent.whole else IDLE_S)
            while data := client.recv(1 << 16):
                answer += data
    except ConnectionError:
        pass
    except TimeoutError:
        if sent.whole:
            raise Wrong("no answer", sent.label, f"after {DEAD_S / 2:g} s") from None
    return bytes(answer)


def checked(port: int, sent: Sent, *, may_fail: bool = False) -> bytes:
    """As `exchange`; after half a request the server still has to answer a whole one.

    Raises:
        Wrong: it does not, or the answer is a 500.
    """
    answer = exchange(port, sent)
    if answer[9:12] == b"500" and not may_fail:
        raise Wrong("500", sent.label, answer.partition(b"\r\n\r\n")[2][:200].decode(errors="replace"))
    if not sent.whole and not exchange(
        port, Sent("the request after it", request_bytes(port, "GET", "/__odd"))
    ).startswith(b"HTTP/1.1"):
        raise Wrong("no answer", "the request after it")
    return answer


def form_of(fields: dict[str, str | bytes], boundary: bytes = b"b") -> tuple[bytes, bytes]:
    """A form's body and its content type."""
    parts = []
    for name, value in fields.items():
        file = b'; filename="a.jsonl"' if isinstance(value, bytes) else b""
        content = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        parts.append(
            b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
            % (boundary, name.encode("utf-8", "surrogatepass"), file, content)
        )
    return b"".join(parts) + b"--%b--\r\n" % boundary, b"multipart/form-data; boundary=" + boundary
