"""The schema's history, run by `store.schema`. A migration that was released never changes again."""
