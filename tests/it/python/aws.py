"""The AWS CLI's own entry point, called again and again: each line of input is one call's arguments as JSON.

Each line of output is what came of it, `{"code": 0, "out": "…", "err": "…"}`. A process for each call would spend most of
its time on importing the CLI.
"""

import contextlib
import io
import json
import sys

import awscli.clidriver


class Text(io.TextIOWrapper):
    """A stream as the CLI expects one: text, with bytes below it."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self):
        return self.buffer.getvalue().decode()


for line in sys.stdin:
    out, err = Text(), Text()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.argv[1:] = json.loads(line)
        try:
            code = awscli.clidriver.main()
        except SystemExit as end:
            code = end.code
    print(json.dumps({"code": code or 0, "out": out.text(), "err": err.text()}), flush=True)
