"""All calls, in one list."""

from wallet_provisioning.http.sandbox.calls import control, entity, wallet_sets, wallets

ROUTES = (*entity.ROUTES, *wallet_sets.ROUTES, *wallets.ROUTES, *control.ROUTES)
