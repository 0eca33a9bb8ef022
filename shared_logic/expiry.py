"""Which versions of rows no generation that is kept reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def check_kept(dataset: str, known: Collection[int], published: int | None, kept: Collection[int]) -> None:
    """Refuse to give up what readers read, or to keep what there is not.

    Raises:
        ValueError: a kept generation doesn't exist, or the published one isn't among them.
    """
    if not kept or not set(kept) <= set(known) or (published is not None and published not in kept):
        message = (
            f"{dataset}: can't keep only the generations {sorted(kept)}; name one or more of {sorted(known)}, "
            f"with the published one ({published})"
        )
        raise ValueError(message)


def unread(versions: Iterable[tuple[int, bool]], kept: Collection[int]) -> list[int]:
    """Of one key's versions (generation, whether it is a tombstone), those that can go.

    They are older than what the newest kept generation reads and read by no other kept one, or tombstones that hide nothing.

    >>> unread([(1, False), (2, False), (5, True)], {2, 5}), unread([(1, False), (3, True)], {4})
    ([1], [1, 3])
    """
    found = sorted(versions)
    read = {max((version for version, _ in found if version <= number), default=0) for number in kept}
    gone = [version for version, _ in found if version <= max(kept) and version not in read]
    for version, is_tombstone in found:
        if version in gone:
            continue
        if not is_tombstone:
            break
        gone.append(version)
    return sorted(gone)
