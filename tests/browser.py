"""A browser without a window that runs scripts in a page, by the protocol of Chromium's developer tools."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--remote-debugging-pipe",
    "--autoplay-policy=no-user-gesture-required",
)
_SEPARATOR = b"\0"


class Tab:
    """One page. `failures` holds errors and warnings of the console, `requests` what was asked of the network."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._numbers, self._session, self._unread = count(1), "", b""
        self.failures: list[str] = []
        self.requests: list[str] = []

    def open(self, page: Path) -> None:
        """Open an HTML file and wait until it is loaded."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self._ask(f"{domain}.enable")
        self._ask("Page.navigate", url=page.as_uri())
        self.run(
            "if (document.readyState !== 'complete') await new Promise((done) => addEventListener('load', done));"
        )

    def run(self, script: str) -> Any:
        """Return the value of the body of an asynchronous function.

        Raises:
            RuntimeError: If it throws.
        """
        given = {"expression": f"(async () => {{ {script} }})()", "awaitPromise": True, "returnByValue": True}
        found = self._ask("Runtime.evaluate", **given, userGesture=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + _SEPARATOR)
        while (answer := self._read()).get("id") != number:
            self._note(answer.get("method"), answer.get("params", {}))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        while _SEPARATOR not in self._unread:
            more = os.read(self._answers, 2**16)
            if not more:
                raise RuntimeError("the browser has ended")
            self._unread += more
        message, _, self._unread = self._unread.partition(_SEPARATOR)
        return dict(json.loads(message))

    def _note(self, event: str | None, about: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.failures.append(str(about["exceptionDetails"]))
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.failures.append(about["entry"]["text"])
        elif event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.failures.append(str(about["args"]))
        elif event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])


@contextmanager
def opened(page: Path, profile: Path) -> Iterator[Tab]:
    """Open a page in a new browser, which is ended with the block.

    Args:
        page: The HTML file.
        profile: A folder for what the browser keeps.
    """
    (to_read, commands), (answers, to_write) = os.pipe(), os.pipe()
    # Its ends must be the descriptors 3 and 4, which other files may have here.
    ends = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (to_read, to_write)]
    process = subprocess.Popen(
        [str(PROGRAM), *_FLAGS, f"--user-data-dir={profile}"],
        close_fds=False,
        preexec_fn=lambda: [os.dup2(one, place) for one, place in zip(ends, (3, 4), strict=True)],
        stderr=subprocess.DEVNULL,
    )
    for one in (to_read, to_write, *ends):
        os.close(one)
    try:
        tab = Tab(commands, answers)
        tab.open(page)
        yield tab
    finally:
        os.close(commands)  # the browser ends
        os.close(answers)
        process.terminate()
        process.wait()
