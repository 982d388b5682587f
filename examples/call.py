"""Sends an SOS to radio channel 1: python3 call.py alarm-4711"""
import json
import os
import sys
import time
import urllib.error
import urllib.request


def call(operation, data, idempotency_key):
    """Calls an operation. With the same key, within 24 hours, repeated requests are carried out once."""
    request = urllib.request.Request(
        f"{os.environ['TRUNKLINE_URL']}/v1/{operation}",
        method="POST",
        data=json.dumps(data).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['TRUNKLINE_KEY']}",
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key,
        },
    )
    for attempt in (1, 2, 3):
        wait = 2**attempt
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            if not problem["retryable"] or attempt == 3:
                raise RuntimeError(f"{problem['code']}: {problem['message']}") from None
            wait = int(error.headers.get("Retry-After", wait))
        except OSError:
            if attempt == 3:
                raise
        time.sleep(wait)


print(json.dumps(call("proptt2/demo/sendSosToChannel", {"channelId": 1}, (sys.argv + ["alarm-4711"])[1])))
