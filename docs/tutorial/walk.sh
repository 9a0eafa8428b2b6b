#!/bin/sh
# The whole path by hand: propose, card, approve, reserve, start, outcome, receipt. See walk.md beside this file.
# Needs curl, and node to read JSON. Exit code 1 at the first answer that is not what it should be.
set -eu

url=${EXEQUATUR_URL:-http://127.0.0.1:8080}
data=${EXEQUATUR_DATA_DIR:-$(dirname "$0")/../../.data}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

fail() { echo "walk: $1" >&2; exit 1; }

# field FILE PATH: one value of a JSON file, dots between the steps; fails when it is not there.
field() {
  node -e '
    const value = process.argv[2].split(".").reduce((inside, step) => inside?.[step], JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")));
    if (value === undefined || value === null) { console.error(`walk: ${process.argv[2]} is missing`); process.exit(1); }
    console.log(typeof value === "string" ? value : JSON.stringify(value));
  ' "$1" "$2"
}

# credential VARIABLE FIELD: from the environment, else from credentials.json of the data directory.
credential() {
  eval "given=\${$1:-}"
  if [ -n "$given" ]; then echo "$given"; return; fi
  [ -f "$data/credentials.json" ] || fail "no $data/credentials.json; start Exequatur with npm start, or set $1"
  field "$data/credentials.json" "$2"
}

agent=$(credential EXEQUATUR_AGENT agent)
approver=$(credential EXEQUATUR_APPROVER approver)
auditor=$(credential EXEQUATUR_AUDITOR auditor)
scope=$(credential EXEQUATUR_SCOPE scope_path)
run=walk-$(date +%s)-$$
key=0

# ask WHO METHOD PATH [BODY [HEADER …]]: sends, leaves the answer in $work/answer, its status in $status, its headers in $work/headers.
ask() {
  who=$1 method=$2 path=$3 body=${4:-}
  if [ $# -gt 4 ]; then shift 4; else set --; fi
  set -- -s -S -o "$work/answer" -D "$work/headers" -w '%{http_code}' --max-time 70 -X "$method" -H "authorization: Bearer $who" "$@"
  if [ "$method" = POST ]; then
    key=$((key + 1))
    set -- "$@" -H "idempotency-key: $run-$key"
    [ -z "$body" ] || set -- "$@" -H 'content-type: application/json' --data-binary "$body"
  fi
  status=$(curl "$@" "$url$path") || fail "no answer from $url; is Exequatur running?"
}

show() {
  echo "   $status $(node -e '
    const short = (value) => typeof value === "string" && value.length > 100 ? value.slice(0, 60) + "…" : Array.isArray(value) ? value.map(short) : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, short(inner)])) : value;
    console.log(JSON.stringify(short(JSON.parse(require("fs").readFileSync(process.argv[1], "utf8")))).slice(0, 900));
  ' "$work/answer")"
}

# expect STATUS WHAT: the last answer, shown, has this status.
expect() {
  show
  [ "$status" = "$1" ] || fail "$2: expected $1, got $status"
}

# is PATH VALUE: a field of the last answer.
is() {
  found=$(field "$work/answer" "$1")
  [ "$found" = "$2" ] || fail "$1 is $found, expected $2"
}

echo "1. The agent proposes to send a mail: POST /v1/actions"
ask "$agent" POST /v1/actions "{
  \"scope_path\": \"$scope\",
  \"run_id\": \"$run\",
  \"action_kind\": \"message.email.send\",
  \"tool\": { \"name\": \"mailer.send\", \"version\": \"1.0\" },
  \"target\": \"customer@example.com\",
  \"arguments\": { \"to\": \"customer@example.com\", \"subject\": \"Your offer\", \"text\": \"Here is the offer you asked for.\" },
  \"environment\": \"prod\",
  \"reasoning\": \"The customer asked for an offer this morning.\",
  \"reversal\": { \"reason\": \"A sent mail cannot be taken back.\" },
  \"execution_mode\": \"self\"
}"
expect 201 "proposing"
is verdict REQUIRE_APPROVAL
action=$(field "$work/answer" action_id)
approval=$(field "$work/answer" approval_id)

echo "2. A person reads the card: GET /v1/approvals/$approval"
tries=0
while ask "$approver" GET "/v1/approvals/$approval"; [ "$status" = 404 ]; do
  tries=$((tries + 1))
  [ $tries -lt 40 ] || fail "the request did not reach the queue"
  sleep 0.25
done
expect 200 "reading the card"
is status open
view=$(field "$work/answer" view_hash)
etag=$(sed -n 's/^[Ee][Tt][Aa][Gg]: *//p' "$work/headers" | tr -d '\r')
echo "   card: $(field "$work/answer" card.title)"

echo "3. The person approves what was seen: POST /v1/approvals/$approval/approve"
ask "$approver" POST "/v1/approvals/$approval/approve" "{ \"view_hash\": \"$view\", \"rationale\": \"Known customer, agreed wording\" }" -H "if-match: $etag"
expect 200 "approving"
is status granted

echo "4. The agent takes the grant: GET /v1/actions/$action/wait"
ask "$agent" GET "/v1/actions/$action/wait?timeout=30s"
expect 200 "waiting"
is status granted
grant=$(field "$work/answer" grant)
arguments=$(field "$work/answer" granted_arguments_hash)
target=$(field "$work/answer" target_hash)

echo "5. May exactly this run now? POST /v1/reservations"
use="{
  \"grant\": \"$grant\",
  \"execution_mode\": \"self\",
  \"scope_path\": \"$scope\",
  \"run_id\": \"$run\",
  \"action_kind\": \"message.email.send\",
  \"tool\": { \"name\": \"mailer.send\", \"version\": \"1.0\" },
  \"target_hash\": \"$target\",
  \"arguments_hash\": \"$arguments\",
  \"environment\": \"prod\"
}"
ask "$agent" POST /v1/reservations "$use"
expect 201 "reserving"
is status held
reservation=$(field "$work/answer" reservation_id)

echo "6. It is about to happen: POST /v1/reservations/$reservation/start"
ask "$agent" POST "/v1/reservations/$reservation/start"
expect 200 "starting"
is status started
echo "   (here the agent would send the mail)"

echo "7. It happened: POST /v1/reservations/$reservation/outcome"
ask "$agent" POST "/v1/reservations/$reservation/outcome" '{ "status": "SUCCEEDED", "provider_request_id": "walk" }'
expect 200 "reporting the outcome"
is status committed

echo "8. The same approval a second time: POST /v1/reservations"
ask "$agent" POST /v1/reservations "$use"
expect 409 "reserving again"
is code GRANT_EXHAUSTED

echo "9. The receipt: GET /v1/receipts/$action"
tries=0
while ask "$auditor" GET "/v1/receipts/$action"; [ "$status" = 404 ] || { [ "$status" = 200 ] && [ "$(field "$work/answer" outcome 2>/dev/null || true)" != executed ]; }; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || fail "the receipt did not become complete: $status $(cat "$work/answer")"
  sleep 0.25
done
expect 200 "reading the receipt"
echo "Walked: proposed, approved, reserved, run, committed, proven."
