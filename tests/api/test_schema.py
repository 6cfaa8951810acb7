"""The OpenAPI document: current, complete, true to the running application."""

from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command

from api.problems import STATUS
from common.errors import Code
from tests.api.lanes import ByDjango
from tests.api.sending import customer
from tests.api.test_staff_permissions import staff_key

pytestmark = [pytest.mark.django_db(transaction=True)]
DOCUMENT = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


def test_the_committed_document_is_current(tmp_path):
    fresh = tmp_path / "openapi.yaml"
    call_command("spectacular", file=str(fresh), validate=True, fail_on_warn=True)
    assert fresh.read_text() == DOCUMENT.read_text(), "run: manage.py spectacular --file docs/openapi.yaml"


def operations():
    document = yaml.safe_load(DOCUMENT.read_text())
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.parametrize(("name", "operation"), operations(), ids=[name for name, _ in operations()])
def test_every_operation_has_an_example_a_summary_and_its_refusals(name, operation):
    examples = [
        example
        for answer in operation["responses"].values()
        for media in answer.get("content", {}).values()
        for example in media.get("examples", {})
    ]
    assert examples and operation["summary"]
    assert {"401", "403", "503"} <= set(operation["responses"])


def test_schema_and_page_come_from_this_host_alone():
    lane = ByDjango()
    assert lane.ask("GET", "/api/schema/").status == 200
    page = lane.ask("GET", "/api/docs/")
    assert page.status == 200 and b"swagger-ui" in page.body
    assert b"cdn" not in page.body and b"https://" not in page.body


def test_every_code_has_a_status():
    assert set(STATUS) == set(Code)
    assert all(400 <= status < 600 for status in STATUS.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_generated_requests_find_no_server_error_and_no_undocumented_answer():
    import schemathesis
    from hypothesis import HealthCheck, Phase
    from hypothesis import settings as hypothesis_settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import status_code_conformance

    from gateway_project.wsgi import application

    who, plain = customer("1000"), staff_key()
    schema = schemathesis.openapi.from_wsgi("/api/schema/", application)
    quick = hypothesis_settings(
        max_examples=25, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()

        def ask(case):
            credential = {"X-Staff-Key": plain} if "Operators" in case.operation.tags else {"X-API-Key": who.key}
            case.headers = {**(case.headers or {}), **credential}
            answer = case.call()
            case.validate_response(answer, checks=[not_a_server_error, status_code_conformance])
            tried.append(answer.status_code)

        quick(operation.as_strategy_test(ask) if hasattr(operation, "as_strategy_test") else _given(operation, ask))()
    assert len(tried) > 50


def _given(operation, ask):
    from hypothesis import given

    @given(case=operation.as_strategy())
    def run(case):
        ask(case)

    return run
