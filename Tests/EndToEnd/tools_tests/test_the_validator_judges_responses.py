"""The conformance checks must fail on what breaks a schema, and must not pass over anything in silence."""

import json

import pytest

from harness.conformance import Conformance, Fault

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "a small document", "version": "1"},
    "paths": {
        "/users/@me": {"get": {"operationId": "get_my_user", "responses": {
            "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}},
            "4XX": {"$ref": "#/components/responses/ClientErrorResponse"},
        }}},
        "/users/{user_id}": {"get": {"operationId": "get_user", "responses": {
            "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}},
        }}},
        "/guilds/{guild_id}": {"delete": {"operationId": "gone", "responses": {"204": {"description": "nothing"}}}},
    },
    "components": {
        "schemas": {
            "Id": {"type": "string", "format": "snowflake"},
            "Error": {"type": "object", "required": ["code", "message"]},
            "User": {"type": "object", "required": ["id", "at"], "properties": {
                "id": {"$ref": "#/components/schemas/Id"}, "at": {"type": "string", "format": "date-time"}}},
        },
        "responses": {"ClientErrorResponse": {"content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Error"}}}}},
    },
}
GOOD = {"id": "81384788765712384", "at": "2026-11-24T07:06:32.123000+00:00"}


@pytest.fixture
def conformance():
    return Conformance(DOCUMENT)


def check(conformance, body, path="/api/v10/users/@me", status=200, content_type="application/json", method="GET"):
    conformance.check(method, path, status, content_type, body if body is None else json.dumps(body).encode())


def test_a_right_response_counts_by_the_document(conformance):
    check(conformance, GOOD)
    assert sum(conformance.by_document.values()) == 1 and not conformance.faults


@pytest.mark.parametrize("body", [
    {"id": "x1", "at": GOOD["at"]}, {"id": 81384788765712384, "at": GOOD["at"]}, {"id": GOOD["id"]},
    {"id": GOOD["id"], "at": "2026-11-24T07:06:32Z"}, [], None,
])
def test_a_wrong_body_is_a_fault(conformance, body):
    with pytest.raises(Fault):
        check(conformance, body)
    assert len(conformance.faults) == 1


def test_a_charset_in_the_content_type_is_a_fault(conformance):
    with pytest.raises(Fault, match="Content-Type"):
        check(conformance, GOOD, content_type="application/json; charset=utf-8")


def test_a_status_that_the_operation_lacks_is_a_fault(conformance):
    with pytest.raises(Fault, match="no such status"):
        check(conformance, GOOD, status=206)


def test_a_body_beside_204_is_a_fault(conformance):
    check(conformance, None, "/api/v10/guilds/5", 204, None, "DELETE")
    with pytest.raises(Fault, match="there is to be none"):
        check(conformance, {}, "/api/v10/guilds/5", 204, None, "DELETE")


def test_errors_are_validated_through_the_reference(conformance):
    check(conformance, {"code": 0, "message": "401: Unauthorized"}, status=401)
    with pytest.raises(Fault):
        check(conformance, {"message": "no code"}, status=401)


def test_a_literal_path_goes_before_a_template(conformance):
    assert conformance.operation("GET", "/api/v10/users/@me").operation_id == "get_my_user"
    assert conformance.operation("GET", "/api/v9/users/5?x=1").operation_id == "get_user"


def test_an_operation_that_nobody_describes_is_a_fault(conformance):
    with pytest.raises(Fault, match="neither the document"):
        check(conformance, GOOD, "/api/v10/lobbies")


def test_an_operation_of_ours_counts_by_our_schema(conformance):
    check(conformance, {"token": "a.b.c", "user_id": "5"}, "/api/v10/auth/register", 201, method="POST")
    assert sum(conformance.by_own.values()) == 1
    with pytest.raises(Fault):
        check(conformance, {"token": "a.b", "user_id": "5"}, "/api/v10/auth/register", 201, method="POST")


def test_without_a_document_the_report_is_loud_and_counts():
    conformance = Conformance(None)
    check(conformance, GOOD)
    check(conformance, {"token": "a.b.c", "user_id": "5"}, "/api/v10/auth/register", 201, method="POST")
    report = "\n".join(conformance.report())
    assert "1 unvalidated" in report and "1 responses went UNCHECKED" in report and "DISCORD_OPENAPI" in report


def test_the_real_document_resolves_when_it_is_there():
    conformance = Conformance.of_this_machine()
    if not conformance.has_document:
        pytest.skip("no OpenAPI document on this machine")
    conformance.check("GET", "/api/v10/gateway", 200, "application/json", b'{"url": "ws://127.0.0.1:1"}')
    with pytest.raises(Fault, match="required property"):
        conformance.check("GET", "/api/v10/channels/5/messages", 200, "application/json", b'[{"id": "5"}]')
    with pytest.raises(Fault):
        conformance.check("GET", "/api/v10/channels/5", 404, "application/json", b'{"message": 5}')
