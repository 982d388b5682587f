#!/bin/sh
# Sends an SOS to radio channel 1.
# The key names this alarm: repeating the request with the same key, within 24 hours, sends nothing twice.
set -eu
curl --fail-with-body --silent --show-error --max-time 30 --retry 3 --retry-connrefused \
  -X POST "$TRUNKLINE_URL/v1/proptt2/demo/sendSosToChannel" \
  -H "Authorization: Bearer $TRUNKLINE_KEY" \
  -H "Content-Type: application/json" \
  -H "Idempotency-Key: ${1:-alarm-4711}" \
  -d '{"channelId": 1}'
echo
