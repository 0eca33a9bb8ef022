"""Similar users for analysts: every pair with the measures that the API tells (see `shared_logic.similarity`), ranked."""

from __future__ import annotations

from shared_logic.datasets.similar_users import DAYS, HOURS
from shared_logic.similarity import LEVELS, NO_OVERLAP, RANKED_TOGETHER, SAME
from shared_logic.views.view import View, views


def _level(cosine: str) -> str:
    """SQL for the level of a cosine."""
    steps = " ".join(f"WHEN {cosine} > {least} THEN '{level}'" for level, least in LEVELS)
    return f"CASE WHEN {cosine} > {SAME} THEN 'Same' {steps} ELSE '{NO_OVERLAP}' END"


_DAYS = f"[{', '.join(DAYS)}]"
_HOURS = f"[{', '.join(f'{HOURS[at - 1]} + {hour} + {HOURS[(at + 1) % len(HOURS)]}' for at, hour in enumerate(HOURS))}]"
"""Each hour with the one before and the one after."""

SIMILAR_USERS = views.add(
    View(
        name="similar_users",
        doc="Editors with their neighbours, bots left out: pages shared, overlaps of edits, days and hours, who follows whom.",
        reads=("coedits", "coedit_pages", "user_activity", "user_days", "user_current"),
        keys=("wiki", "editor"),
        sql=f"""
WITH editors AS (
    SELECT
        wiki, editor, coalesce(accounts.name, editor) AS name, coalesce(user_kind, 'anonymous') AS kind,
        edits, pages, first_day, last_day,
        {_DAYS}::DOUBLE[] AS days, {_HOURS}::DOUBLE[] AS hours
    FROM user_activity LEFT JOIN user_current AS accounts USING (wiki, editor)
    LEFT JOIN (SELECT wiki, editor, min(day) AS first_day, max(day) AS last_day FROM user_days GROUP BY ALL)
        USING (wiki, editor)
    WHERE CASE WHEN accounts.editor IS NULL THEN NOT starts_with(editor, '#') ELSE is_bot_by = [] END
), placed AS (
    SELECT *, (row_number() OVER (PARTITION BY wiki, editor, pages ORDER BY neighbour) - 1) // {RANKED_TOGETHER} AS place
    FROM coedits
), followed AS (
    SELECT
        wiki, editor, neighbour, sum(follows)::BIGINT AS follows, min(soonest) AS soonest_seconds,
        count(*) FILTER (came_first) AS pages_came_first
    FROM coedit_pages GROUP BY ALL
), pairs AS (
    SELECT
        wiki, editor, neighbour, one.name AS editor_name, other.name AS neighbour_name, shared.pages AS pages_shared,
        shared.place, one.kind AS editor_kind, other.kind AS neighbour_kind,
        one.first_day AS editor_first_day, one.last_day AS editor_last_day,
        other.first_day AS neighbour_first_day, other.last_day AS neighbour_last_day,
        least(1, shared.pages / one.pages) AS edit_overlap,
        least(1, shared.pages / other.pages) AS edit_overlap_inv,
        other.edits AS neighbour_edits, other.pages AS neighbour_pages,
        list_cosine_similarity(one.days, other.days) AS day_overlap,
        list_cosine_similarity(one.hours, other.hours) AS hour_overlap,
        follows, soonest_seconds, pages_came_first
    FROM placed AS shared
    JOIN editors AS one USING (wiki, editor)
    JOIN editors AS other ON other.wiki = shared.wiki AND other.editor = shared.neighbour
    LEFT JOIN followed USING (wiki, editor, neighbour)
)
SELECT
    wiki, editor, row_number() OVER places AS rank, neighbour, editor_name, neighbour_name, pages_shared,
    edit_overlap, edit_overlap_inv, neighbour_edits, neighbour_pages,
    day_overlap, {_level("day_overlap")} AS day_level,
    hour_overlap, {_level("hour_overlap")} AS hour_level,
    follows, soonest_seconds, pages_came_first,
    editor_kind, neighbour_kind, editor_first_day, editor_last_day, neighbour_first_day, neighbour_last_day
FROM pairs
WINDOW places AS (PARTITION BY wiki, editor ORDER BY pages_shared DESC, place, neighbour_pages, neighbour)
ORDER BY wiki, editor, rank
""",  # noqa: S608  fixed columns
    )
)
