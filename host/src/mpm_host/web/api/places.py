"""`/clusters`, `/mini-grids` and `/villages`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from mpm_host.access.roles import Permission
from mpm_host.database import tables as t
from mpm_host.refusals import RefusalCode
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.web.api.listing import find_row, list_page, view_of
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.values import Body, Id, Name, Page, PageQuery, View

__all__ = ["OPERATIONS"]


class NewCluster(Body, frozen=True, kw_only=True):
    """A group of mini-grids."""

    name: Name


class NewMiniGrid(Body, frozen=True, kw_only=True):
    """A mini-grid in a cluster."""

    name: Name
    cluster_id: Id


class NewVillage(Body, frozen=True, kw_only=True):
    """A village in a mini-grid; every device stands in one."""

    name: Name
    mini_grid_id: Id


class Cluster(View, frozen=True, kw_only=True):
    """A cluster."""

    id: str
    name: str
    created_at: datetime


class MiniGrid(View, frozen=True, kw_only=True):
    """A mini-grid."""

    id: str
    name: str
    cluster_id: str
    created_at: datetime


class Village(View, frozen=True, kw_only=True):
    """A village."""

    id: str
    name: str
    mini_grid_id: str
    created_at: datetime


class MiniGridQuery(PageQuery, frozen=True, kw_only=True):
    """Which mini-grids."""

    cluster_id: Id | None = None


class VillageQuery(PageQuery, frozen=True, kw_only=True):
    """Which villages."""

    mini_grid_id: Id | None = None


def _create_cluster(call: Call, connection: Connection) -> Cluster:
    name = call.body_as(NewCluster).name
    created = create_cluster(connection, call.company, name, call.now)
    call.audit(connection, "cluster.created", created, after={"name": name})
    row = find_row(call, connection, t.clusters, created, RefusalCode.UNKNOWN_CLUSTER)
    return view_of(Cluster, row)


def _create_mini_grid(call: Call, connection: Connection) -> MiniGrid:
    new = call.body_as(NewMiniGrid)
    created = create_mini_grid(connection, call.company, new.cluster_id, new.name, call.now)
    noted = {"name": new.name, "cluster_id": new.cluster_id}
    call.audit(connection, "mini_grid.created", created, after=noted)
    row = find_row(call, connection, t.mini_grids, created, RefusalCode.UNKNOWN_MINI_GRID)
    return view_of(MiniGrid, row)


def _create_village(call: Call, connection: Connection) -> Village:
    new = call.body_as(NewVillage)
    created = create_village(connection, call.company, new.mini_grid_id, new.name, call.now)
    noted = {"name": new.name, "mini_grid_id": new.mini_grid_id}
    call.audit(connection, "village.created", created, after=noted)
    row = find_row(call, connection, t.villages, created, RefusalCode.UNKNOWN_VILLAGE)
    return view_of(Village, row)


def _list_clusters(call: Call, connection: Connection) -> Page[Cluster]:
    return list_page(call, connection, t.clusters, Cluster)


def _list_mini_grids(call: Call, connection: Connection) -> Page[MiniGrid]:
    cluster_id = call.query_as(MiniGridQuery).cluster_id
    among = [] if cluster_id is None else [t.mini_grids.c.cluster_id == cluster_id]
    return list_page(call, connection, t.mini_grids, MiniGrid, *among)


def _list_villages(call: Call, connection: Connection) -> Page[Village]:
    mini_grid_id = call.query_as(VillageQuery).mini_grid_id
    among = [] if mini_grid_id is None else [t.villages.c.mini_grid_id == mini_grid_id]
    return list_page(call, connection, t.villages, Village, *among)


def _show_cluster(call: Call, connection: Connection) -> Cluster:
    code = RefusalCode.UNKNOWN_CLUSTER
    return view_of(Cluster, find_row(call, connection, t.clusters, call.path["id"], code))


def _show_mini_grid(call: Call, connection: Connection) -> MiniGrid:
    code = RefusalCode.UNKNOWN_MINI_GRID
    return view_of(MiniGrid, find_row(call, connection, t.mini_grids, call.path["id"], code))


def _show_village(call: Call, connection: Connection) -> Village:
    code = RefusalCode.UNKNOWN_VILLAGE
    return view_of(Village, find_row(call, connection, t.villages, call.path["id"], code))


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/clusters",
        name="create_cluster",
        tag="places",
        summary="Create a cluster.",
        permission=Permission.PLACES_WRITE,
        body=NewCluster,
        answer=Cluster,
        status=201,
        change=_create_cluster,
    ),
    Operation(
        method=Method.GET,
        path="/clusters",
        name="list_clusters",
        tag="places",
        summary="List the clusters.",
        permission=Permission.PLACES_READ,
        query=PageQuery,
        answer=Page[Cluster],
        read=_list_clusters,
    ),
    Operation(
        method=Method.GET,
        path="/clusters/{id}",
        name="show_cluster",
        tag="places",
        summary="Show a cluster.",
        permission=Permission.PLACES_READ,
        answer=Cluster,
        read=_show_cluster,
    ),
    Operation(
        method=Method.POST,
        path="/mini-grids",
        name="create_mini_grid",
        tag="places",
        summary="Create a mini-grid in a cluster.",
        permission=Permission.PLACES_WRITE,
        body=NewMiniGrid,
        answer=MiniGrid,
        status=201,
        change=_create_mini_grid,
    ),
    Operation(
        method=Method.GET,
        path="/mini-grids",
        name="list_mini_grids",
        tag="places",
        summary="List the mini-grids.",
        permission=Permission.PLACES_READ,
        query=MiniGridQuery,
        answer=Page[MiniGrid],
        read=_list_mini_grids,
    ),
    Operation(
        method=Method.GET,
        path="/mini-grids/{id}",
        name="show_mini_grid",
        tag="places",
        summary="Show a mini-grid.",
        permission=Permission.PLACES_READ,
        answer=MiniGrid,
        read=_show_mini_grid,
    ),
    Operation(
        method=Method.POST,
        path="/villages",
        name="create_village",
        tag="places",
        summary="Create a village in a mini-grid.",
        permission=Permission.PLACES_WRITE,
        body=NewVillage,
        answer=Village,
        status=201,
        change=_create_village,
    ),
    Operation(
        method=Method.GET,
        path="/villages",
        name="list_villages",
        tag="places",
        summary="List the villages.",
        permission=Permission.PLACES_READ,
        query=VillageQuery,
        answer=Page[Village],
        read=_list_villages,
    ),
    Operation(
        method=Method.GET,
        path="/villages/{id}",
        name="show_village",
        tag="places",
        summary="Show a village.",
        permission=Permission.PLACES_READ,
        answer=Village,
        read=_show_village,
    ),
)
