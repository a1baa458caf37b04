"""Headless Chromium by the DevTools protocol over a pipe, and a server of static files. Standard
library only."""

import base64
import functools
import http.server
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import threading
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Only the first is needed for WebGPU on a software adapter; the others keep Chromium off the network.
FLAGS = (
    "--enable-unsafe-webgpu", "--headless", "--no-sandbox", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-quic",
    "--remote-debugging-pipe",
)


class Failed(Exception):
    """A check that did not pass."""


def find():
    return next((path for path in map(shutil.which, NAMES) if path), None)


def serve(folder):
    """Serves a folder; returns its address."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map = {".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html",
                          ".css": "text/css", "": "application/octet-stream"}

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/"


class Browser:
    """One Chromium with one page. Errors of the page, its console and its worker are in `errors`."""

    def __init__(self, *flags, window=(1200, 900)):
        self.profile = tempfile.mkdtemp()
        to_browser, self.out = os.pipe()
        self.inn, from_browser = os.pipe()

        def hand_over():
            # The protocol's descriptors are 3 and 4; these may lie in each other's way.
            first, second = os.dup(to_browser), os.dup(from_browser)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [find(), *FLAGS, f"--user-data-dir={self.profile}", f"--window-size={window[0]},{window[1]}", *flags, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=hand_over, close_fds=False)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.number, self.answers, self.errors, self.session = b"", 0, {}, [], None
        self.traced = None
        page = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.send(f"{domain}.enable")
        self.send("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.inn)
        shutil.rmtree(self.profile, ignore_errors=True)

    def send(self, method, wait=60, **params):
        self.number += 1
        mine = self.number
        message = {"id": mine, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + wait
        while mine not in self.answers:
            self.listen(end - time.monotonic(), method)
        answer = self.answers.pop(mine)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def listen(self, seconds, what):
        if seconds <= 0 or not select.select([self.inn], [], [], seconds)[0]:
            raise Failed(f"no answer to {what}")
        piece = os.read(self.inn, 1 << 20)
        if not piece:
            raise Failed(f"Chromium ended at {what}")
        self.buffer += piece
        *whole, self.buffer = self.buffer.split(b"\0")
        for text in whole:
            self.heard(json.loads(text))

    def heard(self, message):
        method, params = message.get("method"), message.get("params", {})
        if "id" in message:
            self.answers[message["id"]] = message
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Tracing.dataCollected":
            self.traced += params["value"]
        elif method == "Tracing.tracingComplete":
            self.tracing = False
        elif method == "Target.attachedToTarget" and params["targetInfo"]["type"] == "worker":
            # Its console belongs to the page's. Nobody waits for the answer.
            self.number += 1
            hear = {"id": self.number, "method": "Runtime.enable", "sessionId": params["sessionId"]}
            os.write(self.out, json.dumps(hear).encode() + b"\0")

    def open(self, url):
        self.errors.clear()
        self.send("Page.navigate", url=url)

    def run(self, script, wait=60):
        """The value of an expression in the page; a promise is waited for."""
        answer = self.send("Runtime.evaluate", wait=wait, expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failed(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def until(self, script, wait=180):
        """Waits until an expression is true."""
        end = time.monotonic() + wait
        while time.monotonic() < end:
            try:
                value = self.run(script)
            except Failed as error:
                # In between two pages there is nothing to ask.
                if "context" not in str(error):
                    raise
                value = None
            if value:
                return value
            time.sleep(0.1)
        raise Failed(f"not within {wait} s: {script}; errors: {self.errors}; {self.run('document.body.innerText')[:600]}")

    def choose(self, selector, *files):
        """Puts files into an input."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(f) for f in files])

    def mouse(self, *points):
        """Presses at the first point, moves along, releases at the last."""
        for at, (x, y) in enumerate(points):
            kind = "mouseMoved" if at else "mousePressed"
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        x, y = points[-1]
        self.send("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)

    def key(self, key, code, modifiers=0):
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    def download(self, folder, name, script, wait=60):
        """Runs a script that downloads a file of this name; returns its path."""
        path = pathlib.Path(folder) / name
        self.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.run(script)
        end = time.monotonic() + wait
        while not path.is_file():
            if time.monotonic() > end:
                raise Failed(f"{name} was not downloaded")
            self.run("1")
            time.sleep(0.05)
        return path

    def drag(self, x, y, *files):
        """Drops files or folders, as a file manager does."""
        data = {"items": [], "files": [str(f) for f in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def whole(self, method, **params):
        """Sends to the browser instead of the page."""
        page, self.session = self.session, None
        try:
            return self.send(method, **params)
        finally:
            self.session = page

    def trace(self):
        """Records tasks until `longest_task`."""
        self.traced, self.tracing = [], True
        self.whole("Tracing.start", transferMode="ReportEvents",
                   traceConfig={"includedCategories": ["disabled-by-default-devtools.timeline", "toplevel", "blink.user_timing"], "excludedCategories": ["*"]})

    def longest_task(self):
        """Milliseconds of CPU of the longest task of the page's main thread since `trace`, and how long
        it took with what else the machine did."""
        # Chromium has pages of its own: the mark tells which thread is this one's.
        self.run("performance.mark('traced')")
        self.whole("Tracing.end")
        end = time.monotonic() + 60
        while self.tracing:
            self.listen(end - time.monotonic(), "Tracing.end")
        place = next(((e["pid"], e["tid"]) for e in self.traced if e["name"] == "traced"), None)
        tasks = [e for e in self.traced if e["name"] == "RunTask" and "tdur" in e and (e["pid"], e["tid"]) == place]
        if not tasks:
            raise Failed("the trace has no task of the main thread")
        most = max(tasks, key=lambda e: e["tdur"])
        self.traced = None
        return most["tdur"] / 1000, most["dur"] / 1000

    def crash_gpu(self):
        """Ends the GPU process, as a driver's fault does."""
        self.whole("Browser.crashGpuProcess")

    def gpu_memory(self):
        """Bytes that the GPU process has in memory (Linux)."""
        mine = {self.process.pid}
        for _ in range(3):
            for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
                try:
                    pid, parent = int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
                if parent in mine:
                    mine.add(pid)
        for pid in mine:
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"--type=gpu-process" in line:
                return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        raise Failed("there is no GPU process")

    def look(self, path, width, height, dark=False):
        """A picture of the whole page at a size."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        picture = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))
        self.send("Emulation.clearDeviceMetricsOverride")
