"""A web server on this machine that behaves well or badly, as it is told."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_PIECE = 100  # bytes sent at a time


class Server:
    """Offers `data` at `url`, and keeps the Range of each request in `ranges`.

    It sends `declared` as the length (-1 for none), cuts its first `cuts` answers off after `cut` bytes, waits
    `pause_s` after each 100 bytes, and answers with the status `then` once it has cut often enough. Without `resumes`
    it ignores Range; with `wrong_range` it begins elsewhere than it was asked to.
    """

    def __init__(
        self,
        data: bytes,
        *,
        resumes: bool = True,
        wrong_range: bool = False,
        declared: int | None = None,
        cut: int = 0,
        cuts: int = 0,
        pause_s: float = 0.0,
        then: int = 200,
    ) -> None:
        self.data, self.resumes, self.wrong_range, self.declared = data, resumes, wrong_range, declared
        self.cut, self.cuts, self.pause_s, self.then = cut, cuts, pause_s, then
        self.ranges: list[str | None] = []
        self.sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/toy.onnx"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.socket.close()  # server_close would wait for answers nobody reads any more

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: object) -> None: ...

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        cutting = len(self.ranges) <= self.cuts
        if self.then != 200 and not cutting:
            request.send_error(self.then)
            return
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.resumes else 0
        if first and first >= len(self.data):
            request.send_error(416)
            return
        if first and self.wrong_range:
            first -= 1
        body = self.data[first:]
        request.send_response(206 if first else 200)
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(self.data) - 1}/{len(self.data)}")
        if self.declared != -1:
            request.send_header("Content-Length", str(self.declared or len(body)))
        request.end_headers()
        body = body[: self.cut] if cutting else body
        try:
            for start in range(0, len(body), _PIECE):
                request.wfile.write(body[start : start + _PIECE])
                self.sent += _PIECE
                time.sleep(self.pause_s)
        except OSError:  # whoever asked has gone
            request.close_connection = True
