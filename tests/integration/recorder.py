"""A webhook receiver that remembers what it was told and when, and answers as it is told to."""
import http.server
import json
import threading
import time


class Recorder:
    def __init__(self, port=0):
        self.rows = []  # (time of the answer, monotonic; record)
        self.status = 200
        self.headers = {}   # of answers that are not 200
        self.refused = []   # times of those
        self.answers = []   # statuses of the next requests, before `status` counts
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = recorder.answers.pop(0) if recorder.answers else recorder.status
                if status != 200:
                    recorder.refused.append(time.monotonic())
                else:
                    now = time.monotonic()
                    recorder.rows.extend((now, record) for record in (body if isinstance(body, list) else [body]))
                self.send_response(status)
                for name, value in recorder.headers.items() if status != 200 else ():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a peer that was killed

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self, **fields):
        """All records that have these values, in the order in which they came."""
        return [record for _, record in list(self.rows)
                if all(record.get(name) == value for name, value in fields.items())]

    def states(self, **fields):
        return [record["state"] for record in self.told(**fields)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
