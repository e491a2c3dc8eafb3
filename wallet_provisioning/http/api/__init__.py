"""The inbound HTTP server: onboarding, operation, probes and the dashboard. the contract's section 7."""
