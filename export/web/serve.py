"""Serve the page, and an exported student as its models/, to browsers on this machine only.

npm install --prefix export/web
python export/web/serve.py out/permuted_mnist/export
"""

import argparse
import functools
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PAGE = Path(__file__).parent
PARTS = ("index.html", "app.js", "pad.js", "pixels.js", "style.css", "verdict.js")
MODELS = ("model.json", "classifier.onnx", "decoder.onnx")
RUNTIME = "node_modules/onnxruntime-web/dist"
HOSTS = ("localhost", "127.0.0.1", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may do: run its own scripts and WebAssembly, and fetch from here."""


def served_files(page: Path, models: Path) -> dict[str, Path]:
    """List all that is served.

    Args:
        page: The folder of the page, with onnxruntime-web installed.
        models: A folder that `export_student` wrote.

    Returns:
        The files by the path of their address.
    """
    runtime = [p for p in (page / RUNTIME).glob("ort*") if p.suffix in (".mjs", ".wasm")]
    return {
        "/": page / "index.html",
        **{f"/{name}": page / name for name in PARTS},
        **{f"/{RUNTIME}/{path.name}": path for path in runtime},
        **{f"/models/{name}": models / name for name in MODELS},
    }


class Handler(SimpleHTTPRequestHandler):
    """Certain files and nothing else, for requests that name this machine as their host.

    A page of another site can have its own name resolved to this machine; its requests then bear
    that name.
    """

    server: ThreadingHTTPServer
    extensions_map = {  # noqa: RUF012, an instance variable in the base class
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".onnx": "application/octet-stream",
    }

    def __init__(self, *arguments: Any, files: Mapping[str, Path], **options: Any) -> None:
        self.files = files
        super().__init__(*arguments, **options)

    def send_head(self) -> Any:
        """Refuse another host, and what is not among the files."""
        port = self.server.server_port
        own = [f"{name}:{port}" for name in HOSTS]
        if self.headers["Host"] not in (own if port != 80 else [*own, *HOSTS]):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        if urlsplit(self.path).path not in self.files:
            return self.send_error(HTTPStatus.NOT_FOUND)
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """Map an address to its file."""
        return str(self.files[urlsplit(path).path])

    def end_headers(self) -> None:
        """Add the policy to every answer."""
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()


def make_server(page: Path, models: Path, port: int) -> ThreadingHTTPServer:
    """Make a server of the page on this machine.

    Args:
        page: As in `served_files`.
        models: As in `served_files`.
        port: The port; 0 takes a free one.

    Returns:
        The server, which listens and does not answer yet.
    """
    handler = functools.partial(Handler, files=served_files(page, models))
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("models", type=Path, help="a folder that export_student wrote")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    missing = [name for name in MODELS if not (arguments.models / name).is_file()]
    if missing:
        print(f"serve: {arguments.models} holds no {', '.join(missing)}", file=sys.stderr)
        return 2
    if not (PAGE / RUNTIME).is_dir():
        print(f"serve: first run: npm install --prefix {PAGE}", file=sys.stderr)
        return 2
    try:
        server = make_server(PAGE, arguments.models, arguments.port)
    except (OSError, OverflowError) as error:
        print(f"serve: port {arguments.port}: {error}", file=sys.stderr)
        return 2
    with server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
