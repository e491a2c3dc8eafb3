"""The lists of wallets and of the audit log."""

from aiohttp import web

from wallet_provisioning.http.api import views
from wallet_provisioning.http.api.door import DOOR
from wallet_provisioning.http.api.jsonio import json_response
from wallet_provisioning.http.api.queries import AuditQuery, WalletQuery, read_query
from wallet_provisioning.http.api.routing import Access, Answer, Route
from wallet_provisioning.http.api.shapes import AuditPageJson, WalletPageJson
from wallet_provisioning.store import reports
from wallet_provisioning.store.reports import AuditFilter, WalletFilter


async def list_wallets(request: web.Request) -> web.Response:
    """List wallets, newest first."""
    query = read_query(request, WalletQuery)
    which = WalletFilter(
        status=query.status,
        user_id=query.user_id,
        chain=query.chain,
        error_type=query.error_type,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    page = await request.app[DOOR].read(
        lambda connection: reports.list_wallets(connection, which, query.limit, query.cursor)
    )
    return json_response({"items": [views.wallet_json(one) for one in page.items], "next": page.next})


async def list_audit(request: web.Request) -> web.Response:
    """List the audit log, newest first."""
    query = read_query(request, AuditQuery)
    which = AuditFilter(
        status=query.status,
        user_id=query.user_id,
        action_prefix=query.action,
        chain=query.chain,
        error_type=query.error_type,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    page = await request.app[DOOR].read(
        lambda connection: reports.list_audit(connection, which, query.limit, query.cursor)
    )
    return json_response({"items": [views.audit_json(one) for one in page.items], "next": page.next})


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/admin/wallets",
        handler=list_wallets,
        access=Access.READ,
        name="listWallets",
        summary="Wallets, newest first.",
        query=WalletQuery,
        answer=Answer(shape=WalletPageJson),
    ),
    Route(
        method="GET",
        path="/api/v1/admin/audit",
        handler=list_audit,
        access=Access.READ,
        name="listAudit",
        summary="The audit log, newest first.",
        query=AuditQuery,
        answer=Answer(shape=AuditPageJson),
    ),
)
