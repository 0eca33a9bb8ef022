"""Schemathesis asks whatever the OpenAPI document allows, and much that it doesn't."""

from __future__ import annotations

import schemathesis
from hypothesis import settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.serving.http.conftest import AUTHORIZED, application_over, store_of_the_sample

schema = schemathesis.openapi.from_asgi(
    "/openapi.json", application_over(store_of_the_sample(), per_minute=10**9)
)


# A cursor, a span that ends before it starts, or an account that there isn't: no schema says which texts are none.
MAY_BE_REFUSED = [positive_data_acceptance]


@schema.include(path_regex="^/(v1|metrics)").parametrize()
@settings(max_examples=8)
def test_public_routes_keep_their_word(case: Case) -> None:
    case.call_and_validate(excluded_checks=MAY_BE_REFUSED)


@schema.include(path_regex="^/similarusers").parametrize()
@settings(max_examples=20)
def test_investigators_routes_keep_their_word(case: Case) -> None:
    case.call_and_validate(headers=AUTHORIZED, excluded_checks=MAY_BE_REFUSED)
