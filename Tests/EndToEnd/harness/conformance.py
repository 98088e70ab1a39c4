"""Validates REST responses against Discord's OpenAPI document, or, for operations that it lacks, a schema of ours.

The document is read from $DISCORD_OPENAPI, else from ../shared/discord/openapi.json beside the repository. Where there
is none, responses are counted as unchecked, and the report says so and how to get it.
"""

import copy
import json
import os
import re
from collections import Counter
from datetime import datetime
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

REPOSITORY = Path(__file__).resolve().parents[3]
OWN_SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
HOW_TO_GET = (
    "get openapi.json (folder specs of github.com/discord/discord-api-spec) and set DISCORD_OPENAPI to its path"
)
API_PREFIX = re.compile(r"^/api/v(9|10)(?=/|$)")
DOCUMENT_URI = "urn:discord-openapi"

formats = FormatChecker(formats=())


@formats.checks("snowflake")
def _is_snowflake(value):
    return not isinstance(value, str) or re.fullmatch(r"0|[1-9][0-9]{0,19}", value) is not None


@formats.checks("date-time", raises=ValueError)
def _is_date_time(value):
    if isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00", value):
            return False
        datetime.fromisoformat(value)
    return True


def document_path():
    """Where the document is, or None on a machine that has none."""
    named = os.environ.get("DISCORD_OPENAPI")
    if named:
        return Path(named)
    usual = REPOSITORY.parent / "shared" / "discord" / "openapi.json"
    return usual if usual.exists() else None


class Operation:
    """A method on a path template, and the schema of each status."""

    def __init__(self, operation_id, method, template, source):
        self.operation_id = operation_id
        self.method = method
        self.template = template
        self.source = source
        self.segments = template.strip("/").split("/")
        self.validators = {}

    def match(self, method, segments):
        """How many segments match literally, or None."""
        if method != self.method or len(segments) != len(self.segments):
            return None
        literal = 0
        for have, want in zip(segments, self.segments):
            if want.startswith("{"):
                continue
            if have != want:
                return None
            literal += 1
        return literal

    def validator(self, status):
        for key in (str(status), f"{status // 100}XX"):
            if key in self.validators:
                return self.validators[key]
        raise KeyError(status)


class Fault(AssertionError):
    """A response that breaks its schema."""


class Conformance:
    """Counts and judges the responses of one test run."""

    def __init__(self, document=None, own_schemas=OWN_SCHEMAS):
        self.by_document = Counter()
        self.by_own = Counter()
        self.unchecked = Counter()
        self.excused = Counter()
        self.faults = []
        self.amendments = []
        self.has_document = document is not None
        self.exceptions = json.loads((own_schemas / "exceptions.json").read_text())
        for exception in self.exceptions:
            if not exception.get("reason"):
                raise ValueError(f"an exception without a reason: {exception}")
        self.operations = []
        self._read_own(own_schemas)
        if document is not None:
            self._read_document(self._amended(document))

    @classmethod
    def of_this_machine(cls):
        path = document_path()
        return cls(json.loads(path.read_text()) if path else None)

    def _amended(self, document):
        """The document with the exceptions that replace a part of it; these hide nothing else, so they are preferred."""
        document = copy.deepcopy(document)
        for exception in self.exceptions:
            if "replace" not in exception:
                continue
            *parents, last = exception["replace"].strip("/").split("/")
            node = document
            for part in parents:
                node = node.get(part, {})
            if last in node:
                node[last] = exception["with"]
                self.amendments.append(exception["reason"])
        return document

    def _read_own(self, folder):
        common = json.loads((folder / "common.json").read_text())
        registry = Registry().with_resource("urn:guildhall", Resource.from_contents(common, DRAFT202012))
        self.errors = {
            key: Draft202012Validator({"$ref": f"urn:guildhall#/$defs/{key}"}, registry=registry, format_checker=formats)
            for key in ("Error", "ServerError")
        }
        for entry in json.loads((folder / "operations.json").read_text()):
            operation = Operation(entry["operation"], entry["method"], entry["path"], "own")
            for status, schema in entry["responses"].items():
                operation.validators[status] = (
                    None if schema is None
                    else Draft202012Validator(schema, registry=registry, format_checker=formats)
                )
            operation.validators["4XX"] = self.errors["Error"]
            operation.validators["5XX"] = self.errors["ServerError"]
            self.operations.append(operation)

    def _read_document(self, document):
        registry = Registry().with_resource(
            DOCUMENT_URI, Resource.from_contents({"$id": DOCUMENT_URI, **document}, DRAFT202012)
        )

        def resolve(node, pointer):
            while "$ref" in node:
                pointer = node["$ref"].removeprefix("#")
                node = document
                for part in pointer.strip("/").split("/"):
                    node = node[part.replace("~1", "/").replace("~0", "~")]
            return node, pointer

        for template, methods in document["paths"].items():
            for method, entry in methods.items():
                if method not in ("get", "put", "post", "patch", "delete"):
                    continue
                operation = Operation(entry["operationId"], method.upper(), template, "document")
                escaped = template.replace("~", "~0").replace("/", "~1")
                for status, response in entry["responses"].items():
                    pointer = f"/paths/{escaped}/{method}/responses/{status}"
                    response, pointer = resolve(response, pointer)
                    content = response.get("content", {})
                    if "application/json" in content:
                        reference = f"{DOCUMENT_URI}#{pointer}/content/application~1json/schema".replace("{", "%7B")
                        operation.validators[status] = Draft202012Validator(
                            {"$ref": reference.replace("}", "%7D")}, registry=registry, format_checker=formats
                        )
                    else:
                        operation.validators[status] = None
                operation.validators["5XX"] = self.errors["ServerError"]
                self.operations.append(operation)

    def operation(self, method, path):
        """The operation that a request's path names; None for a path that no operation has."""
        stripped = API_PREFIX.sub("", path.split("?", 1)[0])
        segments = stripped.strip("/").split("/")
        best, best_score = None, -1
        for operation in self.operations:
            score = operation.match(method, segments)
            # The document goes before a schema of ours.
            if score is not None and score * 2 + (operation.source == "document") > best_score:
                best, best_score = operation, score * 2 + (operation.source == "document")
        return best

    def check(self, method, path, status, content_type, body):
        """Judges one response; a fault is kept for the report and raised."""
        operation = self.operation(method, path)
        if operation is None:
            if status in (404, 405, 400, 401, 408, 413, 414, 431):
                # No operation, so no document either: the error body is all there is to check.
                self._judge("unknown route", "own", self.errors["Error"], method, path, status, content_type, body)
            elif not self.has_document:
                self.unchecked[f"{method} {API_PREFIX.sub('', path)}"] += 1
            else:
                self._fault(method, path, status, "neither the document nor a schema of ours has this operation", body)
            return
        try:
            validator = operation.validator(status)
        except KeyError:
            if not self._is_excused(operation, status, "status"):
                self._fault(method, path, status, f"{operation.operation_id} has no such status", body)
            self.by_document[operation.operation_id] += operation.source == "document"
            return
        source = "own" if status >= 500 else operation.source
        self._judge(operation.operation_id, source, validator, method, path, status, content_type, body, operation)

    def _judge(self, name, source, validator, method, path, status, content_type, body, operation=None):
        (self.by_document if source == "document" else self.by_own)[name] += 1
        if validator is None:
            if body:
                self._fault(method, path, status, "a body where there is to be none", body)
            return
        # Most libraries compare the whole header (clients.md).
        if content_type != "application/json":
            self._fault(method, path, status, f"Content-Type is {content_type!r}", body)
        try:
            value = json.loads(body or b"")
        except ValueError as error:
            self._fault(method, path, status, f"the body is no JSON: {error}", body)
        for error in validator.iter_errors(value):
            deepest = deepest_cause(error)
            where = "/".join(str(part) for part in deepest.absolute_path) or "(the whole)"
            if operation is not None and self._is_excused(operation, status, where):
                continue
            self._fault(method, path, status, f"{name}: {where}: {deepest.message[:400]}", body)

    def _is_excused(self, operation, status, where):
        for exception in self.exceptions:
            if (
                "where" in exception
                and exception["operation"] in (operation.operation_id, "*")
                and str(exception["status"]) in (str(status), "*")
                and re.fullmatch(exception["where"], where)
            ):
                self.excused[exception["reason"]] += 1
                return True
        return False

    def _fault(self, method, path, status, reason, body):
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        fault = f"{method} {path} {status}: {reason}\n    {text[:1500]}"
        self.faults.append(fault)
        raise Fault(fault)

    def report(self):
        """The lines that a run ends with."""
        lines = [
            f"REST responses validated: {sum(self.by_document.values())} against the OpenAPI document "
            f"({len(self.by_document)} operations), {sum(self.by_own.values())} against schemas of ours "
            f"({len(self.by_own)}), {sum(self.unchecked.values())} unvalidated; {len(self.faults)} broke their schema"
        ]
        lines += [f"  the document amended: {reason}" for reason in self.amendments]
        for reason, count in sorted(self.excused.items()):
            lines.append(f"  excused {count} times: {reason}")
        if not self.has_document:
            lines.append("!" * 100)
            lines.append(
                f"!! NO OpenAPI DOCUMENT: {sum(self.unchecked.values())} responses went UNCHECKED. To check them, "
                f"{HOW_TO_GET}"
            )
            lines.append("!" * 100)
        for fault in self.faults:
            lines.append(f"  fault: {fault}")
        return lines


def deepest_cause(error):
    """In a oneOf or anyOf, the fault of the alternative that came furthest: the one that was most likely meant."""
    while error.context:
        error = max(error.context, key=lambda cause: (len(cause.absolute_path), -len(cause.context)))
    return error
