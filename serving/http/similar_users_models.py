"""What the investigators' routes answer, for the OpenAPI document."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field


class OverlapModel(BaseModel):
    """How alike two editors' days or hours are."""

    cosine: float = Field(alias="cos-sim")
    level: str


class MetModel(BaseModel):
    """How two editors met on one page; `followed` is of the neighbour after the editor."""

    title: str | None
    page_id: int
    came_first: str
    follows: int
    soonest_seconds: int | None
    followed: int
    soonest_followed_seconds: int | None


class SimilarityModel(BaseModel):
    """An editor beside another one."""

    user_text: str
    user_kind: str
    num_edits_in_data: int
    edit_overlap: float = Field(alias="edit-overlap")
    edit_overlap_inv: float = Field(alias="edit-overlap-inv")
    pages_shared: int
    day_overlap: OverlapModel = Field(alias="day-overlap")
    hour_overlap: OverlapModel = Field(alias="hour-overlap")


class NeighbourModel(SimilarityModel):
    """A neighbour; with evidence, if it is asked for."""

    follow_up: list[MetModel] | None = Field(None, alias="follow-up")


class EditorModel(BaseModel):
    """An editor."""

    user_text: str
    user_kind: str
    """account, temporary or anonymous."""
    num_edits_in_data: int
    first_edit_in_data: datetime | None
    last_edit_in_data: datetime | None


class NeighboursModel(EditorModel):
    """An editor with neighbours, the most similar first."""

    results: list[NeighbourModel]


class AccountModel(EditorModel):
    """An editor of a case."""

    num_pages_in_data: int
    days: list[int]
    hours: list[int]
    timeline_from: date | None
    """From when on the timeline has all edits; null: from the first on."""


class PairModel(SimilarityModel):
    """Two editors of a case, and the pages on which they met most."""

    between: tuple[str, str]
    pages: list[MetModel]


class EditModel(BaseModel):
    """An edit of the timeline."""

    at: datetime
    user_text: str
    rev_id: int
    page_id: int
    title: str | None


class CaseModel(BaseModel):
    """Several accounts at once."""

    wiki: str
    accounts: list[AccountModel]
    pairs: list[PairModel]
    timeline: list[EditModel]
