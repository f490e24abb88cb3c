"""The page in headless Chromium: it draws, answers as ONNX Runtime does, and dreams."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_ccl as ccl
from keras_ccl.export.formats import open_onnx

ROOT = Path(__file__).parents[2]
CHROMIUM, DRIVER, NPM = (shutil.which(name) for name in ("chromium", "chromedriver", "npm"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER and NPM), reason="needs chromium, chromedriver and npm"
    ),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A student learnt here, or that of the folder that KERAS_CCL_EXPORT names."""
    if named := os.environ.get("KERAS_CCL_EXPORT"):
        return Path(named)
    folder = tmp_path_factory.mktemp("web") / "out"
    data = ccl.datasets.load("mnist")
    model = ccl.CCLGM((28, 28, 1), 10, latent_dim=8, prior_components=2, seed=0)
    model.fit_tasks([tuple(part[:3000] for part in data.train)], epochs=3, verbose=0)
    ccl.export_student(model, folder, formats="onnx", examples=data.test)
    return folder


@pytest.fixture(scope="module")
def address(exported, tmp_path_factory):
    """The served page, in a copy with onnxruntime-web installed."""
    web = tmp_path_factory.mktemp("page") / "web"
    shutil.copytree(ROOT / "export" / "web", web, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run([NPM, "ci", "--prefix", web], check=True, capture_output=True)
    command = [sys.executable, web / "serve.py", exported, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    yield server.stdout.readline().strip()
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def browser(address):
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=390,844",  # a phone's
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as driver:
        driver.get(address)
        wait(driver, "return Boolean(window.student)")
        yield driver


def wait(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60).until(lambda d: d.execute_script(condition))


def element(driver, name):
    return driver.find_element("id", name)


def draw(driver, strokes):
    """Draw with the mouse: strokes are lists of offsets from the middle of the pad.

    Returns:
        the input and the answer of the whole drawing, as `settled` gives them.
    """
    from selenium.webdriver import ActionChains

    element(driver, "clear").click()
    wait(driver, "return student.last.answer === null")
    pad = element(driver, "pad")
    for first, *others in strokes:
        actions = ActionChains(driver).move_to_element_with_offset(pad, *first).click_and_hold()
        for point in others:
            actions = actions.move_to_element_with_offset(pad, *point)
        actions.release().perform()
    wait(driver, "return student.last.answer !== null")
    return settled(driver)


def settled(driver):
    """The last input and answer, once the page has caught up with the drawing."""
    from selenium.webdriver.support.ui import WebDriverWait

    seen = []

    def same_twice(d):
        seen.append(d.execute_script("return student.last"))
        return len(seen) > 1 and seen[-1] == seen[-2]

    WebDriverWait(driver, 60, poll_frequency=0.3).until(same_twice)
    return seen[-1]


ONE = [[(0, -90), (0, 0), (0, 90)]]
ZERO = [[(0, -90), (60, -50), (60, 50), (0, 90), (-60, 50), (-60, -50), (0, -90)]]
SEVEN = [[(-60, -80), (60, -80), (-10, 90)]]


def test_a_stroke_changes_the_prediction(browser):
    labels = []
    for strokes in (ONE, ZERO):
        found = draw(browser, strokes)
        labels.append(int(np.argmax(found["answer"]["probabilities"])))
        assert element(browser, "answer").text.startswith(f"{labels[-1]}, ")
        assert element(browser, "familiarity").text.endswith("nats")
    assert labels == [1, 0]


def test_the_numbers_are_those_of_onnx_runtime(browser, exported):
    found = draw(browser, ZERO)
    x = np.array(found["input"], np.float32).reshape(1, 28, 28, 1)
    assert x.min() >= 0 and x.max() > 0.9
    expected = open_onnx(exported / "classifier.onnx")(x)
    for name, value in expected.items():
        np.testing.assert_allclose(found["answer"][name], value.ravel(), rtol=1e-4, atol=1e-4)
    element(browser, "from-drawing").click()
    wait(browser, "return Math.abs(student.last.z[0] - student.last.answer.latent_mean[0]) < 0.03")
    found = settled(browser)
    z = np.array([found["z"]], np.float32)
    dreamt = open_onnx(exported / "decoder.onnx")(z)
    np.testing.assert_allclose(found["dream"]["x"], dreamt["x"].ravel(), atol=1e-4)
    np.testing.assert_allclose(
        found["dream"]["probabilities"], dreamt["probabilities"].ravel(), atol=1e-4
    )


def test_a_slider_moves_the_dream(browser):
    from selenium.webdriver.common.keys import Keys

    before = settled(browser)["dream"]["x"]
    browser.find_elements("css selector", "#sliders input")[0].send_keys(Keys.ARROW_RIGHT * 20)
    wait(browser, f"return student.last.dream.x[400] !== {before[400]}")
    assert settled(browser)["dream"]["x"] != before


def test_it_draws_by_keyboard(browser):
    from selenium.webdriver.common.keys import Keys

    pad = element(browser, "pad")
    pad.send_keys("c")
    wait(browser, "return student.last.answer === null")
    pad.send_keys(Keys.ARROW_UP * 9, " ", Keys.ARROW_DOWN * 18, " ")
    wait(browser, "return student.last.answer !== null")
    assert int(np.argmax(settled(browser)["answer"]["probabilities"])) == 1


def test_a_picture_of_the_page(browser, tmp_path):
    """What docs/web.png is; the command stands beside it in docs/deployment.md."""
    phone = browser.get_window_size()
    browser.set_window_size(1240, 720)
    draw(browser, SEVEN)
    element(browser, "from-drawing").click()
    settled(browser)
    browser.execute_script("window.scrollTo(0, 0)")
    assert browser.save_screenshot(tmp_path / "web.png")
    assert browser.execute_script("return window.innerWidth") > 1000
    browser.set_window_size(phone["width"], phone["height"])


def test_nothing_is_wider_than_a_phone_and_nothing_fails(browser):
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= browser.execute_script("return window.innerWidth")
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
