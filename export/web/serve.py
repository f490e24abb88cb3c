"""Serve the page, and an exported student as its models/, on this machine only.

npm install --prefix export/web
python export/web/serve.py out/permuted_mnist/export
"""

import argparse
import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent
NEEDED = ("model.json", "classifier.onnx", "decoder.onnx")


class Handler(SimpleHTTPRequestHandler):
    """The files of the page, and three files of the model."""

    extensions_map = {  # noqa: RUF012, an instance variable in the base class
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".onnx": "application/octet-stream",
    }

    def __init__(self, *arguments: Any, models: Path, **options: Any) -> None:
        self.models = models
        super().__init__(*arguments, directory=str(PAGE), **options)

    def translate_path(self, path: str) -> str:
        """Map models/... to the exported student, and everything else to the page."""
        name = path.split("?")[0].removeprefix("/models/")
        if path.startswith("/models/"):
            return str(self.models / name) if name in NEEDED else str(PAGE / "nothing")
        return super().translate_path(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("models", type=Path, help="a folder that export_student wrote")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    missing = [name for name in NEEDED if not (arguments.models / name).is_file()]
    runtime = PAGE / "node_modules" / "onnxruntime-web"
    if missing:
        print(f"serve: {arguments.models} holds no {', '.join(missing)}", file=sys.stderr)
        return 2
    if not runtime.is_dir():
        print(f"serve: first run: npm install --prefix {PAGE}", file=sys.stderr)
        return 2
    handler = functools.partial(Handler, models=arguments.models)
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
