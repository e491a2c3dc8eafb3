"""All calls of the API, one module per concern."""

from wallet_provisioning.http.api import (
    actors,
    controls,
    dashboard,
    inspecting,
    jobs,
    onboarding,
    openapi,
    probes,
    reports,
    workers,
)

ALL_ROUTES = (
    *onboarding.ROUTES,
    *jobs.ROUTES,
    *reports.ROUTES,
    *workers.ROUTES,
    *actors.ROUTES,
    *inspecting.ROUTES,
    *controls.ROUTES,
    *probes.ROUTES,
    *openapi.ROUTES,
    *dashboard.ROUTES,
)
