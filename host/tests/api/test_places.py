"""Places through the API."""

from __future__ import annotations


def test_places_are_created_below_each_other(umeme):
    cluster = umeme.ok("POST", "/clusters", {"name": "Kagera"})
    grid = umeme.ok("POST", "/mini-grids", {"name": "Muleba", "cluster_id": cluster["id"]})
    village = umeme.ok("POST", "/villages", {"name": "Kimwani", "mini_grid_id": grid["id"]})

    assert village == {
        "id": village["id"],
        "name": "Kimwani",
        "mini_grid_id": grid["id"],
        "created_at": "2026-03-02T09:00:00Z",
    }
    assert umeme.ok("GET", f"/villages/{village['id']}") == village
    assert umeme.ok("GET", "/villages", mini_grid_id=grid["id"]) == {
        "items": [village],
        "next": None,
    }
