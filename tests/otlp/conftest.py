"""A collector on loopback that decodes what it is sent, by OpenTelemetry's own definitions."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


@pytest.fixture
def collecting():
    """A collector on loopback: its address, and each request's path, headers and decoded body."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, dict(self.headers), KINDS[self.path].FromString(body)))
            self.send_response(server.answers)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers = 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, asked
    server.shutdown()
    server.server_close()
