#!/usr/bin/env python3
"""A second verifier of exports, written apart from apps/audit-verify and sharing nothing with it.

It checks bytes, hashes, Merkle proofs, signatures, tree heads, witnesses and the services' own counts, in one pass. What the
events mean (the invariants on authority and budgets) is the other verifier's. Standard library, and the package `cryptography`
where there is one; else Ed25519 in pure Python.

usage: verify_export.py --trusted-keys FILE [--tree-head FILE ...] [--witness KEY ...] EXPORT [EXPORT ...]
Prints one JSON object a line: {"export", "result": valid|invalid|incomplete, "places": [leaf, ...], "findings": [[leaf|null, why], ...]}
Exit code: 0 all valid, 1 one is invalid, 2 one is incomplete or cannot be read.
"""

import argparse
import base64
import hashlib
import json
import re
import sys

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    def ed25519_verify(public_key, message, signature):
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
            return True
        except (InvalidSignature, ValueError):
            return False
except ImportError:
    from ed25519 import verify as ed25519_verify

SERVICES = ("policy", "approvals", "reservations", "executor", "audit")
# Who may publish on a context; the two types every service may publish stand below.
OWNER = {"actions": "policy", "policies": "policy", "directory": "policy", "approvals": "approvals", "reservations": "reservations", "executions": "executor", "audit": "audit"}
OWN_CONTEXT = {"policy": "directory", "approvals": "approvals", "reservations": "reservations", "executor": "executions", "audit": "audit"}
STREAM_HEADS = "dev.exequatur.audit.StreamHeadsPublished.v1"
TREE_HEAD = "dev.exequatur.audit.TreeHeadPublished.v1"
KEY_ROTATED = "dev.exequatur.audit.SigningKeyRotated.v1"
ANYBODY = {STREAM_HEADS, KEY_ROTATED, "dev.exequatur.audit.EventQuarantined.v1"}
RETENTION_ENDED = "dev.exequatur.audit.RetentionEnded.v1"
TOPIC_OWNER = {"exequatur.%s.v1" % context: service for context, service in OWNER.items()}
UNKNOWN_KEY = "signed by no key of its service"
# Leaves that wait for the rotation that explains their key; more of them are no log.
MOST_WAITING = 10000
TYPE = re.compile(r"dev\.exequatur\.([a-z]+)\.[A-Za-z]+\.v[0-9]+")
PATH = re.compile(r"(0|[1-9][0-9]{0,14})/(0|[1-9][0-9]{0,14}):([A-Za-z0-9_,-]*)")
HEAD_FIELDS = {"format", "tenant", "tree_head", "keys", "log_key", "created_at"}
LEAF_FIELDS = {"sequence", "bytes_b64", "path", "signature", "key_id", "ordinal", "topic"}
END_FIELDS = {"end", "leaves", "tree_heads", "digest", "signature"}


class Wrong(Exception):
    """What is read is not what it claims to be."""


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(data):
    return sha256(b"\x00" + data)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def strict_b64(text, urlsafe=False):
    try:
        if urlsafe:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            again = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        else:
            data = base64.b64decode(text, validate=True)
            again = base64.b64encode(data).decode()
    except (ValueError, TypeError, AttributeError) as error:
        raise Wrong("no base64") from error
    if again != text:
        raise Wrong("not written as base64 writes it")
    return data


def no_duplicates(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Wrong("a name stands twice")
    return result


def parse(text):
    try:
        value = json.loads(text, object_pairs_hook=no_duplicates, parse_constant=lambda name: (_ for _ in ()).throw(Wrong(name)))
    except (ValueError, RecursionError) as error:
        raise Wrong("no JSON") from error
    if not isinstance(value, dict):
        raise Wrong("no object")
    return value


def canonical(value):
    # Enough for what is signed here: flat objects of ASCII names, text and small counts.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def root_of_inclusion(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        return None
    fn, sn, root = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            root = node_hash(sibling, root)
            while fn and not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            root = node_hash(root, sibling)
        fn >>= 1
        sn >>= 1
    return root if sn == 0 else None


class Tree:
    """Grows leaf by leaf and knows its root: one hash for each bit of its size."""

    def __init__(self):
        self.size = 0
        self.parts = []

    def add(self, leaf):
        size, merged = self.size, leaf
        while size & 1:
            merged = node_hash(self.parts.pop(), merged)
            size >>= 1
        self.parts.append(merged)
        self.size += 1

    def root(self):
        if not self.parts:
            return sha256(b"")
        root = self.parts[-1]
        for part in reversed(self.parts[:-1]):
            root = node_hash(part, root)
        return root


class Roots:
    """Roots over the first leaves of a log that only grows; cheap where the sizes asked for rise."""

    def __init__(self, hashes):
        self.hashes, self.tree, self.known = hashes, Tree(), {}

    def at(self, size):
        if size not in self.known:
            if size < self.tree.size:
                self.tree = Tree()
            for place in range(self.tree.size, size):
                self.tree.add(self.hashes[place])
            self.known[size] = self.tree.root()
        return self.known[size]


class Line:
    """What a line says by itself. Of several exports of one log most lines are the same, and are read once."""

    __slots__ = ("value", "data", "canonical", "hash", "event", "vouched")

    def __init__(self, value):
        self.value, self.canonical = value, True
        self.data = self.hash = self.event = self.vouched = None


class Keys:
    """Pinned keys, and those that rotations in one log lead to. What counts is a key's place among its service's events."""

    def __init__(self, trusted):
        self.by_name = {}
        for service, keys in trusted.items():
            for key in keys:
                self.by_name[(service, key["kid"])] = strict_b64(key["jwk"]["x"], True)
        self.rotations = {}
        self.uses = {}
        self.verified = set()

    def for_a_log(self):
        """A log's rotations are its own; what was verified with a pinned key stays so."""
        own = Keys({})
        own.by_name, own.verified = dict(self.by_name), self.verified
        return own

    def named(self, service):
        return [(kid, key) for (owner, kid), key in self.by_name.items() if owner == service]

    def end_of(self, service, kid):
        return next((each for each in self.rotations.get(service, []) if each["from"] == kid), None)

    def rotate(self, said, tenant, service, signed_by, ordinal, place):
        """What is wrong with a rotation, or None."""
        earlier = self.rotations.setdefault(service, [])
        old, new = said["old_key_id"], said["new_key_id"]
        if said["service"] != service or old != signed_by or old == new:
            return "it is not the key's own"
        if any(each["from"] in (old, new) or each["to"] == new for each in earlier):
            return "one of its keys was rotated before"
        old_key, new_key = self.by_name[(service, old)], strict_b64(said["new_key"], True)
        message = pae(b"application/vnd.exequatur.key-rotation+json", canonical({"new_key": said["new_key"], "new_key_id": new, "old_key_id": old, "service": service, "tenant": tenant}))
        if len(new_key) != 32 or new_key == old_key or not ed25519_verify(old_key, message, strict_b64(said["old_signature"], True)) or not ed25519_verify(new_key, message, strict_b64(said["new_signature"], True)):
            return "the old and the new key did not both sign it"
        if self.by_name.get((service, new), new_key) != new_key:
            return "another key is pinned under this name"
        self.by_name[(service, new)] = new_key
        earlier.append({"from": old, "to": new, "ordinal": ordinal, "place": place})
        return None

    def misplaced(self):
        """(service, ordinal) of events that a key signed outside its time."""
        for service, uses in self.uses.items():
            rotations = sorted(self.rotations.get(service, []), key=lambda each: each["ordinal"])
            current = rotations[0]["from"] if rotations else min(uses, key=lambda kid: min(uses[kid]))
            periods, after = {}, 0
            for each in rotations:
                if each["from"] == current:
                    periods[current] = (after, each["ordinal"])
                    current, after = each["to"], each["ordinal"]
            periods[current] = (after, float("inf"))
            for kid, ordinals in uses.items():
                low, high = periods.get(kid, (float("inf"), 0))
                for ordinal in ordinals:
                    if not low < ordinal <= high:
                        yield service, ordinal, kid

    def origin_fault(self, data, leaf, tenant, service):
        if "path" not in leaf or "signature" not in leaf or "key_id" not in leaf:
            return "no proof of origin"
        match = PATH.fullmatch(leaf["path"])
        if match is None:
            return "its path is none"
        index, size = int(match.group(1)), int(match.group(2))
        path = [strict_b64(each, True) for each in match.group(3).split(",")] if match.group(3) else []
        if any(len(each) != 32 for each in path):
            return "its path is none"
        root = root_of_inclusion(leaf_hash(data), index, size, path)
        if root is None:
            return "its path leads nowhere"
        key = self.by_name.get((service, leaf["key_id"]))
        if key is None:
            return UNKNOWN_KEY
        payload = canonical({"root": "sha256:" + root.hex(), "service": service, "size": size, "tenant": tenant})
        remembered = (key, leaf["signature"], payload)
        if remembered in self.verified:
            return None
        if not ed25519_verify(key, pae(b"application/vnd.exequatur.batch-root+json", payload), strict_b64(leaf["signature"], True)):
            return "its signature is wrong"
        self.verified.add(remembered)
        return None


def note_parts(note):
    border = note.rfind("\n\n")
    if border < 0 or not note.endswith("\n"):
        raise Wrong("no note")
    lines = []
    for line in note[border + 2 : -1].split("\n"):
        match = re.fullmatch("\u2014 (\\S+) (\\S+)", line)
        if match is None:
            raise Wrong("no signature line")
        data = strict_b64(match.group(2))
        if len(data) < 5:
            raise Wrong("no signature line")
        lines.append((match.group(1), data[:4], data[4:]))
    return note[: border + 1], lines


def key_id(name, kind, key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


def open_head(note, origin, keys):
    """Size and root of a tree head, up to the rotation of the key that signed it."""
    text, lines = note_parts(note)
    for name_of_key, key in keys.named("audit"):
        own = [data for name, kid, data in lines if name == origin and kid == key_id(origin, 1, key)]
        if own and all(ed25519_verify(key, text.encode(), data) for data in own):
            parts = text[:-1].split("\n")
            if len(parts) < 3 or parts[0] != origin or not re.fullmatch("0|[1-9][0-9]{0,15}", parts[1]):
                raise Wrong("no tree head of this log")
            root = strict_b64(parts[2])
            if len(root) != 32:
                raise Wrong("no root")
            ended = keys.end_of("audit", name_of_key)
            if ended is not None and int(parts[1]) > ended["place"]:
                raise Wrong("signed by a key that leaf %d rotated out" % ended["place"])
            return int(parts[1]), root
    raise Wrong("not signed by the log")


def cosigned(note, name, key):
    text, lines = note_parts(note)
    for signer, kid, data in lines:
        if signer == name and kid == key_id(name, 4, key) and len(data) == 72:
            seconds = int.from_bytes(data[:8], "big")
            if ed25519_verify(key, b"cosignature/v1\ntime %d\n%s" % (seconds, text.encode()), data[8:]):
                return True
    return False


def read_witness(text):
    name, kid, encoded = text.strip().split("+", 2)
    data = strict_b64(encoded)
    if len(data) != 33 or data[0] != 4 or key_id(name, 4, data[1:]).hex() != kid:
        raise Wrong("no key of a witness")
    return name, data[1:]


class Export:
    """One pass over the lines of one export."""

    def __init__(self, keys, known_heads, witnesses, lines, learns=True):
        self.lines, self.learns = lines, learns
        self.keys, self.known_heads, self.witnesses = keys.for_a_log(), known_heads, witnesses
        self.findings = []
        self.digest = hashlib.sha256()
        self.hashes = []
        self.roots = Roots(self.hashes)
        self.ids, self.ordinals = {}, {}
        self.waiting, self.counters = [], []
        self.pruned, self.may_be_pruned = set(), set()
        self.stream_heads = {}
        self.heads, self.end, self.header = [], None, None
        self.witnessed = {name: 0 for name, _ in witnesses}
        # Leaves under the largest head that held: by the heads of the export, and by those that others kept.
        self.good = {"own": 0, "known": 0}

    def wrong(self, leaf, why):
        self.findings.append([leaf, why])

    def run(self, lines):
        for number, line in enumerate(lines):
            text = line.rstrip(b"\n")
            value = {}
            try:
                read = self.lines.get(text) or Line(parse(text.decode("utf-8")))
                value = read.value
                self.line(number, read)
                if self.learns and read.event is not None and read.canonical:
                    self.lines[text] = read
            except (Wrong, UnicodeDecodeError) as error:
                if number == 0:
                    return "incomplete"
                self.wrong(len(self.hashes) if not self.heads else None, "line %d: %s" % (number + 1, error))
                value = {}
            if "end" not in value:
                self.digest.update(text)
                self.digest.update(b"\n")
        if self.header is None:
            return "incomplete"
        self.finish()
        if self.findings:
            return "invalid"
        return "valid" if all(size == len(self.hashes) for size in self.witnessed.values()) else "incomplete"

    def line(self, number, read):
        value = read.value
        if self.end is not None:
            raise Wrong("it follows the end")
        if number == 0:
            if value.get("format") != "exequatur-export/1" or set(value) - HEAD_FIELDS or not isinstance(value.get("tenant"), str):
                raise Wrong("no header of an export")
            self.header = value
            self.tenant = value["tenant"]
            self.origin = "exequatur/" + self.tenant.replace("+", "%2B")
        elif "leaf_hash" in value:
            if self.heads:
                raise Wrong("a leaf after the tree heads")
            self.pruned_leaf(value)
        elif "bytes_b64" in value or "sequence" in value:
            if self.heads:
                raise Wrong("a leaf after the tree heads")
            self.leaf(read)
        elif set(value) == {"tree_head"}:
            self.heads.append(value["tree_head"])
            self.head(value["tree_head"], "tree head %d" % len(self.heads))
        elif value.get("end") == "exequatur-export" and set(value) == END_FIELDS:
            self.end = value
        else:
            raise Wrong("no line of an export")

    def pruned_leaf(self, leaf):
        """A leaf whose bytes are no longer kept: its hash holds its place."""
        place, service = len(self.hashes), TOPIC_OWNER.get(leaf.get("topic"))
        if set(leaf) - {"sequence", "leaf_hash", "ordinal", "topic"} or re.fullmatch("sha256:[0-9a-f]{64}", leaf["leaf_hash"]) is None:
            raise Wrong("no leaf")
        if leaf.get("sequence") != place:
            self.wrong(place, "it is numbered %s" % leaf.get("sequence"))
        self.hashes.append(bytes.fromhex(leaf["leaf_hash"][7:]))
        self.pruned.add(place)
        ordinal, own = leaf.get("ordinal"), self.ordinals.setdefault(service, {})
        if service is None or not isinstance(ordinal, int) or ordinal < 1 or ordinal in own:
            self.wrong(place, "its bytes are gone, and it has no place of its own among the events of a service")
        else:
            own[ordinal] = place

    def leaf(self, read):
        leaf, place = read.value, len(self.hashes)
        if read.event is None and (set(leaf) - LEAF_FIELDS or not isinstance(leaf.get("bytes_b64"), str) or not all(isinstance(leaf.get(name, ""), str) for name in ("path", "signature", "key_id", "topic"))):
            raise Wrong("no leaf")
        if leaf.get("sequence") != place or isinstance(leaf.get("sequence"), bool):
            self.wrong(place, "it is numbered %s" % leaf.get("sequence"))
        if read.event is None:
            try:
                read.data = strict_b64(leaf["bytes_b64"])
            except Wrong as error:
                self.wrong(place, str(error))
                read.canonical = False
                read.data = base64.b64decode(leaf["bytes_b64"] + "===")
            read.hash = leaf_hash(read.data)
        self.hashes.append(read.hash)
        self.judge(place, read)

    def judge(self, place, read, final=False):
        try:
            self.event(place, read, final)
        except (Wrong, UnicodeDecodeError, KeyError, TypeError) as error:
            self.wrong(place, "no event: %s" % error)

    def origin_fault(self, read, service):
        """As of its keys; a line that a key vouched for before is not hashed and verified again."""
        key = self.keys.by_name.get((service, read.value.get("key_id")))
        if read.vouched is not None and read.vouched == (self.tenant, service, key):
            return None
        fault = self.keys.origin_fault(read.data, read.value, self.tenant, service)
        if fault is None:
            read.vouched = (self.tenant, service, key)
        return fault

    def event(self, place, read, final):
        leaf = read.value
        if read.event is None:
            event = parse(read.data.decode("utf-8"))
            source = re.fullmatch("/tenants/([^/]+)/services/([a-z]+)", event["source"])
            kind = TYPE.fullmatch(event["type"])
            if source is None or kind is None or source.group(2) not in SERVICES:
                raise Wrong("it names no service or no type")
            read.event = event, source.group(1), source.group(2), kind.group(1)
        event, tenant, service, said_context = read.event
        fault = self.origin_fault(read, service)
        if fault == UNKNOWN_KEY and not final and len(self.waiting) < MOST_WAITING:
            self.waiting.append((place, read))
            return
        if tenant != self.tenant or event["tenant"] != self.tenant:
            self.wrong(place, "an event of tenant %s" % event["tenant"])
        context = OWN_CONTEXT[service] if event["type"] in ANYBODY else said_context
        if event["type"] not in ANYBODY and OWNER.get(said_context) != service:
            self.wrong(place, "%s may not say this" % service)
        if leaf["topic"] != "exequatur.%s.v1" % context:
            self.wrong(place, "it was taken from %s" % leaf["topic"])
        if fault is not None:
            self.wrong(place, fault)
            return
        if event["type"] == TREE_HEAD:
            self.wrong(place, "the log contains one of its own tree heads")
        if event["id"] in self.ids:
            self.wrong(place, "its id is that of leaf %d" % self.ids[event["id"]])
            return
        self.ids[event["id"]] = place
        ordinal = leaf.get("ordinal")
        if event["type"] in (STREAM_HEADS, TREE_HEAD):
            if ordinal is not None:
                self.wrong(place, "it carries an ordinal")
            if event["type"] == STREAM_HEADS:
                self.stream_heads.setdefault(service, []).append((int(event["sequence"]), place, event["data"]))
                self.counters.append((place, service, leaf["key_id"], event["data"]["events"]))
        else:
            own = self.ordinals.setdefault(service, {})
            if not isinstance(ordinal, int) or isinstance(ordinal, bool) or ordinal < 1:
                self.wrong(place, "it says no place among the events of %s" % service)
            elif ordinal in own:
                self.wrong(place, "number %d of %s stands twice" % (ordinal, service))
            else:
                own[ordinal] = place
                self.keys.uses.setdefault(service, {}).setdefault(leaf["key_id"], []).append(ordinal)
        if event["type"] == RETENTION_ENDED:
            self.may_be_pruned.update(event["data"]["leaves"])
        if event["type"] == KEY_ROTATED:
            self.rotated(place, leaf, service, event["data"])

    def rotated(self, place, leaf, service, said):
        fault = self.keys.rotate(said, self.tenant, service, leaf["key_id"], leaf.get("ordinal", 0), place)
        if fault is not None:
            self.wrong(place, "it rotates no key: " + fault)
            return
        waited, self.waiting = self.waiting, []
        for each in waited:
            self.judge(*each)

    def key_times(self):
        """When all leaves are read: keys that no rotation explained, and those used outside their time."""
        waited, self.waiting = self.waiting, []
        for each in waited:
            self.judge(*each, final=True)
        for place in self.pruned - self.may_be_pruned:
            self.wrong(place, "its bytes are gone, and no RetentionEnded says that they may be")
        for service, ordinal, kid in self.keys.misplaced():
            self.wrong(self.ordinals[service][ordinal], "signed by key %s of %s outside its time" % (kid, service))
        for place, service, kid, events in self.counters:
            ended = self.keys.end_of(service, kid)
            if ended is not None and events >= ended["ordinal"]:
                self.wrong(place, "counted with a key that leaf %d rotated out" % ended["place"])

    def head(self, note, label, source="own"):
        try:
            size, root = open_head(note, self.origin, self.keys)
        except (Wrong, AttributeError, TypeError) as error:
            self.wrong(None, "%s: %s" % (label, error))
            return
        if size > len(self.hashes):
            self.wrong(len(self.hashes), "%s is over %d leaves, and there are %d" % (label, size, len(self.hashes)))
        elif self.roots.at(size) != root:
            # Heads come by size, so what the last good one covers is as it was.
            good = min(self.good[source], size - 1)
            self.wrong(good, "%s: a leaf from %d to %d is not what was logged" % (label, good, size - 1))
        else:
            self.good[source] = max(self.good[source], size)
            for name, key in self.witnesses:
                if cosigned(note, name, key):
                    self.witnessed[name] = max(self.witnessed[name], size)

    def size_of(self, note):
        try:
            return open_head(note, self.origin, self.keys)[0]
        except Wrong:
            return 0

    def finish(self):
        self.key_times()
        newest = self.header.get("tree_head")
        if newest is None:
            if self.hashes:
                self.wrong(0, "no tree head over the leaves")
        else:
            self.head(newest, "the tree head of the header")
            try:
                if open_head(newest, self.origin, self.keys)[0] != len(self.hashes):
                    self.wrong(None, "the tree head of the header is of another size")
            except (Wrong, AttributeError, TypeError):
                pass
        for index, note in sorted(enumerate(self.known_heads), key=lambda each: self.size_of(each[1])):
            self.head(note, "known tree head %d" % (index + 1), "known")
        self.counts()
        self.closing()

    def counts(self):
        """Omission: each service signs how many events it published, and their root in its own order."""
        for service in set(self.stream_heads) | set(self.ordinals):
            own = self.ordinals.get(service, {})
            tree = Tree()
            for _, place, said in sorted(self.stream_heads.get(service, [])):
                if said.get("service") != service or said["events"] < tree.size:
                    self.wrong(place, "a count that cannot be")
                    continue
                missing = [number for number in range(tree.size + 1, said["events"] + 1) if number not in own]
                if missing:
                    self.wrong(place, "number %d of %s is not in the log" % (missing[0], service))
                    break
                for number in range(tree.size + 1, said["events"] + 1):
                    tree.add(self.hashes[own[number]])
                if "sha256:" + tree.root().hex() != said["root"]:
                    self.wrong(place, "%s published other events" % service)
                    break
            else:
                later = sorted(number for number in own if number > tree.size)
                if later != list(range(tree.size + 1, tree.size + 1 + len(later))):
                    self.wrong(own[later[-1]], "numbers of %s do not follow one another" % service)

    def closing(self):
        if self.end is None:
            self.wrong(len(self.hashes), "no end: it is cut short")
            return
        end = self.end
        if end["leaves"] != len(self.hashes) or end["tree_heads"] != len(self.heads):
            self.wrong(None, "the end counts otherwise")
        if end["digest"] != "sha256:" + self.digest.hexdigest():
            self.wrong(None, "the lines are not those it was closed with")
        try:
            payload = canonical({"digest": end["digest"], "leaves": end["leaves"], "tenant": self.tenant, "tree_heads": end["tree_heads"]})
            message = pae(b"application/vnd.exequatur.export-end+json", payload)
            signature = strict_b64(end["signature"], True)
            # Whoever closes an export does so after all it holds.
            if not any(ed25519_verify(key, message, signature) for kid, key in self.keys.named("audit") if self.keys.end_of("audit", kid) is None):
                self.wrong(None, "the end is not signed by the log")
        except Wrong as error:
            self.wrong(None, "the end: %s" % error)


def read_keys(path):
    with open(path, encoding="utf-8") as file:
        return Keys(json.load(file))


def read_heads(paths):
    heads = []
    for path in paths:
        with open(path, encoding="utf-8", newline="") as file:
            heads.append(file.read())
    return heads


def verdict(path, export, result):
    places = sorted({leaf for leaf, _ in export.findings if leaf is not None})
    return json.dumps({"export": path, "result": result, "leaves": len(export.hashes), "places": places, "findings": export.findings[:100]})


def main():
    parser = argparse.ArgumentParser(description="Verifies exports of a log a second time.")
    parser.add_argument("--trusted-keys", required=True)
    parser.add_argument("--tree-head", action="append", default=[])
    parser.add_argument("--witness", action="append", default=[])
    parser.add_argument("exports", nargs="+")
    options = parser.parse_args()
    keys, heads = read_keys(options.trusted_keys), read_heads(options.tree_head)
    witnesses = [read_witness(text) for text in options.witness]
    worst, lines = 0, {}
    for path in options.exports:
        export = Export(keys, heads, witnesses, lines)
        with open(path, "rb") as file:
            result = export.run(file)
        print(verdict(path, export, result), flush=True)
        worst = 1 if result == "invalid" else max(worst, {"valid": 0, "incomplete": 2}[result]) if worst != 1 else 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
