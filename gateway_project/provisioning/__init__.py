"""Gateway as code: a YAML file that says which accounts, connectors and routes there are."""
