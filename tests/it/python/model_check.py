"""Check recorded AWS requests against AWS's own service models, as botocore ships them.

    python model_check.py CALLS.jsonl

Each line is one request as the harness's recorder writes it: service, method, path, query, headers, body (base64).
The operation is found, its members are parsed back out of the wire form, and then checked twice: by botocore's
ParamValidator, and by our own walk through the raw model, since botocore looks at neither patterns nor enums nor
maximum lengths. Members that the operation doesn't have are violations too.

Standard output: `service.Operation COUNT`, and `# ...` for what couldn't be checked. Standard error: one line a
violation. Exit code 1 if there is any.
"""

import base64
import binascii
import collections
import datetime
import json
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

import cbor2
import regex
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

# Signing names that aren't the model's own name.
SERVICES = {"monitoring": "cloudwatch"}
# Headers that S3's clients send beside the operation's members.
S3_COMMON = re.compile(
    r"x-amz-(date|content-sha256|user-agent|security-token|decoded-content-length|trailer|"
    r"sdk-checksum-algorithm|checksum-\w+)"
)
# apigatewayv2's model tells the limits of texts by the shape's name only.
NAMED_LENGTH = re.compile(r"(?:String|Uri)WithLengthBetween(\d+)And(\d+)(K?)")


class Service:
    """One service's model."""

    loader = Loader()

    def __init__(self, name):
        self.name = name
        self.raw = self.loader.load_service_model(name, "service-2")
        self.model = ServiceModel(self.raw, name)
        self.shapes = self.raw["shapes"]
        self.metadata = self.raw["metadata"]
        self.operations = self.raw["operations"]


class Request:
    """One recorded request, and the violations found in it."""

    def __init__(self, line):
        self.method = line["method"]
        self.path = line["path"]
        self.query = urllib.parse.parse_qsl(line["query"], keep_blank_values=True)
        self.headers = {name.lower(): value for name, value in line["headers"]}
        self.body = base64.b64decode(line["body"])
        self.service = None
        self.operation = None
        self.violations = []

    def wrong(self, path, what):
        self.violations.append(f"{path}: {what}" if path else what)

    @property
    def name(self):
        service = self.service.name if self.service else "?"
        return f"{service}.{self.operation or f'{self.method} {self.path}'}"


# --- which service, which operation ---------------------------------------------------------------------------------


def signing_name(request):
    found = re.search(r"Credential=[^/]+/\d{8}/[^/]*/([^/]+)/aws4_request", request.headers.get("authorization", ""))
    return found and found.group(1)


def load_service(request, cache={}):
    name = signing_name(request)
    if name is None:
        return request.wrong("", "the request isn't signed")
    name = SERVICES.get(name, name)
    if name == "apigateway" and request.path.startswith("/v2/"):
        name = "apigatewayv2"
    if name not in cache:
        try:
            cache[name] = Service(name)
        except UnknownServiceError:
            return request.wrong("", f"no service has the signing name {name}")
    return cache[name]


def protocol(request):
    """How the request is written; a service may have several."""
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "cbor"
    if "x-amz-target" in request.headers:
        return "json"
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    return request.service.metadata["protocol"]


def find_operation(request, kind):
    """The operation's name, and the labels of its path."""
    service = request.service
    if kind == "cbor":
        found = re.fullmatch(r"/service/([^/]+)/operation/([^/]+)", request.path)
        if found is None or found.group(1) != service.metadata.get("targetPrefix"):
            return None, {}
        return found.group(2), {}
    if kind == "json":
        prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
        version = service.metadata.get("jsonVersion", "1.0")
        if prefix != service.metadata.get("targetPrefix"):
            request.wrong("", f"X-Amz-Target's prefix is {prefix}")
        if request.headers.get("content-type") != f"application/x-amz-json-{version}":
            request.wrong("", f"content-type is {request.headers.get('content-type')}")
        return name, {}
    if kind == "query":
        return dict(urllib.parse.parse_qsl(request.body.decode())).get("Action"), {}
    return find_by_path(request)


def find_by_path(request):
    given = {key for key, _ in request.query}
    best, best_rank = (None, {}), None
    for name, operation in request.service.operations.items():
        http = operation["http"]
        uri, _, literal = http["requestUri"].partition("?")
        literals = urllib.parse.parse_qsl(literal, keep_blank_values=True)
        if http["method"] != request.method or not all(pair in request.query for pair in literals):
            continue
        labels = match_path(uri, request.path)
        if labels is None:
            continue
        # Operations on one path differ by what they require: UploadPart is PutObject with partNumber.
        shape = request.service.shapes[operation["input"]["shape"]] if "input" in operation else {}
        missing = 0
        for member in shape.get("required", ()):
            at = shape["members"][member]
            where, key = at.get("location"), at.get("locationName", member)
            missing += where == "querystring" and key not in given
            missing += where == "header" and key.lower() not in request.headers
        fixed = sum(1 for part in uri.split("/") if part and "{" not in part)
        # A deprecated operation shares its path with the one that took its place.
        rank = (-missing, not operation.get("deprecated", False), len(literals), fixed, -len(labels), len(shape.get("required", ())))
        if best_rank is None or rank > best_rank:
            best, best_rank = (name, labels), rank
    return best


def match_path(uri, path):
    pattern = ""
    names = []
    for part in uri.strip("/").split("/"):
        label = re.fullmatch(r"\{([^}+]+)(\+?)\}", part)
        if label:
            names.append(label.group(1))
            pattern += "/(.+)" if label.group(2) else "/([^/]*)"
        elif part:
            pattern += "/" + re.escape(part)
    found = re.fullmatch(pattern + "/?", path)
    return found and {name: urllib.parse.unquote(value) for name, value in zip(names, found.groups())}


# --- the wire forms, back to members --------------------------------------------------------------------------------


def scalar(request, shape, text, path):
    """A value that was written as text (a label, a header, a form's field, an XML element)."""
    kind = shape["type"]
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "blob":
            return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        request.wrong(path, f"{text!r} is no {kind}")
        return None
    if kind == "boolean":
        if text not in ("true", "false"):
            request.wrong(path, f"{text!r} is no boolean")
        return text == "true"
    return text


def from_values(request, name, value, path):
    """JSON or CBOR to members; what has the wrong type is left to the validators."""
    shape = request.service.shapes[name]
    kind = shape["type"]
    if value is None:
        request.wrong(path, "null; a member that isn't there is left out")
        return None
    if kind == "structure" and isinstance(value, dict) and not shape.get("document"):
        members = {ref.get("locationName", key): (key, ref) for key, ref in shape["members"].items()}
        return members_of(request, members, value, path)
    if kind == "list" and isinstance(value, list):
        inner = shape["member"]["shape"]
        return [from_values(request, inner, item, f"{path}[{i}]") for i, item in enumerate(value)]
    if kind == "map" and isinstance(value, dict):
        inner = shape["value"]["shape"]
        return {key: from_values(request, inner, item, f"{path}.{key}") for key, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        return scalar(request, shape, value, path)
    if kind == "timestamp" and isinstance(value, (int, float)):
        return datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
    return value


def members_of(request, members, values, path):
    parsed = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        if key not in members:
            request.wrong(where, "unknown member")
            continue
        name, ref = members[key]
        found = from_values(request, ref["shape"], value, where)
        if found is not None:
            parsed[name] = found
    return parsed


def from_form(request, name, prefix, fields):
    """The query protocol's fields under a prefix to a value; takes what it reads out of `fields`."""
    shape = request.service.shapes[name]
    kind = shape["type"]
    if kind == "structure":
        parsed = {}
        for member, ref in shape["members"].items():
            key = ref.get("locationName", member)
            key = f"{prefix}.{key}" if prefix else key
            if key in fields or any(field.startswith(key + ".") for field in fields):
                parsed[member] = from_form(request, ref["shape"], key, fields)
        return parsed
    if kind == "list":
        if fields.get(prefix) == "":
            del fields[prefix]
            return []
        step = prefix if shape.get("flattened") else f"{prefix}.{shape['member'].get('locationName', 'member')}"
        return [from_form(request, shape["member"]["shape"], f"{step}.{i}", fields) for i in indexes(step, fields)]
    if kind == "map":
        step = prefix if shape.get("flattened") else f"{prefix}.entry"
        key, value = (shape[part].get("locationName", part) for part in ("key", "value"))
        return {
            fields.pop(f"{step}.{i}.{key}", None): from_form(
                request, shape["value"]["shape"], f"{step}.{i}.{value}", fields
            )
            for i in indexes(step, fields)
        }
    if prefix not in fields:
        return None
    return scalar(request, shape, fields.pop(prefix), prefix)


def indexes(prefix, fields):
    found = (re.match(re.escape(prefix) + r"\.(\d+)", field) for field in fields)
    return sorted({int(match.group(1)) for match in found if match})


def from_xml(request, name, element, path):
    shape = request.service.shapes[name]
    kind = shape["type"]
    if kind == "list":
        return [from_xml(request, shape["member"]["shape"], item, f"{path}[{i}]") for i, item in enumerate(element)]
    if kind != "structure":
        return scalar(request, shape, element.text or "", path)
    parsed = {}
    members = {}
    for member, ref in shape["members"].items():
        inner = request.service.shapes[ref["shape"]]
        if ref.get("xmlAttribute"):
            # The one there is in AWS: xsi:type of a grantee.
            text = element.get("{http://www.w3.org/2001/XMLSchema-instance}type")
            if text is not None:
                parsed[member] = text
            continue
        flat = inner["type"] == "list" and (inner.get("flattened") or ref.get("flattened"))
        key = ref.get("locationName") or (flat and inner["member"].get("locationName")) or member
        members[key] = (member, ref["shape"], inner["member"]["shape"] if flat else None)
    for child in element:
        tag = child.tag.rpartition("}")[2]
        where = f"{path}.{tag}"
        if tag not in members:
            request.wrong(where, "unknown member")
            continue
        member, inner, item = members[tag]
        if item:
            parsed.setdefault(member, []).append(from_xml(request, item, child, where))
        else:
            parsed[member] = from_xml(request, inner, child, where)
    return parsed


def parse_rest(request, kind, shape, labels, literals):
    shapes = request.service.shapes
    by_query, parsed, in_body = {}, {}, {}
    used_headers = set()
    for member, ref in shape.get("members", {}).items():
        key, inner = ref.get("locationName", member), shapes[ref["shape"]]
        where = ref.get("location")
        if where == "uri":
            if not labels.get(key):
                request.wrong(member, "its place in the path is empty")
            parsed[member] = scalar(request, inner, labels.get(key, ""), member)
        elif where == "querystring":
            by_query[key] = (member, inner)
        elif where == "header":
            used_headers.add(key.lower())
            if key.lower() in request.headers:
                text = request.headers[key.lower()]
                if inner["type"] == "list":
                    parsed[member] = [part.strip() for part in text.split(",")]
                else:
                    parsed[member] = scalar(request, inner, text, member)
        elif where == "headers":
            found = {name: value for name, value in request.headers.items() if name.startswith(key.lower())}
            used_headers.update(found)
            if found:
                parsed[member] = {name[len(key):]: value for name, value in found.items()}
        else:
            in_body[key] = (member, ref)
    for key, text in request.query:
        # Clients of S3 and Lambda add x-id with the operation's name.
        if (key, text) in literals or (key == "x-id" and text == request.operation):
            continue
        if key not in by_query:
            request.wrong(key, "unknown member in the query")
            continue
        member, inner = by_query[key]
        if inner["type"] == "list":
            parsed.setdefault(member, []).append(scalar(request, shapes[inner["member"]["shape"]], text, member))
        else:
            parsed[member] = scalar(request, inner, text, member)
    if request.service.name == "s3":
        for header in request.headers.keys() - used_headers:
            if header.startswith("x-amz-") and not S3_COMMON.fullmatch(header):
                request.wrong(header, "unknown member in a header")
    parse_rest_body(request, kind, shape, in_body, parsed)
    return parsed


def parse_rest_body(request, kind, shape, in_body, parsed):
    payload = shape.get("payload")
    if payload:
        name = shape["members"][payload]["shape"]
        if request.service.shapes[name]["type"] in ("blob", "string"):
            is_text = request.service.shapes[name]["type"] == "string"
            if request.body:
                parsed[payload] = request.body.decode() if is_text else request.body
        elif request.body and kind == "rest-xml":
            root = ElementTree.fromstring(request.body)
            wanted = shape["members"][payload].get("locationName", name)
            if root.tag.rpartition("}")[2] != wanted:
                request.wrong(payload, f"the document's root is {root.tag}, not {wanted}")
            parsed[payload] = from_xml(request, name, root, payload)
        elif request.body:
            parsed[payload] = from_values(request, name, json.loads(request.body), payload)
    elif request.body.strip() in (b"", b"{}"):
        return
    elif kind == "rest-xml":
        request.wrong("", "a body that the operation doesn't have")
    else:
        parsed.update(members_of(request, in_body, json.loads(request.body), ""))


def parse(request, kind, labels):
    operation = request.service.operations[request.operation]
    name = operation.get("input", {}).get("shape")
    shape = request.service.shapes[name] if name else {"type": "structure", "members": {}}
    if kind.startswith("rest"):
        literal = operation["http"]["requestUri"].partition("?")[2]
        return parse_rest(request, kind, shape, labels, urllib.parse.parse_qsl(literal, keep_blank_values=True))
    if kind == "query":
        fields = dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True))
        fields.pop("Action")
        version = fields.pop("Version", None)
        if version != request.service.metadata["apiVersion"]:
            request.wrong("Version", f"{version} isn't {request.service.metadata['apiVersion']}")
        parsed = from_form(request, name, "", fields) if name else {}
        for field in fields:
            request.wrong(field, "unknown member")
        return parsed
    values = {}
    if request.body:
        values = cbor2.loads(request.body) if kind == "cbor" else json.loads(request.body)
    members = {ref.get("locationName", key): (key, ref) for key, ref in shape["members"].items()}
    return members_of(request, members, values, "")


# --- what botocore doesn't look at ----------------------------------------------------------------------------------


def check(request, name, value, path, notes):
    """Patterns, enums, lengths and ranges of a value and all that is in it."""
    shape = request.service.shapes[name]
    kind = shape["type"]
    if kind == "structure" and isinstance(value, dict):
        if shape.get("union") and len(value) != 1:
            request.wrong(path, f"a union with {len(value)} members")
        for member, inner in value.items():
            if member in shape["members"]:
                where = f"{path}.{member}" if path else member
                check(request, shape["members"][member]["shape"], inner, where, notes)
        return
    if kind == "list" and isinstance(value, list):
        check_size(request, shape, len(value), path, "items")
        for i, item in enumerate(value):
            check(request, shape["member"]["shape"], item, f"{path}[{i}]", notes)
    elif kind == "map" and isinstance(value, dict):
        check_size(request, shape, len(value), path, "entries")
        for key, item in value.items():
            check(request, shape["key"]["shape"], key, f"{path} (the key {key!r})", notes)
            check(request, shape["value"]["shape"], item, f"{path}.{key}", notes)
    elif kind == "string" and isinstance(value, str):
        check_text(request, name, shape, value, path, notes)
    elif kind == "blob" and isinstance(value, bytes):
        check_size(request, shape, len(value), path, "bytes")
    elif kind in ("integer", "long", "float", "double") and isinstance(value, (int, float)):
        check_size(request, shape, value, path, "")


def check_text(request, name, shape, value, path, notes):
    check_size(request, named_limits(name) or shape, len(value), path, "characters")
    if "enum" in shape and value not in shape["enum"]:
        request.wrong(path, f"{value!r} is none of {', '.join(shape['enum'][:8])}...")
    if "pattern" in shape:
        # AWS's patterns stand for the whole value. \w and \d are ASCII where they were written, in Java.
        flags = 0 if r"\p{" in shape["pattern"] else regex.ASCII
        try:
            fits = regex.fullmatch(shape["pattern"], value, flags)
        except regex.error as error:
            notes.add(f"# {request.name} {path}: pattern {shape['pattern']!r} isn't understood: {error}")
            return
        if not fits:
            request.wrong(path, f"{value!r} doesn't match the pattern {shape['pattern']}")


def named_limits(name):
    found = NAMED_LENGTH.search(name)
    return found and {"min": int(found.group(1)), "max": int(found.group(2)) * (1024 if found.group(3) else 1)}


def check_size(request, limits, size, path, unit):
    least, most = limits.get("min"), limits.get("max")
    if least is not None and size < least:
        request.wrong(path, f"{size} {unit} is below the minimum {least}".replace("  ", " "))
    if most is not None and size > most:
        request.wrong(path, f"{size} {unit} is above the maximum {most}".replace("  ", " "))


# --- all together ---------------------------------------------------------------------------------------------------


def check_request(request, notes):
    request.service = load_service(request)
    if request.service is None:
        return
    kind = protocol(request)
    request.operation, labels = find_operation(request, kind)
    if request.operation not in request.service.operations:
        what = request.operation or f"{request.method} {request.path}"
        request.operation = None
        return request.wrong("", f"no such operation: {what}")
    try:
        parsed = parse(request, kind, labels)
    except (ValueError, ElementTree.ParseError, cbor2.CBORDecodeError) as error:
        return request.wrong("", f"the body can't be read: {error}")
    operation = request.service.model.operation_model(request.operation)
    if operation.input_shape is None:
        return
    # PutObject's stream and the like are bytes here, which the validator takes.
    report = ParamValidator().validate(parsed, operation.input_shape)
    ours = []
    check_into, request.violations = request.violations, ours
    check(request, operation.input_shape.name, parsed, "", notes)
    request.violations = check_into
    # botocore knows minimum lengths too, and would say them a second time.
    for line in report.generate_report().splitlines():
        if not ("valid min" in line and ours):
            request.wrong("", line)
    request.violations.extend(ours)


def main():
    counts = collections.Counter()
    notes = set()
    failed = False
    with open(sys.argv[1], encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            request = Request(json.loads(line))
            check_request(request, notes)
            if request.operation:
                counts[request.name] += 1
            for violation in request.violations:
                failed = True
                print(f"{request.name}: {violation} (request {number})".replace("\n", " "), file=sys.stderr)
    for name, count in sorted(counts.items()):
        print(name, count)
    for note in sorted(notes):
        print(note)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
