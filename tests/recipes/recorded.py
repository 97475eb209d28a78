"""Run a script as it is, and write down what it exports: `python recorded.py SCRIPT RECORD`.

Every call of the OTLP exporter becomes a line of RECORD: a JSON list of the spans it was given, read from the SDK's
objects before anything is encoded, with all their fields. A span that is posted twice is there twice. Runs with the
packages of the script's environment alone.

No connection leaves the machine: one that is tried to elsewhere fails, and its address is a line `{"refused": …}`.
"""

import ipaddress
import json
import runpy
import sys

SCRIPT, RECORD = sys.argv[1:]


def write(line):
    with open(RECORD, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def is_local(host):
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def stay_here(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not is_local(host):
        write({"refused": str(host)})
        raise OSError(f"{event} to {host}: this script talks to this machine alone")


sys.addaudithook(stay_here)

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: E402  # after the hook


def attributes_of(attributes):
    return {key: list(value) if isinstance(value, tuple) else value for key, value in (attributes or {}).items()}


def fields(span):
    scope = span.instrumentation_scope
    return {
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
        "parent_span_id": "" if span.parent is None else f"{span.parent.span_id:016x}",
        "parent_is_remote": span.parent is not None and span.parent.is_remote,
        "trace_state": span.context.trace_state.to_header(),
        "name": span.name,
        "kind": span.kind.name,
        "start": span.start_time,
        "end": span.end_time,
        "status": span.status.status_code.name,
        "status_message": span.status.description or "",
        "attributes": attributes_of(span.attributes),
        "events": [
            {
                "name": event.name,
                "time": event.timestamp,
                "attributes": attributes_of(event.attributes),
                "dropped_attributes": event.attributes.dropped if event.attributes else 0,
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": f"{link.context.trace_id:032x}",
                "span_id": f"{link.context.span_id:016x}",
                "trace_state": link.context.trace_state.to_header(),
                "is_remote": link.context.is_remote,
                "attributes": attributes_of(link.attributes),
                "dropped_attributes": link.attributes.dropped if link.attributes else 0,
            }
            for link in span.links
        ],
        "dropped": [span.dropped_attributes, span.dropped_events, span.dropped_links],
        "resource": attributes_of(span.resource.attributes),
        "resource_schema_url": span.resource.schema_url,
        "scope": scope.name,
        "scope_version": scope.version or "",
        "scope_schema_url": scope.schema_url or "",
        "scope_attributes": attributes_of(scope.attributes),
    }


export = OTLPSpanExporter.export


def recorded_export(self, spans):
    write([fields(span) for span in spans])
    return export(self, spans)


OTLPSpanExporter.export = recorded_export
sys.argv = [SCRIPT]
runpy.run_path(SCRIPT, run_name="__main__")
