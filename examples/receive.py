"""Receives the events of a subscription: TRUNKLINE_SIGNING_SECRET=whsec_… PORT=3000 python3 receive.py"""
import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["TRUNKLINE_SIGNING_SECRET"].removeprefix("whsec_"))
TOLERANCE_SECONDS = 300
# Ids that were already handled. Keep them in your database: an event may be delivered more than once.
handled = set()


def is_signed(headers, body):
    """Whether a delivery was signed with the secret within the last five minutes. `body` holds the bytes as they came."""
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdigit() or abs(time.time() - int(sent_at)) > TOLERANCE_SECONDS:
        return False
    content = f"{headers.get('webhook-id')}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    # While a secret is rotated, there are two signatures.
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not is_signed(self.headers, body):
            self.send_response(401)
            self.end_headers()
            return
        event = json.loads(body)
        if event["id"] not in handled:
            print(event["type"], json.dumps(event["data"]), flush=True)
        handled.add(event["id"])
        # Answer within 15 seconds. Anything but a 2xx is delivered again.
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 3000))), Receiver)
print("listening on port", server.server_port, flush=True)
server.serve_forever()
