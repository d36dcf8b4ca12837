"""Run the Autobahn test suite's cases against a WebSocket address.

    python conformance.py URL CASE...

Prints a line of JSON for each case: its id, the verdict on its messages, the verdict on its close, the close code that came,
and the runner's words on each verdict.
"""

import asyncio
import json
import sys

from kosoku import FailureError, run_fuzzingclient


async def main(url, *cases):
    try:
        results = await run_fuzzingclient(url, cases=cases, concurrency=4)
    except FailureError as failure:
        results = failure.results
    for result in results:
        verdict = result.behavior.value, result.behavior_close.value
        words = result.result, result.result_close
        print(json.dumps([result.case_id, *verdict, result.remote_close_code, *words]))


asyncio.run(main(*sys.argv[1:]))
