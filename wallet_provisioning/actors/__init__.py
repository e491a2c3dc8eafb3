"""The actors that provision wallets. Imports point one way: scheduler, job, circle, writer."""
