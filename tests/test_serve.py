"""`export/web/serve.py`: the files of the page and of one student, to this machine, and no more."""

import http.client
import sys
import threading

import pytest
from checks import ROOT, run_here

sys.path.insert(0, str(ROOT / "export/web"))
import serve

SERVED = ["/", "/index.html", "/app.js", "/style.css", "/models/model.json", "/app.js?v=2"]
RUNTIME = "/node_modules/onnxruntime-web/dist"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    page, models = tmp_path_factory.mktemp("page"), tmp_path_factory.mktemp("models")
    names = [*serve.PARTS, "serve.py", "package.json", f".{RUNTIME}/ort.wasm.min.mjs"]
    names += [f".{RUNTIME}/ort.wasm", f".{RUNTIME}/ort.map", f".{RUNTIME}/../package.json"]
    for folder, files in ((page, names), (models, [*serve.MODELS, "other.txt"])):
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
    with serve.make_server(page, models, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, path, host="127.0.0.1:{port}", method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    if host:
        connection.putheader("Host", host.format(port=server.server_port))
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


@pytest.mark.parametrize("path", [*SERVED, f"{RUNTIME}/ort.wasm.min.mjs", f"{RUNTIME}/ort.wasm"])
def test_the_page_and_its_model_are_served(path, server):
    answer, content = get(server, path)
    name = path.split("?")[0].rpartition("/")[2] or "index.html"
    assert answer.status == 200 and content.decode().endswith(name)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/serve.py",
        "/package.json",
        "/models/",
        "/models",
        "/models/other.txt",
        "/models/../serve.py",
        "/models/%2e%2e/serve.py",
        "/../export_student.py",
        "/node_modules/",
        f"{RUNTIME}/",
        f"{RUNTIME}/ort.map",
        f"{RUNTIME}/../package.json",
        "http://elsewhere/serve.py",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_else_is(path, method, server):
    answer, _ = get(server, path, method=method)
    assert answer.status == 404
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}"])
def test_this_machine_is_answered_by_each_of_its_names(host, server):
    assert get(server, "/models/model.json", host)[0].status == 200


@pytest.mark.parametrize(
    "host",
    [None, "elsewhere.example:{port}", "localhost", "localhost:1", "localhost.example:{port}"],
)
def test_another_host_is_refused(host, server):
    answer, content = get(server, "/models/model.json", host)
    assert answer.status == 421 and b"model.json" not in content


def test_a_folder_without_a_student_is_one_line(tmp_path):
    done = run_here("export/web/serve.py", tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "holds no model.json, classifier.onnx, decoder.onnx" in done.stderr
